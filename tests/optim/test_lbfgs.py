"""L-BFGS goes where torch's goes, evaluation by evaluation, and to some places torch's does not."""

import copy
import importlib
import inspect
import itertools
import pickle

import numpy as np
import pytest
import torch
from torch.nn import Linear, Parameter, Sequential, Tanh

from tests.optim.runs import assert_same, numbers, reloaded, values
from thalweg.fuse.cpu import products
from thalweg.optim.lbfgs import LBFGS, history
from thalweg.optim.lbfgs.line_search import Point, strong_wolfe


@pytest.fixture(autouse=True)
def _one_thread():
    """What is small is not worth two, and takes long with two on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


FIXED = {"lr": 0.1, "max_iter": 6}
WOLFE = {"lr": 1.0, "max_iter": 6, "line_search_fn": "strong_wolfe"}
SEARCHES = pytest.mark.parametrize("settings", [FIXED, WOLFE], ids=["fixed", "wolfe"])
WAYS = pytest.mark.parametrize("way", ["ours to torch", "torch to ours"])


def rosenbrock(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def quadratic(x, condition=1e6):
    """Turned by a reflection, so that no coordinate is an axis."""
    n = x.numel()
    axis = numbers((n,), 5, x.dtype)
    axis = axis / axis.norm()
    turned = x - 2 * axis * (axis @ x)
    exponents = torch.linspace(0, 1, n, dtype=x.dtype)
    return 0.5 * (condition**exponents * turned**2).sum()


def far_valley(n, dtype):
    x = torch.ones(n, dtype=dtype)
    x[::2] = -1.2
    return x


PROBLEMS = {
    "rosenbrock in 2": (rosenbrock, lambda dtype: far_valley(2, dtype)),
    "rosenbrock in 100": (rosenbrock, lambda dtype: far_valley(100, dtype)),
    "condition 1e6": (quadratic, lambda dtype: numbers((200,), 3, dtype)),
}


class Course:
    """An optimizer on a function of its parameters, and what its closure saw."""

    def __init__(self, make, params, function, **settings):
        self.params, self.function = list(params), function
        self.opt = make(self.params, **settings)
        self.losses, self.points, self.modes = [], [], []

    def closure(self):
        self.modes.append(torch.is_grad_enabled())
        self.points.append(values(self.params))
        for p in self.params:
            p.grad = None
        loss = self.function(*self.params)
        loss.backward()
        self.losses.append(loss.item())
        return loss

    def walk(self, steps):
        for _ in range(steps):
            self.opt.step(self.closure)
        return self

    @property
    def state(self):
        return self.opt.state[self.params[0]]


def course(make, problem, dtype=torch.float64, **settings):
    function, start = PROBLEMS[problem]
    return Course(make, [Parameter(start(dtype))], function, **settings)


def several(*params):
    """A function of any number of parameters of any shape, real or complex; its least is 0."""
    total = 0.0
    for i, p in enumerate(params):
        flat = (torch.view_as_real(p) if p.is_complex() else p).reshape(-1)
        weights = 1 + torch.arange(flat.numel(), dtype=flat.dtype) % 7
        total = total + (weights * (flat - i) ** 2).sum() + 0.1 * (flat**4).sum()
    return total


def some(dtype=torch.float64, shapes=((3, 4), (4,), (), (2, 3, 2, 2), (0, 3))):
    return [Parameter(numbers(shape, seed, dtype)) for seed, shape in enumerate(shapes)]


def assert_agree(have, want, rtol):
    for a, b in zip(have, want, strict=True):
        torch.testing.assert_close(a.detach(), b.detach(), rtol=rtol, atol=rtol, check_stride=False)


# --- the same as torch ---------------------------------------------------------------------------


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


@SEARCHES
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_state_is_torchs_key_by_key(settings, steps):
    settings = {**settings, "max_iter": 1 if steps == 1 else 4, "history_size": 3}
    have, want = (
        Course(c, some(), several, **settings).walk(steps) for c in (LBFGS, torch.optim.LBFGS)
    )
    # A step length is interpolated from differences of losses, and has the digits that these have:
    # where a loss still falls by 1e-6 of itself, nine are left of fifteen.
    assert steps == 1 or want.losses[-3] - want.losses[-1] > 1e-6 * want.losses[-1]
    assert set(have.opt.state) == {have.params[0]}
    assert have.state.keys() == want.state.keys()
    for key, value in want.state.items():
        mine = have.state[key]
        if isinstance(value, list):
            assert len(mine) == len(value), key
            if key != "al":  # which torch writes to before it reads
                assert_agree(mine, value, rtol=1e-9)
        elif isinstance(value, torch.Tensor):
            assert_agree([torch.as_tensor(mine, dtype=value.dtype)], [value], rtol=1e-9)
        else:
            assert mine == pytest.approx(value, rel=1e-9), key


@WAYS
@SEARCHES
@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.complex64, torch.complex128], ids=str
)
def test_a_run_goes_on_in_the_other_class(dtype, k, settings, way):
    """Eight iterations: later the loss moves by less than float32 shows, and a search that looks
    at it may evaluate once more or once less."""
    settings = {**settings, "max_iter": 2, "history_size": 3}
    classes = (LBFGS, torch.optim.LBFGS)[:: 1 if way == "ours to torch" else -1]
    want = Course(torch.optim.LBFGS, some(dtype), several, **settings).walk(2 * k)
    start = Course(classes[0], some(dtype), several, **settings).walk(k)
    moved = [Parameter(p.detach().clone()) for p in start.params]
    after = Course(classes[1], moved, several, **settings)
    after.opt.load_state_dict(reloaded(start.opt.state_dict()))
    after.walk(k)
    assert start.losses[:1] + after.losses[-1:] == pytest.approx(
        want.losses[:1] + want.losses[-1:], rel=1e-3
    )
    is_wide = dtype in (torch.float64, torch.complex128)
    assert_agree(after.params, want.params, rtol=1e-9 if is_wide else 2e-3)
    assert after.state["func_evals"] == want.state["func_evals"]
    assert after.state["n_iter"] == want.state["n_iter"]


def test_a_checkpoint_made_before_the_first_iteration_loads_both_ways():
    """Its state has two counts and nothing else."""
    for first, then in ((LBFGS, torch.optim.LBFGS), (torch.optim.LBFGS, LBFGS)):
        start = Course(first, some(), several, tolerance_grad=1e9).walk(1)
        assert start.state == {"func_evals": 1, "n_iter": 0}
        after = Course(then, some(), several, **WOLFE)
        after.opt.load_state_dict(reloaded(start.opt.state_dict()))
        after.opt.param_groups[0]["tolerance_grad"] = 1e-7
        after.walk(2)
        assert after.losses[-1] < after.losses[0]


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


# --- past torch ----------------------------------------------------------------------------------


@SEARCHES
def test_several_groups_are_one_problem(settings):
    one, two = some(), some()
    together = Course(LBFGS, one, several, **settings).walk(3)
    apart = Course(LBFGS, two, several, **settings)
    apart.opt = LBFGS([{"params": two[:2]}, {"params": []}, {"params": two[2:]}], **settings)
    apart.walk(3)
    assert_same(two, one)
    assert set(apart.opt.state) == {two[0]}
    assert apart.losses == together.losses


def test_in_a_group_with_a_smaller_lr_the_step_is_shorter_in_proportion():
    whole, parts = some(), some()
    Course(LBFGS, whole, several, lr=0.4, max_iter=1).walk(1)
    run = Course(LBFGS, parts, several)
    groups = [{"params": parts[:2], "lr": 0.1}, {"params": parts[2:], "lr": 0.4}]
    run.opt = LBFGS(groups, max_iter=1)
    run.walk(1)
    before = some()
    ratios = [((p - b) / (w - b)).detach() for p, w, b in zip(parts, whole, before, strict=True)]
    assert all(torch.allclose(r, torch.full_like(r, 0.25)) for r in ratios[:2])
    assert all(torch.allclose(r, torch.ones_like(r)) for r in ratios[2:])


@SEARCHES
def test_a_group_with_lr_zero_rests_and_the_others_find_their_least(settings):
    params = some()
    before = values(params)
    run = Course(LBFGS, params, several)
    groups = [{"params": params[:2], "lr": 0.0}, {"params": params[2:]}]
    run.opt = LBFGS(groups, **{**settings, "max_iter": 40})
    run.walk(5)
    assert_same(params[:2], before[:2])
    assert params[2].item() == pytest.approx(1.6, abs=0.3)
    assert max(p.grad.abs().max() for p in params[2:4]) < 1e-3


def test_a_direction_that_the_rates_turn_uphill_is_dropped_with_its_pairs():
    """Newton's step moves x and y together; when y may hardly move, x must go the other way."""
    x, y = (Parameter(torch.tensor([v], dtype=torch.float64)) for v in (-1.0, 2.5))

    def valley(x, y):
        return (50 * (x - y) ** 2 + 0.5 * (x + y - 1) ** 2 + 0.1 * x**4).sum()

    run = Course(LBFGS, [x, y], valley)
    groups = [{"params": [x]}, {"params": [y]}]
    run.opt = LBFGS(groups, max_iter=1, max_eval=25, line_search_fn="strong_wolfe")
    run.walk(3)
    run.opt.param_groups[1]["lr"] = 1e-3
    slopes, pairs, heights = [], [], []
    for _ in range(5):
        run.walk(1)
        slopes.append(run.state["d"] @ run.state["prev_flat_grad"])
        pairs.append(len(run.state["old_dirs"]))
        heights.append(valley(x, y).item())
    assert pairs[:3] == [3, 0, 1]
    assert max(slopes) < 0
    assert all(b < a for a, b in itertools.pairwise(heights))


