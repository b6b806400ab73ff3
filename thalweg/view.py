"""How a parameter is seen as matrices: which of its axes are rows, and which are columns."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["matrices_of"]


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
