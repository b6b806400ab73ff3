"""Whatever the project writes is the old file or the new one, whole, and leaves nothing else."""

import json
import os
import random
import signal
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from thalweg.whole_file import whole_file

ROOT = Path(__file__).parents[1]
OLD, NEW = b"old" * 1000, b"new" * 100_000


def write(path, content=NEW) -> None:
    with whole_file(path) as file:
        file.write(content)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(OLD)
    return path


def leftover(path) -> Path:
    return path.with_name(f"{path.name}.0123abcd.tmp")


def test_the_new_file_takes_the_place_of_the_old_one(path):
    write(path)
    assert path.read_bytes() == NEW
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, OSError])
def test_a_block_that_fails_leaves_the_old_file_and_no_other(path, error):
    def fail():
        with whole_file(path) as file:
            file.write(NEW)
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_bytes() == OLD
    assert os.listdir(path.parent) == [path.name]


def test_what_a_killed_process_has_left_goes_at_the_next_writing(path):
    leftover(path).write_bytes(b"half")
    write(path)
    assert os.listdir(path.parent) == [path.name]


def test_it_goes_also_when_that_writing_fails(path):
    leftover(path).write_bytes(b"half")
    with pytest.raises(ValueError, match="no"), whole_file(path):
        raise ValueError("no")
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize(
    "name",
    [
        "file.bin.0123abcd.tmp2",
        "file.bin.0123ABCD.tmp",
        "file.bin.tmp",
        "file.bin.0123abcd",
        "other.bin.0123abcd.tmp",
        "my-file.bin.0123abcd.tmp",
        "fileXbin.0123abcd.tmp",
    ],
)
def test_a_file_of_another_name_is_nobodys_leftover(path, name):
    path.with_name(name).write_bytes(b"somebody's")
    write(path)
    assert path.with_name(name).read_bytes() == b"somebody's"


def test_a_folder_and_a_link_of_such_a_name_stay(path):
    leftover(path).mkdir()
    link = path.with_name(f"{path.name}.aaaaaaaa.tmp")
    link.symlink_to(path.name)
    write(path)
    assert leftover(path).is_dir()
    assert link.is_symlink()


def test_what_another_process_is_writing_is_no_leftover(path):
    with whole_file(path) as outer:
        outer.write(b"outer")
        write(path)
        assert path.read_bytes() == NEW
    assert path.read_bytes() == b"outer"
    assert os.listdir(path.parent) == [path.name]


def test_who_may_read_the_old_file_may_read_the_new_one_and_nobody_else(path):
    path.chmod(0o600)
    write(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_stays_one_and_its_file_is_replaced(path):
    link = path.with_name("latest")
    link.symlink_to(path.name)
    write(link)
    assert link.is_symlink()
    assert path.read_bytes() == NEW


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_what_is_no_file_is_not_replaced_by_one(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileExistsError, match="must be the name of a file, but it is none"):
        write(tmp_path / "pipe")
    with pytest.raises(IsADirectoryError, match="must be the name of a file, but it is a folder"):
        write(tmp_path)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_without_locks_it_writes_all_the_same(path, monkeypatch):
    monkeypatch.setattr("thalweg.whole_file.fcntl", None)
    leftover(path).write_bytes(b"half")
    write(path)
    assert path.read_bytes() == NEW
    assert os.listdir(path.parent) == [path.name]


# Every file that the project writes.

# each is handed a path and the number of the writing, and writes it over and over
WRITERS = {
    "checkpoint": """
from thalweg.mytorch import nn
from thalweg.mytorch.checkpoint import save
model = nn.Linear(200, 200)
def write(path, number):
    for parameter in model.parameters():
        parameter.data[:] = number
    save(path, model)
""",
    "results": """
from pathlib import Path
from tests.lab.made import contest
from thalweg.lab.results import About, write_results
made = contest(adam=[0.9] * 30, sgd=[0.8] * 30)
def write(path, number):
    write_results(Path(path), made, About("mytorch", True, float(number), "thalweg compare"))
""",
    "curves": """
from pathlib import Path
from tests.lab.made import contest
from thalweg.lab.picture import draw_curves
made = contest(adam=[0.9] * 3, sgd=[0.8] * 3)
def write(path, number):
    draw_curves(Path(path), made)
""",
}
NAMES = {"checkpoint": "a.safetensors", "results": "a.json", "curves": "a.png"}

FOR_EVER = """
import itertools, sys
for number in itertools.count():
    write(sys.argv[1], number)
    print(number, flush=True)
"""

ONCE = """
import resource, signal, sys
write(sys.argv[1], 0)
size = len(open(sys.argv[1], "rb").read())
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for number in range(20):
    before = open(sys.argv[1], "rb").read()
    resource.setrlimit(resource.RLIMIT_FSIZE, (size * number // 20, resource.RLIM_INFINITY))
    try:
        write(sys.argv[1], number + 1)
    except OSError as error:
        print("refused", error.errno)
    assert open(sys.argv[1], "rb").read() == before
"""


def is_whole(kind: str, path: Path) -> bool:
    content = path.read_bytes()
    if kind == "checkpoint":
        from thalweg.mytorch.checkpoint_file import read_file

        tensors, _ = read_file(path)
        return len({value for array in tensors.values() for value in array.ravel().tolist()}) == 1
    if kind == "results":
        return json.loads(content)["complete"] is True
    return content.startswith(b"\x89PNG") and content.endswith(b"IEND\xaeB`\x82")


@contextmanager
def running(program: str, *arguments: str):
    child = subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("kind", WRITERS)
def test_whoever_is_killed_while_writing_leaves_a_whole_file(kind, tmp_path):
    """A process that is stopped leaves what it would leave if it were killed there."""
    path = tmp_path / NAMES[kind]
    for _ in range(2):
        with running(WRITERS[kind] + FOR_EVER, str(path)) as child:
            child.stdout.readline()  # it has begun
            for _ in range(10):
                time.sleep(random.uniform(0, 0.02))
                os.kill(child.pid, signal.SIGSTOP)
                assert is_whole(kind, path)
                assert len(os.listdir(tmp_path)) <= 2  # and that which it is writing just now
                os.kill(child.pid, signal.SIGCONT)
        assert is_whole(kind, path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", WRITERS)
def test_a_disk_that_is_full_leaves_the_old_file(kind, tmp_path):
    pytest.importorskip("resource")
    path = tmp_path / NAMES[kind]
    done = subprocess.run(
        [sys.executable, "-c", WRITERS[kind] + ONCE, str(path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["refused 27"] * 20
    assert os.listdir(tmp_path) == [path.name]
    assert is_whole(kind, path)


@pytest.mark.slow
@pytest.mark.dist
def test_several_processes_that_write_one_file_do_not_hinder_one_another(tmp_path):
    path = tmp_path / "shared.bin"
    program = """
import sys
from thalweg.whole_file import whole_file
for number in range(200):
    with whole_file(sys.argv[1]) as file:
        file.write(sys.argv[2].encode() * 5000)
"""
    children = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(path), letter],
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        for letter in "abcd"
    ]
    assert [child.communicate()[1] for child in children] == [b""] * 4
    assert path.read_bytes() in [letter.encode() * 5000 for letter in "abcd"]
    assert os.listdir(tmp_path) == [path.name]
