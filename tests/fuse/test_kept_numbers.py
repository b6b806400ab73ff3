"""Kept numbers that follow from what is measured: per tensor, and one for all, in every engine."""

import numpy as np
import pytest

from tests.fuse.border import Border
from thalweg.chain import chain
from thalweg.elementwise import abs as absolute
from thalweg.elementwise import maximum, sqrt
from thalweg.reductions import largest, mean, norm, sum
from thalweg.rule import Rule, Stage, setting, state
from thalweg.rules import SGD, Prodigy

SHAPES = [(4, 3), (5,), (), (2, 3, 2), (1, 7)]
STEPS = 6

engines = pytest.mark.parametrize(
    "oracle", [False, True, {0, 3}, {1, 2, 3, 4}], ids=["fused", "oracle", "both", "mostly oracle"]
)


def draw(seed, shapes=SHAPES):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape) for shape in shapes]


def run(made, oracle, steps=STEPS, groups=None, **settings):
    border = Border(made, *(groups or [(settings, draw(0))]), oracle=oracle)
    for t in range(1, steps + 1):
        border.step(draw(t))
    return border


def close(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)  # a few steps, in double


class DoG(Rule):
    """Distance over gradients: a rate out of how far the weights have come; layer by layer."""

    start: float = setting(1e-2, above=0)
    p0 = state("p0", start="p")
    r = state("distance", start="start", per="tensor")
    total = state("squares", per="tensor")

    @staticmethod
    def update(p, g, p0, r, total):
        r = maximum(r, norm(p - p0))
        total = total + sum(g * g)
        u = r / sqrt(total + 1e-8) * g
        return u, r, total


@engines
def test_a_number_of_each_tensor(oracle):
    border = run(chain("DoG", DoG), oracle)
    p, start = draw(0), draw(0)
    r, total = [1e-2] * len(p), [0.0] * len(p)
    for t in range(1, STEPS + 1):
        for i, g in enumerate(draw(t)):
            r[i] = max(r[i], np.sqrt(((p[i] - start[i]) ** 2).sum()))
            total[i] += (g * g).sum()
            p[i] = p[i] - r[i] / np.sqrt(total[i] + 1e-8) * g
    assert len(set(r)) == len(r)
    for i, one in enumerate(border.tensors):
        close(border.params[i], p[i])
        close([one.cells["distance"], one.cells["squares"]], [r[i], total[i]])
        close(border.state("p0", i), start[i])


class DoGOfAll(Rule):
    """The same with one distance for all tensors."""

    start: float = setting(1e-2, above=0)
    p0 = state("p0", start="p")
    r = state("distance", start="start", per="all")
    total = state("squares", per="all")

    @staticmethod
    def update(p, g, p0, r, total):
        r = maximum(r, norm(p - p0, "all"))
        total = total + sum(g * g, "all")
        u = r / sqrt(total + 1e-8) * g
        return u, r, total


@engines
def test_a_number_of_all_tensors_together(oracle):
    values = draw(0)
    groups = [({}, values[:2]), ({}, values[2:])]
    border = run(chain("DoG", DoGOfAll), oracle, groups=groups)
    p, start, r, total = draw(0), draw(0), 1e-2, 0.0
    for t in range(1, STEPS + 1):
        grads = draw(t)
        pairs = list(zip(p, start, strict=True))
        r = max(r, np.sqrt(np.sum([((a - b) ** 2).sum() for a, b in pairs])))
        total += np.sum([(g * g).sum() for g in grads])
        p = [a - r / np.sqrt(total + 1e-8) * g for a, g in zip(p, grads, strict=True)]
    for i, one in enumerate(border.tensors):
        close(border.params[i], p[i])
        close([one.cells["distance"], one.cells["squares"]], [r, total])


@engines
def test_numbers_that_follow_from_each_other(oracle):
    border = run(chain("Mine", Prodigy, betas=(0.9, 0.99), d0=1e-2), oracle, steps=12)
    p, p0 = draw(0), draw(0)
    m, v, s = ([0 * x for x in p] for _ in "mvs")
    d, r, b1, b2 = 1e-2, 0.0, 0.9, 0.99
    b3 = np.sqrt(b2)
    for t in range(1, 13):
        grads, each = draw(t), range(len(p))
        rate = d
        m = [b1 * m[i] + (1 - b1) * d * grads[i] for i in each]
        v = [b2 * v[i] + (1 - b2) * d * d * grads[i] ** 2 for i in each]
        s = [b3 * s[i] + d / 1e-2 * rate * grads[i] for i in each]
        r = b3 * r + np.sum([(d / 1e-2 * rate * grads[i] * (p0[i] - p[i])).sum() for i in each])
        d = max(d, r / np.sum([np.abs(s[i]).sum() for i in each]))
        p = [p[i] - rate * m[i] / (np.sqrt(v[i]) + d * 1e-8) for i in each]
    for i, one in enumerate(border.tensors):
        close(border.params[i], p[i])
        close(border.state("s", i), s[i])
        close([one.cells["d"], one.cells["d_numerator"]], [d, r])


