"""Every example runs as its first lines say, without torch, and learns what it says it learns."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"

# Runs a script as `python script arguments` would, and looks at what it has imported.
RUNNER = """
import runpy, sys
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
sys.exit("torch was imported" if "torch" in sys.modules else 0)
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


def command(script: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", RUNNER, str(EXAMPLES / f"{script}.py"), *arguments]


def run(script: str, *arguments: str, cwd: Path) -> str:
    done = subprocess.run(
        command(script, *arguments), capture_output=True, text=True, cwd=cwd, env=ENVIRONMENT
    )
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


def test_a_training_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path):
    through, stopped = tmp_path / "through", tmp_path / "stopped"
    through.mkdir()
    stopped.mkdir()
    whole = losses(run("resume", cwd=through))
    first = losses(stop(cwd=stopped, after="epoch  7"))
    rest = losses(run("resume", cwd=stopped))
    assert len(whole) == 20
    assert 7 <= len(first) < 20
    # Not their sum: Ctrl-C may come between saving an epoch and printing its loss.
    assert first == whole[: len(first)]
    assert rest == whole[-len(rest) :]
    ours, theirs = (load_file(folder / "runs/resume.safetensors") for folder in (through, stopped))
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


def stop(cwd: Path, after: str) -> str:
    """Start the example and press Ctrl-C once it has printed some words."""
    running = subprocess.Popen(
        command("resume"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=ENVIRONMENT,
    )
    shown = []
    for line in running.stdout:
        shown.append(line)
        if line.startswith(after):
            running.send_signal(signal.SIGINT)
            break
    rest, _ = running.communicate()
    assert running.returncode != 0
    return "".join(shown) + rest


def test_every_example_is_run_here():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {
        "resume",
        *(script for script, *_ in TRAININGS),
    }


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_its_first_lines_say_how_to_start_it(path):
    assert f"    python examples/{path.name}" in path.read_text(encoding="utf-8")
