"""Lays a step out: at once, or in rounds where tensors share memory."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor

from thalweg.border.groups import Lot
from thalweg.chain import Chain
from thalweg.fuse.whole import Deed
from thalweg.optim.memory.layout import Layout
from thalweg.optim.memory.seen import Seen
from thalweg.optim.memory.states import NewStates
from thalweg.rule import Rule

__all__ = ["Rounds"]


class Rounds:
    """One step of these parameters under a chain; `layout` is for the next ones, if it can be."""

    layout: Layout | None = None

    def __init__(
        self,
        chain: Chain,
        lots: Sequence[Lot],
        views: Sequence[list[Any]],
        states: MutableMapping[Tensor, dict[str, Any]],
        fresh: MutableMapping[Tensor, set[str]],
        differentiable: bool,
        rests: bool = False,
    ) -> None:
        self._chain, self._lots, self._views, self._states = chain, lots, views, states
        self._fresh, self._differentiable, self._rests = fresh, differentiable, rests
        self._rules = {p.prefix for p in chain.parts if issubclass(p.declared, Rule)}
        self._created: dict[Tensor, set[str]] = {}

    def deeds(self, seen: Seen, new: NewStates) -> list[Deed]:
        """What is to be done; nothing moves yet."""
        rounds = seen.rounds(self._states)
        if len(rounds) > 1:
            return self._deeds(rounds, new)
        layout = self._laid_out(seen, new)
        self.layout = layout if layout.reusable else None
        return layout.prepare(self._views)

    def _deeds(self, rounds: Sequence[Seen], new: NewStates) -> list[Deed]:
        """The first of these rounds; the next is laid out when it has moved."""
        layout = self._laid_out(rounds[0], new)
        deeds = layout.prepare(self._views)
        if rounds[1:]:
            deeds.append(partial(self._next, rounds[1:], layout))
        return deeds

    def _next(self, rounds: Sequence[Seen], before: Layout) -> list[Deed]:
        for p, created in before.created.items():
            # torch looks at the states of all entries before it moves the first of them
            self._created[p] = created & self._rules
        new = NewStates()
        try:
            return self._deeds(rounds, new)
        except BaseException:
            new.undo()
            raise

    def _laid_out(self, seen: Seen, new: NewStates) -> Layout:
        for p in seen.params:
            if self._created.get(p):
                self._fresh[p] = self._created[p]
        return Layout(
            self._chain,
            seen,
            self._lots,
            self._views,
            self._states,
            self._fresh,
            new,
            self._differentiable,
            self._rests,
        )
