"""`thalweg compare` as a user sees it: what it prints, what it writes, and that it is fair."""

import json
import math
import os
import pty
import re
import shlex
import subprocess

import pytest

from tests.lab.conftest import COMMAND, FILES, SMALL, Outcome, environment, run_thalweg
from thalweg.lab.results import open_folder

pytestmark = pytest.mark.slow

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def curves(results):
    """Everything that a seed decides, which excludes times."""
    return {
        name: [
            (run["seed"], run["test_accuracy"], {**run["curve"], "seconds": None})
            for run in entry["runs"]
        ]
        for name, entry in results["optimizers"].items()
    }


@pytest.fixture(scope="module")
def live(small, tmp_path_factory) -> Outcome:
    """The small comparison once more, on a terminal and into a folder that has results."""
    folder = tmp_path_factory.mktemp("live")
    (folder / "results.json").write_text("from before")
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [*COMMAND, *SMALL, "--out", "."],
        stdout=theirs,
        cwd=folder,
        env={**environment(), "TERM": "xterm"},
    )
    os.close(theirs)
    shown = read_all(ours)
    return Outcome(running.wait(), shown, "", folder)


def read_all(terminal: int) -> str:
    """Read until the other side closes, which Linux reports as an error."""
    parts = []
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:
            part = b""
        if not part:
            return b"".join(parts).decode()
        parts.append(part)


def test_it_succeeds_and_says_nothing_on_stderr(small):
    assert (small.code, small.stderr) == (0, "")


def test_the_table_is_sorted_by_accuracy_and_the_diverged_come_last(small):
    table = small.stdout[small.stdout.index("optimizer ") :].splitlines()[2:5]
    printed = [float(line.split()[2]) for line in table]
    assert printed == sorted(printed, reverse=True)
    assert table[-1].split()[0] == "SGD"
    assert "diverged" in table[-1]


def test_every_learning_rate_is_named_with_how_it_was_chosen(small):
    words = " ".join(small.stdout.split())
    assert "lr of Adam, Ranger: from 9 between 0.0001 and 1" in words
    assert "lr of SGD: given." in words
    for name in ("Adam", "Ranger"):
        entry = small.results["optimizers"][name]
        best = min(entry["trials"], key=lambda trial: trial["validation_loss"])
        assert entry["lr"] == best["lr"]
        assert re.search(rf"^{name} +{best['lr']:g} ", small.stdout, re.MULTILINE)


def test_all_tuned_optimizers_tried_the_same_learning_rates(small):
    results = small.results
    for name in ("Adam", "Ranger"):
        entry = results["optimizers"][name]
        tried = [trial["lr"] for trial in entry["trials"]]
        further = entry["searched"]["widened_by"]
        assert tried == sorted([*results["settings"]["grid"], *further])
    assert results["optimizers"]["SGD"]["trials"] == []


def test_the_tuning_seed_is_not_among_the_seeds(small):
    results = small.results
    seeds = [run["seed"] for run in results["optimizers"]["Adam"]["runs"]]
    assert len(seeds) == results["settings"]["seeds"] == 2
    assert results["settings"]["tuning_seed"] not in seeds


def test_a_diverged_run_is_a_result_with_null_for_its_loss(small):
    for run in small.results["optimizers"]["SGD"]["runs"]:
        assert run["test_loss"] is None
        assert 0 <= run["test_accuracy"] <= 1
        assert run["diverged_at"] >= 1
    assert "SGD: 2 of 2 seeds diverged" in " ".join(small.stdout.split())


def test_results_hold_settings_curves_times_and_versions(small):
    results = small.results
    assert results["complete"] is True
    assert {"python", "thalweg", "numpy"} <= set(results["versions"])
    assert results["optimizers"]["SGD"]["settings"]["momentum"] == 0.9
    for run in results["optimizers"]["Ranger"]["runs"]:
        lengths = {key: len(values) for key, values in run["curve"].items()}
        validated = {"validation_loss", "validation_accuracy"}
        assert set(lengths) == {"step", "seconds", "lr", "train_loss", *validated}
        assert len(set(lengths.values())) == 1
        assert 0 < run["step_seconds"] < run["iteration_seconds"]


