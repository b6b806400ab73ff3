"""Centralized gradients: rows without a mean, for weights and not for biases."""

import numpy as np
import pytest

from tests.fuse.border import Border
from thalweg import rules
from thalweg.chain import chain
from thalweg.optimizers import OPTIMIZERS
from thalweg.stages import Centralize, ClipNorm, ClipValue, Decay, Maximize

MADE = chain("Centralized", Centralize, rules.SGD, lr=1.0)
WEIGHTS = [(4, 3), (7, 1), (1, 9), (2, 3, 5), (3, 2, 2, 2), (2, 20_000)]
OTHERS = [(5,), ()]

engines = pytest.mark.parametrize("oracle", [False, True], ids=["fused", "oracle"])


def seen(grad, oracle=False, forms=("float64",) * 3, **settings):
    """The gradient that the rule sees: SGD with lr=1 from zero moves to minus it."""
    border = Border(MADE, (settings, [np.zeros(grad.shape)]), oracle=oracle, forms=forms)
    border.step([grad])
    return -border.params[0]


def rows(array):
    return array.reshape(len(array), -1)


def draw(shape):
    return 3 + np.random.default_rng(0).standard_normal(shape)


@engines
@pytest.mark.parametrize("shape", WEIGHTS, ids=str)
def test_a_row_loses_its_mean(shape, oracle):
    grad = draw(shape)
    ours = seen(grad, oracle)
    means = grad.mean(axis=tuple(range(1, grad.ndim)), keepdims=True)
    np.testing.assert_allclose(ours, grad - means, rtol=0, atol=1e-14)  # numbers of about three
    n = rows(grad).shape[1]
    np.testing.assert_allclose(rows(ours).sum(axis=1), 0, atol=1e-15 * n * 3)


@engines
@pytest.mark.parametrize("shape", OTHERS, ids=str)
def test_a_bias_and_a_number_keep_theirs(shape, oracle):
    grad = draw(shape)
    np.testing.assert_array_equal(seen(grad, oracle), grad)


@pytest.mark.parametrize(
    ("shape", "acts"), [((4, 3), False), ((4, 3, 2), False), ((4, 3, 2, 2), True)], ids=str
)
def test_conv_only_acts_on_four_axes_and_more(shape, acts):
    grad = draw(shape)
    assert np.array_equal(seen(grad, conv_only=True), grad) is not acts
    assert not np.array_equal(seen(grad), grad)


def test_it_can_be_switched_off():
    grad = draw((4, 3))
    np.testing.assert_array_equal(seen(grad, use=False), grad)
    np.testing.assert_array_equal(seen(grad, use=False, normalize=True), grad)


@engines
@pytest.mark.parametrize("shape", [(4, 3), (3, 2, 2, 2), (2, 20_000)], ids=str)
def test_normalized_rows_are_as_long_as_one(shape, oracle):
    ours = rows(seen(draw(shape), oracle, normalize=True))
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(ours.sum(axis=1), 0, atol=1e-12)


@engines
def test_rows_of_zeros_stay_zero(oracle):
    grad = np.array([[0.0, 0.0, 0.0], [2.0, 2.0, 2.0], [1.0, 0.0, -1.0]])
    ours = seen(grad, oracle, normalize=True)
    assert ours[:2].tolist() == [[0, 0, 0], [0, 0, 0]]  # the second is zero once it is centered
    np.testing.assert_allclose(ours[2], grad[2] / np.sqrt(2), rtol=1e-15)


@engines
def test_a_row_of_one_number_is_its_own_mean(oracle):
    assert not seen(draw((7, 1)), oracle).any()
    assert not seen(draw((7, 1)), oracle, normalize=True).any()


def test_in_bfloat16_the_mean_is_not_taken_in_bfloat16():
    grad = np.full((1, 1000), 256.0)
    grad[0, ::2] = 258.0  # neighbours there: sums in bfloat16 would stop growing at once
    ours = seen(grad, forms=("float32", "bfloat16", "float32"))
    np.testing.assert_array_equal(ours, np.where(grad > 256, 1.0, -1.0))


@engines
def test_nan_stays_in_its_row(oracle):
    grad = draw((3, 4))
    grad[1, 2] = np.nan
    with np.errstate(all="ignore"):
        finite = np.isfinite(seen(grad, oracle, normalize=True))
    assert finite.all(axis=1).tolist() == [True, False, True]
    assert not finite[1].any()


BEFORE = {
    "nothing": (),
    "a product": (ClipNorm,),
    "a product of a sum": (Decay, ClipNorm),
    "a product with its sign turned": (ClipNorm, Maximize),
    "a product that is clipped": (ClipNorm, ClipValue),
}


@engines
@pytest.mark.parametrize("form", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(50, 1), (40, 7), (3, 1000)], ids=str)
@pytest.mark.parametrize("before", BEFORE)
def test_equal_gradients_of_a_row_are_nothing_once_centralized(before, shape, form, oracle):
    parts = (*BEFORE[before], Centralize, rules.SGD)
    made = chain("Cancelled", *parts, normalize=True, lr=1.0)
    equal = np.random.default_rng(1).standard_normal((2, shape[0], 1)) * np.ones(shape)
    settings = {"weight_decay": 0.3} if Decay in parts else {}
    settings |= {"maximize": True} if Maximize in parts else {}
    border = Border(made, (settings, [equal[0]]), oracle=oracle, forms=(form,) * 3)
    before_it = border.params[0].copy()
    border.step([equal[1]])
    np.testing.assert_array_equal(border.params[0], before_it)


@engines
def test_ranger_does_not_move_what_equal_gradients_leave_in_place(oracle):
    grad = np.full((4, 7), 0.1)
    border = Border(
        OPTIMIZERS["Ranger"], ({"gc_normalize": True, "lr": 1.0}, [grad]), oracle=oracle
    )
    border.step([grad])
    np.testing.assert_array_equal(border.params[0], grad)
