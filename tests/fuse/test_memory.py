"""A step changes every element it should, whatever the launch looks like, and no other."""

import numpy as np
import pytest

from tests.cases import CASES
from tests.fuse.border import Border
from thalweg.chain import chain
from thalweg.fuse import threads
from thalweg.fuse.cpu import BLOCK
from thalweg.rule import Rule, measure, setting

SIZES = [0, 1, 2, 7, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7]
SHAPES = [
    *[(size,) for size in SIZES],
    (),
    (0, 5),
    (5, 0),
    (3, 0, 2),
    (1, 1),
    (1, BLOCK + 5),
    (BLOCK + 3, 1),
    (3, 2 * BLOCK + 1),
    (BLOCK // 3 + 1, 5),
    (7, BLOCK),
    (2, 3, 5, 7),
]


class Scaled(Rule):
    """Moves every element by its row's mean, so that no row can be left out unseen."""

    lr: float = setting(0.1, low=0)

    @measure("row", "mean")
    def mean(g):
        return g

    @staticmethod
    def update(p, g, lr, mean):
        p = p - lr * mean * g
        return p


CHAINS = {
    "in one go": next(one.chain for one in CASES if str(one) == "Adam-amsgrad=True"),
    "row by row": chain("Scaled", Scaled),
}


def step(made, shapes, count=1, **settings):
    """Step once over all shapes: every element must move, to where the oracle has it."""
    rng = np.random.default_rng(0)
    # away from zero, so that a step is visible in every element
    values, grads = ([rng.uniform(1, 2, shape) for shape in shapes] for _ in "pg")
    fused = Border(made, (settings, values), threads=count)
    oracle = Border(made, (settings, values), oracle=True)
    fused.step(grads)
    oracle.step(grads)
    assert fused.is_intact
    for start, ours, theirs in zip(values, fused.states, oracle.states, strict=True):
        assert (ours["p"] != start).all()
        assert all(array.all() for array in ours.values())  # no state is left at zero
        for name, array in ours.items():
            # one step in double: a few roundings, more in the mean of a long row
            np.testing.assert_allclose(array, theirs[name], rtol=1e-13, err_msg=name)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("made", CHAINS.values(), ids=CHAINS)
def test_a_tensor_of_any_shape_is_stepped_whole(made, shape):
    step(made, [shape])


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("made", CHAINS.values(), ids=CHAINS)
def test_many_tensors_of_mixed_sizes_are_stepped_in_one_launch(made, count):
    shapes = SHAPES + [(3, 5)] * 300 + [(17,)] * 300
    order = np.random.default_rng(1).permutation(len(shapes))
    step(made, [shapes[i] for i in order], count)


@pytest.mark.parametrize("shape", [(3 * threads.ELEMENTS_PER_THREAD + 5,), (1 << 10, 801)], ids=str)
@pytest.mark.parametrize("made", CHAINS.values(), ids=CHAINS)
def test_threads_share_the_elements_and_miss_none(made, shape):
    assert np.prod(shape) // threads.ELEMENTS_PER_THREAD >= 3  # enough for helpers to be called
    step(made, [shape, (5,), shape[::-1]], count=3)


def test_no_tensors_is_no_work():
    border = Border(CHAINS["in one go"], ({}, []))
    border.step([])
    assert border.params == []


@pytest.mark.parametrize("made", CHAINS.values(), ids=CHAINS)
def test_a_tensor_without_a_gradient_stays_as_it_is(made):
    border = Border(made, ({}, [np.ones((2, 3)), np.ones((2, 3))]))
    border.step([None, np.ones((2, 3))])
    assert (border.params[0] == 1).all()
    assert (border.params[1] != 1).all()
    assert border.tensors[0].cells == {}


@pytest.mark.parametrize("made", CHAINS.values(), ids=CHAINS)
def test_the_gradient_is_never_written(made):
    rng = np.random.default_rng(0)
    grad = rng.standard_normal((4, 3))
    for oracle in (False, True):
        border = Border(made, ({}, [rng.standard_normal((4, 3))]), oracle=oracle)
        border.step([grad])
        np.testing.assert_array_equal(border.tensors[0].held["g"].values, grad)