@pytest.mark.parametrize("name", ["max_iter", "history_size", "line_search_fn", "maximize"])
def test_what_belongs_to_the_problem_cannot_differ_between_groups(name):
    other = {"max_iter": 3, "history_size": 7, "line_search_fn": "strong_wolfe", "maximize": True}
    a, b = some()[:2]
    opt = LBFGS([{"params": [a], name: other[name]}, {"params": [b]}])
    assert opt.param_groups[1][name] == other[name]
    with pytest.raises(ValueError, match=f"LBFGS: {name} must be the same in all groups"):
        LBFGS([{"params": [a]}, {"params": [b], name: other[name]}])


@SEARCHES
def test_maximize_is_minimizing_the_negative(settings):
    up, down = some(), some()
    gain = Course(LBFGS, up, lambda *p: -several(*p), maximize=True, **settings).walk(3)
    loss = Course(LBFGS, down, several, **settings).walk(3)
    assert_same(up, down)
    assert gain.losses == [-value for value in loss.losses]
    assert gain.opt.step(gain.closure).item() == gain.losses[-1] or gain.losses[-1] <= 0


def test_a_step_returns_what_the_first_call_of_the_closure_returned():
    run = Course(LBFGS, some(), several, **WOLFE)
    returned = []

    def closure():
        returned.append(run.closure())
        return returned[-1]

    assert run.opt.step(closure) is returned[0]
    assert run.opt.step(closure=closure) is not returned[0]
    assert len(returned) > 4


