"""Every command where people run them: piped, without colour, under LC_ALL=C, on a full disk."""

import os
import subprocess
import sys

import pytest

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


def run(name, stdout=subprocess.PIPE, **variables):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG"))}
    command = [sys.executable, "-m", "thalweg", *COMMANDS[name]]
    environment |= {"COLUMNS": "80", **variables}
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, env=environment
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize(
    "variables",
    [{"LC_ALL": "C"}, {"LC_ALL": "C.UTF-8", "NO_COLOR": "1"}, {"PYTHONIOENCODING": "ascii"}],
    ids=lambda given: " ".join(given),
)
def test_what_is_piped_is_text_that_can_be_read(name, variables):
    done = run(name, **variables)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    text = done.stdout.decode()
    assert all(letter == "\n" or letter.isprintable() for letter in text)
    assert "\ufffd" not in text
    if "UTF-8" not in variables.get("LC_ALL", ""):
        assert text.isascii()
        assert "?" not in text.replace("--", "")


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk_is_said(name):
    with open("/dev/full", "w") as full:
        done = run(name, stdout=full)
    assert done.returncode == 1
    assert b"thalweg: cannot write to standard output: No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("name", ["list", "schedule", "lr-find"])
def test_a_file_that_cannot_be_written_is_said(name, tmp_path):
    place = tmp_path / "folder.png" if name != "list" else tmp_path / "folder"
    place.mkdir()
    command = [sys.executable, "-m", "thalweg", *COMMANDS[name], "--out", str(place)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"thalweg: cannot write {place}: must be the name of a file" in done.stderr
    assert list(place.iterdir()) == []
