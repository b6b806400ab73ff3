"""Functions of a rule's module, and what is taken where not every tensor may come to it."""

import numpy as np
import pytest

from tests.fuse.border import Border
from tests.fuse.sameness import same
from tests.fuse.test_decided import SHAPES, engines, moved
from thalweg.chain import chain
from thalweg.elementwise import maximum, where
from thalweg.reductions import mean, norm
from thalweg.rule import Rule, Stage, setting, state
from thalweg.rules import SGD

NONE, INFINITE = float("nan"), float("inf")


def halved(x, by):
    """A helper that changes what it is given, which is its caller's no less than before."""
    x = x / by
    by = by * 2
    return x / by


def split(x, y, share):
    first = share * x
    second = halved(y, share) + first
    return first, second


class Inlined(Rule):
    lr: float = setting(0.3)
    m = state("m")

    @staticmethod
    def update(p, g, m, t, lr):
        a, b = split(g, p, lr)
        c, d = split(b, a, 1 / t)
        m, lost = split(m + g, c, 0.5)
        x = halved(lr, t)
        y = halved(x, 2.0) * halved(g, x)
        by = halved(t, lr)
        p = p - 0.1 * (a + b + c + d + lost + x * g + y + by) - 0.01
        return p, m


def test_functions_of_the_module_may_be_called_again_with_other_arguments():
    same(Inlined)
    same(Inlined, form="float32")


class Unfinished(Rule):
    """Numbers that are not finite, from the module and out of arithmetic on settings."""

    lr: float = setting(0.3)

    @staticmethod
    def update(p, g, lr):
        p = where(g > 1.5, NONE, p - g)
        p = where(g < -1.5, -INFINITE, p)
        p = p - 1
        return p


def test_numbers_that_are_not_finite_are_numbers():
    same(Unfinished)


class Slowed(Stage):
    """Under a setting, it takes the rule's own lr."""

    late: int = setting(2)

    @staticmethod
    def update(g, t, lr, late):
        if t > late and lr > 0:
            g = g * maximum(lr, 0.5) / t
        return g


def test_a_stage_decides_on_a_setting_of_the_rule():
    made = chain("Slowed", Slowed, SGD, lr=1.0)
    border = Border(made, ({}, [np.zeros(2)]), ({"lr": 0.25}, [np.zeros(2)]))
    for _ in range(3):
        border.step([np.ones(2), np.ones(2)])
    np.testing.assert_allclose(border.params[0], -(2 + 1 / 3), rtol=1e-15)
    np.testing.assert_allclose(border.params[1], -0.25 * (2 + 0.5 / 3), rtol=1e-15)


def ratio(a, b):
    x = a / b
    return x * 2


@engines
def test_a_function_of_the_side_that_is_not_taken_is_not_run(oracle):
    class Safe(Rule):
        by: float = setting(0.0)

        @staticmethod
        def update(g, t, by):
            share = ratio(t, by) if by != 0 else 1.0
            u = share * (ratio(g, by) if by > 0 else g)
            return u

    assert moved(Safe, oracle, 2) == [[1.0] * 6] * 2
    assert moved(Safe, oracle, 2, by=2.0) == [[1.0] * 6, [2.0] * 6]


@engines
def test_a_function_behind_and_or_or_is_run_where_it_is_asked_for(oracle):
    class Safe(Rule):
        by: float = setting(0.0)

        @staticmethod
        def update(g, t, by):
            u = g
            if by != 0 and ratio(t, by) > 1 and ratio(t, by) < 4:
                u = 2 * u
            if by == 0 or ratio(t, by) > 1:
                u = 3 * u
            return u

    assert moved(Safe, oracle, 1) == [[3.0] * 6]
    steps = [one[0] for one in moved(Safe, oracle, 5, by=2.0)]
    assert steps == [1.0, 6.0, 6.0, 3.0, 3.0]


def plus(x, y):
    z = x + y
    return z


@engines
def test_sums_over_all_in_one_line_may_be_asked_for_in_any_order(oracle):
    class Mixed(Rule):
        @staticmethod
        def update(g):
            u = norm(g, "all") + plus(mean(3 * g, "all"), g) + mean(5 * g, "all")
            return u

    size = sum(np.prod(s) for s in SHAPES)
    np.testing.assert_allclose(moved(Mixed, oracle, 1), [[np.sqrt(size) + 3 + 1 + 5] * 6])


def test_a_sum_over_all_where_not_every_tensor_may_come_to_it_is_refused():
    with pytest.raises(TypeError, match='norm over "all" where not every tensor comes to it'):

        class Behind(Rule):
            @staticmethod
            def update(g, ndim):
                u = g
                if ndim > 1 and norm(g, "all") > 1:
                    u = 2 * g
                return u

    with pytest.raises(TypeError, match='mean over "all" where not every tensor comes to it'):

        class OnOneSide(Rule):
            @staticmethod
            def update(g):
                u = (mean(g, "all") if norm(g) > 1 else 1.0) * g
                return u


def test_first_is_for_parts_that_keep_arrays():
    """A kept number is there from the start, so that nothing says whether it is new."""
    with pytest.raises(TypeError, match="'first' says whether the arrays of this part are new"):

        class Counted(Stage):
            level = state("level", per="tensor")

            @staticmethod
            def update(g, level, first):
                level = 5.0 if first else level + 1
                return level