def twice(g):
    """A sparse gradient that names each of its entries twice."""
    one = g.to_sparse().coalesce()
    indices, parts = one.indices(), (0.25 * one.values(), 0.75 * one.values())
    return torch.sparse_coo_tensor(
        torch.cat((indices, indices), 1), torch.cat(parts), g.shape, check_invariants=True
    )


@pytest.mark.parametrize(
    "laid_out",
    [
        lambda g: g.to_sparse(),
        twice,
        lambda g: g.t().contiguous().t(),
        lambda g: torch.complex(g, -g).conj().imag,
    ],
    ids=["sparse", "uncoalesced", "other strides", "negated"],
)
def test_a_gradient_counts_by_its_values_however_it_is_laid_out(laid_out):
    params, plain = (some(shapes=[(3, 4), (5,)]) for _ in range(2))
    for (p, q), lay in ((params, laid_out), (plain, torch.clone)):
        opt = LBFGS([p, q], **FIXED)

        def closure(p=p, q=q, lay=lay):
            with torch.no_grad():
                p.grad, q.grad = lay(3 * p), 2 * q
                return 1.5 * (p * p).sum() + (q * q).sum()

        for _ in range(3):
            opt.step(closure)
    assert_agree(params, plain, rtol=1e-12)


def test_a_conjugated_gradient_is_read_as_what_it_stands_for():
    params, plain = (some(torch.complex128, [(4,)]) for _ in range(2))
    for (p,), lay in ((params, lambda g: g.conj().resolve_conj().conj()), (plain, lambda g: g)):
        opt = LBFGS([p], **FIXED)
        for _ in range(3):

            def closure(p=p, lay=lay):
                p.grad = lay(2 * p.detach())
                return p.detach().abs().square().sum()

            opt.step(closure)
        assert p.grad.is_conj() == (p is params[0])
    assert_same(params, plain)


