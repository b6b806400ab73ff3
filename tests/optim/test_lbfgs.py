"""L-BFGS goes where torch's goes, evaluation by evaluation."""

import importlib
import inspect

import numpy as np
import pytest
import torch
from torch.nn import Linear, Parameter, Sequential, Tanh

from tests.optim.runs import numbers
from tests.optim.valleys import (
    FIXED,
    PROBLEMS,
    SEARCHES,
    WOLFE,
    Course,
    assert_agree,
    course,
    far_valley,
    rosenbrock,
    several,
    some,
)
from thalweg.lbfgs.line_search import Point, strong_wolfe
from thalweg.optim.lbfgs import LBFGS

pytestmark = pytest.mark.usefixtures("one_thread")


def test_arguments_defaults_and_groups_are_torchs_and_maximize():
    have, want = (inspect.signature(c).parameters for c in (LBFGS, torch.optim.LBFGS))
    assert [(p.name, p.default) for p in want.values()] == [
        (p.name, p.default) for p in have.values() if p.kind is not p.KEYWORD_ONLY
    ]
    (group,) = LBFGS(some(), max_iter=8).param_groups
    (theirs,) = torch.optim.LBFGS(some(), max_iter=8).param_groups
    assert {k: group[k] for k in theirs if k != "params"} == {
        k: v for k, v in theirs.items() if k != "params"
    }
    assert set(group) - set(theirs) == {"maximize"}


@pytest.mark.parametrize(
    ("problem", "settings", "history", "exact"),
    [
        ("rosenbrock in 2", WOLFE, 10, 25),
        ("rosenbrock in 2", {**WOLFE, "max_iter": 20}, 100, 25),
        ("rosenbrock in 2", {"lr": 1e-3, "max_iter": 10}, 5, 40),
        ("rosenbrock in 100", WOLFE, 10, 40),
        ("rosenbrock in 100", {**WOLFE, "max_eval": 3}, 5, 15),
        ("condition 1e6", WOLFE, 5, 40),
        ("condition 1e6", FIXED, 10, 40),
        ("condition 1e6", {**WOLFE, "max_eval": 1}, 10, 8),
    ],
)
def test_every_evaluation_is_where_torchs_is(problem, settings, history, exact):
    """In float64, for as long as rounding has not grown; it does, a digit every few steps."""
    have, want = (
        course(make, problem, history_size=history, **settings).walk(8)
        for make in (LBFGS, torch.optim.LBFGS)
    )
    assert len(want.losses) >= exact
    for a, b in list(zip(have.points, want.points, strict=False))[:exact]:
        assert_agree(a, b, rtol=1e-6)
    assert have.state["n_iter"] == want.state["n_iter"]
    assert have.modes == [True] * len(have.losses)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_float32_gets_as_far_as_torch_in_as_many_evaluations(problem):
    """Rounding sends the two apart on the way; neither is to be behind."""
    settings = {**WOLFE, "max_iter": 20, "history_size": 10}
    have, want = (
        course(make, problem, torch.float32, **settings).walk(4)
        for make in (LBFGS, torch.optim.LBFGS)
    )
    torch.testing.assert_close(have.losses[:12], want.losses[:12], rtol=1e-3, atol=0)
    assert abs(len(have.losses) - len(want.losses)) <= 0.15 * len(want.losses)
    assert min(have.losses) <= 1.5 * min(want.losses) + 1e-9


