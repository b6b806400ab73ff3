"""`thalweg lr-find` and `thalweg.lab.lr_find` suggest a rate, and leave all as it was."""

import json
import random

import numpy as np
import pytest

from tests.lab.commands.told import thalweg, widest

pytest.importorskip("typer")

from thalweg.lab import lr_find
from thalweg.lab.range_test.suggestion import smoothed, suggest
from thalweg.lab.tasks.builtin import open_task
from thalweg.mytorch import nn, optim
from thalweg.mytorch.data import DataLoader, TensorDataset
from thalweg.mytorch.random import get_rng_state

SHORT = ("--steps", "30", "--seeds", "1", "--low", "1e-4", "--high", "1")


def line(framework):
    """Model, loss, loader and optimizer that learn a line through noise."""
    numbers = np.random.default_rng(0)
    inputs = numbers.normal(size=(64, 3)).astype(np.float32)
    targets = (inputs @ [[1.0], [2.0], [3.0]]).astype(np.float32)
    if framework == "mytorch":
        model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.1), nn.Linear(4, 1))
        loader = DataLoader(TensorDataset(inputs, targets), batch_size=8, shuffle=True, seed=1)
        return model, nn.MSELoss(), loader, optim.Adam(model.parameters(), lr=0.02)
    torch = pytest.importorskip("torch")
    module = torch.nn
    model = module.Sequential(module.Linear(3, 4), module.Dropout(0.1), module.Linear(4, 1))
    data = torch.utils.data.TensorDataset(torch.tensor(inputs), torch.tensor(targets))
    generator = torch.Generator().manual_seed(3)
    loader = torch.utils.data.DataLoader(data, 8, shuffle=True, generator=generator)
    return model, module.MSELoss(), loader, torch.optim.Adam(model.parameters(), lr=0.02)