def test_a_parameter_without_a_gradient_stays_where_it_is():
    params, torchs = some(), some()
    runs = [
        Course(make, p, lambda *p: several(*p[1:]), **WOLFE).walk(3)
        for make, p in ((LBFGS, params), (torch.optim.LBFGS, torchs))
    ]
    assert_same(params[:1], some()[:1])
    assert_agree(params, torchs, rtol=1e-9)
    assert params[0].grad is None
    assert runs[0].losses[-1] < runs[0].losses[0]


@SEARCHES
def test_channels_last_goes_where_contiguous_goes_and_takes_its_checkpoint(settings):
    """torch's cannot view such a gradient as one row."""
    shape = (2, 3, 4, 4)
    plain = Course(torch.optim.LBFGS, some(shapes=[shape]), several, **settings).walk(2)
    turned = Parameter(plain.params[0].detach().clone().to(memory_format=torch.channels_last))

    def channels_last(p):
        assert p.is_contiguous(memory_format=torch.channels_last)
        return several(p)

    after = Course(LBFGS, [turned], channels_last, **settings)
    after.opt.load_state_dict(reloaded(plain.opt.state_dict()))
    after.walk(2)
    plain.walk(2)
    assert turned.grad.is_contiguous(memory_format=torch.channels_last)
    assert_agree([turned], plain.params, rtol=1e-9)


def test_a_view_with_gaps_moves_and_what_lies_between_does_not():
    base = numbers((6, 4), 0)
    p = Parameter(base[::2, 1:3])
    before = base.clone()
    run = Course(LBFGS, [p], several, **WOLFE).walk(2)
    assert run.losses[-1] < run.losses[0]
    moved = base != before
    assert moved[::2, 1:3].all()
    assert moved.sum() == 6


def test_a_closure_is_needed_and_must_return_the_loss():
    params = some()
    opt = LBFGS(params)
    sentence = "LBFGS: step needs a closure that computes the gradients anew"
    with pytest.raises(TypeError, match=sentence):
        opt.step()
    opt.param_groups[0]["lr"] = 0.0
    several(*params).backward()
    with pytest.raises(TypeError, match=sentence):
        opt.step(None)
    with pytest.raises(TypeError, match="the closure must return the loss, got None"):
        opt.step(lambda: None)
    assert_same(params, some())


@pytest.mark.parametrize("lr", [1.0, torch.tensor(1.0)], ids=["number", "tensor"])
def test_a_distributed_checkpoint_prepares_the_state_and_moves_nothing(lr):
    """torch.distributed.checkpoint steps without a closure, at lr 0 along zeros."""
    checkpoint = pytest.importorskip("torch.distributed.checkpoint.state_dict")
    model, other = (Sequential(Linear(3, 4), Tanh(), Linear(4, 1)) for _ in range(2))
    data = numbers((8, 3), 0, torch.float32)
    opt = LBFGS(model.parameters(), **{**WOLFE, "lr": lr})
    before = values(model.parameters())
    saved = checkpoint.get_optimizer_state_dict(model, opt)
    assert_same(model.parameters(), before)
    assert set(opt.state) == {next(model.parameters())}
    assert opt.param_groups[0]["lr"] == 1.0
    assert set(saved["state"]["0.weight"]) >= {"func_evals", "n_iter", "d", "prev_flat_grad"}

    run = Course(LBFGS, model.parameters(), lambda *_: model(data).square().mean())
    run.opt = opt
    run.walk(2)
    saved = checkpoint.get_optimizer_state_dict(model, opt)
    other.load_state_dict(model.state_dict())
    fresh = LBFGS(other.parameters(), **WOLFE)
    # the state is under the first parameter, as torch has it, so the others have none
    partial = checkpoint.StateDictOptions(strict=False)
    checkpoint.set_optimizer_state_dict(other, fresh, copy.deepcopy(saved), options=partial)
    twin = Course(LBFGS, other.parameters(), lambda *_: other(data).square().mean())
    twin.opt = fresh
    run.walk(2)
    twin.walk(2)
    assert_same(other.parameters(), model.parameters())


