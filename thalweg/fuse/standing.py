"""Lines on whole matrices in a prepared step: which members they take together is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from thalweg.fuse.closing import plainly
from thalweg.fuse.legs import MatrixWork
from thalweg.fuse.scratch import Lot, Scratch

__all__ = ["StandingWork"]


class Context(Protocol):
    """What tensors of one lot and one count have in common: every number that is known before."""

    numbers: list[Any]


class StandingWork:
    """The lines of one leg, on the tensors of a share: the members are sorted anew only where
    other numbers are alike than in the last step."""

    def __init__(
        self,
        number_at: Mapping[str, int],
        work: MatrixWork,
        scratch: Scratch,
        measured: Sequence[str],
    ) -> None:
        self.leg, self._scratch = work, scratch
        members = len(scratch.members)
        self._found = {name: np.zeros(members) for name in work.numbers if name in measured}
        self._known = [(name, number_at[name]) for name in work.numbers if name not in measured]
        self._tables: list[dict[str, Any]] = []
        self._sorted_by: NDArray[np.int64] | None = None
        self._context_of = [0] * len(scratch.members)
        # by which contexts say the same: members that are together, and the context of each lot
        self._lots: dict[Any, list[tuple[list[int], int]]] = {}

    def begin(
        self,
        gradients: NDArray[np.int64],
        missing: bool,
        contexts: Sequence[Context],
        context_of: NDArray[np.int64] | None,
    ) -> None:
        """Take in the numbers of each context."""
        self._tables = [
            {name: context.numbers[at] for name, at in self._known} for context in contexts
        ]
        if context_of is not self._sorted_by:
            self._sorted_by = context_of
            self._context_of = [0] * len(self._scratch.members)
            if context_of is not None:
                self._context_of = context_of[self._scratch.members].tolist()
            self._lots.clear()

    def columns(self, name: str) -> list[NDArray[np.float64]]:
        """Where a number that is measured goes, of each tensor."""
        return [self._found[name]] if name in self._found else []

    def run(self, threads: int) -> None:
        """Run the lines."""
        self._scratch.work(self.leg, self._alike())

    def _alike(self) -> list[Lot]:
        """The members that are worked on together, with the numbers that they have in common."""
        work, tables, scratch = self.leg, self._tables, self._scratch
        if self._found:
            return scratch.alike(work, tables, self._context_of, self._found)
        said: Any = ()
        if tables[1:]:
            numbers = dict[Any, int]()
            each = [tuple(map(str, table.values())) for table in tables]
            said = tuple([numbers.setdefault(one, len(numbers)) for one in each])
        if said not in self._lots:
            found = scratch.alike(work, tables, self._context_of, {})
            self._lots[said] = [(members, self._context_of[members[0]]) for members, _ in found]
            return found
        lots = self._lots[said]
        return [(members, plainly(work.uniform, tables[context])) for members, context in lots]
