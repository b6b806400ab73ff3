"""Elements taken out of a tensor, and elements written into it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thalweg.mytorch.graph import FLOATS, Recorded, as_tensor, is_grad_enabled, record, view_of
from thalweg.mytorch.promotion import axis_of, beside, sum_to

if TYPE_CHECKING:
    from thalweg.mytorch.tensor import Tensor

__all__ = ["gather", "get_items", "index_select", "one_hot", "set_items"]


def get_items(x: Recorded, index: Any) -> Tensor:
    """`x[index]`: a view for numbers and slices, a copy for lists, masks and tensors."""
    key = _key(index)

    def scatter(g: np.ndarray) -> np.ndarray:
        whole = np.zeros_like(x.data, order="C")
        if any(isinstance(part, np.ndarray | list) for part in key):
            np.add.at(whole, key, g)  # an element that was taken twice gets both gradients
        else:
            whole[key] = g
        return whole

    return view_of("index", x, np.asarray(x.data[key]), scatter)


def set_items(x: Recorded, index: Any, value: Any) -> None:
    """`x[index] = value`, with torch's rules for gradients.

    A leaf that wants a gradient can be written into only under no_grad(). Any other tensor goes on
    as the result of this: what was overwritten hears no gradient, and the value does.

    Differs: where gradients are at stake, write into the tensor itself and not into a view of it.
    A result gets another array then, so that what was computed of the old one stays right.
    """
    key, new = _key(index), beside(value, x)
    recorded = is_grad_enabled() and (x.requires_grad or new.requires_grad)
    if recorded:
        _check_writable(x, new)
    target = x.data.copy() if recorded and x.requires_grad else x.data
    if not target.flags.writeable:
        raise ValueError("set items: the array of this tensor is read-only; clone() it first")
    _write(target, key, new.data)
    if target is x.data:
        x._has_changed()
    if not recorded:
        return
    before = record("before", x.data)  # goes on as what x was
    before.requires_grad, before._node = x.requires_grad, x._node
    if target is not x.data:
        x.data, x._memory_shared = target, None
    x._continue_from(
        "set items", (before, lambda g: _without(g, key)), (new, lambda g: sum_to(g[key], new))
    )


def _check_writable(x: Recorded, new: Recorded) -> None:
    if x.requires_grad and x._node is None:
        raise RuntimeError(
            "set items: a leaf that wants a gradient can be written into only under no_grad()"
        )
    if x._is_view:
        raise RuntimeError(
            "set items: this tensor is a view of another, whose gradient would be wrong: write "
            "x[0, 1] = value for x[0][1] = value, or clone() it first"
        )
    if x.data.dtype not in FLOATS:
        raise TypeError(
            f"set items: a value that wants a gradient cannot be written into {x.data.dtype}"
        )


def _write(target: np.ndarray, key: tuple[Any, ...], values: np.ndarray) -> None:
    try:
        target[key] = values
    except ValueError:
        raise ValueError(
            f"set items: a value of shape {values.shape} does not fit into the shape "
            f"{target[key].shape} of what it is to replace"
        ) from None


def _without(g: np.ndarray, key: tuple[Any, ...]) -> np.ndarray:
    rest: np.ndarray = g.copy()
    rest[key] = 0
    return rest


def _key(index: Any) -> tuple[Any, ...]:
    parts = index if isinstance(index, tuple) else (index,)
    return tuple(part.data if isinstance(part, Recorded) else part for part in parts)


def gather(input: Any, dim: int, index: Any) -> Tensor:
    """Along an axis, at each place the element that `index` names: `scores.gather(1, labels)`."""
    x, places = as_tensor(input), as_tensor(index).data
    axis = axis_of("gather", x, dim)
    if places.dtype.kind not in "iu":
        raise TypeError(f"gather: index must be integers, got {places.dtype}")
    sizes = zip(places.shape, x.data.shape, strict=False)
    is_wider = any(i > n for at, (i, n) in enumerate(sizes) if at != axis)
    if places.ndim != x.data.ndim or is_wider:
        raise ValueError(
            f"gather: index {places.shape} must have as many axes as the tensor {x.data.shape} and "
            f"be no longer but along axis {dim}"
        )
    _check_places("gather", places, x.data.shape[axis] if x.data.ndim else 1)
    key: list[Any] = list(np.ogrid[tuple(slice(size) for size in places.shape)])
    if key:
        key[axis] = places

    def scatter(g: np.ndarray) -> np.ndarray:
        whole = np.zeros_like(x.data, order="C")
        np.add.at(whole, tuple(key), g)
        return whole

    return record("gather", x.data[tuple(key)], (x, scatter))


def index_select(input: Any, dim: int, index: Any) -> Tensor:
    """The elements of an axis that a list of numbers names, in its order."""
    x, places = as_tensor(input), as_tensor(index).data
    axis = axis_of("index_select", x, dim)
    if places.dtype.kind not in "iu" or places.ndim > 1:
        raise TypeError(
            f"index_select: index must be a list of integers, got {places.dtype} of shape "
            f"{places.shape}"
        )
    _check_places("index_select", places, x.data.shape[axis] if x.data.ndim else 1)
    return get_items(x, (slice(None),) * axis + (np.atleast_1d(places),))


def one_hot(input: Any, num_classes: int = -1) -> Tensor:
    """For each class number a row of integers: 1 in its place, 0 elsewhere."""
    labels = as_tensor(input).data
    if labels.dtype.kind not in "iu":
        raise TypeError(f"one_hot: class numbers must be integers, got {labels.dtype}")
    count = int(labels.max()) + 1 if num_classes == -1 and labels.size else num_classes
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
        raise ValueError(f"one_hot: num_classes must be at least 1, got {num_classes!r}")
    _check_places("one_hot", labels, int(count))
    return as_tensor(np.eye(int(count), dtype=np.int64)[labels])


def _check_places(op: str, places: np.ndarray, count: int) -> None:
    if places.size and not (places.min() >= 0 and places.max() < count):
        wrong = places[(places < 0) | (places >= count)][0]
        raise IndexError(f"{op}: numbers must lie in 0 to {count - 1}, got {wrong}")
