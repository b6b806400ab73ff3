"""Functions of each element by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from thalweg.mytorch.graph import FLOATS, Recorded, as_tensor, quiet, record, record_linear
from thalweg.mytorch.promotion import as_floats, beside, broadcast, common_type, operands, sum_to

if TYPE_CHECKING:
    from thalweg.mytorch.tensor import Tensor

__all__ = [
    "abs",
    "ceil",
    "clamp",
    "cos",
    "exp",
    "expm1",
    "floor",
    "isfinite",
    "isinf",
    "isnan",
    "log",
    "log1p",
    "log2",
    "log10",
    "masked_fill",
    "maximum",
    "minimum",
    "reciprocal",
    "round",
    "rsqrt",
    "sign",
    "sin",
    "sqrt",
    "square",
    "where",
]


@quiet
def exp(input: Any) -> Tensor:
    x = as_tensor(input)
    data = np.exp(as_floats(x))
    return record("exp", data, (x, lambda g: g * data))


@quiet
def expm1(input: Any) -> Tensor:
    """`e^x - 1`, exact where x is small."""
    x = as_tensor(input)
    data = np.expm1(as_floats(x))
    return record("expm1", data, (x, lambda g: g * (data + 1)))


@quiet
def log(input: Any) -> Tensor:
    """The natural logarithm: -inf of 0 and NaN below, as everywhere in silence."""
    x = as_tensor(input)
    return record("log", np.log(as_floats(x)), (x, lambda g: g / x.data))


@quiet
def log1p(input: Any) -> Tensor:
    """`log(1 + x)`, exact where x is small."""
    x = as_tensor(input)
    return record("log1p", np.log1p(as_floats(x)), (x, lambda g: g / (x.data + 1)))


@quiet
def log2(input: Any) -> Tensor:
    x = as_tensor(input)
    return record("log2", np.log2(as_floats(x)), (x, lambda g: g / (x.data * float(np.log(2)))))


@quiet
def log10(input: Any) -> Tensor:
    x = as_tensor(input)
    return record("log10", np.log10(as_floats(x)), (x, lambda g: g / (x.data * float(np.log(10)))))


@quiet
def sqrt(input: Any) -> Tensor:
    x = as_tensor(input)
    data = np.sqrt(as_floats(x))
    return record("sqrt", data, (x, lambda g: g / (2 * data)))


@quiet
def rsqrt(input: Any) -> Tensor:
    """`1 / sqrt(x)`."""
    x = as_tensor(input)
    data = 1 / np.sqrt(as_floats(x))
    return record("rsqrt", data, (x, lambda g: -0.5 * g * data * data * data))


@quiet
def square(input: Any) -> Tensor:
    x = as_tensor(input)
    return record("square", np.square(x.data), (x, lambda g: g * (2 * x.data)))


@quiet
def reciprocal(input: Any) -> Tensor:
    """`1 / x`."""
    x = as_tensor(input)
    data = 1 / as_floats(x)
    return record("reciprocal", data, (x, lambda g: -g * data * data))


@quiet
def sin(input: Any) -> Tensor:
    x = as_tensor(input)
    return record("sin", np.sin(as_floats(x)), (x, lambda g: g * np.cos(x.data)))


@quiet
def cos(input: Any) -> Tensor:
    x = as_tensor(input)
    return record("cos", np.cos(as_floats(x)), (x, lambda g: -g * np.sin(x.data)))


def abs(input: Any) -> Tensor:
    """The size without the sign; its gradient at 0 is 0."""
    x = as_tensor(input)
    return record("abs", np.absolute(x.data), (x, lambda g: g * np.sign(x.data)))


def _steps(op: str, function: Callable[..., Any], doc: str) -> Callable[[Any], Tensor]:
    """Functions that are flat wherever they are smooth: their gradient is 0."""

    def step(input: Any) -> Tensor:
        x = as_tensor(input)
        data = function(x.data) if x.data.dtype in FLOATS or op == "sign" else x.data.copy()
        return record(op, data, (x, np.zeros_like))

    step.__name__ = step.__qualname__ = op
    step.__doc__ = doc
    return step


sign = _steps("sign", np.sign, "-1, 0 or 1.")
floor = _steps("floor", np.floor, "The next whole number below.")
ceil = _steps("ceil", np.ceil, "The next whole number above.")
round = _steps("round", np.rint, "The nearest whole number; of two, the even one.")


def _question(op: str, function: Callable[..., Any], doc: str) -> Callable[[Any], Tensor]:
    def ask(input: Any) -> Tensor:
        return record(op, function(as_tensor(input).data))

    ask.__name__ = ask.__qualname__ = op
    ask.__doc__ = doc
    return ask


isfinite = _question("isfinite", np.isfinite, "Neither infinite nor NaN: a tensor of bools.")
isinf = _question("isinf", np.isinf, "Infinite, of either sign: a tensor of bools.")
isnan = _question("isnan", np.isnan, "Not a number: a tensor of bools.")


@quiet
def clamp(input: Any, min: Any = None, max: Any = None) -> Tensor:
    """What lies below `min` or above `max` is set to it, and has no gradient.

    Differs: the bounds are numbers; for tensors there are `maximum` and `minimum`.
    """
    x = as_tensor(input)
    if min is None and max is None:
        raise ValueError("clamp: min or max must be given, got neither")
    data = x.data
    for name, bound in (("min", min), ("max", max)):
        if bound is None:
            continue
        limit = beside(bound, x).data
        if limit.ndim:
            raise TypeError(f"clamp: {name} must be a number, got shape {limit.shape}")
        kind = common_type(data, limit)
        pick = np.maximum if name == "min" else np.minimum
        data = pick(data.astype(kind, copy=False), limit.astype(kind, copy=False))

    def pull(g: np.ndarray) -> np.ndarray:
        inside = np.ones(x.data.shape, bool)
        if min is not None:
            inside &= x.data >= beside(min, x).data
        if max is not None:
            inside &= x.data <= beside(max, x).data
        return g * inside

    return record("clamp", data, (x, pull))


@quiet
def maximum(input: Any, other: Any) -> Tensor:
    """The larger of two, element by element; equal ones share the gradient."""
    a, b, x, y = operands(input, other)
    data = broadcast("maximum", np.maximum, x, y)
    return _chosen("maximum", data, a, b, np.greater(x, y), np.greater(y, x))


@quiet
def minimum(input: Any, other: Any) -> Tensor:
    """The smaller of two, element by element; equal ones share the gradient."""
    a, b, x, y = operands(input, other)
    data = broadcast("minimum", np.minimum, x, y)
    return _chosen("minimum", data, a, b, np.less(x, y), np.less(y, x))


def _chosen(
    op: str, data: np.ndarray, a: Tensor, b: Tensor, first: np.ndarray, second: np.ndarray
) -> Tensor:
    half = data.dtype.type(0.5) if data.dtype in FLOATS else 0.5
    equal = ~(first | second) & ~np.isnan(data) if data.dtype in FLOATS else ~(first | second)

    def share(g: np.ndarray, other_won: np.ndarray) -> np.ndarray:
        return np.where(equal, g * half, np.where(other_won, 0, g))

    return record(
        op,
        data,
        (a, lambda g: sum_to(share(g, second), a)),
        (b, lambda g: sum_to(share(g, first), b)),
    )


def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """`input` where the condition holds, and `other` where it does not; all three broadcast.

    With the condition alone, the places where it holds: a tensor of indices for each axis.
    """
    test = as_tensor(condition).data
    if input is None and other is None:
        return tuple(record("where", places) for places in np.nonzero(test))
    if test.dtype.kind != "b":
        raise TypeError(f"where: condition must be bools, got {test.dtype}; write `x != 0`")
    if not isinstance(input, Recorded) and isinstance(other, Recorded):
        b: Any = other
        a: Any = beside(input, b)
    else:
        a = as_tensor(input)
        b = beside(other, a)
    kind = common_type(a.data, b.data)
    x, y = a.data.astype(kind, copy=False), b.data.astype(kind, copy=False)
    try:
        data = np.where(test, x, y)
    except ValueError:
        shapes = f"{test.shape}, {x.shape} and {y.shape}"
        raise ValueError(f"where: shapes {shapes} do not broadcast") from None
    return record_linear(
        "where",
        data,
        (a, lambda g: sum_to(np.where(test, g, g.dtype.type(0)), a)),
        (b, lambda g: sum_to(np.where(test, g.dtype.type(0), g), b)),
    )


def masked_fill(input: Any, mask: Any, value: Any) -> Tensor:
    """`value` where the mask holds, and the tensor elsewhere."""
    x = as_tensor(input)
    number = beside(value, x)
    if number.data.ndim:
        raise ValueError(f"masked_fill: value must be one number, got shape {number.data.shape}")
    result: Tensor = where(mask, as_tensor(value) if isinstance(value, Recorded) else number, x)
    return result
