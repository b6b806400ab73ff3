"""Which type a tensor has: of what it is made, beside another, and after `to`."""

import operator

import numpy as np
import pytest

from tests.mytorch.agreement import needs_torch
from thalweg import mytorch
from thalweg.mytorch import Tensor, nn

KINDS = ["bool", "uint8", "int32", "int64", "float32", "float64"]
SIGNS = ["add", "sub", "mul", "truediv", "pow", "gt"]


def name_of(dtype) -> str:
    return str(dtype).removeprefix("torch.")


@needs_torch
@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("left", KINDS)
def test_two_tensors_give_torchs_type(sign, left):
    import torch

    compare = getattr(operator, sign)
    for right in KINDS:
        if sign in ("sub", "pow") and "bool" in (left, right):
            continue  # torch and NumPy refuse to subtract bools, and have their own powers of them
        for shapes in (((2,), (2,)), ((2,), ()), ((), (2,)), ((), ())):
            ours = [Tensor(np.ones(s, k)) for s, k in zip(shapes, (left, right), strict=True)]
            theirs = [torch.tensor(x.data) for x in ours]
            assert name_of(compare(*ours).dtype) == name_of(compare(*theirs).dtype), (right, shapes)


@needs_torch
@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("number", [True, 2, 2.5, np.float64(2.5)])
def test_a_tensor_and_a_number_give_torchs_type(sign, number):
    import torch

    compare = getattr(operator, sign)
    for kind in KINDS:
        if (kind == "bool" or number is True) and (sign == "sub" or number is True):
            continue  # as above
        for shape in ((2,), ()):
            ours, theirs = (
                Tensor(np.ones(shape, kind)),
                torch.ones(shape, dtype=getattr(torch, kind)),
            )
            assert name_of(compare(ours, number).dtype) == name_of(compare(theirs, number).dtype)
            if not isinstance(number, np.floating):  # NumPy asks first, on the left
                assert compare(number, ours).dtype == compare(ours, number).dtype


def test_a_float_beside_integers_stays_float32_forward_and_backward():
    x, n = Tensor([1.5, 2.5], requires_grad=True), Tensor([2, 3])
    for result in (x * n, n * x, x + n, x / n, n - x, x * 2, 2.0 * n):
        assert result.dtype == np.float32
    (x * n).sum().backward()
    assert (x.grad.dtype, x.grad.tolist()) == (np.float32, [2, 3])


@needs_torch
@pytest.mark.parametrize(
    "value",
    [1, 1.5, True, [1, 2], [1, 2.5], [True, False], [[1], [2]], (1, 2), [], [[]], [1, True]],
    ids=str,
)
def test_pythons_numbers_have_the_type_of_torch_tensor(value):
    import torch

    wanted = torch.tensor(value)
    for made in (Tensor(value), mytorch.tensor(value)):
        assert name_of(made.dtype) == name_of(wanted.dtype)
        assert made.shape == tuple(wanted.shape)


def test_the_docstring_says_what_lists_become():
    assert "whole numbers int64" in " ".join(Tensor.__doc__.split())
    assert Tensor([1, 2]).dtype == np.int64


def test_to_changes_the_type_and_gradients_come_back_in_the_first():
    x = Tensor([1.5, -2.5], requires_grad=True)
    for wide in (x.to(np.float64), x.to("float64"), x.double(), x.to(dtype=mytorch.float64)):
        assert wide.dtype == np.float64
    (x.double() * 3).sum().backward()
    assert (x.grad.dtype, x.grad.tolist()) == (np.float32, [3, 3])
    assert x.to(np.float32) is x
    assert x.float() is x
    assert x.long().tolist() == [1, -2]
    assert not x.long().requires_grad
    assert (x.int().dtype, x.bool().dtype) == (np.int32, np.bool_)
    assert x.to(Tensor([1])).dtype == np.int64


def test_there_is_one_device():
    x = Tensor([1.0])
    assert x.to("cpu") is x.cpu() is x.to(device="cpu") is x
    assert x.device == "cpu"
    for attempt in (
        lambda: x.to("cuda"),
        lambda: x.cuda(),
        lambda: x.to(device="mps"),
        lambda: x.cuda(1),
        lambda: nn.Linear(1, 1).to("cuda"),
    ):
        with pytest.raises(ValueError, match=r"mytorch computes with NumPy"):
            attempt()


@pytest.mark.parametrize("wanted", [np.float16, complex, "U3", object(), np.dtype("M8[s]")])
def test_a_type_that_no_tensor_has_is_refused(wanted):
    with pytest.raises(TypeError, match=r"Tensor\.to: dtype must be float32, float64, bool or"):
        Tensor([1.0]).to(dtype=wanted)


def test_a_number_is_written_as_numbers_are():
    loss = (Tensor([0.25, 0.5], requires_grad=True) * 2).sum()
    assert f"{loss:.3f}" == "1.500"
    assert f"{loss}" == "1.5"
    assert f"{Tensor([[0.126]]):.1%}" == "12.6%"
    assert f"{Tensor(3):04d}" == "0003"
    assert f"{Tensor([1, 2])}" == repr(Tensor([1, 2]))
    assert (round(loss), round(loss, 1)) == (2, 1.5)
    with pytest.raises(TypeError, match=r"written as '\.3f', got shape \(2,\)"):
        _ = f"{Tensor([1.0, 2.0]):.3f}"


def test_one_number_is_one_of_pythons():
    assert int(Tensor([2.7])) == 2
    assert float(Tensor([[2.5]])) == 2.5
    assert list(range(Tensor(3))) == [0, 1, 2]
    assert [10, 20, 30][Tensor(1)] == 20
    assert Tensor([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert [row.tolist() for row in Tensor([[1, 2], [3, 4]])] == [[1, 2], [3, 4]]
    x = Tensor(np.zeros((2, 3)))
    assert (x.dim(), x.size(), x.size(-1), x.numel(), len(x)) == (2, (2, 3), 3, 6, 2)


@pytest.mark.parametrize(
    ("attempt", "error", "sentence"),
    [
        (lambda: Tensor([1, 2]).item(), ValueError, r"item: .* of one number, got shape \(2,\)"),
        (lambda: float(Tensor([1.0, 2.0])), ValueError, r"of one number, got shape \(2,\)"),
        (lambda: [1, 2][Tensor(1.0)], TypeError, "index: only one whole number .* got float32"),
        (lambda: len(Tensor(1)), TypeError, "len: a tensor of one number"),
        (lambda: list(Tensor(1)), TypeError, "iteration: a tensor of one number"),
        (lambda: Tensor([1]).requires_grad_(), TypeError, "only floats have gradients, got int64"),
        (lambda: Tensor([1.0]) & 1, TypeError, "&: both must be bools or integers, got float32"),
        (lambda: ~Tensor([1.0]), TypeError, "~: the tensor must be of bools or integers"),
        (lambda: Tensor([1, 2]).var(), TypeError, "var: the tensor must be float32 or float64"),
    ],
    ids=lambda value: getattr(value, "__name__", None) if isinstance(value, type) else None,
)
def test_what_has_no_such_number_says_so(attempt, error, sentence):
    with pytest.raises(error, match=sentence):
        attempt()
