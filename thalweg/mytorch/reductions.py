"""Many elements made one: over all axes, over some, or step by step along one.

`dim` is an axis, several, or None for all; with `keepdim` they stay, one element long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from thalweg.mytorch.graph import FLOATS, Recorded, as_tensor, quiet, record, record_linear
from thalweg.mytorch.promotion import as_floats, axes_of, axis_of

if TYPE_CHECKING:
    from thalweg.mytorch.tensor import Tensor

__all__ = [
    "ValuesIndices",
    "all",
    "any",
    "cumsum",
    "logsumexp",
    "mean",
    "norm",
    "prod",
    "reduced",
    "spread",
    "std",
    "sum",
    "var",
]

Dim = int | tuple[int, ...] | list[int] | None


class ValuesIndices(NamedTuple):
    """What was found along an axis, and where."""

    values: Tensor
    indices: Tensor


@quiet
def sum(input: Any, dim: Dim = None, keepdim: bool = False) -> Tensor:
    x = as_tensor(input)
    axes = None if dim is None else axes_of("sum", x, dim)
    kind = None if x.data.dtype in FLOATS else np.int64
    data = np.add.reduce(x.data, axes, kind, None, keepdims=keepdim)  # type: ignore[call-overload]
    return record_linear("sum", data, (x, lambda g: spread(g, x, axes, keepdim)))


@quiet
def mean(input: Any, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Differs: the mean of integers and bools is float32; torch refuses it."""
    x = as_tensor(input)
    axes = axes_of("mean", x, dim)
    wide = x.data.dtype if x.data.dtype in FLOATS else np.dtype(np.float64)
    total = reduced(np.add, x.data, axes, keepdim, dtype=wide)
    count = _count(x, axes)
    data = np.true_divide(total, count)
    if wide is not x.data.dtype:
        data = data.astype(np.float32)
    return record_linear("mean", data, (x, lambda g: spread(g / count, x, axes, keepdim)))


@quiet
def var(
    input: Any,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float = 1,
) -> Tensor:
    """The variance; divided by the count less `correction`, or by the count if not `unbiased`."""
    return _variance("var", input, dim, unbiased, keepdim, correction)[0]


@quiet
def std(
    input: Any,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float = 1,
) -> Tensor:
    """The square root of `var`; where that is 0, its gradient is, too."""
    squared, x, slope = _variance("std", input, dim, unbiased, keepdim, correction)
    data = np.sqrt(squared.data)

    def pull(g: np.ndarray) -> np.ndarray:
        half = np.where(data == 0, 0, g / (2 * data)).astype(g.dtype, copy=False)
        gradient: np.ndarray = slope(half)
        return gradient

    return record("std", data, (x, pull))


def _variance(
    op: str, input: Any, dim: Any, unbiased: bool | None, keepdim: bool, correction: float
) -> tuple[Tensor, Tensor, Any]:
    x = as_tensor(input)
    if isinstance(dim, bool):  # torch's old `x.var(False)`
        dim, unbiased = None, dim
    if x.data.dtype not in FLOATS:
        raise TypeError(f"{op}: the tensor must be float32 or float64, got {x.data.dtype}")
    if unbiased is not None:
        correction = int(unbiased)
    axes = axes_of(op, x, dim)
    count = _count(x, axes)
    away = x.data - reduced(np.add, x.data, axes, True) / x.dtype.type(count)
    divisor = x.dtype.type(max(count - correction, 0))
    data = reduced(np.add, away * away, axes, keepdim) / divisor

    def slope(g: np.ndarray) -> np.ndarray:
        gradient: np.ndarray = spread(g, x, axes, keepdim) * (2 / divisor) * away
        return gradient

    return record(op, data, (x, slope)), x, slope


