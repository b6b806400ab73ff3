"""Ctrl-C keeps what is finished, says so, and ends with 130."""

import os
import signal
import subprocess
import sys

import pytest

from tests.lab import nursery
from tests.lab.conftest import FILES, Outcome, environment
from thalweg.lab.interrupt import catch_interrupt

pytestmark = pytest.mark.slow

# The command, which presses Ctrl-C in its own process as soon as it has printed some words. From
# outside, the signal would come when the machine has time for it, and the command would go on.
STOPPED = """
import signal, sys
from thalweg.lab import main

BY = signal.Signals[sys.argv.pop(1)]

class Watched:
    def __init__(self, stream):
        self.stream, self.words = stream, sys.argv.pop(1)
    def __getattr__(self, name):
        return getattr(self.stream, name)
    def write(self, text):
        written = self.stream.write(text)
        if self.words and self.words in text:
            self.words = ""
            signal.raise_signal(BY)
        return written

sys.stdout = Watched(sys.stdout)
main()
"""


def interrupt(place, *arguments: str, after: str, by: str = "SIGINT") -> Outcome:
    """Start a comparison too long to finish and end it once it has printed some words."""
    arguments = (by, after, "compare", *arguments, "--seeds", "9999", "--out", "kept")
    return Outcome(*nursery.run(arguments, place, environment(), STOPPED), place / "kept")


def test_finished_runs_are_kept_and_shown(tmp_path):
    outcome = interrupt(
        tmp_path, "adam", "sgd", "--lr", "sgd=0.03", "--epochs", "1", after="SGD: seed 1 of 9999"
    )
    assert (outcome.code, outcome.stderr) == (130, "")
    results = outcome.results
    assert results["complete"] is False
    kept = sum(len(entry["runs"]) for entry in results["optimizers"].values())
    assert kept == 2  # one of each
    tried = len(results["optimizers"]["Adam"]["trials"])
    assert f"kept are the {tried + kept} of {tried + 2 * 9999} trainings" in " ".join(
        outcome.stdout.split()
    )
    assert "optimizer " in outcome.stdout  # the table
    assert sorted(path.name for path in outcome.folder.iterdir()) == FILES


@pytest.mark.parametrize(("by", "code"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_being_told_to_end_keeps_what_ctrl_c_keeps(by, code, tmp_path):
    outcome = interrupt(
        tmp_path, "sgd", "--lr", "sgd=0.03", "--epochs", "1", after="SGD: seed 1 of 9999", by=by
    )
    assert (outcome.code, outcome.stderr) == (code, "")
    assert len(outcome.results["optimizers"]["SGD"]["runs"]) == 1
    assert sorted(path.name for path in outcome.folder.iterdir()) == FILES


def test_a_second_signal_ends_at_once_and_the_old_handlers_come_back():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with catch_interrupt() as came:
        assert came() == 0
        signal.raise_signal(signal.SIGTERM)
        assert came() == signal.SIGTERM
        with pytest.raises(SystemExit) as end:
            signal.raise_signal(signal.SIGINT)
    assert end.value.code == 130
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_before_the_first_run_the_finished_trials_are_kept(tmp_path):
    outcome = interrupt(tmp_path, "adam", "sgd", "--epochs", "1", after="Adam: lr")
    assert (outcome.code, outcome.stderr) == (130, "")
    results = outcome.results
    assert results["complete"] is False
    assert len(results["optimizers"]["Adam"]["trials"]) >= 9
    assert results["optimizers"]["SGD"]["lr"] is None
    assert sorted(path.name for path in outcome.folder.iterdir()) == [
        "journal.jsonl",
        "results.json",
    ]


def test_before_anything_is_finished_nothing_is_written(tmp_path):
    outcome = interrupt(tmp_path, "sgd", "--epochs", "9999", after="Handwritten digits")
    assert (outcome.code, outcome.stderr) == (130, "")
    assert "nothing is written" in outcome.stdout
    assert not outcome.folder.exists()


def test_several_jobs_end_with_the_command_and_keep_what_is_finished(tmp_path):
    arguments = ("sgd", "adam", "--lr", "0.03", "--epochs", "1", "--jobs", "2")
    outcome = interrupt(tmp_path, *arguments, after="seed 1 of 9999")
    assert (outcome.code, outcome.stderr) == (130, "")
    runs = [len(entry["runs"]) for entry in outcome.results["optimizers"].values()]
    assert sum(runs) >= 1
    assert sorted(path.name for path in outcome.folder.iterdir()) == FILES


@pytest.mark.skipif(not hasattr(os, "pipe"), reason="there are no pipes here")
def test_jobs_do_not_outlive_a_command_that_was_killed(tmp_path):
    """They hold the end of a pipe, which is closed when the last of them is gone."""
    read, write = os.pipe()
    arguments = ("sgd", "--lr", "0.03", "--epochs", "1", "--jobs", "2", "--seeds", "9999")
    command = [sys.executable, "-c", STOPPED, "SIGKILL", "seed 1 of 9999", "compare", *arguments]
    done = subprocess.run(
        [*command, "--out", "kept"],
        stdout=subprocess.DEVNULL,
        stderr=write,
        cwd=tmp_path,
        env=environment(),
    )
    os.close(write)
    assert done.returncode == -signal.SIGKILL
    with os.fdopen(read) as end:
        assert end.read() == ""  # returns when nobody has stderr open any more
