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

# In one process, which imports torch once.
START = """
import runpy, sys
folder, *names = sys.argv[1:]
sys.path.insert(0, folder)
for name in names:
    sys.argv = [name, "--help"]
    try:
        runpy.run_path(f"{folder}/{name}", run_name="__main__")
    except SystemExit as end:
        assert not end.code, name
"""


@pytest.mark.slow
def test_every_benchmark_starts():
    assert "step_time.py" in COMMANDS
    command = [sys.executable, "-c", START, str(FOLDER), *COMMANDS]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("usage:") == len(COMMANDS)
