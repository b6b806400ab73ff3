"""Arrays of the tensors of one batch: those that are worked on together lie in one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

__all__ = ["Together"]


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
