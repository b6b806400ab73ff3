"""Every example runs as its first lines say, without torch, and learns what it says it learns."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
OFFLOAD = EXAMPLES / "offload.py"  # the one that needs torch

# Runs a script as `python script arguments` would, and looks at what it has imported.
RUNNER = """
import runpy, sys
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
sys.exit("torch was imported" if "torch" in sys.modules else 0)
"""

# Runs it likewise and presses Ctrl-C in its own process, at one place of one epoch: a signal sent
# from outside comes when the machine has time for it.
STOPPED = """
import runpy, signal, sys
from thalweg.mytorch import checkpoint, optim
signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it may be ignored
place, calls, *sys.argv = sys.argv[1:]
owner, name = {"batch": (optim.AdamW, "step"), "save": (checkpoint, "save")}[place]
original, left = getattr(owner, name), int(calls)
def counted(*arguments):
    global left
    original(*arguments)
    left -= 1
    if not left:
        signal.raise_signal(signal.SIGINT)
setattr(owner, name, counted)
runpy.run_path(sys.argv[0], run_name="__main__")
"""

# With a network this small, two threads of matrix products only wait for each other.
ENVIRONMENT = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}

# Script, optimizer, epochs, and the percentage of test images it must read. Those of the fully
# connected network are the three experiments of the first Mytorch; plain SGD is there to be
# outdone.
TRAININGS = [
    ("digits_mlp", "sgd", 10, 94),
    ("digits_mlp", "adagrad", 10, 97),
    ("digits_mlp", "adam", 20, 97),
    ("digits_lenet", "sgd", 15, 98),
    ("digits_lenet", "adam", 15, 98),
]

pytestmark = pytest.mark.slow


def start(runner: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", runner, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=ENVIRONMENT)


def run(script: str, *arguments: str, cwd: Path) -> str:
    done = start(RUNNER, str(EXAMPLES / f"{script}.py"), *arguments, cwd=cwd)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def losses(printed: str) -> list[float]:
    return [float(loss) for loss in re.findall(r"^epoch +\d+: loss ([\d.]+)$", printed, re.M)]


@pytest.mark.parametrize(("script", "optimizer", "epochs", "percent"), TRAININGS)
def test_it_reads_as_many_images_as_it_should_and_draws_its_loss(
    script, optimizer, epochs, percent, tmp_path
):
    printed = run(script, "--optimizer", optimizer, cwd=tmp_path)
    (accuracy,) = re.findall(r"^([\d.]+)% of 599 test images", printed, re.M)
    assert float(accuracy) >= percent
    assert len(losses(printed)) == epochs
    assert losses(printed)[-1] < losses(printed)[0] / 5
    (picture,) = (tmp_path / "runs").iterdir()
    assert f"runs/{picture.name}" in printed
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[list[float], Path]:
    """A training that nobody stopped: its losses, and where it ran."""
    place = tmp_path_factory.mktemp("whole")
    return losses(run("resume", cwd=place)), place


# What was called how often when Ctrl-C came, and the epochs that were printed and saved by then.
BATCHES = 75  # in an epoch
STOPS = [("batch", 7 * BATCHES + 30, 7, 7), ("save", 8, 7, 8)]


@pytest.mark.parametrize(
    ("place", "calls", "printed", "saved"),
    STOPS,
    ids=["within an epoch", "between saving and printing"],
)
def test_a_training_that_was_stopped_goes_on_as_if_it_had_not_been(
    whole, place, calls, printed, saved, tmp_path
):
    (all_losses, through), script = whole, str(EXAMPLES / "resume.py")
    assert len(all_losses) == 20
    stopped = start(STOPPED, place, str(calls), script, cwd=tmp_path)
    assert stopped.returncode != 0
    assert "KeyboardInterrupt" in stopped.stderr
    assert losses(stopped.stdout) == all_losses[:printed]
    assert losses(run("resume", cwd=tmp_path)) == all_losses[saved:]
    ours, theirs = (load_file(folder / "runs/resume.safetensors") for folder in (through, tmp_path))
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_muon_and_adamw_step_one_model(tmp_path):
    printed = run("digits_muon", cwd=tmp_path)
    assert "Muon:  0.weight, 4.weight, 9.weight\n" in printed
    (accuracy,) = re.findall(r"^([\d.]+)% of 599 test images", printed, re.M)
    assert float(accuracy) >= 98
    assert losses(printed)[-1] < losses(printed)[0] / 100


def test_an_offloaded_training_reads_digits(tmp_path):
    pytest.importorskip("torch")
    done = start("import runpy, sys; runpy.run_path(sys.argv[1])", str(OFFLOAD), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert losses(done.stdout)[-1] < losses(done.stdout)[0] / 5
    (percent,) = re.findall(r"^([\d.]+)% of 397 images", done.stdout, re.M)
    assert float(percent) >= 94


def test_every_example_is_run_here():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {
        "digits_muon",
        "offload",
        "resume",
        *(script for script, *_ in TRAININGS),
    }


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_its_first_lines_say_how_to_start_it(path):
    assert f"    python examples/{path.name}" in path.read_text(encoding="utf-8")
