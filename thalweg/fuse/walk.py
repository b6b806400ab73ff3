"""Arrays with gaps between their elements, as rows: a walk of two strides for each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Walk", "walk_of"]


@dataclass(frozen=True)
class Walk:
    """How arrays of one shape are walked together: in rows of `length` elements, and of each array
    its strides, in elements, from row to row and from element to element."""

    length: int
    strides: tuple[tuple[int, int], ...]

    @property
    def strided(self) -> tuple[bool, ...]:
        """Of each array, whether the elements of a row do not lie side by side."""
        return tuple(inner != 1 for _, inner in self.strides)

    def beside(self, count: int) -> Walk:
        """The same with more arrays, so many in all, that have no gaps."""
        more = [(self.length, 1)] * (count - len(self.strides))
        return Walk(self.length, (*self.strides, *more))

    def of(self, arrays: Sequence[int]) -> Walk:
        """The same of these arrays only."""
        return Walk(self.length, tuple(self.strides[i] for i in arrays))


def walk_of(shape: Sequence[int], strides: Sequence[Sequence[int] | None]) -> Walk | None:
    """The walk along the first array as it lies in memory, with the others beside it; None where
    more than two strides are needed, or where another array would be walked across its rows.

    `strides` are those of each array; None for one that does not exist.
    """
    there = [one for one in strides if one is not None]
    axes = [(n, *of_axis) for n, *of_axis in zip(shape, *there, strict=True) if n != 1]
    axes.sort(key=lambda axis: axis[1])
    merged: list[tuple[int, ...]] = []
    for n, *steps in axes:
        if merged:
            size, *inner = merged[-1]
            if all(a == size * b for a, b in zip(steps, inner, strict=True)):
                merged[-1] = (size * n, *inner)
                continue
        merged.append((n, *steps))
    if len(merged) > 2:
        return None
    none = (1, *([0] * len(there)))
    (length, *inner), (_, *outer) = [*merged, *[none] * (2 - len(merged))]
    if any(b > a > 0 for a, b in zip(outer, inner, strict=True)):
        return None
    pairs = iter(zip(outer, inner, strict=True))
    return Walk(length, tuple((0, 1) if one is None else next(pairs) for one in strides))
