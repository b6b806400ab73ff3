"""Ctrl-C keeps what is finished, says so, and ends with 130."""

import signal
import subprocess

from tests.lab.conftest import COMMAND, Outcome, environment


def interrupt(place, *arguments: str, after: str) -> Outcome:
    """Start a comparison too long to finish and press Ctrl-C once it has printed some words."""
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
            running.send_signal(signal.SIGINT)
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