@quiet
def prod(input: Any, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The product over one axis or over all; right where a factor is 0, in the gradient, too."""
    x = as_tensor(input)
    axes = tuple(range(x.data.ndim)) if dim is None else (axis_of("prod", x, dim),)
    axes = axes if x.data.ndim else ()
    kind = x.data.dtype if x.data.dtype in FLOATS else np.dtype(np.int64)
    data = reduced(np.multiply, x.data, axes, keepdim, dtype=kind)

    def pull(g: np.ndarray) -> np.ndarray:
        rows = (
            x.data.reshape(1, -1) if dim is None else np.moveaxis(x.data, axes, (-1,) * len(axes))
        )
        others = _others(rows)
        gradient: np.ndarray
        if dim is None:
            gradient = others.reshape(x.shape) * g
        else:
            others = np.moveaxis(others, (-1,) * len(axes), axes)
            gradient = spread(g, x, axes, keepdim) * others
        return gradient

    return record("prod", data, (x, pull))


def _others(rows: np.ndarray) -> np.ndarray:
    """For each element along the last axis, the product of all others."""
    before, after = np.ones_like(rows), np.ones_like(rows)
    np.multiply.accumulate(rows[..., :-1], axis=-1, out=before[..., 1:])
    np.multiply.accumulate(rows[..., :0:-1], axis=-1, out=after[..., -2::-1])
    result: np.ndarray = before * after
    return result


@quiet
def norm(input: Any, p: Any = 2, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """`sum(|x|^p)^(1/p)`; the largest |x| for p = inf. Where it is 0, its gradient is, too."""
    x = as_tensor(input)
    power = 2.0 if p in ("fro", None) else p
    if isinstance(power, bool) or not isinstance(power, int | float) or not power > 0:
        raise ValueError(f"norm: p must be a number above 0, inf or 'fro', got {p!r}")
    if x.data.dtype not in FLOATS:
        raise TypeError(f"norm: the tensor must be float32 or float64, got {x.data.dtype}")
    axes = axes_of("norm", x, dim)
    size = np.abs(x.data)
    if power == 2:
        kept = np.sqrt(reduced(np.add, size * size, axes, True))
    elif np.isinf(power):
        kept = reduced(np.maximum, size, axes, True, initial=0)
    else:
        kept = reduced(np.add, size**power, axes, True) ** (1 / power)

    def pull(g: np.ndarray) -> np.ndarray:
        gradient: np.ndarray
        if np.isinf(power):
            largest = size == kept
            share = largest / reduced(np.add, largest, axes, True)
            gradient = spread(g, x, axes, keepdim) * (np.sign(x.data) * share).astype(g.dtype)
            return gradient
        ratio = np.where(kept == 0, 0, size / np.where(kept == 0, 1, kept)).astype(g.dtype)
        if power != 2:
            ratio = np.where(size == 0, 0, ratio ** (power - 1)).astype(g.dtype)
        gradient = spread(g, x, axes, keepdim) * (np.sign(x.data) * ratio)
        return gradient

    return record("norm", _without(kept, axes, keepdim), (x, pull))


@quiet
def logsumexp(input: Any, dim: Dim, keepdim: bool = False) -> Tensor:
    """`log(sum(e^x))`, finite wherever the result is."""
    x = as_tensor(input)
    axes = axes_of("logsumexp", x, dim)
    values = as_floats(x)
    largest = reduced(np.maximum, values, axes, True)
    largest = np.where(np.isfinite(largest), largest, 0).astype(values.dtype, copy=False)
    kept = np.log(reduced(np.add, np.exp(values - largest), axes, True)) + largest

    def pull(g: np.ndarray) -> np.ndarray:
        gradient: np.ndarray = spread(g, x, axes, keepdim) * np.exp(values - kept)
        return gradient

    return record("logsumexp", _without(kept, axes, keepdim), (x, pull))


@quiet
def cumsum(input: Any, dim: int) -> Tensor:
    """The sum of each element along an axis and of all before it."""
    x = as_tensor(input)
    axis = axis_of("cumsum", x, dim)
    kind = x.data.dtype if x.data.dtype in FLOATS else np.dtype(np.int64)
    if x.data.ndim == 0:
        return record("cumsum", x.data.astype(kind), (x, lambda g: g))
    data = np.add.accumulate(x.data, axis=axis, dtype=kind)

    def pull(g: np.ndarray) -> np.ndarray:
        return np.flip(np.add.accumulate(np.flip(g, axis), axis=axis), axis)

    return record_linear("cumsum", data, (x, pull))


def all(input: Any, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Whether every element is true, or not 0."""
    x = as_tensor(input)
    return record("all", np.all(x.data, axis=axes_of("all", x, dim), keepdims=keepdim))


def any(input: Any, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Whether an element is true, or not 0."""
    x = as_tensor(input)
    return record("any", np.any(x.data, axis=axes_of("any", x, dim), keepdims=keepdim))


def reduced(
    function: np.ufunc, x: np.ndarray, axes: tuple[int, ...], keepdim: bool, **options: Any
) -> np.ndarray:
    result: np.ndarray = function.reduce(x, axis=axes, keepdims=keepdim, **options)
    return result


def spread(g: np.ndarray, x: Recorded, axes: tuple[int, ...] | None, keepdim: bool) -> np.ndarray:
    """The gradient of what was reduced, for each element that it was made of."""
    kept = g if keepdim or not axes or len(axes) == x.data.ndim else np.expand_dims(g, axes)
    whole = np.empty(x.data.shape, g.dtype)
    whole[...] = kept
    return whole


def _without(kept: np.ndarray, axes: tuple[int, ...], keepdim: bool) -> np.ndarray:
    return kept if keepdim else np.squeeze(kept, axis=axes)


def _count(x: Recorded, axes: tuple[int, ...]) -> int:
    count = 1
    for axis in axes:
        count *= x.data.shape[axis]
    return count
