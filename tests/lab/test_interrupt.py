"""Ctrl-C keeps what is finished, says so, and ends with 130."""

import signal
import subprocess

import pytest

from tests.lab.conftest import COMMAND, Outcome, environment
from thalweg.lab.interrupt import catch_interrupt


def interrupt(place, *arguments: str, after: str, by: signal.Signals = signal.SIGINT) -> Outcome:
    """Start a comparison too long to finish and end it once it has printed some words."""
    running = subprocess.Popen(
        [*COMMAND, "compare", *arguments, "--seeds", "9999", "--out", "kept"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=place,
        env=environment(),
    )
    shown = []
    for line in running.stdout:
        shown.append(line)
        if after in line:
            running.send_signal(by)
            break
    rest, errors = running.communicate()
    return Outcome(running.returncode, "".join(shown) + rest, errors, place / "kept")


def test_finished_runs_are_kept_and_shown(tmp_path):
    outcome = interrupt(
        tmp_path, "adam", "sgd", "--lr", "sgd=0.03", "--epochs", "2", after="SGD: seed 1 of 9999"
    )
    assert (outcome.code, outcome.stderr) == (130, "")
    results = outcome.results
    assert results["complete"] is False
    kept = sum(len(entry["runs"]) for entry in results["optimizers"].values())
    assert 2 <= kept < 100
    assert f"kept are the {9 + kept} of {9 + 2 * 9999} trainings" in " ".join(
        outcome.stdout.split()
    )
    assert "optimizer " in outcome.stdout  # the table
    assert sorted(path.name for path in outcome.folder.iterdir()) == ["curves.png", "results.json"]


@pytest.mark.slow
@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGHUP])
def test_being_told_to_end_keeps_what_ctrl_c_keeps(by, tmp_path):
    outcome = interrupt(
        tmp_path, "sgd", "--lr", "sgd=0.03", "--epochs", "1", after="SGD: seed 1 of 9999", by=by
    )
    assert (outcome.code, outcome.stderr) == (128 + by, "")
    assert len(outcome.results["optimizers"]["SGD"]["runs"]) >= 1
    assert sorted(path.name for path in outcome.folder.iterdir()) == ["curves.png", "results.json"]


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
    outcome = interrupt(tmp_path, "adam", "sgd", "--epochs", "10", after="Adam: lr")
    assert (outcome.code, outcome.stderr) == (130, "")
    results = outcome.results
    assert results["complete"] is False
    assert len(results["optimizers"]["Adam"]["trials"]) == 9
    assert results["optimizers"]["SGD"]["lr"] is None
    assert [path.name for path in outcome.folder.iterdir()] == ["results.json"]


def test_before_anything_is_finished_nothing_is_written(tmp_path):
    outcome = interrupt(tmp_path, "sgd", "--epochs", "9999", after="Handwritten digits")
    assert (outcome.code, outcome.stderr) == (130, "")
    assert "nothing is written" in outcome.stdout
    assert not outcome.folder.exists()
