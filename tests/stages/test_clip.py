"""Clipping: what torch's functions do to p.grad, without touching it."""

import numpy as np
import pytest

from tests.fuse.border import Border
from thalweg import rules
from thalweg.chain import chain
from thalweg.stages import AGC, Centralize, ClipNorm, ClipStep, ClipValue, Decay

torch = pytest.importorskip("torch")

SHAPES = [(4, 3), (5,), (), (2, 3, 3), (0,), *[(7,)] * 40]
NORM = chain("Clipped", ClipNorm, rules.SGD, lr=1.0)
VALUE = chain("Clipped", ClipValue, rules.SGD, lr=1.0)

engines = pytest.mark.parametrize("oracle", [False, True], ids=["fused", "oracle"])


def draw(seed, shapes=SHAPES):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape) for shape in shapes]


def by_torch(clip, groups, steps):
    """SGD in torch after one of its clipping functions over all parameters."""
    params = [[torch.tensor(v, requires_grad=True) for v in values] for _, values in groups]
    opt = torch.optim.SGD([{"params": p, **s} for p, (s, _) in zip(params, groups, strict=True)])
    every = [p for group in params for p in group]
    for grads in steps:
        for p, grad in zip(every, grads, strict=True):
            p.grad = torch.tensor(grad)
        clip(every)
        opt.step()
    return [p.detach().numpy() for p in every]


@engines
@pytest.mark.parametrize("max_norm", [0.5, 5.0, 1e4])  # always, sometimes and never exceeded
def test_clip_norm_is_torch_s_over_tensors_and_groups(max_norm, oracle):
    values = draw(0)
    groups = [({"lr": 0.1}, values[:3]), ({"lr": 0.3}, values[3:])]
    steps = [[t * grad / 4 for grad in draw(t)] for t in range(1, 4)]
    border = Border(NORM, *(({**s, "max_norm": max_norm}, v) for s, v in groups), oracle=oracle)
    for grads in steps:
        border.step(grads)
    theirs = by_torch(lambda ps: torch.nn.utils.clip_grad_norm_(ps, max_norm), groups, steps)
    for ours, expected in zip(border.params, theirs, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-12)  # three steps in double


def test_clip_norm_counts_only_tensors_that_have_a_gradient():
    border = Border(NORM, ({}, [np.zeros(4), np.zeros(4)]))
    border.step([np.full(4, 3.0), None])
    np.testing.assert_allclose(border.params[0], -np.full(4, 0.5), rtol=1e-6)  # the 1e-6 itself
    assert not border.params[1].any()


@engines
def test_clip_norm_sees_what_stands_before_it(oracle):
    """The norm of centralized, decayed gradients: a measure of a measure."""
    made = chain("Both", Decay, Centralize, ClipNorm, rules.SGD, lr=1.0, weight_decay=0.5)
    values, grads = draw(1), draw(2)
    border = Border(made, ({"max_norm": 0.7}, values), oracle=oracle)
    border.step(grads)
    seen = [grad + 0.5 * value for grad, value in zip(grads, values, strict=True)]
    seen = [
        g if g.ndim < 2 else g - g.mean(axis=tuple(range(1, g.ndim)), keepdims=True) for g in seen
    ]
    total = np.sqrt(sum((g * g).sum() for g in seen))
    assert total > 0.7
    for ours, value, g in zip(border.params, values, seen, strict=True):
        np.testing.assert_allclose(ours, value - g * 0.7 / (total + 1e-6), rtol=1e-12)


@engines
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_clip_norm_spreads_what_is_not_finite_as_torch_does(bad, oracle):
    grads = [np.array([1.0, bad]), np.ones(2)]
    border = Border(NORM, ({}, [np.zeros(2), np.zeros(2)]), oracle=oracle)
    with np.errstate(all="ignore"):
        border.step(grads)
    groups = [({"lr": 1.0}, [np.zeros(2), np.zeros(2)])]
    theirs = by_torch(lambda ps: torch.nn.utils.clip_grad_norm_(ps, 1.0), groups, [grads])
    for ours, expected in zip(border.params, theirs, strict=True):
        np.testing.assert_array_equal(ours, expected)


