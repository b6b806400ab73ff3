"""What an `update` may say means the same compiled as it does run as Python."""

import pytest

from tests.fuse.sameness import same
from thalweg.chain import chain
from thalweg.elementwise import abs as absolute
from thalweg.elementwise import exp, log, maximum, minimum, sign, sqrt, where
from thalweg.elementwise import sqrt as root
from thalweg.reductions import mean, norm, sum
from thalweg.rule import Rule, Stage, setting, state

SCALE = 0.5
NEGATIVE = -2.0


class Nested(Rule):
    lr: float = setting(0.3)
    r: float = setting(0.3)

    @staticmethod
    def update(p, g, lr, r):
        if r > 0:
            u = g
            if lr > 0.1 and r > 0.2:
                u = -g
            p = p + lr * r * u
        elif lr > 0.2 or r < -1:
            p = p - 3 * lr * g
        else:
            p = p - 4 * g
        return p


@pytest.mark.parametrize("r", [0.3, 0.1, -0.5, -2.0])
@pytest.mark.parametrize("lr", [0.05, 0.15, 0.3])
def test_branches_within_branches(lr, r):
    same(Nested, lr=lr, r=r)


class UniformNames(Rule):
    lr: float = setting(0.3)

    @staticmethod
    def update(p, g, lr):
        s = lr
        s = s + 1
        s = s * 2
        big = lr > 0.1
        if big:
            s = 3 * s
            k = s
        else:
            k = 1 - s
        p = p - k * s * g
        s = s - 1
        return_to = s if big else k
        p = p + where(big, return_to * g, g / 3)
        return p


@pytest.mark.parametrize("lr", [0.05, 0.3])
def test_names_that_hold_one_value_for_all_elements(lr):
    same(UniformNames, lr=lr)


class Rescaled(Rule):
    """A number changed in a branch of a branch, and used whichever way was taken."""

    lr: float = setting(0.3)
    r: float = setting(0.3)

    @staticmethod
    def update(p, g, lr, r):
        s = lr
        if r > 0:
            if lr > 0.1:
                s = 2 * s
            p = p - s * g
            if s > 0.5:
                s = s - 0.25
        p = p - s * g
        return p


@pytest.mark.parametrize("r", [0.3, -0.5])
@pytest.mark.parametrize("lr", [0.05, 0.3])
def test_a_number_keeps_its_value_where_a_branch_is_not_taken(lr, r):
    same(Rescaled, lr=lr, r=r)


class Reused(Rule):
    """One condition, and one number, in every place where each may stand."""

    lr: float = setting(0.3)

    @staticmethod
    def update(p, g, lr):
        big = lr > 0.1
        p = p - (g if big else 2 * g) - where(big, g, 3 * g)
        if big:
            p = p - lr * g
        p = p - (g if lr else 2 * g) - lr * g - where(big, lr, 1.0) * g
        return p


@pytest.mark.parametrize("lr", [0.05, 0.3, 0.0])
def test_a_condition_is_a_value_and_a_value_a_condition(lr):
    same(Reused, lr=lr)


class Restarted(Rule):
    """A state that is set to one number for all its elements."""

    lr: float = setting(0.3)
    m = state("m")
    n = state("n")

    @staticmethod
    def update(p, g, m, n, lr):
        m = m + g
        p = p - lr * m
        if lr > 0.2:
            m = 0
        n = 1 - lr
        return p, m, n


@pytest.mark.parametrize("lr", [0.1, 0.3])
def test_an_array_may_be_set_to_one_number(lr):
    same(Restarted, lr=lr)


class Turning(Rule):
    lr: float = setting(0.3)

    @staticmethod
    def update(p, g, lr):
        s = lr
        if lr > 0.1:
            s = s * g
        a = b = s
        p = p - a - 2 * b - lr
        return p


@pytest.mark.parametrize("lr", [0.05, 0.3])
def test_a_name_may_turn_from_uniform_to_one_value_per_element(lr):
    same(Turning, lr=lr)


