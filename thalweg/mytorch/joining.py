"""Several tensors made one, and one made several."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from thalweg.mytorch.graph import Recorded, as_tensor, record_linear
from thalweg.mytorch.indexing import get_items
from thalweg.mytorch.promotion import axis_of, common_type
from thalweg.mytorch.shapes import unsqueeze

if TYPE_CHECKING:
    from thalweg.mytorch.tensor import Tensor

__all__ = ["cat", "chunk", "split", "stack", "unbind"]


def cat(tensors: Sequence[Any], dim: int = 0) -> Tensor:
    """One behind the other along an axis; all other axes are as long. NumPy's `concatenate`."""
    parts = _several("cat", tensors)
    axis = axis_of("cat", parts[0], dim)
    arrays = _of_one_type(parts)
    try:
        data = np.concatenate(arrays, axis)
    except ValueError:
        shapes = " and ".join(str(part.data.shape) for part in parts)
        raise ValueError(
            f"cat: shapes {shapes} do not fit behind each other on axis {dim}"
        ) from None
    ends = np.cumsum([array.shape[axis] for array in arrays]).tolist()
    places = [
        (*_before(axis), slice(start, end)) for start, end in zip([0, *ends], ends, strict=False)
    ]
    pairs = [
        (part, lambda g, place=place: g[place]) for part, place in zip(parts, places, strict=True)
    ]
    return record_linear("cat", data, *pairs)


def stack(tensors: Sequence[Any], dim: int = 0) -> Tensor:
    """One beside the other along a new axis; all have the same shape."""
    parts = _several("stack", tensors)
    shapes = {part.data.shape for part in parts}
    if len(shapes) > 1:
        said = " and ".join(map(str, sorted(shapes)))
        raise ValueError(f"stack: all tensors must have one shape, got {said}")
    return cat([unsqueeze(part, dim) for part in parts], dim)


def split(input: Any, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Parts of this length along an axis, the last one shorter; or of the lengths in a list.

    Differs: NumPy's `split` counts the parts.
    """
    x = as_tensor(input)
    axis = axis_of("split", x, dim)
    length = x.data.shape[axis] if x.data.ndim else 0
    sizes = split_size_or_sections
    if isinstance(sizes, int | np.integer) and not isinstance(sizes, bool):
        if sizes < 1:
            raise ValueError(f"split: the size of a part must be at least 1, got {sizes}")
        sizes = [min(sizes, length - start) for start in range(0, length, sizes)] or [0]
    if not isinstance(sizes, list | tuple) or any(size < 0 for size in sizes):
        raise TypeError(f"split: there must be a size or a list of sizes, got {sizes!r}")
    ends = np.cumsum(sizes, dtype=int).tolist()
    if not ends or ends[-1] != length:
        raise ValueError(f"split: the sizes must add up to {length}, got {sizes}")
    return tuple(
        get_items(x, (*_before(axis), slice(start, end)))
        for start, end in zip([0, *ends], ends, strict=False)
    )


def chunk(input: Any, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """So many parts along an axis, as long as each other but for the last; fewer if too short."""
    x = as_tensor(input)
    if isinstance(chunks, bool) or not isinstance(chunks, int | np.integer) or chunks < 1:
        raise ValueError(f"chunk: chunks must be a whole number of at least 1, got {chunks!r}")
    length = x.data.shape[axis_of("chunk", x, dim)] if x.data.ndim else 0
    return split(x, max(-(-length // int(chunks)), 1), dim)


def unbind(input: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Every element of an axis by itself, without that axis."""
    x = as_tensor(input)
    if x.data.ndim == 0:
        raise ValueError("unbind: a tensor of one number has no axis")
    axis = axis_of("unbind", x, dim)
    return tuple(get_items(x, (*_before(axis), i)) for i in range(x.data.shape[axis]))


def _before(axis: int) -> tuple[slice, ...]:
    """The part of an index that leaves the axes before this one alone."""
    return (slice(None),) * axis


def _several(op: str, tensors: Any) -> list[Tensor]:
    if isinstance(tensors, Recorded) or not isinstance(tensors, Sequence):
        raise TypeError(f"{op}: tensors must be a list or a tuple, got {type(tensors).__name__}")
    if not tensors:
        raise ValueError(f"{op}: there must be at least one tensor")
    return [as_tensor(one) for one in tensors]


def _of_one_type(parts: Sequence[Recorded]) -> list[np.ndarray]:
    # a stand-in with axes for each: a tensor without any decides as much as the others here
    kinds = [np.empty((1,), part.data.dtype) for part in parts]
    kind = reduce(lambda a, b: np.empty((1,), common_type(a, b)), kinds).dtype
    return [part.data.astype(kind, copy=False) for part in parts]
