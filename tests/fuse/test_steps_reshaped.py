"""Stages behind a rule reshape its step u, before it is taken: against loops over NumPy arrays."""

import numpy as np
import pytest

from tests.fuse.border import Border
from tests.fuse.sameness import same
from thalweg.chain import chain
from thalweg.elementwise import where
from thalweg.reductions import mean, norm
from thalweg.rule import Rule, Stage, setting, state
from thalweg.rules import SGD, Adam, Lion
from thalweg.stages import (
    Cautious,
    ClipNorm,
    ExponentialAverage,
    Lookahead,
    StepDecay,
    TrustRatio,
)

SHAPES = [(4, 3), (5,), (), (2, 3, 2), (1, 7)]

engines = pytest.mark.parametrize("oracle", [False, True, {0, 3}], ids=["fused", "oracle", "both"])


class ClipStep(Stage):
    """No step longer than this, all tensors together."""

    longest: float = setting(0.05, above=0)

    @staticmethod
    def update(u, longest):
        size = norm(u, "all")
        if size > longest:
            u = u * (longest / size)
        return u


class Trail(Stage):
    """Keeps what the step was; changes nothing."""

    kept = state("kept_step")

    @staticmethod
    def update(u, kept):
        kept = 0.5 * kept + u
        return kept


def draw(seed, shapes=SHAPES):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape) for shape in shapes]


def run(made, oracle, steps=5, **settings):
    border = Border(made, (settings, draw(0)), oracle=oracle)
    for t in range(1, steps + 1):
        border.step(draw(t))
    return border


def adam(steps=5, lr=1e-3):
    """Adam's own steps by hand, without any stage: a generator of (gradients, steps)."""
    m, v = ([np.zeros(s) for s in SHAPES] for _ in "mv")
    for t in range(1, steps + 1):
        grads = draw(t)
        m = [0.9 * a + 0.1 * g for a, g in zip(m, grads, strict=True)]
        v = [0.999 * a + 0.001 * g * g for a, g in zip(v, grads, strict=True)]
        yield (
            grads,
            [
                lr / (1 - 0.9**t) * a / (np.sqrt(b) / np.sqrt(1 - 0.999**t) + 1e-8)
                for a, b in zip(m, v, strict=True)
            ],
        )


def lamb(p, u, lr):
    weight, length = np.sqrt((p * p).sum()), np.sqrt((u * u).sum())
    return (lr * weight / length if weight > 0 and length > 0 else 1.0) * u


def cautious(g, u):
    along = np.where(u * g > 0, 1.0, 0.0)
    return u * along / max(along.mean(), 1e-3)


