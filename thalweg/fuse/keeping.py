"""Numbers that tensors keep and that follow from what a prepared step measures."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from thalweg.chain import Chain
from thalweg.fuse.closing import Closing
from thalweg.fuse.plan import Plan
from thalweg.text import Level

__all__ = ["Keeping"]


class Context(Protocol):
    """What tensors of one lot and one count have in common, and what they will keep."""

    numbers: list[Any]
    kept: list[float]


class Share(Protocol):
    """The tensors of one plan, by their places, and what is measured of them."""

    plan: Plan
    members: NDArray[np.int64]
    found: dict[str, NDArray[np.float64]]


class Keeping:
    """Which of a chain's kept numbers are measured, and how they come to their values.

    Those in the `narrow` columns are rounded to single precision.
    """

    def __init__(self, chain: Chain, narrow: Collection[int], number_at: Mapping[str, int]) -> None:
        self._keys, self._narrow, self._number_at = list(chain.cells), narrow, number_at
        self._shared = [self._keys.index(key) for key in chain.shared]
        measured = {
            part.key(name, one.key)
            for part in chain.parts
            for name, one in part.declared.declaration.cells.items()
            if part.declared.text.levels.get(name, Level.STEP) > Level.STEP
        }
        self.is_needed = bool(measured or self._shared)
        self.is_of_each = bool(measured - chain.shared.keys())
        """Whether each tensor has a number of its own: then no two are decided together."""

    def close(
        self,
        shares: Sequence[Share],
        contexts: Sequence[Context],
        context_of: NDArray[np.int64] | None,
        active: NDArray[np.bool_] | None,
    ) -> None:
        """Give the contexts what they will keep."""
        for share in shares:
            if share.plan.kept:
                self._close_one(share, contexts, context_of, active)
        if self._shared and contexts:  # of these the first tensor decides
            first = contexts[0 if context_of is None else int(context_of[0])].kept
            for context in contexts:
                for column in self._shared:
                    context.kept[column] = first[column]

    def _close_one(
        self,
        share: Share,
        contexts: Sequence[Context],
        context_of: NDArray[np.int64] | None,
        active: NDArray[np.bool_] | None,
    ) -> None:
        closing, known = Closing.of(share.plan), share.found
        places = [
            (k, contexts[0 if context_of is None else int(context_of[member])])
            for k, member in enumerate(share.members.tolist())
            if (self.is_of_each or not member) and (active is None or active[member])
        ]
        rows = [
            [
                known[name][k] if name in known else context.numbers[self._number_at[name]]
                for name in closing.names
            ]
            for k, context in places
        ]
        columns = [self._keys.index(key) for key in closing.keys]
        for (_, context), values in zip(places, closing.of_each(rows), strict=True):
            for j, value in zip(columns, values, strict=True):
                is_narrow = j in self._narrow
                context.kept[j] = float(np.float32(value)) if is_narrow else float(value)
