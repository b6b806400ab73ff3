"""Lays a step out: at once, in blocks where matrices are cut, or in rounds where tensors share
memory."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor

from thalweg.border.blocks import is_cut
from thalweg.border.groups import Lot
from thalweg.chain import Chain
from thalweg.fuse.whole import Deed
from thalweg.optim.memory.blocks import LayoutOfBlocks, TensorBlocks
from thalweg.optim.memory.layout import TensorLayout
from thalweg.optim.memory.operands import views_of
from thalweg.optim.memory.seen import Seen
from thalweg.optim.memory.states import First, NewStates
from thalweg.rule import Rule

__all__ = ["Rounds"]


class Rounds:
    """One step of these parameters under a chain; `layout` is for the next ones, if it can be."""

    layout: TensorLayout | None = None

    def __init__(
        self,
        chain: Chain,
        lots: Sequence[Lot],
        views: Sequence[list[Any]],
        states: MutableMapping[Tensor, dict[str, Any]],
        differentiable: bool,
        rests: bool = False,
        asking: Any = None,
    ) -> None:
        self._asking = asking
        self._chain, self._lots, self._views, self._states = chain, lots, views, states
        self._differentiable, self._rests = differentiable, rests
        self._rules = {p.prefix for p in chain.parts if issubclass(p.declared, Rule)}
        self._first: dict[Tensor, set[str]] = {}  # what was so in an earlier round

    def deeds(self, seen: Seen, new: NewStates) -> list[Deed]:
        """What is to be done; nothing moves yet."""
        rounds = seen.rounds(self._states)
        if len(rounds) > 1:
            return self._deeds(rounds, new)
        if is_cut(self._chain, self._lots):
            return self._in_blocks(seen, new)
        layout = self._laid_out(seen, new)
        self.layout = layout if layout.reusable else None
        return layout.prepare(self._views, self._asking)

    def _in_blocks(self, seen: Seen, new: NewStates) -> list[Deed]:
        """The step of what stands in for these parameters, and then its end."""
        if self._differentiable:
            raise RuntimeError(
                f"{self._chain.name}: differentiable=True lets autograd through whole parameters; "
                "block_size and merge_dims must be 0"
            )
        turns = zip(seen.params, seen.lots(), seen.grads, strict=True)
        cut = TensorBlocks(self._chain, self._lots, turns, self._states)
        views = [views_of(self._chain, lot, differentiable=False) for lot in cut.lots]
        layout = LayoutOfBlocks(
            self._chain, cut.seen, cut.lots, views, cut.states, new, False, self._rests
        )
        return [*layout.prepare(views, cut.asked(self._asking)), cut.put_together]

    def _deeds(self, rounds: Sequence[Seen], new: NewStates) -> list[Deed]:
        """The first of these rounds; the next is laid out when it has moved."""
        if is_cut(self._chain, self._lots):
            deeds = self._in_blocks(rounds[0], new)
        else:
            deeds = self._laid_out(rounds[0], new).prepare(self._views, self._asking)
        if rounds[1:]:
            # torch looks at the states of all entries before it moves the first of them
            for p in rounds[0].params:
                self._first[p] = self._rules & new.first.get(p, set())
            deeds.append(partial(self._next, rounds[1:], new.first))
        return deeds

    def _next(self, rounds: Sequence[Seen], first: First) -> list[Deed]:
        new = NewStates(first)
        again = {p: self._first[p] for p in rounds[0].params if self._first.get(p)}
        try:
            first.update(again)
            return self._deeds(rounds, new)
        except BaseException:
            new.undo()
            new.keep(list(again))
            raise

    def _laid_out(self, seen: Seen, new: NewStates) -> TensorLayout:
        return TensorLayout(
            self._chain,
            seen,
            self._lots,
            self._views,
            self._states,
            new,
            self._differentiable,
            self._rests,
        )
