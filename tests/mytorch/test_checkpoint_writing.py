"""A checkpoint is whole or not there, whatever happens while it is written."""

import builtins
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("safetensors")

from tests.mytorch.trainings import Training
from thalweg.mytorch import nn
from thalweg.mytorch.checkpoint import save

ROOT = Path(__file__).parents[2]


# Interrupted, out of room, out of bounds.


# Every C function that `save` calls is a place to be killed at; the next round is one call later.
# From outside, a kill would come when the machine has time for it.
KILLING = """
import itertools, os, signal, sys
import numpy as np
from thalweg.mytorch import nn
from thalweg.mytorch.checkpoint import load, save

path = sys.argv[1]
model = nn.Linear(30, 30)

def fill(value):
    model.weight.data[:] = value
    model.bias.data[:] = value

def killed_at(call):
    left = call
    def count(frame, event, argument):
        nonlocal left
        left -= event == "c_call"
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
    child = os.fork()
    if not child:
        fill(call)
        sys.setprofile(count)
        save(path, model)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])

def remove_leftovers():
    for name in os.listdir(folder):
        if name != os.path.basename(path):
            os.unlink(os.path.join(folder, name))

fill(0)
save(path, model)
folder = os.path.dirname(path)
found, unfinished, newer = {0.0}, 0, 0
for call in itertools.count(1):
    was_killed = killed_at(call)
    load(path, model)
    now = {*model.weight.data.ravel(), *model.bias.data}
    assert len(now) == 1 and now <= found | {float(call)}, (call, now)
    newer += was_killed and now != found
    found = now
    if not was_killed:
        assert now == {float(call)}
        break
    if len(os.listdir(folder)) > 1:
        unfinished, amid = unfinished + 1, call
        remove_leftovers()  # or the next round would have more calls than this one
killed_at(amid)
assert len(os.listdir(folder)) > 1
save(path, model)
print(call, unfinished, newer, len(os.listdir(folder)))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.slow
def test_whoever_is_killed_while_saving_leaves_a_whole_file(path):
    """The old one or, from the moment on that it has the name, the new one."""
    command = [sys.executable, "-c", KILLING, str(path)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    places, unfinished, newer, left = map(int, run.stdout.split())
    assert unfinished > 0, "nobody was killed in the middle of saving: nothing was shown"
    assert newer > 0, "nobody was killed after the file had its name: nothing was shown"
    assert places > 20
    assert left == 1, "what killed processes have left must go at the next save"


def test_a_disk_without_room_leaves_the_old_file(path, saved):
    resource = pytest.importorskip("resource")
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="save: File too large: nothing changed at") as caught:
            save(path, *Training(3).parts)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert caught.value.errno == errno.EFBIG
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_folder_that_may_not_be_written_leaves_the_old_file(path, saved, monkeypatch):
    before = path.read_bytes()
    if os.geteuid():
        path.parent.chmod(0o500)
    else:  # to whom nothing is forbidden

        def forbidden(*_):
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(builtins, "open", forbidden)
    try:
        with pytest.raises(PermissionError, match="save: Permission denied: nothing changed at"):
            save(path, nn.Linear(2, 2))
    finally:
        monkeypatch.undo()
        path.parent.chmod(0o700)
    assert path.read_bytes() == before


def test_an_interrupt_leaves_the_old_file_and_no_other(path, saved, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupt)
        with pytest.raises(KeyboardInterrupt):
            save(path, nn.Linear(2, 2))
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_place_that_is_none_is_said(tmp_path):
    with pytest.raises(IsADirectoryError, match="must be the name of a file, but it is a folder"):
        save(tmp_path, nn.Linear(2, 2))
    with pytest.raises(FileNotFoundError, match=r"save: No such file.*nothing changed at .*no/w"):
        save(tmp_path / "no" / "weights", nn.Linear(2, 2))
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="save: Not a directory: nothing changed"):
        save(tmp_path / "file" / "weights", nn.Linear(2, 2))
