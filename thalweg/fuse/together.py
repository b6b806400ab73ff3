"""Arrays of the tensors of one batch: those that are worked on together lie in one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

__all__ = ["Together", "in_buckets", "of_one_shape"]

_Shape = tuple[int, ...]
_Lot = TypeVar("_Lot", bound=tuple[list[int], Any])


class Together:
    """One array for each member of a batch, by the members' numbers. Members of one group have one
    array in which theirs lie one behind the other; a group of one has its own."""

    def __init__(self) -> None:
        self._groups: dict[tuple[int, ...], Any] = {}
        self._place: dict[int, tuple[tuple[int, ...], int]] = {}

    def put(self, members: Sequence[int], array: Any) -> None:
        """File a group."""
        self._groups[tuple(members)] = array
        self._place.clear()

    def groups(self) -> Iterator[tuple[tuple[int, ...], Any]]:
        """Every group with its array."""
        yield from self._groups.items()

    def of(self, members: Sequence[int]) -> Any:
        """The array of a group; None, if these are no group."""
        return self._groups.get(tuple(members))

    def one(self, k: int) -> Any:
        """The array of one member."""
        alone = self._groups.get((k,))
        if alone is not None:
            return alone
        if not self._place:
            for members in self._groups:
                self._place |= {member: (members, i) for i, member in enumerate(members)}
        members, i = self._place[k]
        return self._groups[members][i]


def of_one_shape(shapes: Sequence[_Shape], most: int) -> list[list[int]]:
    """The members whose arrays may lie one behind the other, since they are worked on so: of one
    shape, and of so many elements at most."""
    found: dict[Any, list[int]] = {}
    for k, shape in enumerate(shapes):
        is_small = math.prod(shape) <= most
        found.setdefault((shape, -1 if is_small else k), []).append(k)
    return list(found.values())


def in_buckets(lots: Sequence[_Lot], shapes: Sequence[_Shape], most: int) -> Iterator[list[_Lot]]:
    """Lots of members, some at a time, of so many elements in all or one lot: what of them is made
    whole, is memory."""
    found: list[_Lot] = []
    size = 0
    for lot in lots:
        own = sum(math.prod(shapes[k]) for k in lot[0])
        if found and size + own > most:
            yield found
            found, size = [], 0
        found.append(lot)
        size += own
    if found:
        yield found
