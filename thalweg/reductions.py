"""Sums, means, norms and largest values of what an `update` computes per element.

An engine takes them in a pass over memory; run as written they work on NumPy arrays and torch
tensors. "row" is one index of axis 0, "column" one index of all the other axes together, "tensor"
is the whole array, and "all" every tensor of the optimizer, which only an engine can know.
"""

from __future__ import annotations

import math
from typing import Any

from thalweg.elementwise import Measured, abs, double, sqrt

__all__ = [
    "AXES",
    "REDUCTIONS",
    "SCOPES",
    "finished",
    "in_stacks",
    "largest",
    "mean",
    "norm",
    "over_axes",
    "sum",
    "summed",
]

REDUCTIONS = ("sum", "mean", "norm", "largest")
SCOPES = ("row", "column", "tensor", "all")

# of a matrix or a stack of them, what is reduced for each row, and for each column
AXES = {"row": (-1,), "column": (-2,)}


def sum(x: Any, over: str = "tensor") -> Any:
    """The sum of x."""
    return _reduced("sum", x, over)


def mean(x: Any, over: str = "tensor") -> Any:
    """The sum of x divided by how many there are; of none, 0."""
    return _reduced("mean", x, over)


def norm(x: Any, over: str = "tensor") -> Any:
    """The square root of the sum of the squares of x."""
    return _reduced("norm", x, over)


def largest(x: Any, over: str = "tensor") -> Any:
    """The largest number in x; NaN if one is, and -inf of none."""
    return _reduced("largest", x, over)


def summed(kind: str, x: Any) -> Any:
    """What one array adds to a reduction: a number in double, which `finished` makes the result."""
    _check_array(kind, x)
    return _number(_combined(kind, double(x), tuple(range(x.ndim))))


def finished(kind: str, total: Any, count: Any) -> Any:
    """The reduction of `count` elements, from what they add up to."""
    if kind == "norm":
        return sqrt(total)
    return total / count if kind == "mean" else total


def _reduced(kind: str, x: Any, over: str) -> Any:
    _check_array(kind, x)
    if over in ("tensor", "all"):  # of one tensor alone, it is all there is
        return finished(kind, summed(kind, x), max(_size(x.shape), 1))
    axes = tuple(range(1, x.ndim)) if over == "row" else tuple(range(min(x.ndim, 1)))
    if not axes:
        return abs(x) if kind == "norm" else x
    return over_axes(kind, x, axes)


def over_axes(kind: str, x: Any, axes: tuple[int, ...]) -> Any:
    """The reduction of these axes of an array, which it keeps with one index each."""
    count = max(_size([x.shape[axis] for axis in axes]), 1)
    return finished(kind, _combined(kind, x, axes, keepdims=True), count)


def in_stacks(kind: str, x: Any, over: str) -> Any:
    """The reduction over each row or column of every matrix of a stack."""
    return over_axes(kind, x, AXES[over])


def _check_array(kind: str, x: Any) -> None:
    """A state that was set to one number is that number here: of how many elements is not known."""
    if isinstance(x, int | float) and not hasattr(x, "ndim"):
        raise TypeError(f"{kind} takes an array, got the number {x!r}; add 0 * p, which is one")


def _combined(kind: str, x: Any, axes: tuple[int, ...], keepdims: bool = False) -> Any:
    if kind == "largest":
        return _largest(x, axes, keepdims)
    return (x * x if kind == "norm" else x).sum(axis=axes, keepdims=keepdims)


def _largest(x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    if not _size([x.shape[axis] for axis in axes]):
        return x.sum(axis=axes, keepdims=keepdims) - math.inf
    if hasattr(x, "amax"):
        return x.amax(axes, keepdims)
    return x.max(axis=axes, keepdims=keepdims)  # by name: a NumPy number takes them no other way


def _number(total: Any) -> Any:
    """A Python number, which widens nothing that it is multiplied with; under autograd a tensor.

    Of an array shared out over processes each has summed its part.
    """
    total = total.full_tensor() if hasattr(total, "full_tensor") else total
    if getattr(total, "is_meta", False):  # a tensor without numbers
        return Measured(math.nan)
    return total if getattr(total, "requires_grad", False) else Measured(total)


def _size(lengths: Any) -> int:
    count = 1
    for length in lengths:
        count *= length
    return count
