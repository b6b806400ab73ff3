"""The largest and the smallest, where they are, and all in order.

Along an axis, the first of equal ones is found and gets the gradient; over several or all axes,
equal ones share it, as in torch. NaN is larger than all and smaller than all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thalweg.mytorch.graph import Recorded, as_tensor, record
from thalweg.mytorch.pointwise import maximum, minimum
from thalweg.mytorch.promotion import axes_of, axis_of
from thalweg.mytorch.reductions import Dim, ValuesIndices, spread

if TYPE_CHECKING:
    from thalweg.mytorch.tensor import Tensor

__all__ = ["amax", "amin", "argmax", "argmin", "argsort", "max", "min", "sort", "topk"]


def max(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest of all; along an axis, `(values, indices)`; of two tensors, `maximum`."""
    if dim is None:
        return amax(input)
    if isinstance(dim, Recorded | np.ndarray):
        return maximum(input, dim)
    return _extreme("max", np.argmax, as_tensor(input), dim, keepdim)


def min(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest of all; along an axis, `(values, indices)`; of two tensors, `minimum`."""
    if dim is None:
        return amin(input)
    if isinstance(dim, Recorded | np.ndarray):
        return minimum(input, dim)
    return _extreme("min", np.argmin, as_tensor(input), dim, keepdim)


def _extreme(op: str, find: Any, x: Tensor, dim: Any, keepdim: bool) -> ValuesIndices:
    axis = axis_of(op, x, dim)
    _check_not_empty(op, x, (axis,))
    if x.data.ndim == 0:
        return ValuesIndices(record(op, x.data.copy(), (x, lambda g: g)), as_tensor(0))
    places = find(x.data, axis=axis, keepdims=True)
    return _taken(op, x, places, axis, keepdim)


def _taken(op: str, x: Tensor, places: np.ndarray, axis: int, keepdim: bool) -> ValuesIndices:
    """The elements at these places of an axis, and the places."""
    data = np.take_along_axis(x.data, places, axis)

    def pull(g: np.ndarray) -> np.ndarray:
        whole = np.zeros_like(x.data, order="C")
        np.put_along_axis(whole, places, g if keepdim else np.expand_dims(g, axis), axis)
        return whole

    if keepdim:
        return ValuesIndices(record(op, data, (x, pull)), record(op, places))
    return ValuesIndices(
        record(op, data.squeeze(axis), (x, pull)), record(op, places.squeeze(axis))
    )


def amax(input: Any, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """The largest over some axes or all; equal ones share the gradient."""
    return _shared("amax", np.maximum, as_tensor(input), dim, keepdim)


def amin(input: Any, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """The smallest over some axes or all; equal ones share the gradient."""
    return _shared("amin", np.minimum, as_tensor(input), dim, keepdim)


def _shared(op: str, function: np.ufunc, x: Tensor, dim: Dim, keepdim: bool) -> Tensor:
    axes = axes_of(op, x, dim)
    _check_not_empty(op, x, axes)
    kept = function.reduce(x.data, axis=axes, keepdims=True)
    data = kept if keepdim else np.squeeze(kept, axis=axes)

    def pull(g: np.ndarray) -> np.ndarray:
        found = (x.data == kept) | (np.isnan(kept) & np.isnan(x.data))
        share = found / np.add.reduce(found, axis=axes, keepdims=True, dtype=x.data.dtype)
        gradient: np.ndarray = spread(g, x, axes, keepdim) * share
        return gradient

    return record(op, data, (x, pull))


def argmax(input: Any, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the largest is: of all, as if they lay in one row, or along an axis."""
    return _place("argmax", np.argmax, as_tensor(input), dim, keepdim)


def argmin(input: Any, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the smallest is: of all, as if they lay in one row, or along an axis."""
    return _place("argmin", np.argmin, as_tensor(input), dim, keepdim)


def _place(op: str, find: Any, x: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    axis = None if dim is None else axis_of(op, x, dim)
    _check_not_empty(op, x, axes_of(op, x, dim))
    if x.data.ndim == 0:
        return as_tensor(0)
    return record(op, np.asarray(find(x.data, axis=axis, keepdims=keepdim), np.int64))


def argsort(input: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """The places of the elements of an axis, the smallest first."""
    return sort(input, dim, descending, stable).indices


def sort(
    input: Any, dim: int = -1, descending: bool = False, stable: bool = False
) -> ValuesIndices:
    """The elements of an axis, the smallest first, and where each was: `(values, indices)`.

    Differs: equal ones keep their order, whether or not it is asked for.
    """
    x = as_tensor(input)
    axis = axis_of("sort", x, dim)
    if x.data.ndim == 0:
        return ValuesIndices(record("sort", x.data.copy(), (x, lambda g: g)), as_tensor(0))
    if descending:  # the last of the reversed ones is the first
        turned = np.flip(np.argsort(np.flip(x.data, axis), axis=axis, kind="stable"), axis)
        places = x.data.shape[axis] - 1 - turned
    else:
        places = np.argsort(x.data, axis=axis, kind="stable")
    return _taken("sort", x, places, axis, True)


def topk(
    input: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> ValuesIndices:
    """The k largest of an axis, or the smallest, in order: `(values, indices)`."""
    x = as_tensor(input)
    axis = axis_of("topk", x, dim)
    length = x.data.shape[axis] if x.data.ndim else 1
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 0 <= k <= length:
        raise ValueError(f"topk: k must be a whole number from 0 to {length}, got {k!r}")
    values, indices = sort(x, dim, descending=largest)
    if x.data.ndim == 0:
        return ValuesIndices(values, indices)
    first = (slice(None),) * axis + (slice(k),)
    return ValuesIndices(values[first], indices[first])


def _check_not_empty(op: str, x: Recorded, axes: tuple[int, ...]) -> None:
    if any(x.data.shape[axis] == 0 for axis in axes if x.data.ndim):
        raise ValueError(f"{op}: there is nothing to find in shape {x.data.shape}")
