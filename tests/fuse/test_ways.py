"""Which way an `if` goes changes what is computed, and nothing else."""

import numpy as np
import pytest

from tests.fuse.border import Border
from tests.fuse.sameness import same
from thalweg.chain import chain
from thalweg.reductions import norm
from thalweg.rule import Rule, setting, state


class Returning(Rule):
    """Elements that become a number of the step on one way, and on that only."""

    lr: float = setting(0.3)
    m = state("m")

    @staticmethod
    def update(p, g, m, t, lr):
        m = m + g
        step = lr * m
        if t > 1:
            if lr > 0.1:  # noqa: SIM108 - an `if` in an `if` is what is tried
                step = 0.25
            else:
                step = lr
        if t % 2 == 0:
            step = 2 * lr
        p = p - step
        return p, m


@pytest.mark.parametrize("lr", [0.05, 0.3])
def test_a_name_may_turn_from_one_value_per_element_to_uniform_on_one_way(lr):
    same(Returning, lr=lr)


class OfMatrices(Rule):
    """The norm of all gradients, which only matrices take, and not in the first step."""

    lr: float = 0.1

    @staticmethod
    def update(g, t, ndim, lr):
        size = norm(g, "all")
        u = lr * g
        if ndim > 1 and t > 1:
            u = u / size
        return u


@pytest.mark.parametrize("odd", [(), (0,), (1,), (0, 1)], ids=str)
def test_what_is_over_all_tensors_counts_those_that_do_not_take_it(odd):
    values = [np.zeros((2, 2)), np.zeros(4)]
    border = Border(chain("OfMatrices", OfMatrices), ({}, values), oracle=odd)
    for _ in range(2):
        border.step([np.full((2, 2), 3.0), np.full(4, 4.0)])  # of length 6 and 8, together 10
    np.testing.assert_allclose(border.params[0], np.full((2, 2), -0.3 - 0.03), rtol=1e-15)
    np.testing.assert_allclose(border.params[1], np.full(4, -0.8), rtol=1e-15)


class Rooted(Rule):
    lr: float = setting(0.5)

    @staticmethod
    def update(g, lr):
        u = (lr - 1) ** 0.5 * g
        return u


class Endless(Rule):
    @staticmethod
    def update(g):
        u = 10**400 * g
        return u


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (Rooted, "Rooted.update: -0.5 to the power of 0.5 is no real number"),
        (Endless, "Mine: a number that its text works out is too large for a double"),
    ],
    ids=str,
)
def test_a_number_that_is_no_double_is_refused_with_a_sentence(rule, told):
    border = Border(chain("Mine", rule), ({}, [np.zeros(2)]))
    with pytest.raises(ArithmeticError, match=f"^{told}"):
        border.step([np.ones(2)])


class Emptied(Rule):
    """A sum over a state that was given one number for all its elements."""

    lr: float = setting(0.1)
    restart: bool = True
    m = state("m")

    @staticmethod
    def update(p, g, m, t, lr, restart):
        m = m + g
        if restart:
            m = 0.5
        size = norm(m + 0 * g)
        if t > 1:
            m = 0.25
            size = norm(m)
        p = p - lr * size * g
        return p, m


def test_a_sum_over_a_state_that_was_given_a_number_can_be_declared():
    border = Border(chain("Emptied", Emptied), ({}, [np.zeros(4)]))
    border.step([np.ones(4)])
    border.step([np.ones(4)])
    np.testing.assert_allclose(border.params[0], np.full(4, -0.1 * (1.0 + 0.5)), rtol=1e-15)
