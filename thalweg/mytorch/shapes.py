"""The same numbers in other shapes. What can look into the same memory does, as in torch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from thalweg.mytorch.graph import Recorded, as_tensor, record, record_linear, view_of
from thalweg.mytorch.promotion import axis_of, sum_to

if TYPE_CHECKING:
    from thalweg.mytorch.tensor import Tensor

__all__ = [
    "broadcast_to",
    "expand",
    "flatten",
    "flip",
    "matrix_transposed",
    "movedim",
    "permute",
    "repeat",
    "reshape",
    "sizes_of",
    "squeeze",
    "transpose",
    "transposed",
    "tril",
    "triu",
    "unsqueeze",
]


def sizes_of(op: str, given: tuple[Any, ...]) -> tuple[int, ...]:
    """`f(2, 3)` and `f((2, 3))` mean the same."""
    sizes = given[0] if len(given) == 1 and isinstance(given[0], tuple | list) else given
    for size in sizes:
        if isinstance(size, bool | float) or not hasattr(size, "__index__"):
            raise TypeError(f"{op}: sizes must be whole numbers, got {sizes!r}")
    return tuple(size.__index__() for size in sizes)


def reshape(input: Any, *shape: Any) -> Tensor:
    """The same numbers in another shape: `x.reshape(2, -1)` or `x.reshape((2, -1))`.

    `view` is the same. Differs: torch's `view` refuses what would need a copy.
    """
    x = as_tensor(input)
    wanted = shape[0] if len(shape) == 1 else shape
    try:
        data = x.data.reshape(wanted)
    except (ValueError, TypeError):
        sizes_of("reshape", shape)
        raise ValueError(f"reshape: shape {x.data.shape} does not fit {wanted}") from None
    return view_of("reshape", x, data, lambda g: g.reshape(x.data.shape))


def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Make the axes from start_dim to end_dim one."""
    x = as_tensor(input)
    axes = range(max(x.data.ndim, 1))
    try:
        start, end = axes[start_dim], axes[end_dim]
    except IndexError:
        start, end = 1, 0
    if start > end:
        raise ValueError(f"flatten: shape {x.data.shape} has no axes {start_dim} to {end_dim}")
    shape = x.data.shape
    # not -1: an empty batch leaves it open how long that would be
    return reshape(x, *shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])


def squeeze(input: Any, dim: int | tuple[int, ...] | None = None) -> Tensor:
    """Drop axes of length 1: all, or those named; a named one that is longer stays."""
    x = as_tensor(input)
    named = dim if isinstance(dim, tuple | list) else (dim,)
    axes = range(x.data.ndim) if dim is None else [axis_of("squeeze", x, one) for one in named]
    dropped = {axis for axis in axes if x.data.ndim and x.data.shape[axis] == 1}
    kept = [size for axis, size in enumerate(x.data.shape) if axis not in dropped]
    return reshape(x, tuple(kept))


def unsqueeze(input: Any, dim: int) -> Tensor:
    """A new axis of length 1 in this place."""
    x = as_tensor(input)
    if isinstance(dim, bool) or not hasattr(dim, "__index__"):
        raise TypeError(f"unsqueeze: dim must be the number of an axis, got {dim!r}")
    if not -x.data.ndim - 1 <= dim <= x.data.ndim:
        raise ValueError(f"unsqueeze: shape {x.data.shape} has no place {dim} for an axis")
    shape = list(x.data.shape)
    shape.insert(dim % (x.data.ndim + 1), 1)
    return reshape(x, tuple(shape))


def transpose(input: Any, dim0: int, dim1: int) -> Tensor:
    """Two axes exchanged, as in torch."""
    x = as_tensor(input)
    first, second = axis_of("transpose", x, dim0), axis_of("transpose", x, dim1)
    if x.data.ndim == 0:
        return view_of("transpose", x, x.data, lambda g: g)
    data = x.data.swapaxes(first, second)
    return view_of("transpose", x, data, lambda g: g.swapaxes(first, second))


def transposed(input: Any) -> Tensor:
    """A matrix transposed: `T`."""
    x = as_tensor(input)
    if x.data.ndim != 2:
        raise ValueError(f"T: the tensor must be a matrix, got shape {x.data.shape}")
    return transpose(x, 0, 1)


