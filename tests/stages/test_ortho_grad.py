"""Gradients at a right angle to their weights."""

import numpy as np
import pytest

from tests.fuse.border import Border
from thalweg import rules
from thalweg.chain import chain
from thalweg.stages import OrthoGrad

engines = pytest.mark.parametrize("oracle", [False, True], ids=["fused", "oracle"])
MADE = chain("Orthogonal", OrthoGrad, rules.SGD, lr=1.0)


def moved(value, grad, oracle):
    """The step that a gradient makes."""
    border = Border(MADE, ({}, [np.array(value)]), oracle=oracle)
    border.step([np.array(grad)])
    return np.array(value) - border.params[0]


@engines
@pytest.mark.parametrize("shape", [(5,), (4, 3), (2, 3, 2)])
def test_it_is_at_a_right_angle_to_the_weights_and_as_long_as_the_gradient(shape, oracle):
    rng = np.random.default_rng(0)
    value, grad = rng.standard_normal(shape), rng.standard_normal(shape)
    step = moved(value, grad, oracle)
    assert abs((step * value).sum()) < 1e-13
    np.testing.assert_allclose(np.linalg.norm(step), np.linalg.norm(grad), rtol=1e-13)
    left = grad - (grad * value).sum() / (value * value).sum() * value
    assert (step * left).sum() / np.linalg.norm(left) == pytest.approx(np.linalg.norm(grad))


@engines
@pytest.mark.parametrize("value", [3.0, [1.1, 2.2, 3.3]])
def test_of_a_gradient_along_the_weights_nothing_is_left(value, oracle):
    """Not what rounding leaves of it, blown up to the gradient's length."""
    assert not np.any(moved(value, 0.7 * np.array(value), oracle))


@engines
def test_weights_of_zero_have_no_direction(oracle):
    np.testing.assert_array_equal(moved([0.0, 0.0], [1.0, 2.0], oracle), [1.0, 2.0])
