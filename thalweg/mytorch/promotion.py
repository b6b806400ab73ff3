"""Which type a result has, as torch decides it, and how shapes of operands meet.

A type is bool, integer or float, in that order, and the later kind wins: float32 beside int64 is
float32. Within a kind, a tensor with axes decides over one without, and a tensor over a number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from thalweg.mytorch.graph import FLOATS, Recorded, as_tensor, plain

if TYPE_CHECKING:
    from thalweg.mytorch.tensor import Tensor

__all__ = [
    "Operands",
    "as_floats",
    "axes_of",
    "axis_of",
    "beside",
    "broadcast",
    "common_type",
    "is_number",
    "operands",
    "sum_to",
]

_RANK = {"b": 0, "u": 1, "i": 1, "f": 2}

Operands = tuple["Tensor", "Tensor", np.ndarray, np.ndarray]


_NUMBERS = (int, float, np.integer, np.floating, np.bool_)


def is_number(value: Any) -> bool:
    return isinstance(value, _NUMBERS)


def beside(value: Any, other: Recorded) -> Tensor:
    """The other operand as a tensor; a number takes the type that it has beside this one."""
    if isinstance(value, Recorded):
        return value  # type: ignore[return-value]
    own = other.data.dtype
    if type(value) in (float, int) and own.kind == "f":  # nearly always
        return plain(np.array(value, own))
    if not is_number(value):
        return as_tensor(value)
    kind = "f" if isinstance(value, float | np.floating) else "i"
    kind = "b" if isinstance(value, bool | np.bool_) else kind
    if _RANK[kind] > _RANK[own.kind]:
        own = np.dtype(np.float32 if kind == "f" else np.int64)
    return plain(np.array(value, own))


def common_type(x: np.ndarray, y: np.ndarray) -> np.dtype:
    """The type of what is computed from both."""
    if x.dtype == y.dtype:
        return x.dtype
    first, second = _RANK[x.dtype.kind], _RANK[y.dtype.kind]
    if first != second:
        return x.dtype if first > second else y.dtype
    if (x.ndim == 0) != (y.ndim == 0):
        return x.dtype if y.ndim == 0 else y.dtype
    return np.result_type(x, y)


def operands(left: Any, right: Any) -> Operands:
    """Two tensors, and their arrays in the type of the result."""
    if isinstance(left, Recorded):
        a, b = left, beside(right, left)
    else:
        b = as_tensor(right)
        a = beside(left, b)
    x, y = a.data, b.data
    if x.dtype is not y.dtype:
        kind = common_type(x, y)
        x, y = x.astype(kind, copy=False), y.astype(kind, copy=False)
    return a, b, x, y  # type: ignore[return-value]


def as_floats(x: Recorded) -> np.ndarray:
    """The array of a tensor; integers and bools as float32, of which functions like exp are."""
    return x.data if x.data.dtype in FLOATS else x.data.astype(np.float32)


def broadcast(op: str, function: Callable[..., Any], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    try:
        result: np.ndarray = function(x, y)
        return result
    except ValueError:
        if _fit(x.shape, y.shape):
            raise
        raise ValueError(f"{op}: shapes {x.shape} and {y.shape} do not broadcast") from None


def _fit(*shapes: tuple[int, ...]) -> bool:
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        return False
    return True


def sum_to(gradient: np.ndarray, parent: Recorded) -> np.ndarray:
    """Undo broadcasting: sum over the axes along which the parent was repeated."""
    shape = parent.data.shape
    if gradient.shape == shape:
        return gradient
    added = gradient.ndim - len(shape)
    repeated = tuple(i + added for i, size in enumerate(shape) if size == 1)
    result: np.ndarray = gradient.sum(axis=(*range(added), *repeated), keepdims=True).reshape(shape)
    return result


def axis_of(op: str, x: Recorded, dim: Any) -> int:
    """One axis, counted from the front."""
    number = max(x.data.ndim, 1)  # torch gives a single number one axis to name
    if type(dim) is int and -number <= dim < number:  # nearly always
        return dim % number
    if isinstance(dim, bool) or not hasattr(dim, "__index__"):
        raise TypeError(f"{op}: dim must be the number of an axis, got {dim!r}")
    at = dim.__index__()
    if not -number <= at < number:
        raise ValueError(f"{op}: shape {x.data.shape} has no axis {dim}")
    result: int = at % number
    return result


def axes_of(op: str, x: Recorded, dim: Any) -> tuple[int, ...]:
    """Some axes, counted from the front; all of them for None and, as in torch, for ()."""
    if dim is None or dim == () or dim == []:
        return tuple(range(x.data.ndim))
    if type(dim) is int and x.data.ndim:
        return (axis_of(op, x, dim),)
    wanted = dim if isinstance(dim, tuple | list) else (dim,)
    axes = tuple(axis_of(op, x, one) for one in wanted)
    if len(set(axes)) < len(axes):
        raise ValueError(f"{op}: dim must name an axis once, got {dim}")
    return axes if x.data.ndim else ()