def matrix_transposed(input: Any) -> Tensor:
    """The last two axes exchanged: `mT`."""
    x = as_tensor(input)
    if x.data.ndim < 2:
        raise ValueError(f"mT: the tensor must have two axes or more, got shape {x.data.shape}")
    return transpose(x, -2, -1)


def permute(input: Any, *dims: Any) -> Tensor:
    """All axes in another order: `x.permute(0, 3, 1, 2)`."""
    x = as_tensor(input)
    order = tuple(axis_of("permute", x, dim) for dim in sizes_of("permute", dims))
    if sorted(order) != list(range(x.data.ndim)):
        raise ValueError(f"permute: dims must name each of the {x.data.ndim} axes once, got {dims}")
    back = tuple(int(i) for i in np.argsort(order))
    return view_of("permute", x, x.data.transpose(order), lambda g: g.transpose(back))


def movedim(input: Any, source: int, destination: int) -> Tensor:
    """One axis taken out and put in at another place."""
    x = as_tensor(input)
    order = list(range(x.data.ndim))
    at, to = axis_of("movedim", x, source), axis_of("movedim", x, destination)
    order.insert(to, order.pop(at))
    return permute(x, tuple(order))


def expand(input: Any, *sizes: Any) -> Tensor:
    """Axes of length 1 made longer, in the same memory; -1 leaves one as it is."""
    x = as_tensor(input)
    wanted = sizes_of("expand", sizes)
    added = len(wanted) - x.data.ndim
    own = (None,) * added + x.data.shape if added >= 0 else x.data.shape
    shape = tuple(
        had if size == -1 and had is not None else size
        for size, had in zip(wanted, own, strict=False)
    )
    try:
        data = np.broadcast_to(x.data, shape)
    except ValueError:
        raise ValueError(f"expand: shape {x.data.shape} does not fit {wanted}") from None
    return view_of("expand", x, data, lambda g: sum_to(g, x))


def broadcast_to(input: Any, shape: tuple[int, ...]) -> Tensor:
    """`expand` under NumPy's name."""
    return expand(input, tuple(shape))


def repeat(input: Any, *sizes: Any) -> Tensor:
    """Copies beside each other, so many along each axis; more sizes than axes add some in front."""
    x = as_tensor(input)
    counts = sizes_of("repeat", sizes)
    if len(counts) < x.data.ndim or any(count < 0 for count in counts):
        raise ValueError(
            f"repeat: there must be a count of at least 0 for each of {x.data.ndim} axes, "
            f"got {counts}"
        )
    own = (1,) * (len(counts) - x.data.ndim) + x.data.shape
    pairs = [size for pair in zip(counts, own, strict=True) for size in pair]

    def pull(g: np.ndarray) -> np.ndarray:
        gradient: np.ndarray = g.reshape(pairs).sum(axis=tuple(range(0, len(pairs), 2)))
        return gradient.reshape(x.data.shape)

    return record_linear("repeat", np.tile(x.data, counts), (x, pull))


def flip(input: Any, *dims: Any) -> Tensor:
    """The order along these axes turned round: a copy."""
    x = as_tensor(input)
    axes = tuple(axis_of("flip", x, dim) for dim in sizes_of("flip", dims))
    return record_linear("flip", np.flip(x.data, axes).copy(), (x, lambda g: np.flip(g, axes)))


def tril(input: Any, diagonal: int = 0) -> Tensor:
    """The lower triangle of matrices, and 0 above: what may look back in attention."""
    return _triangle("tril", np.tril, as_tensor(input), diagonal)


def triu(input: Any, diagonal: int = 0) -> Tensor:
    """The upper triangle of matrices, and 0 below."""
    return _triangle("triu", np.triu, as_tensor(input), diagonal)


def _triangle(op: str, function: Any, x: Recorded, diagonal: int) -> Tensor:
    if x.data.ndim < 2:
        raise ValueError(f"{op}: the tensor must have two axes or more, got shape {x.data.shape}")
    return record(op, function(x.data, diagonal), (x, lambda g: function(g, diagonal)))