def assert_close(border, p):
    for ours, theirs in zip(border.params, p, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@engines
def test_a_trust_ratio(oracle):
    border = run(chain("LAMB", Adam, StepDecay, TrustRatio, weight_decay=0.1), oracle, lr=0.1)
    p = draw(0)
    for _, steps in adam(lr=0.1):
        steps = [u + 0.1 * 0.1 * a for a, u in zip(p, steps, strict=True)]
        p = [a - lamb(a, u, 0.1) for a, u in zip(p, steps, strict=True)]
    assert_close(border, p)


@engines
def test_a_trust_ratio_of_weights_of_zero_is_none(oracle):
    border = Border(
        chain("LAMB", SGD, TrustRatio, lr=0.5), ({}, [np.zeros(2), np.ones(4)]), oracle=oracle
    )
    border.step([np.ones(2), np.full(4, 3.0)])
    np.testing.assert_allclose(border.params[0], -0.5)
    np.testing.assert_allclose(border.params[1], 0.5, rtol=1e-15)
    border.step([np.zeros(2), np.zeros(4)])  # a step of no length
    np.testing.assert_allclose(border.params[0], -0.5)


@engines
def test_a_cautious_mask(oracle):
    border = run(chain("CautiousAdam", Adam, Cautious), oracle, lr=0.1)
    p = draw(0)
    masked = 0
    for grads, steps in adam(lr=0.1):
        masked += sum((u * g <= 0).sum() for g, u in zip(grads, steps, strict=True))
        p = [a - cautious(g, u) for a, g, u in zip(p, grads, steps, strict=True)]
    assert masked > 10
    assert_close(border, p)


@engines
def test_several_one_after_the_other(oracle):
    """Each sees the step as the one before left it, and the gradient as the stages in front did."""
    made = chain(
        "Many", ClipNorm, Adam, Cautious, StepDecay, ClipStep, Trail, max_norm=1e9, weight_decay=0.1
    )
    border = run(made, oracle, lr=0.1)
    p, kept, cut = draw(0), [np.zeros(s) for s in SHAPES], 0
    for grads, steps in adam(lr=0.1):
        steps = [cautious(g, u) for g, u in zip(grads, steps, strict=True)]
        steps = [u + 0.1 * 0.1 * a for a, u in zip(p, steps, strict=True)]
        size = np.sqrt(np.sum([(u * u).sum() for u in steps]))
        steps = [u * (0.05 / size) for u in steps] if size > 0.05 else steps
        cut += size > 0.05
        kept = [0.5 * k + u for k, u in zip(kept, steps, strict=True)]
        p = [a - u for a, u in zip(p, steps, strict=True)]
    assert cut
    assert_close(border, p)
    for i in range(len(p)):
        np.testing.assert_allclose(border.state("kept_step", i), kept[i], rtol=1e-12, atol=1e-14)


@engines
def test_what_stands_behind_the_step_sees_the_weights_after_it(oracle):
    made = chain("All", Adam, Cautious, Lookahead, ExponentialAverage, k=2, decay=0.5)
    border = run(made, oracle, lr=0.1)
    p, slow, average = draw(0), draw(0), None
    for t, (grads, steps) in enumerate(adam(lr=0.1), 1):
        p = [a - cautious(g, u) for a, g, u in zip(p, grads, steps, strict=True)]
        if t % 2 == 0:
            slow = p = [s + 0.5 * (a - s) for a, s in zip(p, slow, strict=True)]
        pairs = zip(p, average or p, strict=True)
        average = [a if average is None else 0.5 * b + 0.5 * a for a, b in pairs]
    assert_close(border, p)
    for i in range(len(p)):
        np.testing.assert_allclose(border.state("average", i), average[i], rtol=1e-12, atol=1e-12)


def test_a_stage_that_only_looks_at_the_step_comes_before_it_is_taken():
    class Lost(Stage):
        gap = state("gap")

        @staticmethod
        def update(p, u, gap):
            gap = p - u
            return gap

    for oracle in (False, True):
        border = Border(chain("Seen", SGD, Lost, lr=1.0), ({}, [np.full(3, 5.0)]), oracle=oracle)
        border.step([np.full(3, 2.0)])
        assert border.params[0].tolist() == border.state("gap").tolist() == [3.0] * 3


def test_a_rule_may_move_p_itself_and_leave_the_rest_to_u():
    class Both(Rule):
        @staticmethod
        def update(p, g):
            p = p * 0.5
            u = g
            return p, u

    for oracle in (False, True):
        border = Border(chain("Both", Both, Cautious), ({}, [np.full(3, 4.0)]), oracle=oracle)
        border.step([np.array([1.0, 0.0, 3.0])])
        np.testing.assert_allclose(border.params[0], [2 - 1.5, 2.0, 2 - 4.5], rtol=1e-15)


class PerRow(Stage):
    """A step whose rows have one length each."""

    @staticmethod
    def update(u, lr):
        length = norm(u, "row")
        u = lr * u / where(length > 0, length, 1.0) + lr * mean(u, "row")
        return u


@pytest.mark.parametrize("form", ["float64", "float32"])
@pytest.mark.parametrize("rule", [SGD, Adam, Lion])
def test_rows_of_the_step(rule, form):
    same(chain("Rows", rule, PerRow, Cautious, lr=0.1), form=form)