def test_sharded_parameters_move_as_whole_ones():
    from torch import distributed

    if not distributed.is_available() or distributed.is_initialized():
        pytest.skip("needs a process group of its own")
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    try:
        model, plain = (Linear(4, 3, dtype=torch.float64) for _ in range(2))
        model.load_state_dict(plain.state_dict())
        fully_shard(model, mesh=init_device_mesh("cpu", (1,)))
        for one in (model, plain):
            opt = LBFGS(one.parameters(), **{**WOLFE, "max_iter": 3})

            def closure(one=one, opt=opt):
                opt.zero_grad()
                loss = one(numbers((5, 4), 1)).square().mean()
                loss.backward()
                return loss

            for _ in range(2):
                opt.step(closure)
        whole = [p.detach().full_tensor() for p in model.parameters()]
        assert_agree(whole, plain.parameters(), rtol=1e-12)
    finally:
        distributed.destroy_process_group()


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "value", "error", "sentence"),
    [
        ("lr", -1.0, ValueError, "lr must be >= 0, got -1.0"),
        ("lr", "fast", TypeError, "lr must be a number, got 'fast'"),
        ("lr", torch.ones(2), ValueError, "lr must be a number or a tensor of one element"),
        ("max_iter", -1, ValueError, "max_iter must be >= 0, got -1"),
        ("max_iter", 2.5, TypeError, "max_iter must be an integer, got 2.5"),
        ("max_eval", -3, ValueError, "max_eval must be >= 0, got -3"),
        ("history_size", 0, ValueError, "history_size must be >= 1, got 0"),
        ("tolerance_grad", float("nan"), ValueError, "tolerance_grad must be a number, got nan"),
        ("tolerance_change", None, TypeError, "tolerance_change must be a number, got None"),
        ("line_search_fn", "armijo", ValueError, "must be 'strong_wolfe' or None, got 'armijo'"),
    ],
)
def test_a_bad_setting_is_refused_at_once_in_a_sentence(setting, value, error, sentence):
    with pytest.raises(error, match=f"LBFGS: .*{sentence}"):
        LBFGS(some(), **{setting: value})
    opt = LBFGS(some()[:1])
    with pytest.raises(error):
        opt.add_param_group({"params": some()[1:], setting: value})


def test_a_history_of_other_parameters_is_refused_before_anything_moves():
    start = Course(LBFGS, some(shapes=[(3, 4)]), several, **WOLFE).walk(2)
    params = some(shapes=[(5,)])
    run = Course(LBFGS, params, several, **WOLFE)
    with pytest.raises(ValueError, match=r"must hold tensors of 5 numbers, got a .* shape \(12,\)"):
        run.opt.load_state_dict(start.opt.state_dict())
    run.opt.state[params[0]].update(start.opt.state_dict()["state"][0])
    with pytest.raises(RuntimeError, match="history is of 12 numbers and the parameters have 5"):
        run.walk(1)
    assert_same(params, some(shapes=[(5,)]))


# --- interruptions, copies, changes in mid-run ---------------------------------------------------


@SEARCHES
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_a_copy_goes_on_by_itself(copied, settings):
    run = Course(LBFGS, some(), several, **settings).walk(2)
    twin = Course(LBFGS, some(), several)
    twin.opt = copied(run.opt)
    twin.params = twin.opt.param_groups[0]["params"]
    before = values(run.params)
    twin.walk(2)
    assert_same(run.params, before)
    run.walk(2)
    assert_same(twin.params, run.params)


