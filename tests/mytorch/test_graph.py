"""The graph behind a tensor: how long it lives, how long it may be, and what is copied of it."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

from tests.mytorch.agreement import apart, assert_close
from thalweg.mytorch import Tensor


def test_a_second_backward_is_refused_and_changes_nothing():
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = x.exp()
    first, second = y.sum(), (y * x).sum()
    first.backward()
    before = x.grad.copy()
    for again, op in ((first, "sum"), (second, "exp")):
        with pytest.raises(RuntimeError, match=f"an earlier backward has let go of what '{op}'"):
            again.backward()
    assert x.grad.tolist() == before.tolist()


def test_a_graph_is_freed_by_backward_or_with_its_last_result():
    gc.disable()
    try:
        for backward in (True, False):
            x = Tensor(np.ones(3), requires_grad=True)
            y = x.exp()
            loss = (y * y).sum()
            seen = weakref.ref(y)
            del y
            assert seen() is not None
            if backward:
                loss.backward()
            else:
                del loss
            assert seen() is None
    finally:
        gc.enable()


def test_what_is_detached_keeps_no_history():
    gc.disable()
    try:
        y = Tensor(np.ones(3), requires_grad=True).exp()
        seen = weakref.ref(y)
        kept = y.detach()
        del y
        assert seen() is None
        assert kept.shape == (3,)
    finally:
        gc.enable()


def test_a_history_of_any_length_is_walked_and_freed():
    x = y = Tensor(1.0, requires_grad=True)
    for _ in range(20_000):
        y = y + 1
    y.backward()
    assert x.grad == 1
    for _ in range(20_000):
        y = x = x + 1
    del x, y


def test_a_leaf_can_be_copied_and_pickled():
    x = Tensor(apart(2, 3), requires_grad=True)
    (x * x).sum().backward()
    for twin in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert_close(twin.data, x.data)
        assert_close(twin.grad, x.grad)
        assert twin.requires_grad
        assert not np.shares_memory(twin.data, x.data)


def deep(length: int = 20_000) -> Tensor:
    y = Tensor(1.0, requires_grad=True)
    for _ in range(length):
        y = y + 1
    return y


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, pickle.dumps], ids=lambda f: f.__name__
)
@pytest.mark.parametrize("walked", [False, True])
def test_a_result_is_not_copied_and_says_what_can_be(copied, walked):
    y = deep()
    if walked:
        y.backward()
    with pytest.raises(RuntimeError, match=r"only leaves can be copied and pickled; detach\(\) it"):
        copied(y)
    assert copy.deepcopy(y.detach()).item() == y.item()
    with pytest.raises(RuntimeError, match="a result, from 'add'"):
        copied(y) if copied is copy.copy else copied({"history": [y]})


def test_a_history_many_times_as_long_as_the_stack_is_freed_in_any_order():
    ends = [deep(20_000) for _ in range(2)]
    middle = ends[0] * ends[1]
    del ends
    middle.backward()
    del middle
    unwalked = deep(40_000)
    repr(unwalked)
    del unwalked
