"""The folder of kernels: the user's own, whole files only, no larger than it may be."""

import logging
import os
import resource
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from thalweg.fuse import kernel_folder
from thalweg.fuse.kernel_folder import Folder, Unfit

ROOT = Path(__file__).parents[2]
NAME = "SGD-0123456789abcdef0123.kernel"
CONTENT = b"a kernel" * 100
is_root = hasattr(os, "getuid") and os.getuid() == 0
needs_root = pytest.mark.skipif(not is_root, reason="only root may give files away")


@pytest.fixture
def folder(tmp_path):
    tmp_path.chmod(0o700)
    return Folder(str(tmp_path))


@pytest.fixture(autouse=True)
def nothing_said():
    kernel_folder.say.cache_clear()


def names(folder):
    return sorted(os.listdir(folder.path))


def name(number):
    return f"SGD-{number:020x}.kernel"


def test_what_was_written_is_read(folder):
    folder.write(NAME, CONTENT)
    assert folder.read(NAME) == CONTENT
    assert names(folder) == [NAME]
    assert stat.S_IMODE(os.stat(os.path.join(folder.path, NAME)).st_mode) == 0o600


def test_what_is_not_there_is_not_read_and_nothing_is_said(folder, caplog):
    caplog.set_level(logging.DEBUG, "thalweg")
    assert folder.read(NAME) is None
    assert caplog.records == []


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o1777, 0o702, 0o720])
def test_a_folder_that_others_may_write_to_is_neither_read_nor_written(folder, mode):
    folder.write(NAME, CONTENT)
    os.chmod(folder.path, mode)
    assert folder.read(NAME) is None
    folder.write(name(1), CONTENT)
    assert names(folder) == [NAME]
    with pytest.raises(Unfit, match="others may write to it"):
        folder.prepare()


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o700])
def test_a_folder_that_others_may_only_read_is_used(folder, mode):
    os.chmod(folder.path, mode)
    folder.write(NAME, CONTENT)
    assert folder.read(NAME) == CONTENT


@needs_root
def test_a_folder_of_somebody_else_is_neither_read_nor_written(folder):
    folder.write(NAME, CONTENT)
    os.chown(folder.path, 12345, -1)
    assert folder.read(NAME) is None
    folder.write(name(1), CONTENT)
    assert names(folder) == [NAME]


@pytest.mark.parametrize("mode", [0o666, 0o620, 0o602])
def test_a_file_that_others_may_write_to_is_neither_read_nor_written(folder, mode):
    path = os.path.join(folder.path, NAME)
    folder.write(NAME, CONTENT)
    os.chmod(path, mode)
    assert folder.read(NAME) is None
    folder.write(NAME, b"other")
    assert Path(path).read_bytes() == CONTENT
    assert names(folder) == [NAME]


@needs_root
def test_a_file_of_somebody_else_is_neither_read_nor_written(folder):
    path = os.path.join(folder.path, NAME)
    folder.write(NAME, CONTENT)
    os.chown(path, 12345, -1)
    assert folder.read(NAME) is None
    folder.write(NAME, b"other")
    assert Path(path).read_bytes() == CONTENT


def in_the_way(kind, path):
    if kind == "a pipe":
        os.mkfifo(path, 0o600)
    elif kind == "a link":
        path.with_name("elsewhere").write_bytes(CONTENT)
        path.symlink_to("elsewhere")
    elif kind == "a folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")


@pytest.mark.parametrize("kind", ["a pipe", "a link", "a folder", "a link to a device"])
def test_what_is_no_file_is_neither_waited_for_nor_followed_nor_replaced(folder, kind):
    path = Path(folder.path) / NAME
    in_the_way(kind, path)
    before = os.lstat(path)
    assert folder.read(NAME) is None
    folder.write(NAME, b"other")
    after = os.lstat(path)
    assert (before.st_mode, before.st_ino) == (after.st_mode, after.st_ino)
    assert [n for n in names(folder) if n.endswith(".new")] == []