@SEARCHES
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_stopped_and_resumed_is_never_stopped_bit_for_bit(dtype, settings):
    settings = {**settings, "max_iter": 3, "history_size": 4}
    whole = Course(LBFGS, some(dtype), several, **settings).walk(6)
    start = Course(LBFGS, some(dtype), several, **settings).walk(4)
    after = Course(LBFGS, [Parameter(p.detach().clone()) for p in start.params], several)
    after.opt.load_state_dict(reloaded(start.opt.state_dict()))
    after.walk(2)
    assert_same(after.params, whole.params)


def test_pairs_that_somebody_wrote_to_are_measured_again():
    """As torch.distributed.checkpoint does, which loads into the tensors that are there."""
    one, two = (Course(LBFGS, some(), several, **FIXED).walk(2) for _ in range(2))
    for run in (one, two):
        for vector in run.state["old_stps"]:
            vector *= 1.5
    two.opt.load_state_dict(copy.deepcopy(two.opt.state_dict()))  # remembers nothing
    one.walk(1)
    two.walk(1)
    assert_same(one.params, two.params)
    assert len(one.state["old_stps"]) > 5


@SEARCHES
@pytest.mark.parametrize("failing", [1, 2, 4, 9])
def test_after_a_closure_that_fails_the_run_goes_on(failing, settings):
    plain = Course(LBFGS, some(), several, **settings)
    run = Course(LBFGS, some(), several, **settings)
    calls = [0]

    def closure():
        calls[0] += 1
        if calls[0] == failing:
            raise ArithmeticError("no loss today")
        return run.closure()

    accepted = [p.clone() for p in run.params]
    while calls[0] < failing:
        accepted = [p.detach().clone() for p in run.params]
        try:
            run.opt.step(closure)
        except ArithmeticError:
            break
    if failing == 1:
        assert_same(run.params, accepted)
        assert not run.opt.state
    assert torch.is_grad_enabled()
    before = several(*run.params).item()
    for _ in range(6):
        run.opt.step(closure)
    plain.walk(7)
    assert run.losses[-1] <= before
    assert run.losses[-1] == pytest.approx(plain.losses[-1], rel=0.05)
    assert len(run.state["old_dirs"]) == len(run.state["old_stps"]) == len(run.state["ro"])


def test_a_line_search_that_fails_leaves_the_parameters_where_it_began():
    run = Course(LBFGS, some(), several, **{**WOLFE, "max_iter": 1}).walk(2)
    before, calls = values(run.params), [0]

    def closure():
        calls[0] += 1
        if calls[0] == 2:
            raise KeyboardInterrupt
        return run.closure()

    with pytest.raises(KeyboardInterrupt):
        run.opt.step(closure)
    assert_same(run.params, before)
    plain = Course(LBFGS, some(), several, **{**WOLFE, "max_iter": 1}).walk(3)
    run.walk(1)
    assert_same(run.params, plain.params)


def test_a_group_added_in_mid_run_starts_the_history_anew():
    params = some()
    run = Course(LBFGS, params, lambda *p: several(*p[:2]), **WOLFE)
    run.opt = LBFGS(params[:2], **WOLFE)
    run.walk(3)
    evaluations = run.state["func_evals"]
    run.opt.add_param_group({"params": params[2:]})
    assert run.state == {"func_evals": evaluations, "n_iter": 0}
    now = Course(LBFGS, [Parameter(p.detach().clone()) for p in params], several, **WOLFE).walk(2)
    run.function = several
    run.walk(2)
    assert_same(run.params, now.params)
    torchs = torch.optim.LBFGS(params, **WOLFE)  # the state is one that torch can go on from
    saved = run.opt.state_dict()
    saved["param_groups"] = torchs.state_dict()["param_groups"]
    torchs.load_state_dict(copy.deepcopy(saved))
    torchs.step(run.closure)


@pytest.mark.parametrize("to", [torch.float64, torch.float32], ids=str)
def test_parameters_that_change_their_type_take_the_history_along(to):
    start = torch.float32 if to == torch.float64 else torch.float64
    run = Course(LBFGS, some(start), several, **WOLFE).walk(2)
    for p in run.params:
        p.data = p.data.to(to)
    run.walk(2)
    want = Course(LBFGS, some(to), several, **WOLFE).walk(4)
    assert {v.dtype for key in ("old_dirs", "old_stps") for v in run.state[key]} == {to}
    # Both are at the least, a loss of about 105, whose last bit in float32 hides such a distance.
    narrow = torch.finfo(torch.float32).eps
    assert_agree(run.params, want.params, rtol=(105 * narrow) ** 0.5)


