"""L-BFGS on NumPy takes torch's steps, is found in files of either, and trains a model in `fit`."""

import copy
import pickle

import numpy as np
import pytest
import torch

from thalweg import mytorch
from thalweg.mytorch import nn, optim

DRAW = np.random.default_rng(0)
INPUTS = DRAW.normal(size=(30, 8))
TARGETS = np.tanh(INPUTS @ DRAW.normal(size=8))
START = [DRAW.normal(size=(8, 5)) / 2, DRAW.normal(size=5) / 2]
WOLFE = {"line_search_fn": "strong_wolfe"}
SETTINGS = [
    {"max_iter": 8},
    {"lr": 0.3, "max_iter": 7, "history_size": 3},
    {**WOLFE, "max_iter": 5},
    {**WOLFE, "max_iter": 6, "max_eval": 9},
]


class Run:
    """The same small network in either framework, with its optimizer."""

    def __init__(self, library, dtype=np.float64, **settings):
        self.library, made = library, library is mytorch
        tensor = mytorch.tensor if made else torch.tensor
        self.inputs, self.targets = tensor(INPUTS.astype(dtype)), tensor(TARGETS.astype(dtype))
        kind = nn.Parameter if made else torch.nn.Parameter
        start = [one.astype(dtype) for one in START]
        self.params = [kind(one if made else torch.tensor(one)) for one in start]
        self.opt = (optim if made else torch.optim).LBFGS(self.params, **settings)

    def closure(self):
        self.opt.zero_grad()
        hidden = self.library.tanh(self.inputs @ self.params[0])
        loss = ((hidden @ self.params[1] - self.targets) ** 2).mean()
        loss.backward()
        return loss

    def walk(self, steps):
        return [self.opt.step(self.closure).item() for _ in range(steps)]

    @property
    def numbers(self):
        return np.concatenate([np.asarray(p.detach()).reshape(-1) for p in self.params])


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_steps_are_torchs(settings):
    ours, theirs = Run(mytorch, **settings), Run(torch, **settings)
    np.testing.assert_allclose(ours.walk(3), theirs.walk(3), rtol=1e-8)
    np.testing.assert_allclose(ours.numbers, theirs.numbers, rtol=1e-7)
    held, its = ours.opt.state[ours.params[0]], theirs.opt.state[theirs.params[0]]
    assert held.keys() == its.keys()
    assert held["func_evals"] == its["func_evals"]


def test_single_precision_stays():
    run = Run(mytorch, np.float32, **WOLFE)
    losses = run.walk(2)
    assert losses[1] < losses[0]
    held = run.opt.state[run.params[0]]
    assert {p.data.dtype for p in run.params} == {np.dtype("float32")}
    assert held["d"].dtype == held["old_dirs"][0].dtype == np.float32


@pytest.mark.parametrize("library", [mytorch, torch])
def test_a_file_of_either_goes_on(library):
    begun, whole = Run(library, max_iter=4), Run(mytorch, max_iter=4)
    begun.walk(2)
    whole.walk(4)
    taken = Run(mytorch, lr=0.5)
    for p, q in zip(taken.params, begun.params, strict=True):
        p.data[...] = np.asarray(q.detach())
    taken.opt.load_state_dict(begun.opt.state_dict())
    taken.walk(2)
    np.testing.assert_allclose(taken.numbers, whole.numbers, rtol=1e-7)


@pytest.mark.parametrize("way", [copy.deepcopy, lambda both: pickle.loads(pickle.dumps(both))])
def test_a_copy_goes_on_as_the_original(way):
    run, twin = Run(mytorch, max_iter=3), Run(mytorch)
    run.walk(2)
    twin.params, twin.opt = way((run.params, run.opt))
    run.walk(2)
    twin.walk(2)
    np.testing.assert_array_equal(twin.numbers, run.numbers)


def test_fit_takes_it():
    model = nn.Sequential(nn.Linear(8, 5), nn.Tanh(), nn.Linear(5, 1))
    batches = [(INPUTS.astype(np.float32), TARGETS[:, None].astype(np.float32))]
    opt = optim.LBFGS(model, **WOLFE)
    history = mytorch.fit(model, nn.MSELoss(), opt, batches, 5, progress=False)
    assert history.loss[-1] < 0.01 * history.loss[0]


def test_fit_ends_where_the_loss_is_no_number():
    model = nn.Linear(2, 1)
    before = [p.data.copy() for p in model.parameters()]
    batch = np.full((3, 2), np.inf, np.float32), np.zeros((3, 1), np.float32)
    with pytest.warns(RuntimeWarning, match="the training has diverged"):
        mytorch.fit(model, nn.MSELoss(), optim.LBFGS(model), [batch], 2, progress=False)
    for p, was in zip(model.parameters(), before, strict=True):
        np.testing.assert_array_equal(p.data, was)


def test_a_closure_that_raises_leaves_the_parameters_where_they_were():
    run = Run(mytorch, **WOLFE)
    calls = []

    def failing():
        calls.append(1)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return run.closure()

    with pytest.raises(KeyboardInterrupt):
        run.opt.step(failing)
    np.testing.assert_array_equal(run.numbers, np.concatenate([one.reshape(-1) for one in START]))


def test_a_smaller_rate_shortens_a_groups_part():
    groups = [nn.Parameter(one.copy()) for one in START]
    opt = optim.LBFGS(
        [{"params": groups[:1], "lr": 0.5}, {"params": groups[1:], "lr": 0.1}], max_iter=1
    )

    def closure():
        for p in groups:
            p.grad = np.ones_like(p.data)
        return 1.0

    opt.step(closure)
    one, other = (start - p.data for start, p in zip(START, groups, strict=True))
    np.testing.assert_allclose(one.max() / other.max(), 5)


WRONG = [
    (lambda run: run.opt.step(), TypeError, "LBFGS: step needs a closure"),
    (lambda run: run.opt.step(lambda: None), TypeError, "must return the loss, got None"),
    (
        lambda run: run.opt.add_param_group({"params": [nn.Parameter(START[1])], "max_iter": 3}),
        ValueError,
        "max_iter must be the same in all groups",
    ),
    (
        lambda run: run.opt.load_state_dict({"state": {}}),
        ValueError,
        "must be what state_dict gave",
    ),
    (
        lambda run: optim.LBFGS(run.params, line_search_fn="armijo"),
        ValueError,
        "must be 'strong_wolfe' or None",
    ),
]


@pytest.mark.parametrize(("wrong", "kind", "words"), WRONG)
def test_what_is_wrong_is_said(wrong, kind, words):
    with pytest.raises(kind, match=words):
        wrong(Run(mytorch))