@engines
def test_clip_value_is_torch_s_with_nan_and_infinity(oracle):
    grads = [np.array([0.0, -0.3, 0.3, 0.7, -0.7, 2.0, -9.0, np.nan, np.inf, -np.inf])]
    groups = [({"lr": 1.0}, [np.zeros(10)])]
    border = Border(VALUE, ({"clip_value": 0.5}, [np.zeros(10)]), oracle=oracle)
    border.step(grads)
    theirs = by_torch(lambda ps: torch.nn.utils.clip_grad_value_(ps, 0.5), groups, [grads])
    np.testing.assert_array_equal(border.params[0], theirs[0])


@pytest.mark.parametrize("made", [NORM, VALUE], ids=lambda made: made.parts[0].prefix)
def test_the_gradient_itself_is_not_clipped(made):
    border = Border(made, ({}, [np.zeros(3)]))
    border.step([np.full(3, 100.0)])
    assert border.tensors[0].held["g"].values.tolist() == [100.0] * 3


@pytest.mark.parametrize(
    ("made", "name"), [(NORM, "max_norm"), (VALUE, "clip_value")], ids=["norm", "value"]
)
def test_a_bound_must_be_positive(made, name):
    for value in (0, -1.0, np.nan):
        with pytest.raises(ValueError, match=f"^Clipped: {name} must be > 0, got {value!r}$"):
            made.check({name: value})


UNITS = chain("Clipped", AGC, rules.SGD, lr=1.0)


def unit_norms(x):
    """Of each index of axis 0, or of the whole where there is no other axis: NFNets' units."""
    axes = tuple(range(1, x.ndim)) if x.ndim > 1 else None
    return np.sqrt((x * x).sum(axes, keepdims=True))


@engines
@pytest.mark.parametrize("factor", [0.01, 0.6, 100.0])  # always, sometimes and never exceeded
def test_adaptive_clipping_bounds_each_unit_by_its_weights(factor, oracle):
    values, grads = draw(3), draw(4)
    values[1] = values[1] * 1e-6  # shorter than the least that counts
    border = Border(UNITS, ({"clip_factor": factor}, values), oracle=oracle)
    border.step(grads)
    for ours, value, g in zip(border.params, values, grads, strict=True):
        most = factor * np.maximum(unit_norms(value), 1e-3)
        size = np.maximum(unit_norms(g), 1e-6)
        want = value - np.where(size > most, g * most / size, g)
        np.testing.assert_allclose(ours, want, rtol=1e-12, atol=1e-15)


def test_adaptive_clipping_is_left_out_by_an_infinite_factor():
    values, grads = draw(3), [100 * g for g in draw(4)]
    border = Border(UNITS, ({"clip_factor": np.inf}, values))
    border.step(grads)
    for ours, value, g in zip(border.params, values, grads, strict=True):
        np.testing.assert_array_equal(ours, value - g)


@engines
@pytest.mark.parametrize("lr", [0.0, 0.125])
@pytest.mark.parametrize("threshold", [0.5, 1e3])
def test_a_step_is_clipped_to_the_rate_coordinate_by_coordinate(threshold, lr, oracle):
    made = chain("Clipped", rules.SGD, ClipStep)
    values, grads = draw(5), draw(6)
    border = Border(made, ({"lr": lr, "clip_threshold": threshold}, values), oracle=oracle)
    border.step(grads)
    for ours, value, g in zip(border.params, values, grads, strict=True):
        rms = np.sqrt((g * g).mean()) if g.size else 0.0
        want = value - lr * g / max(1.0, rms / threshold)
        np.testing.assert_allclose(ours, want, rtol=1e-13)


def test_a_rule_that_yields_no_step_is_told_apart():
    with pytest.raises(TypeError, match=r"^Mine: ClipStep takes the step u, which no part in "):
        chain("Mine", rules.ScheduleFreeSGD, ClipStep)