def test_types_may_be_mixed_and_a_file_keeps_the_widest():
    """torch rounds what it loads to the type of the first parameter."""

    def mixed():
        return [*some(torch.float32, [(3,)]), *some(torch.float64, [(4,)])]

    def function(a, b):
        return several(a.double(), b)

    settings = {**WOLFE, "max_iter": 3}
    whole = Course(LBFGS, mixed(), function, **settings).walk(4)
    start = Course(LBFGS, mixed(), function, **settings).walk(2)
    after = Course(LBFGS, start.params, function, **settings)
    after.opt.load_state_dict(reloaded(start.opt.state_dict()))
    assert {v.dtype for v in after.state["old_dirs"]} == {torch.float64}
    after.walk(2)
    assert_same(after.params, whole.params)


def named(order):
    params = dict(zip("abcd", some(shapes=[(3, 4), (4,), (), (2, 3)]), strict=True))
    return [(name, params[name]) for name in order]


def by_letter(names):
    def function(*params):
        of = dict(zip(names, params, strict=True))
        return several(*(of[name] for name in sorted(of)))

    return function


@pytest.mark.parametrize("order", ["dcba", "bacd", "abdc"])
def test_names_bring_the_history_into_the_order_of_the_parameters(order):
    settings = {**WOLFE, "max_iter": 3}
    start = Course(LBFGS, [p for _, p in named("abcd")], by_letter("abcd"))
    start.opt = LBFGS(zip("abcd", start.params, strict=True), **settings)
    start.walk(2)
    held = dict(zip("abcd", start.params, strict=True))
    moved = [Parameter(held[name].detach().clone()) for name in order]
    after = Course(LBFGS, moved, by_letter(order))
    after.opt = LBFGS(zip(order, moved, strict=True), **settings)
    after.opt.load_state_dict(reloaded(start.opt.state_dict()))
    assert after.state["n_iter"] == start.state["n_iter"]
    start.walk(2)
    after.walk(2)
    assert_agree(moved, [held[name] for name in order], rtol=1e-9)


def test_other_names_are_an_error_or_a_new_history():
    start = Course(LBFGS, [p for _, p in named("abc")], by_letter("abc"))
    start.opt = LBFGS(zip("abc", start.params, strict=True), **WOLFE)
    start.walk(2)
    params = [p for _, p in named("bad")]
    run = Course(LBFGS, params, by_letter("bad"))
    run.opt = LBFGS(zip("bad", params, strict=True), **WOLFE)
    with pytest.raises(RuntimeError, match="missing in it: 'd'; unexpected in it: 'c'"):
        run.opt.load_state_dict(start.opt.state_dict())
    with pytest.warns(UserWarning, match="took the states of 2 of the optimizer's 3 parameters"):
        run.opt.load_state_dict(start.opt.state_dict(), strict=False)
    run.walk(1)
    assert run.losses[-1] < run.losses[0]
    assert run.state["d"].numel() == sum(p.numel() for p in params)


# --- protocols -----------------------------------------------------------------------------------


def test_versions_rise_and_gradients_are_not_written():
    params = some()
    run = Course(LBFGS, params, several, **WOLFE)
    seen = []

    def closure():
        loss = run.closure()
        seen.append([(p.grad, p.grad.clone(), p.grad._version) for p in params])
        return loss

    versions = [p._version for p in params]
    run.opt.step(closure)
    assert all(p._version > v for p, v in zip(params, versions, strict=True))
    for grads in seen:
        for grad, copied, version in grads:
            assert grad._version == version
            assert torch.equal(grad, copied)


def test_hooks_run_once_and_a_step_leaves_grad_mode_alone():
    run = Course(LBFGS, some(), several, **WOLFE)
    calls = []
    run.opt.register_step_pre_hook(lambda *_: calls.append("pre"))
    run.opt.register_step_post_hook(lambda *_: calls.append("post"))
    with torch.no_grad():
        run.walk(1)
        assert not torch.is_grad_enabled()
    assert calls == ["pre", "post"]
    assert set(run.modes) == {True}
    tensors = [v for v in run.state.values() if isinstance(v, torch.Tensor)]
    assert not any(t.requires_grad for t in (*tensors, *run.state["old_dirs"]))