def plain(state):
    """A state of any framework in plain lists, for comparing."""
    if isinstance(state, dict):
        return {key: plain(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return [*map(plain, state)]
    return state.tolist() if hasattr(state, "tolist") else state


def held(model, optimizer, loader):
    """All that a range test may not change, as plain arrays."""
    weights = {k: v.tolist() for k, v in model.state_dict().items()}
    numbers = [np.random.get_state()[1].tolist(), random.getstate(), get_rng_state()]
    if type(model).__module__.startswith("torch."):
        torch = pytest.importorskip("torch")
        numbers += [torch.get_rng_state().tolist(), loader.generator.get_state().tolist()]
    grads = [p.grad is None for p in model.parameters()]
    state = plain(optimizer.state_dict())
    return weights, state, numbers, grads, model.training, getattr(loader, "epoch", None)


@pytest.mark.parametrize("framework", ["mytorch", "torch"])
def test_all_is_left_as_it_was(framework):
    model, loss, loader, optimizer = line(framework)
    model.eval()
    before = held(model, optimizer, loader)
    found = lr_find(model, loss, loader, optimizer, steps=40)
    assert len(found.lr) > 10
    np.testing.assert_equal(held(model, optimizer, loader), before)


@pytest.mark.parametrize("framework", ["mytorch", "torch"])
def test_a_state_that_is_there_is_gone_on_with_and_stays(framework):
    model, loss, loader, optimizer = line(framework)
    batch = next(iter(loader))
    model.zero_grad()
    loss(model(batch[0]), batch[1]).backward()
    optimizer.step()
    before = plain(optimizer.state_dict())
    lr_find(model, loss, loader, optimizer, steps=20)
    assert plain(optimizer.state_dict()) == before


def test_what_is_suggested_lies_below_where_gradient_descent_breaks():
    class Valley(nn.Module):
        def __init__(self):
            super().__init__()
            self.p = nn.Parameter(np.ones(4))

        def forward(self, c):
            return c * self.p * self.p

    model = Valley()
    batches = [(np.array([1.0, 2.0, 4.0, 8.0]), np.zeros(4))] * 5
    optimizer = optim.SGD(model.parameters())
    found = lr_find(model, lambda out, _: out.sum() / 2, batches, optimizer, low=1e-4, high=10)
    assert found.ended == "the loss has broken out"
    assert 1e-3 < found.suggested < 2 / 8
    assert found.suggested <= found.suggestion.lowest < found.suggestion.breaks
    assert "The loss falls fastest at" in found.suggestion.reason


def test_groups_keep_their_ratio():
    seen = []

    class Noted(optim.SGD):
        def step(self, closure=None):
            seen.append([group["lr"] for group in self.param_groups])
            return super().step(closure)

    model, loss, loader, _ = line("mytorch")
    first, last = model[0], model[2]
    groups = [{"params": first.parameters(), "lr": 0.1}, {"params": last.parameters(), "lr": 0.3}]
    lr_find(model, loss, loader, Noted(groups), steps=10, low=1e-3, high=1e-2)
    np.testing.assert_allclose([row[0] for row in seen], np.geomspace(1e-3, 1e-2, 10))
    np.testing.assert_allclose([row[1] / row[0] for row in seen], 3)


@pytest.mark.parametrize("seed", range(5))
def test_a_loss_that_only_scatters_suggests_nothing(seed):
    loss = 1 + 0.1 * np.random.default_rng(seed).normal(size=120)
    rates = np.geomspace(1e-6, 10, 120)
    said = suggest(rates, smoothed(loss), loss, False)
    assert said.lr is None
    assert "does not fall" in said.reason


def test_a_loss_that_is_never_finite_suggests_nothing():
    loss = np.array([1.0, np.nan])
    said = suggest(np.array([1.0, 2.0]), smoothed(loss), loss, True)
    assert said.lr is None
    assert "not finite" in said.reason


def test_a_fall_at_the_end_of_the_range_says_to_go_further():
    rates = np.geomspace(1e-6, 1e-3, 60)
    loss = 1 / (1 + 1e3 * rates)
    assert "a higher --high may show" in suggest(rates, smoothed(loss), loss, False).reason


@pytest.mark.parametrize(
    ("change", "kind", "says"),
    [
        ({"model": 3}, TypeError, "model must be a Module of torch or mytorch, got int"),
        ({"optimizer": 3}, TypeError, "optimizer must have an lr in its groups, got int"),
        ({"loader": []}, ValueError, "the loader must give batches, and gives none"),
        ({"low": 1.0, "high": 0.5}, ValueError, "0 < low < high"),
        ({"steps": 3}, ValueError, "a whole number of at least 10, got 3"),
    ],
    ids=str,
)
def test_what_cannot_be_tested_is_said(change, kind, says):
    model, loss, loader, optimizer = line("mytorch")
    given = {"model": model, "loss": loss, "loader": loader, "optimizer": optimizer, **change}
    with pytest.raises(kind, match=says):
        lr_find(**given)


# The command.


def test_the_digits_are_learnt_well_at_the_suggested_rate():
    task = open_task()
    material = task.start(1)
    optimizer = optim.Adam(material.model.parameters())
    found = lr_find(material.model, material.loss, material.train, optimizer)
    assert 1e-3 < found.suggested < 5e-2  # Adam's best on this network lie between


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_it_fits_its_window(columns):
    told = thalweg("lr-find", "adam", *SHORT, columns=columns)
    assert told.code == 0
    assert widest(told.out) <= min(columns, 100)
    assert "\x1b" not in told.out + told.err
    assert "Suggested: lr=" in told.out


def test_the_same_seed_finds_the_same():
    one, two = (thalweg("lr-find", "adam", *SHORT, "--json").out for _ in range(2))
    assert one == two
    told = json.loads(one)
    assert told["suggested"] == told["tests"][0]["suggestion"]["lr"]


@pytest.mark.parametrize("suffix", [".png", ".json", ".txt"])
def test_it_is_written(suffix, tmp_path):
    path = tmp_path / f"found{suffix}"
    told = thalweg("lr-find", "sgd", *SHORT, "--out", str(path))
    assert told.out.endswith(f"Written: {path}\n")
    assert path.stat().st_size > 100


def test_the_users_own_task_is_tested(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "import numpy as np\nfrom thalweg.mytorch import nn\n\n\ndef task(seed):\n"
        "    model = nn.Linear(3, 1)\n    x = np.ones((4, 3), np.float32)\n"
        "    y = np.ones((4, 1), np.float32)\n    batches = [(x, y)] * 3\n"
        "    return model, nn.MSELoss(), (batches, batches)\n"
    )
    told = thalweg("lr-find", "sgd", "--model", f"{path}:task", *SHORT)
    assert told.code == 0, told.err
    assert "weights in mytorch" in told.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("adamm",), "no optimizer is called 'adamm' (did you mean Adam?)"),
        (("adam(lr=0.1)",), "lr is what is looked for"),
        (("adam", "--low", "1", "--high", "0.1"), "--low and --high must be 0 < low < high"),
        (("adam", "--out", "x.gif"), "--out must end in .png, .svg, .pdf, .json, .txt"),
        (("adam", "--model", "nowhere.py:task"), "there is no file nowhere.py"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_request_is_answered(arguments, says):
    told = thalweg("lr-find", *arguments)
    assert told.code == 2
    assert says in told.err
