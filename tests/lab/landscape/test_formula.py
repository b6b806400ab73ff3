"""Formulas: what can be read, the slope of each word, and what is refused."""

import numpy as np
import pytest

from thalweg.lab.landscape.formula import Formula

SCALE = 3.0


def words(x, y):
    return np.sin(x) * np.cos(y) + np.exp(-x / SCALE) - np.tanh(x * y) + np.arctan(y)


def roots(x, y):
    return np.sqrt(x**2 + 1) + np.log(2 + y**2) + abs(x - y) ** 1.5


def powers(x, y):
    base = 2 + x**2
    return base**y - 1 / base + x**3 * y**-2.0 - (-x) ** 2


def choices(x, y):
    steep = np.where(x > y, x * x, 2 * y)
    return (
        steep + np.maximum(x, 2 * y) * np.minimum(x, 1.0) + np.sign(x) * x + (y if x < 0 else 3 * y)
    )


@pytest.mark.parametrize("function", [words, roots, powers, choices])
def test_the_slope_is_that_of_a_small_step(function):
    x, y = np.random.default_rng(1).uniform(0.2, 1.8, (2, 40)) * [[1], [1.3]]
    if function is choices:  # whose `if` is on numbers
        function = np.vectorize(function)
    formula = Formula.of(choices if isinstance(function, np.vectorize) else function)
    ours = np.stack(np.broadcast_arrays(*formula.gradient(x, y)))
    h = 1e-6
    rise = [function(x + h, y) - function(x - h, y), function(x, y + h) - function(x, y - h)]
    np.testing.assert_allclose(ours, np.stack(rise) / (2 * h), rtol=1e-6, atol=1e-7)


def test_the_root_of_nothing_has_no_slope():
    def cone(x, y):
        return np.sqrt(x**2 + y**2)

    zero = np.zeros(1)
    with np.errstate(all="ignore"):
        assert [one.item() for one in Formula.of(cone).gradient(zero, zero)] == [0.0, 0.0]


def test_a_person_reads_it_as_it_is_written():
    def bowl(x, y):
        return 2 * x**2 + np.pi * y

    assert str(Formula.of(bowl)) == "2 x² + π y"


def unknown_word(x, y):
    return np.sinc(x) + y


def loop(x, y):
    for _ in range(3):
        x = x + y
    return x


def unknown_name(x, y):
    return x + y * words


def remainder(x, y):
    return x % 2 + y


def between(x, y):
    return np.where(0 < x < 1, x, y)


@pytest.mark.parametrize("function", [unknown_word, loop, unknown_name, remainder, between])
def test_what_cannot_be_read_is_refused_with_its_line(function):
    with pytest.raises(TypeError, match=rf"{function.__name__}, line \d+ of test_formula.py"):
        Formula.of(function)
