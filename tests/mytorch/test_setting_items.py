"""`x[index] = value`: what it writes, which gradients go where, and what it refuses."""

import numpy as np
import pytest

from tests.mytorch.agreement import (
    apart,
    assert_differences_agree,
    assert_torch_agrees,
    needs_torch,
)
from thalweg import mytorch
from thalweg.mytorch import Tensor, nn, no_grad


def set_to(x, index, value):
    """What torch's in-place assignment leaves, as a function of both."""
    whole = x * 1
    whole[index] = value
    return whole * 2


def filled(m, rows, value):
    """A tensor that wanted no gradient before something that does was written into it."""
    whole = m.zeros(rows, 3, dtype=m.float64)
    for i in range(rows):
        whole[i] = value * (i + 1)
    return whole


def chained(m, x):
    """Each row computed from the one before, all in one tensor."""
    whole = m.zeros(4, 3, dtype=m.float64)
    whole[0] = x.sin()
    for i in range(1, 4):
        whole[i] = whole[i - 1] + x
    return whole


def overwritten(m, x):
    y = x * 5
    before = y.sum()
    y[0] = 1.0
    return (y * 3).sum() + before


CASES = {
    "a row": (lambda m, x, v: set_to(x, 1, v), apart(3, 4), apart(4, seed=1)),
    "a column": (lambda m, x, v: set_to(x, (slice(None), 2), v), apart(3, 4), apart(3, seed=1)),
    "one value for many": (lambda m, x, v: set_to(x, slice(0, 2), v), apart(3, 4), apart(1)),
    "an element": (lambda m, x, v: set_to(x, (1, -1), v), apart(3, 4), apart()),
    "a broadcast row": (lambda m, x, v: set_to(x, slice(1, 3), v), apart(3, 4), apart(1, 4)),
    "a number": (lambda m, x: set_to(x, 0, 7.5), apart(3, 4)),
    "all": (lambda m, x, v: set_to(x, ..., v), apart(3, 4), apart(3, 4, seed=1)),
    "a list of rows": (lambda m, x, v: set_to(x, [2, 0], v), apart(3, 4), apart(2, 4, seed=1)),
    "a mask": (lambda m, x, v: set_to(x, x > 0.2, v), apart(3, 4), apart()),
    "a tensor of rows": (
        lambda m, x, v: set_to(x, m.tensor([2, 1]), v),
        apart(3, 4),
        apart(2, 4, seed=1),
    ),
    "into zeros": (lambda m, v: filled(m, 3, v), apart(3)),
    "step by step": (chained, apart(3)),
    "after a use that needs no numbers": (overwritten, apart(3)),
    "a row of itself": (lambda m, x: set_to(x, 0, x[1] * x[2]), apart(3, 4)),
}


@pytest.mark.parametrize("name", CASES)
def test_its_gradient_is_that_of_finite_differences(name):
    function, *arrays = CASES[name]
    assert_differences_agree(lambda *tensors: function(mytorch, *tensors), *arrays)


@needs_torch
@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient_are_torchs(name):
    import torch

    function, *arrays = CASES[name]
    assert_torch_agrees(
        lambda *tensors: function(mytorch, *tensors),
        lambda *tensors: function(torch, *tensors),
        *arrays,
    )


def test_where_no_gradient_is_at_stake_it_writes_into_the_array():
    array = np.zeros((2, 3))
    x = Tensor(array)
    x[0] = 1
    x[1, 1:] = Tensor([2.0, 3.0])
    x[:, 0] = np.array([7, 8])
    assert array.tolist() == [[7, 1, 1], [8, 2, 3]]
    x[0][2] = 5  # through a view
    assert array[0, 2] == 5


def test_a_leaf_is_written_into_under_no_grad_and_nowhere_else():
    leaf = nn.Parameter(np.zeros(3))
    with pytest.raises(RuntimeError, match=r"a leaf that wants a gradient can be .* no_grad\(\)"):
        leaf[0] = 1
    assert leaf.tolist() == [0, 0, 0]
    with no_grad():
        leaf[0] = 1
        leaf[leaf == 0] = 5
    assert leaf.tolist() == [1, 5, 5]
    assert leaf.is_leaf


WRITES = {
    "set item": lambda x: x.__setitem__(0, 9.0),
    "set item of a view": lambda x: x[1:].__setitem__(0, 9.0),
    "set item of a detached": lambda x: x.detach().__setitem__(0, 9.0),
    "set item of a reshaped": lambda x: x.view(2, 2).__setitem__((0, 1), 9.0),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_backward_through_numbers_that_were_overwritten_is_refused(name):
    x, w = Tensor(np.ones(4)), Tensor(np.ones(4), requires_grad=True)
    needs, needs_none = (x * w).sum(), (x + w).sum()
    WRITES[name](x)
    with pytest.raises(RuntimeError, match="something was written into a tensor after 'multiply'"):
        needs.backward()
    assert w.grad is None
    needs_none.backward()
    assert w.grad.tolist() == [1, 1, 1, 1]
    (x * w).sum().backward()
    assert w.grad.tolist() == (1 + x.data).tolist()


def test_a_leaf_changed_in_place_between_forward_and_backward_is_noticed():
    w = Tensor(np.ones(2), requires_grad=True)
    loss = (w * w).sum()
    with no_grad():
        w -= 0.5
    with pytest.raises(RuntimeError, match="something was written into a tensor after 'multiply'"):
        loss.backward()


def test_what_was_computed_of_a_result_before_keeps_its_numbers():
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    y = x * 1
    view = y[:]
    product = view * view
    y[0] = 100.0
    assert product.tolist() == [1, 4]
    product.sum().backward()
    assert x.grad.tolist() == [2, 4]


X = Tensor(np.ones((2, 3)), requires_grad=True)


@pytest.mark.parametrize(
    ("attempt", "error", "sentence"),
    [
        (
            lambda: (X * 1)[0].__setitem__(1, 2.0),
            RuntimeError,
            r"set items: this tensor is a view of another.* write x\[0, 1\] = value for",
        ),
        (
            lambda: Tensor(np.zeros((2, 3))).T.__setitem__(0, X[:, 0]),
            RuntimeError,
            "this tensor is a view of another",
        ),
        (
            lambda: (X * 1).__setitem__(0, np.ones(2)),
            ValueError,
            r"set items: a value of shape \(2,\) does not fit into the shape \(3,\)",
        ),
        (
            lambda: Tensor([1, 2]).__setitem__(0, X[0, 0]),
            TypeError,
            "set items: a value that wants a gradient cannot be written into int64",
        ),
        (
            lambda: Tensor(np.zeros(1)).expand(3).__setitem__(0, 1.0),
            ValueError,
            r"set items: the array of this tensor is read-only; clone\(\) it first",
        ),
        (lambda: (X * 1).__setitem__(5, 1.0), IndexError, "index 5 is out of bounds"),
    ],
    ids=["view of a result", "view", "shape", "integers", "read-only", "index"],
)
def test_what_cannot_be_set_is_said_and_changes_nothing(attempt, error, sentence):
    with pytest.raises(error, match=sentence):
        attempt()
    assert X.data.min() == X.data.max() == 1


def test_a_refused_write_leaves_tensor_and_history_as_they_were():
    y = X * 2
    with pytest.raises(ValueError, match="does not fit"):
        y[0] = np.ones(2)
    assert y.data.min() == y.data.max() == 2
    X.zero_grad()
    y.sum().backward()
    assert X.grad.tolist() == [[2, 2, 2], [2, 2, 2]]
    X.zero_grad()
