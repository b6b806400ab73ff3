"""A training that is killed goes on within itself, and ends with the same numbers, bit for bit."""

import json
import math
import signal
from dataclasses import asdict

import numpy as np
import pytest

from tests.lab.conftest import run_thalweg
from tests.lab.test_backends import TAKING_PART
from tests.lab.test_resume import journalled, without_times
from thalweg.lab.frameworks import BACKENDS, load_backend
from thalweg.lab.state_file import read_state, same, write_state
from thalweg.lab.tasks.builtin import open_task
from thalweg.lab.training import Outcome, train
from thalweg.lab.unfinished import Shelf, Unfinished

EPOCHS, STEPS = 4, 2  # in each of them


def trained(task, name, kept=None, until=math.inf, seed=1):
    """The steps at which a training looked, and what came of it if it was not left before."""
    settings = {"lr": 0.01} | ({"batch_size": 400} if name == "Sophia" else {})
    schedule = "warmup(2) >> cosine(steps - 2)"
    training = train(task, name, settings, seed, EPOCHS, schedule, looks_at_test=True, kept=kept)
    seen = []
    while True:
        try:
            seen.append(next(training).step)
        except StopIteration as end:
            return seen, end.value
        if seen[-1] >= until:
            training.close()
            return seen, None


def numbers(outcome: Outcome):
    return without_times(asdict(outcome))


@pytest.fixture(params=BACKENDS)
def task(request):
    if request.param == "torch":
        pytest.importorskip("torch")
    return open_task("digits", "mlp", request.param, 400)


@pytest.mark.parametrize("name", TAKING_PART)
def test_taken_up_between_two_epochs_it_ends_with_the_same_numbers(name, task, tmp_path):
    kept = Unfinished(tmp_path / "one.state", 0.0)
    _, whole = trained(task, name)
    trained(task, name, kept, until=2 * STEPS + 1)
    assert kept.path.exists()
    seen, again = trained(task, name, kept)
    assert seen == list(range(2 * STEPS + 1, EPOCHS * STEPS + 1))
    assert numbers(again) == numbers(whole)
    assert not kept.path.exists()


@pytest.mark.parametrize(
    ("name", "settings"), [("torch.optim:AdamW", {}), ("torch.optim:LBFGS", {}), ("Adafactor", {})]
)
def test_so_does_one_of_torchs_own(name, settings, tmp_path):
    pytest.importorskip("torch")
    task = open_task("digits", "mlp", "torch", 400)
    kept = Unfinished(tmp_path / "one.state", 0.0)
    _, whole = trained(task, name)
    trained(task, name, kept, until=3 * STEPS + 1)
    seen, again = trained(task, name, kept)
    assert len(seen) == STEPS
    assert numbers(again) == numbers(whole)


def test_a_short_training_is_not_kept(tmp_path):
    kept = Unfinished(tmp_path / "one.state", 60.0)
    trained(open_task(batch_size=400), "Adam", kept, until=2 * STEPS + 1)
    assert not kept.path.exists()


@pytest.mark.parametrize("held", [b"", b"something else", None])
def test_what_is_damaged_is_as_if_it_were_not_there(held, tmp_path):
    task, kept = open_task(batch_size=400), Unfinished(tmp_path / "one.state", 0.0)
    _, whole = trained(task, "Adam")
    trained(task, "Adam", kept, until=2 * STEPS + 1)
    kept.path.write_bytes(kept.path.read_bytes()[:-100] if held is None else held)
    seen, again = trained(task, "Adam", kept)
    assert seen[0] == 1
    assert numbers(again) == numbers(whole)


def test_another_optimizers_state_is_not_taken(tmp_path):
    task, kept = open_task(batch_size=400), Unfinished(tmp_path / "one.state", 0.0)
    trained(task, "Adam", kept, until=2 * STEPS + 1)
    assert trained(task, "SGD", kept)[0][0] == 1


def test_each_training_has_a_place_of_its_own(tmp_path):
    shelf = Shelf(tmp_path)
    assert shelf.place(("adam", 1)).path == shelf.place(("adam", 1)).path
    assert shelf.place(("adam", 1)).path != shelf.place(("adam", 2)).path