def test_the_folder_holds_what_is_written_and_nothing_else(small):
    assert sorted(path.name for path in small.folder.iterdir()) == FILES
    assert (small.folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    for name in set(FILES) - {"journal.jsonl"}:
        assert f"runs/small/{name}" in small.stdout


def test_without_a_terminal_there_are_lines_of_80_columns_and_no_control_codes(small):
    assert "\x1b" not in small.stdout
    assert max(map(len, small.stdout.splitlines())) <= 80
    assert small.stdout.count("seed 2 of 2") == 3


def test_the_same_seeds_give_the_same_results(small, live):
    assert curves(live.results) == curves(small.results)


def test_a_folder_used_before_has_its_results_replaced(live):
    assert live.results["complete"] is True


def test_on_a_terminal_the_table_is_live_and_keeps_to_its_80_columns(live):
    assert live.code == 0
    assert "\x1b[?25l" in live.stdout  # the cursor is hidden while the table is redrawn
    assert "best so far" in live.stdout
    lines = CONTROL.sub("", live.stdout).replace("\r", "\n").split("\n")
    assert max(len(line.rstrip()) for line in lines) <= 80


def test_without_a_name_the_folder_is_always_a_new_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders = {open_folder("compare", None, None) for _ in range(3)}
    assert len(folders) == 3
    assert all(folder.match("runs/compare-*") and folder.is_dir() for folder in folders)


def test_means_in_the_summary_are_those_of_the_runs(small):
    entry = small.results["optimizers"]["Adam"]
    mean = math.fsum(run["test_loss"] for run in entry["runs"]) / 2
    assert math.isclose(entry["summary"]["test_loss"]["mean"], mean, rel_tol=1e-5)  # 6 digits kept


def test_json_is_all_that_is_on_stdout(tmp_path):
    arguments = ("sgd", "--lr", "0.1", "--seeds", "1", "--epochs", "1", "--json", "--seed", "5")
    outcome = run_thalweg("compare", *arguments, "--out", "o", cwd=tmp_path, folder=tmp_path / "o")
    assert outcome.code == 0
    printed = json.loads(outcome.stdout)
    assert printed == outcome.results
    assert [run["seed"] for run in printed["optimizers"]["SGD"]["runs"]] == [6]
    assert "Finished after" in outcome.stderr


def test_a_search_by_trials_is_reported_as_such(tmp_path):
    arguments = ("adam", "sgd(momentum=0.5..0.95)", "--tune", "12", "--jobs", "2")
    more = ("--seeds", "2", "--epochs", "2", "--schedule", "cosine(steps)", "--out", "o")
    outcome = run_thalweg("compare", *arguments, *more, cwd=tmp_path, folder=tmp_path / "o")
    assert (outcome.code, outcome.stderr) == (0, "")
    words = " ".join(outcome.stdout.split())
    assert "Adam: 12 trials each of lr in 1e-05..1, half of them spread evenly and half by" in words
    assert "SGD(momentum=0.5..0.95) runs with momentum 0." in words
    for one in outcome.results["optimizers"].values():
        assert one["searched"]["trials"] == 12
        lr = one["runs"][0]["curve"]["lr"]
        assert lr[0] == one["lr"]
        assert lr[-1] < lr[0] / 50
    assert sorted(path.name for path in outcome.folder.iterdir()) == sorted(
        {*FILES, "trials.db"} - {"journal.jsonl"}
    )


def test_the_command_that_is_kept_repeats_it(small):
    command = small.results["command"]
    assert command == f"thalweg {shlex.join([*SMALL, '--name', 'small'])}"
    assert command.replace("'", "&#x27;") in (small.folder / "report.html").read_text()
