"""The tensor: its ops and their gradients, what a backward pass leaves, and what it refuses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import mutually_broadcastable_shapes

from tests.mytorch.agreement import (
    apart,
    assert_close,
    assert_differences_agree,
    assert_torch_agrees,
    forward_and_back,
    needs_torch,
)
from thalweg.mytorch import Tensor, no_grad
from thalweg.mytorch.tensor import record

# Each on one tensor of shape (2, 3), of positive numbers.
UNARY = {
    "negate": lambda x: -x,
    "square": lambda x: x**2,
    "power": lambda x: x**-1.5,
    "power of zero": lambda x: x**0,
    "exp": lambda x: x.exp(),
    "log": lambda x: x.log(),
    "sqrt": lambda x: x.sqrt(),
    "sum": lambda x: x.sum(),
    "sum of rows": lambda x: x.sum(0),
    "sum of columns, kept": lambda x: x.sum(-1, keepdim=True),
    "sum over two axes": lambda x: x.sum((0, 1)),
    "mean": lambda x: x.mean(),
    "mean of columns": lambda x: x.mean(1),
    "reshape": lambda x: x.reshape(3, 2),
    "reshape by a tuple": lambda x: x.reshape((-1,)),
    "transpose": lambda x: x.transpose(0, -1),
    "T": lambda x: x.T,
    "row": lambda x: x[1],
    "slice": lambda x: x[:, ::-2],
    "new axis": lambda x: x[None, ..., 0],
    "rows, some twice": lambda x: x[[1, 0, 1]],
    "elements, some twice": lambda x: x[np.array([1, 1]), np.array([2, 2])],
    "mask": lambda x: x[np.array([[True, False, True], [False, True, True]])],
    "numbers": lambda x: 1 - (2 * x + 3) / 4 + 5 / x,
    "itself, often": lambda x: x * x + x - x / (x + 1),
}


@pytest.mark.parametrize("name", UNARY)
def test_an_op_on_one_tensor(name):
    assert_differences_agree(UNARY[name], apart(2, 3) + 3)


@needs_torch
@pytest.mark.parametrize("name", [name for name in UNARY if name != "slice"])
def test_an_op_on_one_tensor_is_torchs(name):
    assert_torch_agrees(UNARY[name], UNARY[name], apart(2, 3) + 3)


BINARY = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
}


@pytest.mark.parametrize("name", BINARY)
@given(shapes=mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3))
def test_an_op_on_two_tensors_broadcasts(name, shapes):
    a, b = (apart(*shape, seed=i) for i, shape in enumerate(shapes.input_shapes))
    assert_differences_agree(BINARY[name], a, b + 4)
    value, _, gradients = forward_and_back(BINARY[name], a, b + 4)
    assert value.shape == shapes.result_shape
    assert [g.shape for g in gradients] == [a.shape, b.shape]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((2, 3), (3, 4)),
        ((3,), (3, 4)),
        ((2, 3), (3,)),
        ((3,), (3,)),
        ((5, 2, 3), (3, 4)),
        ((2, 3), (5, 3, 4)),
        ((5, 1, 2, 3), (4, 3, 2)),
        ((3,), (5, 3, 2)),
        ((5, 2, 3), (3,)),
        ((0, 3), (3, 2)),
    ],
)
def test_a_matrix_product_of_any_shapes(left, right):
    a, b = apart(*left), apart(*right, seed=1)
    value, _, _ = forward_and_back(lambda a, b: a @ b, a, b)
    assert_close(value, a @ b)
    assert_differences_agree(lambda a, b: a @ b, a, b)


def test_numpy_on_the_left_gives_a_tensor():
    array, x = apart(2, 2), Tensor(apart(2, 2, seed=1), requires_grad=True)
    for found, wanted in (
        (array + x, array + x.data),
        (array - x, array - x.data),
        (array * x, array * x.data),
        (array / x, array / x.data),
        (array @ x, array @ x.data),
    ):
        assert isinstance(found, Tensor)
        assert found.requires_grad
        assert_close(found.data, wanted)


def test_numbers_and_lists_are_float32_and_arrays_keep_their_type():
    assert Tensor(1.5).dtype == Tensor([[1, 2.5]]).dtype == np.float32
    assert Tensor([1, 2]).dtype == np.int64
    for dtype in (np.float32, np.float64, np.int32, np.uint8, bool):
        assert Tensor(np.zeros(2, dtype)).dtype == dtype
    assert Tensor([1.5], dtype=np.float64).dtype == np.float64


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_number_takes_the_type_of_the_tensor_beside_it(dtype):
    x = Tensor(np.ones(2, dtype), requires_grad=True)
    y = ((1 - x * 0.1) / 3 + 2) ** 2
    y.sum().backward()
    assert (y.dtype, x.grad.dtype) == (dtype, dtype)
    for number in (np.float64(2), np.float32(2), np.int64(2)):
        for result in (x * number, number * x, x**number, number / x):
            assert result.dtype == dtype
    assert (Tensor(np.ones(2, np.float64)) * 0.1).data[0] == 0.1


def test_a_tensor_shares_its_array_and_detaches_from_its_history():
    array = np.zeros(3, np.float32)
    x = Tensor(array, requires_grad=True)
    y = x * 2
    assert x.data is array
    assert y.detach().data is y.data
    assert not y.detach().requires_grad
    assert np.asarray(x) is array
    assert x.numpy() is array


def test_backward_adds_to_what_is_there_and_zero_grad_forgets_it():
    x = Tensor([1.0, 2.0], requires_grad=True)
    for _ in range(2):
        (x * 3).sum().backward()
    assert x.grad.tolist() == [6, 6]
    x.zero_grad()
    assert x.grad is None


def test_a_leaf_is_its_own_derivative():
    x = Tensor(2.0, requires_grad=True)
    x.backward()
    assert x.grad == 1


def test_a_result_used_in_several_places_hears_from_all_of_them():
    x = Tensor(apart(2, 2), requires_grad=True)
    y = x * 2
    (y * y + y.exp() + y).sum().backward()
    assert_close(x.grad, 2 * (4 * x.data + np.exp(2 * x.data) + 1))


def test_gradients_belong_to_one_leaf_each_and_are_contiguous():
    leaves = [Tensor(apart(3, 3, seed=i), requires_grad=True) for i in range(5)]
    a, b, c, d, e = leaves
    seed = np.ones((3, 3))
    (a + b + c.T + d.reshape(9).reshape(3, 3) + (e * 2).T).backward(seed)
    grads = [*(leaf.grad for leaf in leaves), seed]
    for i, one in enumerate(grads):
        assert one.flags.c_contiguous
        assert one.flags.writeable
        assert not any(np.shares_memory(one, other) for other in grads[i + 1 :])
    a.grad *= 0
    assert b.grad.tolist() == np.ones((3, 3)).tolist()


def test_a_gradient_has_the_type_of_its_leaf():
    small = Tensor(np.ones(2, np.float32), requires_grad=True)
    large = Tensor(np.ones(2), requires_grad=True)
    (small * large).sum().backward()
    assert (small.grad.dtype, large.grad.dtype) == (np.float32, np.float64)


def test_integers_beside_floats_get_no_gradient():
    x, n = Tensor(np.ones(2), requires_grad=True), Tensor([2, 3])
    (x * n).sum().backward()
    assert x.grad.tolist() == [2, 3]
    assert n.grad is None


def test_only_what_is_asked_for_is_computed():
    x, w = Tensor(np.ones(2)), Tensor(np.ones(2), requires_grad=True)

    def never(g):
        raise AssertionError("x wants no gradient")

    record("probe", x.data * w.data, (x, never), (w, lambda g: g)).sum().backward()
    assert w.grad.tolist() == [1, 1]


def test_nothing_is_recorded_under_no_grad():
    x = Tensor([1.0], requires_grad=True)
    with no_grad():
        with no_grad():
            pass
        y = x * 2
    assert not y.requires_grad
    assert (x * 2).requires_grad

    @no_grad()
    def double(x):
        return x * 2

    assert not double(x).requires_grad
    with pytest.raises(ZeroDivisionError), no_grad():
        _ = 1 / 0
    assert (x * 2).requires_grad


def test_a_leaf_is_changed_in_place_under_no_grad_and_nowhere_else():
    x = Tensor(np.array([8.0, 4.0]), requires_grad=True)
    array = x.data
    with no_grad():
        x -= 2
        x *= np.array([2, 1])
        x /= 2.0
        x += Tensor([1.0, 0.0])
    assert x.data is array
    assert array.tolist() == [7, 1]
    with pytest.raises(RuntimeError, match=r"can be changed in place only under no_grad\(\)"):
        x -= 1
    y = z = x * 1
    y -= 1
    assert y is not z
    assert (z - y).data.tolist() == [1, 1]


def test_a_tensor_of_one_number_is_one():
    assert Tensor([[2.5]]).item() == 2.5
    assert float(Tensor(2.5)) == 2.5
    assert bool(Tensor(0.0)) is False
    assert len(Tensor([1.0, 2.0])) == 2


def test_a_tensor_says_what_it_is():
    x = Tensor([1.0, 2.0], requires_grad=True)
    assert repr(x) == "Tensor([1., 2.], float32, requires_grad=True)"
    assert repr(x.exp() * 0) == "Tensor([0., 0.], float32, from multiply)"


A, B = Tensor(np.ones((2, 3), np.float32), requires_grad=True), Tensor(np.ones((2, 2), np.float32))


@pytest.mark.parametrize(
    ("attempt", "error", "sentence"),
    [
        (lambda: A + B, ValueError, r"add: shapes \(2, 3\) and \(2, 2\) do not broadcast"),
        (lambda: A - B, ValueError, r"subtract: shapes \(2, 3\) and \(2, 2\) do not broadcast"),
        (lambda: A * B, ValueError, r"multiply: shapes \(2, 3\) and \(2, 2\) do not broadcast"),
        (lambda: B / A, ValueError, r"divide: shapes \(2, 2\) and \(2, 3\) do not broadcast"),
        (lambda: A @ B, ValueError, r"matmul: shapes \(2, 3\) and \(2, 2\) do not fit"),
        (lambda: A @ 2, ValueError, r"matmul: shapes \(2, 3\) and \(\) do not fit"),
        (
            lambda: Tensor(np.ones((4, 2, 3))) @ Tensor(np.ones((5, 3, 2))),
            ValueError,
            r"matmul: shapes \(4, 2, 3\) and \(5, 3, 2\) do not broadcast",
        ),
        (lambda: A.reshape(4), ValueError, r"reshape: shape \(2, 3\) does not fit 4"),
        (lambda: A.sum(2), ValueError, r"sum: shape \(2, 3\) has no axis 2"),
        (lambda: A.transpose(0, 2), ValueError, r"transpose: shape \(2, 3\) has no axis 2"),
        (lambda: A[0].T, ValueError, r"T: the tensor must be a matrix, got shape \(3,\)"),
        (lambda: A**B, ValueError, r"power: shapes \(2, 3\) and \(2, 2\) do not broadcast"),
        (
            lambda: Tensor("abc"),
            TypeError,
            "Tensor: data must be float32, float64, integers or bool, got <U3",
        ),
        (lambda: Tensor(np.zeros(2, np.float16)), TypeError, "Tensor: data must be .* got float16"),
        (lambda: Tensor(np.zeros(2, complex)), TypeError, "Tensor: data must be .* got complex128"),
        (
            lambda: Tensor([1, 2], requires_grad=True),
            TypeError,
            "Tensor: only floats have gradients, got int64",
        ),
        (
            lambda: (A * 2).backward(),
            RuntimeError,
            r"backward: a tensor of shape \(2, 3\) needs a gradient to start from; only one",
        ),
        (
            lambda: (A * 2).backward(np.ones(3)),
            ValueError,
            r"backward: the gradient must have the tensor's shape \(2, 3\), got \(3,\)",
        ),
        (
            lambda: B.sum().backward(),
            RuntimeError,
            "backward: nothing that this tensor was computed from has requires_grad=True",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(attempt, error, sentence):
    with pytest.raises(error, match=sentence):
        attempt()
