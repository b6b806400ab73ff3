"""How a parameter is seen as matrices: which of its axes are rows, and which are columns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

__all__ = ["matrices_of", "sides_of"]


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