class WholeNumbers(Rule):
    """Literals without a point, where a compiler would compute with integers."""

    lr: float = setting(0.3)

    @staticmethod
    def update(p, g, lr):
        clipped = minimum(1, lr)
        p = p - clipped * g - maximum(0, lr) * g
        p = p - where(lr > 0, lr, 1) * g - where(lr > 5, 1, lr) * g
        p = p - sqrt(2) * g - absolute(-3) * g - sign(-2) * g - exp(1) * g - log(3) * g
        p = p - 1 / 2 * g - 7 // 2 * g
        return p


def test_whole_numbers_are_numbers():
    same(WholeNumbers)
    same(WholeNumbers, form="float32")


class Powers(Rule):
    e: float = setting(1.5)

    @staticmethod
    def update(p, g, e):
        p = p - g**2 + absolute(g) ** 0.5 - absolute(g) ** e + (1 - e) ** 2 * g + (-g) ** 3
        p = p + (-1) ** 2 * g + NEGATIVE**2 * g - (-g) ** 2 - NEGATIVE * g**2 + e**NEGATIVE * g
        return p


def test_powers():
    same(Powers)


class Masks(Rule):
    @staticmethod
    def update(p, g):
        mask = (g > 0) & (p > 0)
        p = p - where(mask, g, 2 * g)
        p = p - where(~mask | (g < -1), 3 * g, 1.0)
        p = p - where((g > 0.5) == mask, g, 0.0)
        return p


def test_conditions_on_elements():
    same(Masks)
    same(Masks, form="float32")


class Switched(Rule):
    flag: bool = False
    mode: str = setting("plain", choices=("plain", "double"))

    @staticmethod
    def update(p, g, flag, mode):
        p = p - where(flag, g, 2 * g) - flag * g
        if not flag and mode == "double":
            p = p - 2 * g
        p = p - (g if flag or mode == "plain" else 5 * g)
        return p


@pytest.mark.parametrize("mode", ["plain", "double"])
@pytest.mark.parametrize("flag", [False, True])
def test_switches_are_values_too(flag, mode):
    same(Switched, flag=flag, mode=mode)


class Outside(Rule):
    @staticmethod
    def update(p, g):
        p = p - SCALE * root(g * g + SCALE)
        return p


def test_numbers_of_the_module_and_renamed_functions():
    same(Outside)


class Early(Stage):
    @staticmethod
    def update(p, g):
        g = g - 2 * p
        p = p - g
        return p, g


class Own(Rule):
    @staticmethod
    def update(p, g):
        g = g + SCALE * p  # for itself: not returned
        p = p - g
        return p


class Late(Stage):
    e = state("ema")

    @staticmethod
    def update(g, e):
        e = e + SCALE * (g - e)
        return e


def test_parts_pass_on_what_they_return_and_nothing_else():
    same(chain("Parts", Early, Own, Late))


class Bodies(Rule):
    """Reductions of what has lines of its own, under names that are used again."""

    lr: float = setting(0.3)

    @staticmethod
    def update(p, g, lr):
        d = g - lr * p
        if lr > 0.1:
            d = d + 1
        wide = norm(d, "row")
        d = g + p
        size = norm(d * 2)
        d = 3 * lr * g
        p = p - d / (1 + wide) - g / (1 + size)
        return p


@pytest.mark.parametrize("lr", [0.05, 0.3])
def test_a_name_may_be_used_again_behind_a_reduction_of_it(lr):
    same(Bodies, lr=lr)


def test_a_reduction_may_use_those_above_it():
    class Counted(Rule):
        """Reductions that use each other, in a condition too, and one that counts."""

        @staticmethod
        def update(p, g):
            count = sum(g * 0 + 1)
            size = norm(g / count)
            middle = mean(g if size > 0.1 else -g, "row")
            spread = mean((g - middle) / (1 + size), "all")
            p = p - g - middle - spread - 1 / count
            return p

    same(Counted)