def test_a_state_comes_back_as_it_was(tmp_path):
    held = {
        "state": {0: {"m": np.arange(6, dtype=np.float32).reshape(2, 3).T, "step": np.float64(3)}},
        "groups": [{"lr": 0.1, "betas": (0.9, 0.999), "params": [0], "name": None, "on": True}],
        "nan": math.nan,
    }
    with open(tmp_path / "a.state", "wb") as file:
        write_state(file, held)
    with open(tmp_path / "a.state", "rb") as file:
        found = read_state(file)
    assert same(found, held)
    assert found["groups"][0]["betas"] == (0.9, 0.999)
    found["state"][0]["m"][0, 0] = -1
    assert not same(found, held)


def test_a_state_that_no_file_can_hold_ends_the_keeping_alone(tmp_path):
    kept = Unfinished(tmp_path / "one.state", 0.0)
    kept.write(load_backend("mytorch"), lambda: {"it": object()})
    assert not kept.path.exists()


TASK = """
import os, signal
from pathlib import Path
import numpy as np
from thalweg.mytorch import data, nn

PASSES, KILLED = Path("passes"), Path("killed")

class Counted(nn.Sequential):
    # one letter for each forward pass of the training, in a file that outlives the process
    def forward(self, x):
        if self.training:
            with open(PASSES, "a") as file:
                file.write("x")
            if PASSES.stat().st_size == {at} and not KILLED.exists():
                KILLED.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(x)

def task(seed):
    random = np.random.default_rng(seed)
    x = random.normal(size=(50, 4)).astype(np.float32)
    y = (x @ np.ones((4, 1), np.float32)) + random.normal(size=(50, 1)).astype(np.float32)
    pairs = data.TensorDataset(x, y)
    loader = data.DataLoader(pairs, batch_size=10, shuffle=True)
    model = Counted(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 1))
    return model, nn.MSELoss(), (loader, data.DataLoader(pairs, batch_size=50))
"""


BATCHES, KILLED_AT = 5, 1 + 8 * 5 + 3  # of an epoch; in the ninth, one batch having tried the task
LONG = (
    *("compare", "ranger", "--lr", "0.01", "--model", "task.py:task", "--out", "kept"),
    *("--seeds", "2", "--epochs", "12", "--keep", "0"),
)
PASSES = 2 * 12 * BATCHES + 1


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a comparison that nobody killed."""
    place = tmp_path_factory.mktemp("whole")
    (place / "task.py").write_text(TASK.replace("{at}", "-1"))
    outcome = run_thalweg(*LONG, cwd=place)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert (place / "passes").stat().st_size == PASSES
    return place / "kept"


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_kill_costs_no_more_than_the_epoch_that_it_fell_into(jobs, whole, tmp_path):
    """Counted in passes through the model, each of which leaves a letter in a file."""
    (tmp_path / "task.py").write_text(TASK.replace("{at}", str(KILLED_AT)))
    first = run_thalweg(*LONG, "--jobs", str(jobs), cwd=tmp_path)
    assert first.code == (-signal.SIGKILL if jobs == 1 else 2)
    assert any((tmp_path / "kept" / "unfinished").iterdir())
    resumed = run_thalweg(*LONG, "--jobs", str(jobs), "--resume", cwd=tmp_path)
    assert (resumed.code, resumed.stderr) == (0, "")
    # what is done twice: the trial of the task, and the epochs that the killed ones were in
    again = (tmp_path / "passes").stat().st_size - PASSES - 1
    assert 3 <= again <= jobs * BATCHES
    assert journalled(tmp_path / "kept") == journalled(whole)
    assert not (tmp_path / "kept" / "unfinished").exists()


@pytest.mark.slow
def test_ctrl_c_before_anything_is_finished_keeps_what_was_begun(tmp_path):
    (tmp_path / "task.py").write_text(TASK.replace("SIGKILL", "SIGINT").replace("{at}", "40"))
    arguments = ("compare", "sgd", "--lr", "0.01", "--model", "task.py:task", "--seeds", "1")
    arguments += ("--epochs", "20", "--keep", "0", "--out", "kept", "--json")
    outcome = run_thalweg(*arguments, cwd=tmp_path)
    assert outcome.code == 130
    assert "goes on with what was begun with --resume" in " ".join(outcome.stderr.split())
    resumed = run_thalweg(*arguments, "--resume", cwd=tmp_path)
    assert resumed.code == 0
    assert json.loads(resumed.stdout)["complete"]


def test_the_time_between_two_must_be_one(tmp_path):
    done = run_thalweg("compare", "sgd", "--keep", "soon", cwd=tmp_path)
    said = "thalweg: --keep must be a time such as 90s, 10m or 1.5h, got 'soon'\n"
    assert (done.code, done.stderr) == (2, said)
