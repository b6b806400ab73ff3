"""The command line as a user runs it, and one small comparison that many tests look at."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from threadpoolctl import threadpool_limits

from tests.lab import nursery

COMMAND = (sys.executable, "-m", "thalweg.lab")

# what a comparison leaves in its folder
FILES = ["curves.png", "journal.jsonl", "report.html", "results.json", "runs.csv"]

# SGD cannot survive its learning rate; the other two choose theirs.
SMALL = ("compare", "sgd", "Adam", "RANGER", "--lr", "sgd=1e30", "--seeds", "2", "--epochs", "3")


@dataclass
class Outcome:
    """What a command left behind."""

    code: int
    stdout: str
    stderr: str
    folder: Path

    @property
    def results(self) -> dict[str, Any]:
        return read_strictly(self.folder / "results.json")


def read_strictly(path: Path) -> dict[str, Any]:
    """Read JSON, refusing the NaN and Infinity that Python's reader would accept."""

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(path.read_text(), parse_constant=refuse)


def environment() -> dict[str, str]:
    return {**os.environ, "COLUMNS": "80"}


def run_thalweg(*arguments: str, cwd: Path, folder: Path | None = None) -> Outcome:
    return Outcome(*nursery.run(arguments, cwd, environment()), folder or cwd)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """As the command does: on a busy machine, two threads on so little wait for each other."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def small(tmp_path_factory) -> Outcome:
    """A whole comparison on a tiny budget."""
    place = tmp_path_factory.mktemp("small")
    return run_thalweg(*SMALL, "--name", "small", cwd=place, folder=place / "runs" / "small")
