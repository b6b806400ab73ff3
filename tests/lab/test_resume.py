"""Killed at any moment and started again, a comparison ends with the same numbers, bit for bit."""

import json
import os
import random
import signal
import subprocess
from pathlib import Path

import pytest

from tests.lab import nursery
from tests.lab.conftest import COMMAND, environment, run_thalweg
from tests.lab.made import outcome
from thalweg.lab.ledger import JOURNAL

pytestmark = pytest.mark.slow

JOURNALLED = ("sgd", "ranger", "--seeds", "3", "--epochs", "1", "--batch-size", "200")
SEARCHED = (
    *("sgd(momentum=0.5..0.95)", "adam", "--lr", "adam=0.003", "--tune", "7", "--seeds", "2"),
    *("--epochs", "1", "--batch-size", "100"),
)

# The command, killed some seconds after it has begun to train; before, there is nothing to lose.
KILLED = """
import os, signal, sys, threading
from thalweg.lab import main

SECONDS = float(sys.argv.pop(1))

class Watched:
    def __init__(self, stream):
        self.stream, self.begun = stream, False
    def __getattr__(self, name):
        return getattr(self.stream, name)
    def write(self, text):
        if "Handwritten" in text and not self.begun:
            self.begun = True
            kill = lambda: os.kill(os.getpid(), signal.SIGKILL)
            timer = threading.Timer(SECONDS, kill)
            timer.daemon = True
            timer.start()
        return self.stream.write(text)

sys.stdout = Watched(sys.stdout)
main()
"""

TIMES = {"step_seconds", "iteration_seconds", "seconds"}


def without_times(value):
    if isinstance(value, dict):
        return {key: without_times(part) for key, part in value.items() if key not in TIMES}
    return [without_times(part) for part in value] if isinstance(value, list) else value


def journalled(folder: Path) -> dict[str, object]:
    """What each training has shown, every number as exact as it was."""
    lines = map(json.loads, (folder / JOURNAL).read_text().splitlines()[1:])
    return {str(line["unit"]): without_times(line["outcome"]) for line in lines}


def stored(url: str) -> dict[str, object]:
    """The same out of a storage of Optuna's, which may have a training twice."""
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = optuna.storages.RDBStorage(url)
    (study,) = optuna.get_all_study_names(storage)
    trials = optuna.load_study(study_name=study, storage=storage).trials
    storage.remove_session()
    storage.engine.dispose()
    found: dict[str, object] = {}
    for trial in trials:
        if "record" in trial.user_attrs:
            record = json.loads(trial.user_attrs["record"])
            outcome = without_times(record["outcome"])
            assert found.setdefault(str(record["unit"]), outcome) == outcome
    return found


def shown(folder: Path) -> object:
    """What results.json says of the optimizers and of who is ahead, but for times."""
    results = json.loads((folder / "results.json").read_text())
    for one in results["optimizers"].values():
        one["summary"].pop("seconds_to_target")
    return without_times({key: results[key] for key in ("complete", "optimizers", "verdict")})


def killed(place: Path, seconds: float, *arguments: str) -> int:
    arguments = (str(seconds), "compare", *arguments)
    return nursery.run(arguments, place, environment(), KILLED).code