def test_no_more_of_a_file_is_read_than_a_kernel_may_have(folder):
    with open(os.path.join(folder.path, NAME), "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.truncate(1 << 40)  # a hole, not a terabyte
    assert len(folder.read(NAME)) <= kernel_folder.LARGEST


@needs_root
def test_a_folder_behind_a_link_of_somebody_else_is_not_used(folder, tmp_path_factory):
    place = tmp_path_factory.mktemp("theirs")
    (place / "link").symlink_to(folder.path)
    os.lchown(place / "link", 12345, 12345)
    (place / "mine").symlink_to(place / "link" / ".")
    for path in (place / "link", place / "mine"):
        with pytest.raises(Unfit, match=r"link is a link of user 12345"):
            Folder(str(path)).prepare()


def test_a_folder_behind_links_of_one_s_own_is_used(folder, tmp_path_factory):
    place = tmp_path_factory.mktemp("mine")
    (place / "link").symlink_to(folder.path)
    (place / "other").symlink_to(place / "link" / "..")
    through = Folder(str(place / "other" / Path(folder.path).name))
    through.write(NAME, CONTENT)
    assert folder.read(NAME) == CONTENT


def test_links_that_go_round_in_a_circle_are_given_up(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(Unfit, match="too many links"):
        Folder(str(tmp_path / "a")).prepare()


def test_what_is_not_used_is_said_once_and_to_who_listens_only(folder, caplog):
    os.chmod(folder.path, 0o777)
    folder.read(NAME)
    assert caplog.records == []
    kernel_folder.say.cache_clear()
    caplog.set_level(logging.DEBUG, "thalweg")
    folder.read(NAME)
    folder.read(NAME)
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("thalweg", "DEBUG")
    said = f"kernel cache: {folder.path}/{NAME} is not read: others may write to it"
    assert record.getMessage() == said


def test_a_disk_that_is_full_leaves_the_old_file_whole_and_no_half_one(folder):
    folder.write(NAME, CONTENT)
    code = (
        "import resource, sys\n"
        "from thalweg.fuse.kernel_folder import Folder\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        f"Folder(sys.argv[1]).write({NAME!r}, bytes(5000))\n"
    )
    run = [sys.executable, "-c", code, folder.path]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert names(folder) == [NAME]
    assert folder.read(NAME) == CONTENT


KILLED = """
import os, signal, sys
from thalweg.fuse.kernel_folder import Folder
folder, name, at = Folder(sys.argv[1]), sys.argv[2], int(sys.argv[3])
seen = 0
def hook(event, arguments):
    global seen
    if event in ("open", "os.rename", "os.listdir", "os.remove"):
        seen += 1
        if seen == at:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
folder.write(name, b"new" * 1000)
"""


@pytest.mark.slow
def test_a_process_killed_at_any_moment_leaves_the_old_file_or_the_new_one(folder):
    codes = []
    for at in range(1, 8):
        folder.write(NAME, CONTENT)
        run = [sys.executable, "-c", KILLED, folder.path, NAME, str(at)]
        codes.append(subprocess.run(run, cwd=ROOT).returncode)
        assert folder.read(NAME) in (CONTENT, b"new" * 1000)
    assert codes[:3] == [-9] * 3  # at the folder, at the half file, before it takes its name
    assert codes[-1] == 0  # no moment is left


def test_half_files_are_removed_once_they_are_old(folder):
    old = ["thalweg-0123456789abcdef.new", "tmpa1b2c3d4.new"]
    young, theirs = "thalweg-fedcba9876543210.new", "notes.new"
    for one in (*old, young, theirs):
        Path(folder.path, one).write_bytes(b"half")
    for one in (*old, theirs):
        os.utime(os.path.join(folder.path, one), (time.time() - 3600,) * 2)
    folder.prepare()
    assert names(folder) == sorted([young, theirs])


def fill(folder, count):
    """Kernels of 1,000 bytes, used one after the other."""
    for i in range(count):
        folder.write(name(i), bytes(1000))
        os.utime(os.path.join(folder.path, name(i)), (1000 + i, 1000))


def test_what_is_longest_unused_is_removed_first(folder):
    fill(folder, 5)
    folder.read(name(0))  # and so it is the last to go
    removed = folder.bound(2500)
    assert [one.name for one in removed] == [name(1), name(2), name(3)]
    assert names(folder) == [name(0), name(4)]


def test_nothing_is_removed_that_fits(folder):
    fill(folder, 3)
    assert folder.bound(3000) == []
    assert len(names(folder)) == 3


def test_clearing_takes_every_kernel_and_nothing_else(folder):
    fill(folder, 3)
    Path(folder.path, "thalweg-0123456789abcdef.new").write_bytes(b"half")
    Path(folder.path, "notes.txt").write_text("mine")
    Path(folder.path, "notes.kernel").write_text("mine as well")
    assert len(folder.bound(0)) == 3
    assert names(folder) == ["notes.kernel", "notes.txt"]


def test_writing_keeps_the_folder_bounded(folder, monkeypatch):
    monkeypatch.setenv("THALWEG_CACHE_LIMIT", "3kB")
    kernel_folder.limit.cache_clear()
    try:
        fill(folder, 5)
        folder.write(name(9), bytes(1000))
        folder.write(name(10), bytes(3001))  # larger than everything that may be kept
    finally:
        kernel_folder.limit.cache_clear()
    assert names(folder) == [name(3), name(4), name(9)]


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("64MB", 64_000_000),
        ("64 mb", 64_000_000),
        ("1GiB", 1 << 30),
        ("1.5k", 1500),
        ("10B", 10),
    ],
)
def test_a_size_is_read_as_people_write_it(text, size):
    assert kernel_folder.in_bytes(text) == size


@pytest.mark.parametrize("text", ["", "lots", "-1", "64 parsecs", "1e3", "nan"])
def test_a_size_that_is_none_gets_a_sentence(text):
    with pytest.raises(ValueError, match="must be a size such as 64MB or 1GiB, got"):
        kernel_folder.in_bytes(text)
