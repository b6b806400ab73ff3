"""A step changes every element it should, whatever the launch looks like, and no other."""

import numpy as np
import pytest

from tests.cases import CASES
from tests.fuse.border import Border, Guarded
from thalweg.chain import chain
from thalweg.fuse import threads
from thalweg.fuse.cpu import sweep
from thalweg.fuse.cpu.sweep import BLOCK
from thalweg.reductions import mean
from thalweg.rule import Rule, setting

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

    @staticmethod
    def update(g, lr):
        u = lr * mean(g, "row") * g
        return u


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


SMALL_BLOCK = 1 << 14  # what little work is cut into


@pytest.fixture(params=[SMALL_BLOCK, BLOCK], ids=["small", "large"])
def block(request, monkeypatch):
    """The elements of one chunk, whatever there is to do and however many cores there are."""
    monkeypatch.setattr(sweep, "BLOCK", request.param)
    monkeypatch.setattr(sweep, "_SMALLEST", request.param)
    assert sweep.Table([(request.param + 1,)], by_rows=False).chunks[:, 2].tolist() == [
        request.param,
        1,
    ]
    return request.param


@pytest.fixture(params=[1, 3], ids=["one thread", "three threads"])
def count(request, monkeypatch):
    """The threads of a launch, however little there is to do."""
    monkeypatch.setattr(threads, "ELEMENTS_PER_THREAD", 1)
    monkeypatch.setattr(threads, "ELEMENTS_PER_TEAM_THREAD", 1)
    return request.param


def under_way(one, shapes, **settings):
    """An optimizer before its sixth step, when RAdam rectifies and Lookahead syncs: parameters
    between 1 and 2, states between 1/2 and 3/5, every element unlike its neighbours."""
    drawn = np.random.default_rng(4).uniform(1, 2, 2 * max(map(np.prod, shapes)) + 64)

    def values(shape, first):
        size = int(np.prod(shape))
        return drawn[first : first + size].reshape(shape)

    border = Border(one.chain, (one.settings, [values(shape, 0) for shape in shapes]), **settings)
    views = one.chain.views(border.groups[0])
    for tensor in border.tensors:
        started = one.chain.first_cells(views)
        tensor.cells = started | {key: 5.0 for key in started.keys() & {"step"}}
        for i, slot in enumerate(one.chain.live_slots(views)):
            tensor.held[slot.qualified] = Guarded(
                0.4 + values(tensor.shape, i + 1) / 10, tensor.forms["states"]
            )
    sign = -1 if one.settings.get("maximize") else 1  # downhill either way, or Rprop stands still
    return border, [sign * values(shape, shape[0] + 9) for shape in shapes]


@pytest.mark.parametrize("one", CASES, ids=str)
def test_every_kernel_writes_what_the_oracle_writes(one, block, count):
    sizes = [(0,), (1,), (block - 1,), (block,), (block + 1,)]
    shapes = [*sizes, (block // 8 + 1, 2, 2, 2)]  # of rows, and more than one chunk of them
    fused, grads = under_way(one, shapes, threads=count)
    oracle, _ = under_way(one, shapes, oracle=True)
    before = [{name: array.copy() for name, array in held.items()} for held in oracle.states]
    fused.step(grads)
    oracle.step(grads)
    assert fused.is_intact
    for start, ours, theirs in zip(before, fused.states, oracle.states, strict=True):
        assert (ours["p"] != start["p"]).all()
        for name in ours:
            is_written = theirs[name] != start[name]
            np.testing.assert_array_equal(ours[name] != start[name], is_written, err_msg=name)
            # one step in double, of numbers around one
            np.testing.assert_allclose(ours[name], theirs[name], 1e-13, 1e-14, err_msg=name)