@engines
def test_a_number_that_is_measured_on_one_side_of_a_decision_only(oracle):
    class Sometimes(Rule):
        """Measured at every other step; between, it is halved."""

        size = state("size", start=1.0, per="tensor")

        @staticmethod
        def update(g, size, t):
            size = size / 2
            if t % 2 == 0:
                size = norm(g)
            u = g / size
            return u, size

    border = run(chain("Sometimes", Sometimes), oracle, steps=5)
    p, size = draw(0), [1.0] * len(SHAPES)
    for t in range(1, 6):
        for i, g in enumerate(draw(t)):
            size[i] = np.sqrt((g * g).sum()) if t % 2 == 0 else size[i] / 2
            p[i] = p[i] - g / size[i]
    for i, one in enumerate(border.tensors):
        close(border.params[i], p[i])
        close(one.cells["size"], size[i])


@engines
def test_a_number_under_an_if_on_what_is_measured(oracle):
    class Guarded(Rule):
        """Counts the steps whose gradient was too long, and shortens more with each of them."""

        limit: float = setting(1.5)
        count = state("count", per="tensor")
        worst = state("worst", per="tensor")

        @staticmethod
        def update(g, count, worst, limit):
            size, peak = norm(g), largest(absolute(g))
            u = g
            if size > limit:
                count = count + 1
                u = g * (limit / size / count)
            if peak > worst:
                worst = peak
            return u, count, worst

    border = run(chain("Guarded", Guarded), oracle)
    p, count, worst = draw(0), [0.0] * len(SHAPES), [0.0] * len(SHAPES)
    for t in range(1, STEPS + 1):
        for i, g in enumerate(draw(t)):
            size, step = np.sqrt((g * g).sum()), g
            if size > 1.5:
                count[i] += 1
                step = g * (1.5 / size / count[i])
            worst[i] = max(worst[i], np.abs(g).max())
            p[i] = p[i] - step
    assert len(set(count)) > 2
    for i, one in enumerate(border.tensors):
        close(border.params[i], p[i])
        close([one.cells["count"], one.cells["worst"]], [count[i], worst[i]])


@engines
def test_numbers_of_several_parts(oracle):
    class Normed(Stage):
        """Divides by a running mean of the common size."""

        middle = state("mean_size", per="all")

        @staticmethod
        def update(g, middle, t):
            size = norm(g, "all")
            middle = size if t == 1 else 0.5 * middle + 0.5 * size
            g = g / middle
            return g, middle

    class Tracked(Stage):
        """Keeps how far a tensor lies from zero after the step; changes nothing."""

        length = state("length", per="tensor")

        @staticmethod
        def update(p, length):
            length = norm(p)
            return length

    border = run(chain("Both", Normed, SGD, Tracked, lr=0.1), oracle)
    p, kept = draw(0), 0.0
    for t in range(1, STEPS + 1):
        grads = draw(t)
        size = np.sqrt(np.sum([(g * g).sum() for g in grads]))
        kept = size if t == 1 else 0.5 * kept + 0.5 * size
        p = [a - 0.1 * (g / kept) for a, g in zip(p, grads, strict=True)]
    for i, one in enumerate(border.tensors):
        close(border.params[i], p[i])
        close([one.cells["mean_size"], one.cells["length"]], [kept, np.sqrt((p[i] ** 2).sum())])


@pytest.mark.parametrize("oracle", [False, True], ids=["fused", "oracle"])
def test_a_number_of_an_average_gradient_that_is_nan_stays_nan(oracle):
    class Averaged(Rule):
        level = state("level", per="tensor")

        @staticmethod
        def update(g, level):
            level = 0.5 * level + 0.5 * mean(g)
            u = g - level
            return u, level

    border = Border(chain("Averaged", Averaged), ({}, [np.zeros(2), np.zeros(2)]), oracle=oracle)
    border.step([np.array([1.0, np.nan]), np.ones(2)])
    border.step([np.ones(2), np.ones(2)])
    assert np.isnan(border.tensors[0].cells["level"])
    assert border.tensors[1].cells["level"] == 0.75


@pytest.mark.parametrize("oracle", [False, True], ids=["fused", "oracle"])
def test_a_number_divided_by_a_measured_zero_is_infinite(oracle):
    class Divided(Rule):
        ratio = state("ratio", per="tensor")

        @staticmethod
        def update(g, ratio):
            ratio = 1 / norm(g)
            u = g
            return u, ratio

    border = Border(chain("Divided", Divided), ({}, [np.zeros(2), np.zeros(2)]), oracle=oracle)
    border.step([np.zeros(2), np.array([3.0, 4.0])])
    assert [one.cells["ratio"] for one in border.tensors] == [np.inf, 0.2]