def interrupted_and_resumed(place: Path, kills: int, arguments: tuple[str, ...]) -> int:
    """Kill a comparison so often, each time a little later on, and let it come to its end."""
    moments = random.Random(7)
    codes = [
        killed(place, moments.uniform(0, 0.5), *arguments, "--out", "again", "--resume")
        for _ in range(kills)
    ]
    outcome = run_thalweg("compare", *arguments, "--out", "again", "--resume", cwd=place)
    assert (outcome.code, outcome.stderr) == (0, "")
    return codes.count(-signal.SIGKILL)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The folder of a comparison that nobody interrupted."""
    place = tmp_path_factory.mktemp("whole")
    assert run_thalweg("compare", *JOURNALLED, "--out", "whole", cwd=place).code == 0
    return place / "whole"


def test_ten_kills_leave_no_trace_in_the_numbers(whole, tmp_path):
    assert interrupted_and_resumed(tmp_path, 10, JOURNALLED) >= 3
    assert journalled(tmp_path / "again") == journalled(whole)
    assert shown(tmp_path / "again") == shown(whole)


def test_nor_where_optuna_keeps_them(tmp_path):
    assert run_thalweg("compare", *SEARCHED, "--out", "whole", cwd=tmp_path).code == 0
    assert interrupted_and_resumed(tmp_path, 2, SEARCHED) >= 1
    whole, again = (f"sqlite:///{tmp_path}/{name}/trials.db" for name in ("whole", "again"))
    assert stored(again) == stored(whole)
    assert shown(tmp_path / "again") == shown(tmp_path / "whole")


def test_nor_do_several_jobs(whole, tmp_path):
    outcome = run_thalweg("compare", *JOURNALLED, "--out", "3", "--jobs", "3", cwd=tmp_path)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert journalled(tmp_path / "3") == journalled(whole)
    assert shown(tmp_path / "3") == shown(whole)


def test_a_line_that_was_cut_off_anywhere_is_done_again(whole, tmp_path):
    text = (whole / JOURNAL).read_bytes()
    expected = journalled(whole)
    begin = text.index(b"\n", len(text) // 2) + 1  # of a line in the middle
    for cut in (begin + 1, text.index(b"\n", begin)):
        (tmp_path / "again").mkdir(exist_ok=True)
        (tmp_path / "again" / JOURNAL).write_bytes(text[:cut])
        arguments = (*JOURNALLED, "--out", "again", "--resume")
        assert run_thalweg("compare", *arguments, cwd=tmp_path).code == 0
        assert journalled(tmp_path / "again") == expected


def test_more_seeds_may_be_asked_for_and_nothing_else(tmp_path):
    arguments = ("sgd", "--lr", "0.1", "--epochs", "1", "--out", "kept")
    assert run_thalweg("compare", *arguments, "--seeds", "1", cwd=tmp_path).code == 0
    first = journalled(tmp_path / "kept")
    assert run_thalweg("compare", *arguments, "--seeds", "2", "--resume", cwd=tmp_path).code == 0
    assert journalled(tmp_path / "kept").items() >= first.items()
    outcome = run_thalweg("compare", *arguments, "--batch-size", "32", "--resume", cwd=tmp_path)
    assert outcome.code == 2
    assert outcome.stderr == (
        "thalweg: kept holds another comparison: its batch_size is 64, and here it is 32; say the "
        "same as then, or leave --resume and --join out\n"
    )


def test_without_resume_a_folder_begins_anew(tmp_path):
    from thalweg.lab.contest import Unit
    from thalweg.lab.ledger import Record, open_journal

    record = Record(Unit("SGD", "run", 1), outcome())
    with open_journal(tmp_path, {}, resume=False) as journal:
        journal.record(record)
    with open_journal(tmp_path, {}, resume=True) as journal:
        assert journal.news() == [record]
    with open_journal(tmp_path, {}, resume=False) as journal:
        assert journal.news() == []


def test_resume_alone_goes_on_with_the_newest_folder(tmp_path):
    arguments = ("sgd", "--lr", "0.1", "--epochs", "1", "--seeds", "1")
    assert run_thalweg("compare", *arguments, cwd=tmp_path).code == 0
    assert run_thalweg("compare", *arguments, "--resume", cwd=tmp_path).code == 0
    assert len(list((tmp_path / "runs").iterdir())) == 1


def test_two_at_work_in_one_folder_is_refused(tmp_path):
    from thalweg.lab.errors import UserError
    from thalweg.lab.ledger import open_journal

    refused = pytest.raises(UserError, match=f"^another comparison is at work in {tmp_path}")
    with open_journal(tmp_path, {}, resume=False), refused, open_journal(tmp_path, {}, resume=True):
        pass


def test_a_full_disk_is_said_and_what_was_finished_goes_on(tmp_path):
    """Full by a limit on the size of a file, which only the journal reaches."""
    resource = pytest.importorskip("resource")
    arguments = ("compare", "sgd", "--lr", "0.1", "--epochs", "1", "--seeds", "8", "--out", "kept")

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))

    done = subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**environment(), "THALWEG_CACHE_DIR": os.environ.get("THALWEG_CACHE_DIR", "")},
        preexec_fn=limit,
    )
    assert done.returncode == 2
    assert done.stderr == "thalweg: cannot write to kept/journal.jsonl: File too large\n"
    kept = journalled(tmp_path / "kept")
    assert 0 < len(kept) < 8
    assert run_thalweg(*arguments, "--resume", cwd=tmp_path).code == 0
    assert journalled(tmp_path / "kept").items() >= kept.items()