class Line:
    """A bumpy loss along one direction, which remembers where it was asked for."""

    def __init__(self, draw, dtype):
        self.sizes, self.phases = draw.normal(size=(2, 4))
        self.waves = 10 ** draw.uniform(-2, 1, 4)
        self.bowl, self.tilt = 10 ** draw.uniform(-4, 1), 10 ** draw.uniform(-2, 1)
        self.dtype, self.asked = dtype, []

    def __call__(self, t):
        t = float(t)
        self.asked.append(t)
        angles = self.waves * t + self.phases
        f = 0.5 * self.bowl * t * t - self.tilt * t + self.sizes @ np.sin(angles)
        slope = self.bowl * t - self.tilt + (self.sizes * self.waves) @ np.cos(angles)
        return float(torch.tensor(f, dtype=self.dtype)), torch.tensor([slope], dtype=self.dtype)

    def at(self, t):
        f, g = self(t)
        return Point(t, f, g, g[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("tolerance", [1e-9, 0.05])
@pytest.mark.parametrize("limit", [0, 2, 25])
def test_the_line_search_decides_as_torchs_does(limit, tolerance, dtype):
    """Where every branch is taken: the same lengths, one after the other, to the last bit."""
    search = importlib.import_module("torch.optim.lbfgs")._strong_wolfe
    draw, d, most = np.random.default_rng(limit), torch.ones(1, dtype=dtype), []
    for _ in range(1000):
        line = Line(draw, dtype)
        start, first = line.at(0.0), float(10 ** draw.uniform(-2, 1.5))
        if start.slope >= 0:
            continue
        line.asked = []
        want_f, _, want_t, count = search(
            lambda _, t, __, line=line: line(t),
            *(None, first, d, start.f, start.g, start.slope),
            tolerance_change=tolerance,
            max_ls=limit,
        )
        want, line.asked = line.asked, []
        found = strong_wolfe(line.at, start, first, d[0], tolerance, limit)
        assert line.asked == want
        assert (float(found.t), found.f, len(line.asked)) == (float(want_t), want_f, count)
        most.append(count)
    assert max(most) >= min(limit, 6)


def test_a_search_that_no_tolerance_ends_ends():
    """torch divides by the length of a bracket that has become zero."""

    def at(t):
        return Point(t, 1.0 if t > 0 else 0.0, torch.ones(1), torch.tensor(1.0))

    start = Point(0.0, 0.0, -torch.ones(1), torch.tensor(-1.0))
    assert strong_wolfe(at, start, 1.0, torch.tensor(1.0), 0.0, 2000).t == 0.0


@SEARCHES
def test_a_step_that_moves_next_to_nothing_is_the_last(settings):
    runs = [
        Course(make, some(), several, **{**settings, "tolerance_change": tolerance}).walk(1)
        for tolerance in (1e-2, 1e9)
        for make in (LBFGS, torch.optim.LBFGS)
    ]
    assert [len(run.losses) for run in runs[::2]] == [len(run.losses) for run in runs[1::2]]
    one = Course(LBFGS, some(), lambda *p: 1e6 * several(*p), lr=1e-9, tolerance_change=1e-4)
    assert len(one.walk(1).losses) == 2  # the loss fell by more than that, and no p by as much


@SEARCHES
def test_a_closure_that_moves_the_parameters_itself_does_what_it_does_in_torch(settings):
    def shaken(*params):
        loss = several(*params)
        with torch.no_grad():
            for p in params:
                p.data += 0.01  # the loss is of where they were
        return loss

    have, want = (
        Course(make, some(), shaken, **settings).walk(2) for make in (LBFGS, torch.optim.LBFGS)
    )
    assert_agree(have.params, want.params, rtol=1e-9)


@SEARCHES
def test_a_small_first_gradient_is_not_blown_up(settings):
    """The first step is |g|_1 long at most, and no longer than lr g."""
    runs = [
        Course(make, some(), lambda *p: 1e-4 * several(*p), **settings).walk(2)
        for make in (LBFGS, torch.optim.LBFGS)
    ]
    assert_agree(runs[0].params, runs[1].params, rtol=1e-9)


def test_a_step_that_was_not_made_is_no_pair():
    """torch takes the direction it refused for the step between two gradients."""
    weight = [1.0]
    run = Course(LBFGS, some(), lambda *p: weight[0] * several(*p), **FIXED).walk(1)
    pairs = len(run.state["old_dirs"])
    run.opt.param_groups[0]["tolerance_change"] = 1e9  # no slope is steep enough
    run.walk(1)
    assert len(run.state["old_dirs"]) == pairs + 1
    assert run.state["t"] == 0.0
    weight[0] = 2.0  # another batch: the gradient is another one at the same place
    run.walk(1)
    assert len(run.state["old_dirs"]) == pairs + 1


def test_a_network_learns_as_with_torch():
    points, kinds = numbers((100, 8), 1, torch.float32), torch.arange(100) % 5
    runs = []
    for make in (LBFGS, torch.optim.LBFGS):
        torch.manual_seed(0)
        model = Sequential(Linear(8, 16), Tanh(), Linear(16, 5))

        def loss(*_, model=model):
            return torch.nn.functional.cross_entropy(model(points), kinds)

        runs.append(Course(make, model.parameters(), loss, **{**WOLFE, "max_iter": 40}).walk(3))
    have, want = runs
    torch.testing.assert_close(have.losses[:30], want.losses[:30], rtol=1e-3, atol=0)
    assert have.losses[-1] == pytest.approx(want.losses[-1], rel=0.5)
    assert have.losses[-1] < 0.05


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("at", [1, 3, 5])
def test_with_a_fixed_step_a_loss_that_is_not_finite_does_what_it_does_in_torch(bad, at):
    def run(make):
        calls = [0]

        def function(x):
            calls[0] += 1
            return rosenbrock(x) * (bad if calls[0] == at else 1.0)

        start = Parameter(far_valley(6, torch.float64))
        return Course(make, [start], function, history_size=4).walk(2)

    have, want = run(LBFGS), run(torch.optim.LBFGS)
    torch.testing.assert_close(have.losses, want.losses, rtol=1e-6, atol=0, equal_nan=True)
    torch.testing.assert_close(have.params, want.params, rtol=1e-6, atol=0, equal_nan=True)


def test_a_tensor_lr_is_followed_as_a_number_would_be():
    """A schedule writes to the tensor. torch takes the new lr for the length of the last step."""
    runs = []
    for make, lr in ((LBFGS, torch.tensor(0.5)), (torch.optim.LBFGS, 0.5)):
        run = Course(make, some(), several, lr=lr, max_iter=3)
        schedule = torch.optim.lr_scheduler.ExponentialLR(run.opt, 0.5)
        for _ in range(4):
            run.walk(1)
            schedule.step()
        runs.append(run)
    assert runs[0].opt.param_groups[0]["lr"] == torch.tensor(0.5**5)
    assert_agree(runs[0].params, runs[1].params, rtol=1e-6)