@pytest.mark.parametrize("shapes", [[(0,)], [(0, 3), (0,)]])
def test_nothing_to_move_is_no_error(shapes):
    run = Course(LBFGS, some(shapes=shapes), several, **WOLFE).walk(2)
    assert run.losses == [0.0, 0.0]
    opt = LBFGS([{"params": []}])
    assert opt.step(lambda: 3.0) == 3.0


def test_lr_zero_evaluates_and_moves_nothing():
    """torch's line search divides by zero."""
    for settings in (FIXED, WOLFE):
        params = some()
        Course(LBFGS, params, several, **{**settings, "lr": 0.0}).walk(2)
        assert_same(params, some())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_narrow_types_descend(dtype):
    run = Course(LBFGS, some(dtype), several, lr=0.5, max_iter=4).walk(3)
    assert run.losses[-1] < 0.2 * run.losses[0]
    assert {v.dtype for v in run.state["old_dirs"]} == {dtype}


# --- the two passes over the history -------------------------------------------------------------

SIZES = [
    1,
    7,
    products.TILE - 1,
    products.TILE,
    products.TILE + 1,
    3 * products.TILE + 5,
]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16], ids=str
)
def test_the_kernels_are_the_plain_formulas(dtype, size, threads):
    rows = [numbers((size,), seed, dtype) for seed in range(6)]
    u, v = numbers((size,), 10, dtype), numbers((size,), 11, dtype)
    torch.set_num_threads(threads)
    products = history.inner(rows, u, v)
    coefficients = np.array([1.0, -2.0, 0.5, 3.0, -1.5, 0.25])
    combined = history.combined(-0.75, u, coefficients, rows)
    wide = torch.stack(rows).double()
    assert products.dtype == np.float64
    torch.testing.assert_close(
        torch.from_numpy(products),
        wide @ torch.stack((u, v)).double().T,
        rtol=1e-10,
        atol=1e-10 * size**0.5,
    )
    want = torch.from_numpy(coefficients) @ wide - 0.75 * u.double()
    assert combined.dtype == dtype
    # rounded once per four rows, to a number of up to about 15
    torch.testing.assert_close(combined.double(), want, rtol=0, atol=32 * torch.finfo(dtype).eps)


def test_where_no_kernel_can_go_plain_torch_does_the_same(monkeypatch):
    kernels, plain = some(), some()
    run = Course(LBFGS, kernels, several, **WOLFE).walk(3)
    monkeypatch.setattr(history, "_is_reachable", lambda vector: False)
    other = Course(LBFGS, plain, several, **WOLFE).walk(3)
    assert_agree(kernels, plain, rtol=1e-9)
    assert len(run.losses) == len(other.losses)


def two_loops(s, y, g, gamma):
    """Algorithm 7.4 as it stands in the book."""
    q, alpha = -g, [None] * len(s)
    for i in reversed(range(len(s))):
        alpha[i] = np.dot(s[i], q) / np.dot(s[i], y[i])
        q = q - alpha[i] * y[i]
    r = gamma * q
    for i in range(len(s)):
        r = r + (alpha[i] - np.dot(y[i], r) / np.dot(s[i], y[i])) * s[i]
    return r


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_the_direction_is_the_two_loops_in_higher_precision(problem, dtype):
    """Inner products alone lose nothing, as long as they are summed in double."""
    run = course(LBFGS, problem, dtype, history_size=30, **WOLFE).walk(6)
    state = run.state
    run.opt.param_groups[0]["max_iter"] = 1
    run.walk(1)
    s, y = (
        [v.numpy().astype(np.longdouble) for v in state[key]] for key in ("old_stps", "old_dirs")
    )
    g = state["prev_flat_grad"].numpy().astype(np.longdouble)
    want = two_loops(s, y, g, np.longdouble(state["H_diag"].item()))
    error = np.linalg.norm(state["d"].numpy() - want) / np.linalg.norm(want)
    assert len(s) > 10
    assert error < (1e-6 if dtype == torch.float32 else 1e-13)
