"""Every benchmark starts: what it imports is there, and it says what it can be told."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("rich")

FOLDER = Path(__file__).parents[2] / "benchmarks"
COMMANDS = [
    path.name
    for path in sorted(FOLDER.glob("*.py"))
    if "make_parser(" in path.read_text(encoding="utf-8") and path.name != "flags.py"
]


def test_there_are_benchmarks():
    assert "step_time.py" in COMMANDS


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_benchmark_starts(name):
    command = [sys.executable, str(FOLDER / name), "--help"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout
