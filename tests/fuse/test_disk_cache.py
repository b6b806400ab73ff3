"""Kernels are kept on disk; where that cannot be, a step is slower and still right."""

import hashlib
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.fuse.border import Border
from thalweg import rules
from thalweg.chain import chain

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
STEP = """
import numpy as np
from tests.fuse.border import Border
from thalweg.optimizers import OPTIMIZERS
border = Border(OPTIMIZERS["SGD"], ({"lr": 0.5}, [np.ones(3)]))
border.step([np.ones(3)])
print(border.params[0].tolist())
"""
ADAM = STEP.replace('"SGD"', '"Adam"')
COMPILED = STEP + "import sys; assert 'llvmlite' in sys.modules"
LOADED = STEP + "import sys; assert 'llvmlite' not in sys.modules"
SETTLED = ("THALWEG_CACHE_DIR", "XDG_CACHE_HOME")
is_root = hasattr(os, "getuid") and os.getuid() == 0


def start(place, code=STEP, **environment):
    """Take one step in a fresh process, whose home and temporary folder are below `place`."""
    (place / "tmp").mkdir(exist_ok=True)
    inherited = {name: value for name, value in os.environ.items() if name not in SETTLED}
    settings = {"HOME": str(place / "home"), "TMPDIR": str(place / "tmp"), **environment}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**inherited, **settings},
    )


def is_right(*processes, out="[0.5, 0.5, 0.5]\n"):
    """Every step went as it should, and had nothing to say about it."""
    for process in processes:
        said, err = process.communicate()
        assert (process.returncode, said, err) == (0, out, "")


