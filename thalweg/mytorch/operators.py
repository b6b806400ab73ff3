"""What `+`, `@`, `==` and the other signs mean between tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from thalweg.mytorch.blas import product
from thalweg.mytorch.graph import (
    FLOATS,
    Recorded,
    as_tensor,
    is_grad_enabled,
    quiet,
    record,
    record_linear,
)
from thalweg.mytorch.promotion import beside, broadcast, is_number, operands, sum_to

if TYPE_CHECKING:
    from thalweg.mytorch.tensor import Tensor

__all__ = [
    "add",
    "div",
    "eq",
    "ge",
    "gt",
    "le",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "lt",
    "matmul",
    "mul",
    "ne",
    "neg",
    "pow",
    "rdiv",
    "rmatmul",
    "rpow",
    "rsub",
    "sub",
    "written",
]


@quiet
def add(input: Any, other: Any) -> Tensor:
    a, b, x, y = operands(input, other)
    data = broadcast("add", np.add, x, y)
    return record_linear("add", data, (a, lambda g: sum_to(g, a)), (b, lambda g: sum_to(g, b)))


@quiet
def sub(input: Any, other: Any) -> Tensor:
    a, b, x, y = operands(input, other)
    data = broadcast("subtract", np.subtract, x, y)
    return record_linear(
        "subtract", data, (a, lambda g: sum_to(g, a)), (b, lambda g: -sum_to(g, b))
    )


@quiet
def mul(input: Any, other: Any) -> Tensor:
    a, b, x, y = operands(input, other)
    return record(
        "multiply",
        broadcast("multiply", np.multiply, x, y),
        (a, lambda g: sum_to(g * y, a)),
        (b, lambda g: sum_to(g * x, b)),
    )


@quiet
def div(input: Any, other: Any) -> Tensor:
    a, b, x, y = operands(input, other)
    if x.dtype not in FLOATS:
        x, y = x.astype(np.float32), y.astype(np.float32)
    data = broadcast("divide", np.divide, x, y)
    return record(
        "divide",
        data,
        (a, lambda g: sum_to(g / y, a)),
        (b, lambda g: sum_to(-g * data / y, b)),
    )


@quiet
def pow(input: Any, exponent: Any) -> Tensor:
    """`input ** exponent`; either may want a gradient."""
    if isinstance(input, Recorded) and is_number(exponent):
        return _power_of_number(input, exponent)
    a, b, x, y = operands(input, exponent)
    data = broadcast("power", np.power, x, y)

    def pull_base(g: np.ndarray) -> np.ndarray:
        slope = y * np.power(x, np.where(y == 0, 1, y - 1))  # 0 x^-1 is no number at x = 0
        return sum_to(g * slope, a)

    def pull_exponent(g: np.ndarray) -> np.ndarray:
        is_flat = (x == 0) & (y >= 0)
        return sum_to(g * np.where(is_flat, 0, data * np.log(np.where(is_flat, 1, x))), b)

    return record("power", data, (a, pull_base), (b, pull_exponent))


def _power_of_number(x: Recorded, exponent: Any) -> Tensor:
    whole = isinstance(exponent, int | np.integer)
    power: Any = int(exponent) if whole else float(exponent)
    base = x.data
    if base.dtype not in FLOATS and (not whole or base.dtype.kind == "b"):
        base = base.astype(np.int64 if whole else np.float32)

    def pull(g: np.ndarray) -> np.ndarray:
        if power == 0:
            return np.zeros_like(g)
        gradient: np.ndarray = g * (power * base ** (power - 1))
        return gradient

    return record("power", base**power, (x, pull))


def neg(input: Any) -> Tensor:
    x = as_tensor(input)
    return record_linear("negate", -x.data, (x, lambda g: -g))


@quiet
def matmul(input: Any, other: Any) -> Tensor:
    """The matrix product over the last two axes; the axes before them broadcast."""
    a, b, x, y = operands(input, other)
    if x.ndim == 0 or y.ndim == 0 or x.shape[-1] != y.shape[max(y.ndim - 2, 0)]:
        raise ValueError(f"matmul: shapes {x.shape} and {y.shape} do not fit")
    if x.ndim == 1:
        row = matmul(a.reshape(1, -1), b if y.ndim > 1 else b.reshape(-1, 1))
        return row.reshape(y.shape[:-2] + y.shape[1:][-1:])
    if y.ndim == 1:
        return matmul(a, b.reshape(-1, 1)).reshape(x.shape[:-1])
    return record(
        "matmul",
        broadcast("matmul", product, x, y),
        (a, lambda g: sum_to(product(g, y.swapaxes(-1, -2)), a)),
        (b, lambda g: sum_to(product(x.swapaxes(-1, -2), g), b)),
    )


def rsub(input: Any, other: Any) -> Tensor:
    return sub(other, input)


def rdiv(input: Any, other: Any) -> Tensor:
    return div(other, input)


def rpow(input: Any, other: Any) -> Tensor:
    return pow(other, input)


def rmatmul(input: Any, other: Any) -> Tensor:
    return matmul(other, input)


def _comparison(op: str, function: np.ufunc, sign: str) -> Callable[[Any, Any], Any]:
    def compare(input: Any, other: Any) -> Any:
        try:
            _, _, x, y = operands(input, other)
        except TypeError:
            return NotImplemented  # None, words: Python knows what to do with these
        return record(op, broadcast(op, function, x, y))

    compare.__name__ = compare.__qualname__ = op
    compare.__doc__ = f"`input {sign} other`, element by element: a tensor of bools."
    return compare


eq = _comparison("eq", np.equal, "==")
ne = _comparison("ne", np.not_equal, "!=")
lt = _comparison("lt", np.less, "<")
le = _comparison("le", np.less_equal, "<=")
gt = _comparison("gt", np.greater, ">")
ge = _comparison("ge", np.greater_equal, ">=")


def _bitwise(op: str, function: np.ufunc, sign: str) -> Callable[[Any, Any], Tensor]:
    def combine(input: Any, other: Any) -> Tensor:
        _, _, x, y = operands(input, other)
        if x.dtype in FLOATS:
            raise TypeError(f"{sign}: both must be bools or integers, got {x.dtype}")
        return record(op, broadcast(op, function, x, y))

    combine.__name__ = combine.__qualname__ = op
    combine.__doc__ = f"`input {sign} other` of bools, or bit by bit of integers."
    return combine


logical_and = _bitwise("logical_and", np.bitwise_and, "&")
logical_or = _bitwise("logical_or", np.bitwise_or, "|")
logical_xor = _bitwise("logical_xor", np.bitwise_xor, "^")


def logical_not(input: Any) -> Tensor:
    """`~input` of bools, or bit by bit of integers."""
    x = as_tensor(input)
    if x.data.dtype in FLOATS:
        raise TypeError(f"~: the tensor must be of bools or integers, got {x.data.dtype}")
    return record("logical_not", np.invert(x.data))


def written(function: np.ufunc) -> Callable[[Any, Any], Any]:
    """`leaf -= rate * leaf.grad` writes into the leaf; any other `a -= b` is `a = a - b`."""

    @quiet
    def write(input: Any, other: Any) -> Any:
        if not input.requires_grad or input._node is not None:
            return NotImplemented
        if is_grad_enabled():
            raise RuntimeError(
                "a tensor that wants a gradient can be changed in place only under no_grad()"
            )
        function(input.data, beside(other, input).data, out=input.data)
        input._has_changed()
        return input

    return write
