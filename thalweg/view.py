"""How a parameter is seen as matrices: which of its axes are rows, which columns, in what blocks.

Without more it is one matrix, or as its rule says a stack of them. `merge_dims` takes small axes
together, `block_size` cuts what is large: each block is then stepped as a parameter of its own.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Blocks", "blocks_of", "matrices_of", "sides_of"]


def matrices_of(shape: Sequence[int], is_stack: bool = False) -> tuple[int, int, int]:
    """How many matrices a parameter of this shape is, and their rows and columns.

    It is one: a row is an index of axis 0, a column one of all the others together. A stack of
    matrices has them in its last two axes. What has no more than one axis is a column.
    """
    if len(shape) < 2:
        return 1, math.prod(shape), 1
    if is_stack:
        return math.prod(shape[:-2]), shape[-2], shape[-1]
    return 1, shape[0], math.prod(shape[1:])


def sides_of(shape: Sequence[int], is_stack: bool) -> Mapping[str, tuple[int, ...]]:
    """The shapes of what there is one of per element, row and column, where the parameter is seen
    as a matrix or, always with an axis more, as a stack of them."""
    count, rows, columns = matrices_of(shape, is_stack)
    stack = (count,) if is_stack else ()
    sides = {"row": (rows, 1), "column": (1, columns), "element": (rows, columns)}
    return {per: (*stack, *of_one) for per, of_one in sides.items()}


@dataclass(frozen=True, eq=False)
class Blocks:
    """A parameter cut into matrices, one after the other, row of blocks by row of blocks.

    `sides` is its shape as it is seen. Block i is `parameter.reshape(sides)[places[i]]`, and is
    stepped as a parameter of shape `shapes[i]`.
    """

    sides: tuple[int, ...]
    places: tuple[tuple[int | slice, ...], ...]
    shapes: tuple[tuple[int, ...], ...]

    def find(self, element: int) -> tuple[int, tuple[int, ...]]:
        """The block that an element is in, and its index there; elements are numbered row by
        row."""
        at = np.unravel_index(element, self.sides)
        for j, place in enumerate(self.places):
            pairs = list(zip(at, place, strict=True))
            cuts = [(i, cut) for i, cut in pairs if isinstance(cut, slice)]
            is_of_it = all(i == one for i, one in pairs if not isinstance(one, slice))
            if is_of_it and all(cut.start <= i < cut.stop for i, cut in cuts):
                inside = [int(i) - cut.start for i, cut in cuts]
                return j, (*inside, *[0] * (len(self.shapes[j]) - 2))
        raise IndexError(f"{element} is no element of sides {self.sides}")


@functools.lru_cache(maxsize=4096)
def blocks_of(shape: tuple[int, ...], block_size: int = 0, merge_dims: int = 0) -> Blocks | None:
    """The blocks of a parameter of this shape; None, if it is one matrix as it is, or none.

    With `merge_dims`, axes next to each other are taken together, from the first on, while they
    are no more than that; what would all be one side stays rows by all the rest. Of more than two
    sides the last two are a matrix, and there is a block for each index of the others. With
    `block_size`, no block has more rows or columns, and those at the edges are smaller. 0 is for
    neither. Two axes are never taken together, and without `merge_dims` a block has as many axes
    as its parameter, those behind the second of size 1.
    """
    if len(shape) < 2 or not math.prod(shape) or not (block_size or merge_dims):
        return None
    sides = _merged(shape, merge_dims) if merge_dims else matrices_of(shape)[1:]
    more = () if merge_dims else (1,) * (len(shape) - 2)
    *stack, rows, columns = sides
    places, shapes = list[tuple[int | slice, ...]](), list[tuple[int, ...]]()
    for index in itertools.product(*map(range, stack)):
        for of_rows in _cuts(rows, block_size):
            for of_columns in _cuts(columns, block_size):
                places.append((*index, of_rows, of_columns))
                one, other = (cut.stop - cut.start for cut in (of_rows, of_columns))
                shapes.append((one, other, *more))
    return None if shapes == [shape] else Blocks(sides, tuple(places), tuple(shapes))


def _merged(shape: tuple[int, ...], most: int) -> tuple[int, ...]:
    """The sides of a parameter whose small axes are taken together."""
    axes = [n for n in shape if n != 1]
    if len(shape) == 2 or len(axes) < 2:
        return matrices_of(shape)[1:]
    sides = axes[:1]
    for n in axes[1:]:
        if sides[-1] * n <= most:
            sides[-1] *= n
        else:
            sides.append(n)
    return tuple(sides) if len(sides) > 1 else matrices_of(axes)[1:]


def _cuts(length: int, most: int) -> Iterator[slice]:
    """A side in pieces of at most so many."""
    for start in range(0, length, most or length):
        yield slice(start, min(start + (most or length), length))