def kept(folder):
    """The files of a cache, with the time of their last change."""
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def is_cache(folder):
    """Whether there are kernels, and nothing that was only on its way to be one."""
    return {Path(name).suffix for name in kept(folder)} == {".kernel"}


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A cache with one kernel in it."""
    place = tmp_path_factory.mktemp("filled")
    is_right(start(place, COMPILED, THALWEG_CACHE_DIR=str(place / "mine")))
    return place / "mine"


def test_the_folder_asked_for_is_used_and_read_again(filled, tmp_path):
    assert is_cache(filled)
    first = kept(filled)
    is_right(start(tmp_path, LOADED, THALWEG_CACHE_DIR=str(filled)))
    assert kept(filled) == first


def test_without_being_asked_it_is_the_user_s_cache(tmp_path):
    (tmp_path / "home").mkdir()
    is_right(start(tmp_path))
    assert is_cache(tmp_path / "home" / ".cache" / "thalweg")


def test_a_home_that_is_not_there_is_made_up_for(tmp_path):
    is_right(start(tmp_path, HOME=f"{os.devnull}/home"))
    (instead,) = (tmp_path / "tmp").glob("thalweg-*")
    assert is_cache(instead)
    assert instead.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(is_root, reason="root may write everywhere")
def test_a_home_that_is_read_only_is_made_up_for(tmp_path):
    (tmp_path / "home").mkdir(mode=0o500)
    is_right(start(tmp_path))
    (instead,) = (tmp_path / "tmp").glob("thalweg-*")
    assert is_cache(instead)


@pytest.mark.skipif(not is_root, reason="only root may give files away")
def test_a_folder_of_somebody_else_is_not_trusted(tmp_path):
    cache = tmp_path / "theirs"
    cache.mkdir()
    os.chown(cache, 12345, 12345)
    is_right(start(tmp_path, THALWEG_CACHE_DIR=str(cache)))
    assert list(cache.iterdir()) == []


def test_a_file_in_the_way_of_the_folder_is_left_alone(tmp_path):
    (tmp_path / "mine").write_text("not a folder")
    (tmp_path / "xdg").mkdir()
    (tmp_path / "xdg" / "thalweg").write_text("not a folder either")
    in_the_way = {"THALWEG_CACHE_DIR": tmp_path / "mine", "XDG_CACHE_HOME": tmp_path / "xdg"}
    is_right(start(tmp_path, **{name: str(path) for name, path in in_the_way.items()}))
    assert (tmp_path / "mine").read_text() == "not a folder"
    (instead,) = (tmp_path / "tmp").glob("thalweg-*")
    assert is_cache(instead)


def test_damaged_files_cost_time_and_are_made_anew(filled, tmp_path):
    (kernel,) = filled.iterdir()
    whole = kernel.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    copies = []
    for number, content in enumerate([whole[:middle], flipped]):
        copies.append((tmp_path / f"copy{number}" / kernel.name, content))
        copies[-1][0].parent.mkdir()
        copies[-1][0].write_bytes(content)
    places = [{"THALWEG_CACHE_DIR": str(path.parent)} for path, _ in copies]
    is_right(*(start(tmp_path, COMPILED, **place) for place in places))
    is_right(*(start(tmp_path, LOADED, **place) for place in places))


def hostile(path):
    """A file as earlier versions read it: a pickle with its checksum, which runs a command."""

    class Command:
        def __reduce__(self):
            return os.mkdir, (str(path.parent / "ran"),)

    packed = pickle.dumps(Command())
    path.write_bytes(hashlib.sha256(packed).digest() + packed)


@pytest.mark.slow
def test_a_file_that_somebody_else_left_is_never_run(filled, tmp_path):
    (kernel,) = filled.iterdir()
    cache = tmp_path / "shared"
    cache.mkdir()
    cache.chmod(0o777)
    hostile(cache / kernel.name)
    if is_root:
        os.chown(cache / kernel.name, 65534, 65534)
    before = kept(cache)
    is_right(start(tmp_path, COMPILED, THALWEG_CACHE_DIR=str(cache)))
    assert kept(cache) == before
    assert is_cache(tmp_path / "home" / ".cache" / "thalweg")


@pytest.mark.slow
def test_a_file_in_the_format_of_earlier_versions_is_not_run_either(filled, tmp_path):
    (kernel,) = filled.iterdir()
    cache = tmp_path / "mine"
    cache.mkdir(mode=0o700)
    hostile(cache / kernel.name)
    is_right(start(tmp_path, COMPILED, THALWEG_CACHE_DIR=str(cache)))
    assert is_cache(cache)


@pytest.mark.slow
def test_one_kernel_under_the_name_of_another_is_not_run(tmp_path):
    adam, sgd, mixed = (tmp_path / name for name in ("adam", "sgd", "mixed"))
    stepped = "[0.500000005, 0.500000005, 0.500000005]\n"  # lr / (1 + eps)
    is_right(start(tmp_path, ADAM, THALWEG_CACHE_DIR=str(adam)), out=stepped)
    is_right(start(tmp_path, THALWEG_CACHE_DIR=str(sgd)))
    (wanted,), (other,) = adam.iterdir(), sgd.iterdir()
    mixed.mkdir(mode=0o700)
    shutil.copy(other, mixed / wanted.name)
    is_right(start(tmp_path, ADAM, THALWEG_CACHE_DIR=str(mixed)), out=stepped)
    assert f"key {wanted.stem[-20:]}".encode() in (mixed / wanted.name).read_bytes()


@pytest.mark.slow
def test_a_pipe_under_a_kernel_s_name_does_not_stop_a_step(filled, tmp_path):
    (kernel,) = filled.iterdir()
    cache = tmp_path / "mine"
    cache.mkdir(mode=0o700)
    os.mkfifo(cache / kernel.name, 0o600)
    is_right(start(tmp_path, COMPILED, THALWEG_CACHE_DIR=str(cache)))
    assert [path.name for path in cache.iterdir()] == [kernel.name]


@pytest.mark.slow
@pytest.mark.parametrize("limit", ["0", "1kB"])
def test_where_nothing_may_be_kept_nothing_is_read_or_left_behind(filled, tmp_path, limit):
    cache = tmp_path / "mine"
    if limit == "0":
        shutil.copytree(filled, cache)
    before = kept(cache) if cache.exists() else {}
    is_right(start(tmp_path, COMPILED, THALWEG_CACHE_DIR=str(cache), THALWEG_CACHE_LIMIT=limit))
    assert kept(cache) == before


@pytest.mark.slow
def test_a_disk_that_is_full_costs_time_only(tmp_path):
    full = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512))\n"
    cache = tmp_path / "mine"
    is_right(start(tmp_path, full + COMPILED, THALWEG_CACHE_DIR=str(cache)))
    assert kept(cache) == {}


@pytest.mark.slow
@pytest.mark.dist
def test_of_many_processes_on_a_cold_cache_none_fails_while_others_are_killed(tmp_path):
    cache = tmp_path / "mine"
    living = [start(tmp_path, THALWEG_CACHE_DIR=str(cache)) for _ in range(9)]
    for _ in range(3):
        doomed = start(tmp_path, THALWEG_CACHE_DIR=str(cache))
        time.sleep(1)
        doomed.send_signal(signal.SIGKILL)
        doomed.communicate()
    is_right(*living)
    is_right(start(tmp_path, LOADED, THALWEG_CACHE_DIR=str(cache)))
    assert [name for name in kept(cache) if name.endswith(".kernel")] != []


def test_processes_may_compile_the_same_kernel_at_once(tmp_path):
    cache = tmp_path / "mine"
    is_right(*(start(tmp_path, THALWEG_CACHE_DIR=str(cache)) for _ in range(2)))
    assert is_cache(cache)


@pytest.mark.parametrize("name", ["Mine/2", 'Mine"""', "Mine\\", "Mine\nYours"], ids=repr)
def test_a_name_that_is_no_file_name_is_a_name_all_the_same(name):
    border = Border(chain(name, rules.SGD, lr=0.5), ({}, [np.ones(3)]))
    border.step([np.ones(3)])
    assert border.params[0].tolist() == [0.5, 0.5, 0.5]


IN = "import os, sys; sys.path.insert(0, os.getcwd()); os.chdir({!r})\n"
GONE = "os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')\n"


@pytest.mark.slow
def test_a_folder_given_from_a_place_that_is_gone_is_made_up_for(tmp_path):
    (tmp_path / "home").mkdir()
    code = IN.format(str(tmp_path)) + STEP.replace("border = ", GONE + "border = ")
    is_right(start(tmp_path, code, THALWEG_CACHE_DIR="here"))
    assert is_cache(tmp_path / "home" / ".cache" / "thalweg")


@pytest.mark.slow
def test_a_folder_given_from_where_we_are_stays_there_when_we_move(tmp_path):
    second = "\nos.chdir('/')\n" + STEP.replace('lr": 0.5', 'lr": 0.5, "momentum": 0.5')
    code = IN.format(str(tmp_path)) + STEP + second
    said = "[0.5, 0.5, 0.5]\n" * 2
    is_right(start(tmp_path, code, THALWEG_CACHE_DIR="here"), out=said)
    assert len(kept(tmp_path / "here")) == 2
