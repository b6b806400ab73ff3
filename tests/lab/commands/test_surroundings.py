"""Every command where people run them: piped, without colour, under LC_ALL=C, on a full disk."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab import nursery
from tests.lab.conftest import run_thalweg

pytest.importorskip("typer")

COMMANDS = {
    "list": ("list", "schedulers"),
    "show": ("show", "ranger"),
    "schedule": ("schedule", "warmup(5) >> cosine(95)"),
    "plate": ("schedule", "--all"),
    "explain": ("explain", "ranger", "--step", "3"),
    "lr-find": ("lr-find", "adam", "--steps", "20", "--seeds", "1"),
    "choose": ("choose", "--task", "rl", "--budget", "small", "--memory", "ample"),
    "bench": ("bench", "sgd", "--rounds", "4", "--seconds", "0", "--threads", "1"),
}


def run(name, into=None, **variables):
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG"))}
    where = (Path.cwd(), {**plain, "COLUMNS": "80", **variables})
    return nursery.run(COMMANDS[name], *where, into=into)


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize(
    "variables",
    [{"LC_ALL": "C"}, {"LC_ALL": "C.UTF-8", "NO_COLOR": "1"}, {"PYTHONIOENCODING": "ascii"}],
    ids=lambda given: " ".join(given),
)
def test_what_is_piped_is_text_that_can_be_read(name, variables):
    done = run(name, **variables)
    assert (done.code, done.err) == (0, "")
    assert all(letter == "\n" or letter.isprintable() for letter in done.out)
    assert "\ufffd" not in done.out
    if "UTF-8" not in variables.get("LC_ALL", ""):
        assert done.out.isascii()
        assert "?" not in done.out.replace("--", "")


@pytest.mark.slow
@pytest.mark.parametrize("variables", [{"LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii"}])
def test_nor_does_an_interpreter_of_its_own_print_anything_else(variables):
    """The streams are made at its start, by its surroundings."""
    command = [sys.executable, "-m", "thalweg", *COMMANDS["schedule"]]
    done = subprocess.run(command, capture_output=True, env={**os.environ, **variables})
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.isascii()
    assert b"?" not in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk_is_said(name):
    done = run(name, into="/dev/full")
    assert done.code == 1
    assert "thalweg: cannot write to standard output: No space left on device" in done.err
    assert "Traceback" not in done.err


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("name", ["list", "schedule", "lr-find"])
def test_a_file_that_cannot_be_written_is_said(name, tmp_path):
    place = tmp_path / "folder.png" if name != "list" else tmp_path / "folder"
    place.mkdir()
    done = run_thalweg(*COMMANDS[name], "--out", str(place), cwd=tmp_path)
    assert done.code == 2
    assert f"thalweg: cannot write {place}: must be the name of a file" in done.stderr
    assert list(place.iterdir()) == []
