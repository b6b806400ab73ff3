"""A step that was taken before, taken again: what was settled then is not settled anew.

Of a step are settled once: its kernels, the tables of addresses, which numbers follow from settings
alone. What is left are the gradients' addresses, the numbers that change with the count, those
that are measured, and the count. Whether all else is as it was, each border asks in its own way;
where it is not, the step goes the way of `border/layout.py`, which looks at everything, and is
prepared again.

A tensor without a gradient is a row that the sweep passes over: the set may differ at every step.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.chain import Chain, Ways
from thalweg.fuse.desk import Desk
from thalweg.fuse.keeping import Keeping
from thalweg.fuse.plan import Plan, Question, plan_for
from thalweg.fuse.share import Arrangement, Share
from thalweg.fuse.storage import FORMATS
from thalweg.fuse.work import Work
from thalweg.settling import Step, settler
from thalweg.text import OF_SHAPE

__all__ = ["PreparedCall"]

_MOST = 64  # arrangements that are remembered

# so many elements may an optimizer have whose steps find the memory again that lines work in
_SMALL = 1 << 20


class _Deciding:
    """What each part of a chain works out before a step, and which parts do so at every step."""

    def __init__(self, chain: Chain, narrow: Collection[int]) -> None:
        self.narrow, wiring = narrow, chain._wirings[0]
        keys = list(chain.cells)
        self.step = keys.index("step") if "step" in keys else None
        ends = list(itertools.accumulate(map(len, wiring.numbers), initial=0))
        both = enumerate(zip(chain.parts, wiring.cells, strict=True))
        asked = [{*part.declared.text.source.arguments} for part in chain.parts]
        self.parts = [
            (
                i,
                settler(part.declared),
                [keys.index(key) for key in own],
                slice(*ends[i : i + 2]),
                not asked[i].isdisjoint(OF_SHAPE),
            )
            for i, (part, own) in both
        ]
        self.keeps_more = any(own - {"step"} for own in map(set, wiring.cells))
        self.moving = [one for one in self.parts if "t" in asked[one[0]] or one[2]]
        names = itertools.chain.from_iterable(wiring.numbers)
        self.number_at = {name: i for i, name in enumerate(names)}
        # behind them one that stands for what is measured
        self.number_at |= dict.fromkeys(chain.reductions, len(self.number_at))


class _Context:
    """Tensors of one lot and one count: their step is decided once for all of them.

    Decided are the `ways` of the chain's `if`s, every number, and the cells that it will keep.
    Parts that ask nothing of a shape are decided by the `first` context of that lot and count.
    """

    def __init__(
        self,
        of: _Deciding,
        views: Sequence[SimpleNamespace],
        shape: tuple[int, ...],
        cells: list[float],
        first: _Context | None,
    ) -> None:
        self._first = first
        self._of, self._views, self._shape, self.cells = of, views, shape, cells
        # a part of another alternative is no part of the step
        ahead = [part for part in of.parts if views[part[0]] is not None]
        self._moving = [part for part in of.moving if views[part[0]] is not None]
        ways: list[Any] = [None if view is None else () for view in views]
        self.numbers: list[Any] = [0.0] * (max(of.number_at.values(), default=0) + 1)
        self.kept = cells
        self._steps: list[Step | None] = [None] * len(of.parts)
        self._ways, self._ahead = ways, ahead
        self.ways: Ways = ()
        self.plan: int | None = None  # the number of the plan for these ways, once it is known

    def decide(self) -> None:
        """Decide the next step: of the parts that settings alone decide, only the first time."""
        of, cells, ways, first = self._of, self.cells, self._ways, self._first
        kept, t = list(cells), 1
        if of.step is not None:
            count = cells[of.step]
            t = int(count) + 1
            kept[of.step] = count + 1
        for i, settle, places, where, is_of_shape in self._ahead:
            if first is not None and not (is_of_shape or places):
                self.numbers[where] = first.numbers[where]
                if ways[i] != first._ways[i]:
                    self.plan = None
                    ways[i] = first._ways[i]
                continue
            step = self._steps[i]
            if step is None:
                self._steps[i] = step = settle(self._views[i], self._shape)
            held = [cells[j] for j in places] if places else ()
            way, self.numbers[where], following = step(t, held)
            if way != ways[i]:
                self.plan = None
                ways[i] = way
            if places:
                self._keep(kept, places, following)
        self.kept, self._ahead = kept, self._moving
        if self.plan is None:
            self.ways = tuple(ways)

    def _keep(self, kept: list[float], places: Sequence[int], following: Sequence[Any]) -> None:
        """Take in what a part will keep, but for the step, which is counted."""
        of = self._of
        for j, value in zip(places, following, strict=True):
            if j != of.step and value is not None:  # None follows from what is measured
                kept[j] = float(np.float32(value)) if j in of.narrow else float(value)


class PreparedCall:
    """One step after another of tensors that stay where they are.

    `pointers` [tensor, column] and `cells` [tensor, key] are those of `work`, whose states were all
    made before. `cells` is kept here as the last step left it; those in the `narrow` columns lie
    in single precision, and are rounded as they are kept.
    """

    def __init__(
        self,
        work: Work,
        pointers: NDArray[np.int64],
        cells: NDArray[np.float64],
        views: Sequence[list[SimpleNamespace]],
        narrow: Collection[int] = (),
        desk: Desk | None = None,
    ) -> None:
        self.cells: NDArray[np.float64] = np.ascontiguousarray(cells)
        self._work, self._pointers, self._views = work, pointers, list(views)
        self._deciding = _Deciding(work.chain, narrow)
        self._counts = self.cells.size > 0
        self._columns = [*self.cells.T]
        self._contexts: list[_Context] | None = None  # of all tensors; None: to be found anew
        self._context_of: NDArray[np.int64] | None = None  # None where there is one
        self._are_alike = False  # whether all contexts keep the same
        self._plans: dict[Ways, int] = {}
        self._arrangements: dict[int | bytes, Arrangement] = {}
        self._at_hand: dict[tuple[int, ...], Arrangement] = {}  # while the contexts are the same
        self._arrangement = Arrangement(work.chain, [])
        self._now: list[int] | None = None  # the plans that it is for, while the contexts are
        self._next: tuple[list[_Context], NDArray[np.bool_] | None] = [], None
        self._desk = desk
        self._keeping = Keeping(work.chain, narrow, self._deciding.number_at)
        # what little memory steps need, each next one has again
        sizes = [math.prod(work.kinds[i].here) for i in work.kind_of.tolist()]
        self._stay = sum(sizes) <= _SMALL

    @staticmethod
    def can_take(chain: Chain, formats: Sequence[str | None] = ()) -> bool:
        """Whether its steps can be prepared: numbers that are drawn are asked for now and then, and
        those steps go the long way; other questions come at every step."""
        if any(form and FORMATS[form].rounds_at_random for form in formats):
            return False
        return all(request.kind == "noise" for request in chain.requests.values())

    def set(self, lot: int, views: list[SimpleNamespace]) -> None:
        """The settings of a lot have changed."""
        self._views[lot] = views
        self._contexts = None

    def can_miss(self) -> bool:
        """Whether a step may pass over tensors: not where all are asked for one number, or lines
        take several tensors together."""
        chain = self._work.chain
        return not (chain.asked_of_all or chain.shared or chain.on_matrices)

    def prepare(self, gradients: NDArray[np.int64], missing: int, threads: int) -> float | None:
        """Settle the next step of the tensors whose gradients lie there, 0 for those that have
        none, and measure what it must know; nothing moves yet. Returns the largest number that it
        will keep; None for a step that asks for more than a prepared one can know."""
        active = gradients != 0 if missing else None
        if self._contexts is None or (missing and self._counts):
            self._find_contexts(active if self._counts else None)
        contexts = self._contexts or []
        for context in contexts:
            context.decide()
        self._arrange_for(contexts)
        arrangement = self._arrangement
        if arrangement.asks:
            return None
        for one in arrangement.legs:
            one.begin(gradients, missing > 0, contexts, self._context_of)
        if arrangement.measuring is not None:
            arrangement.measuring.take(threads)
        if self._keeping.is_needed:
            self._keeping.close(arrangement.shares, contexts, self._context_of, active)
        self._next = contexts, active
        if not (self._counts and contexts):
            return 0.0
        return max(contexts[0].kept if self._are_alike else [max(c.kept) for c in contexts])

    def run(self, threads: int) -> None:
        """Move the tensors, and count it in `cells`: called again, it does what is left of it."""
        arrangement = self._arrangement
        for move in arrangement.moves:
            move(threads)
        for scratch in arrangement.scratches:
            scratch.keep()
        contexts, active = self._next
        if self._counts and contexts:
            self._count(contexts, active)
        for context in contexts:
            context.cells = context.kept
        if active is not None and self._counts:
            self._contexts = None

    def _count(self, contexts: Sequence[_Context], active: NDArray[np.bool_] | None) -> None:
        """Take in the cells that the step leaves."""
        first = contexts[0].kept
        if active is None and self._are_alike:
            for i, value in enumerate(first):
                self._columns[i].fill(value)
            return
        kept = np.array([context.kept for context in contexts], np.float64)
        following = kept[0] if self._context_of is None else kept[self._context_of]
        if active is None:
            self.cells[:] = following
            return
        self.cells[active] = following if self._context_of is None else following[active]

    def let_go(self) -> None:
        """The step is over: what it has worked out is nobody's any more."""
        for scratch in self._arrangement.scratches:
            scratch.let_go()

    def _find_contexts(self, active: NDArray[np.bool_] | None) -> None:
        """Sort the tensors by lot and cells, those that are passed over with any."""
        work = self._work
        code = work._fellows
        if self._keeping.is_of_each:
            code = np.arange(len(code))
        for column in () if self._keeping.is_of_each else self.cells.T:
            if (column != column[0]).any():
                values, inverse = np.unique(column, return_inverse=True)
                code = code * len(values) + inverse
        rows = np.arange(len(code)) if active is None else np.flatnonzero(active)
        _, first, inverse = np.unique(code[rows], return_index=True, return_inverse=True)
        examples = rows[first].tolist()
        shapes = [work.kinds[i].shape for i in work.kind_of[examples].tolist()]
        cells, lots = self.cells[examples].tolist(), work.lot_of[examples].tolist()
        found: list[_Context] = []
        firsts: dict[tuple[Any, ...], _Context] = {}
        for lot, shape, own in zip(lots, shapes, cells, strict=True):
            first = firsts.get((lot, *own))
            context = _Context(self._deciding, self._views[lot], shape, own, first)
            firsts.setdefault((lot, *own), context)
            found.append(context)
        # of one lot and one count, they count alike
        self._are_alike = len(firsts) == 1 and not self._deciding.keeps_more
        self._contexts = None  # Ctrl-C may come in between
        self._context_of = None
        self._at_hand.clear()
        self._now = None
        if len(examples) > 1:
            self._context_of = np.zeros(len(code), np.int64)
            self._context_of[rows] = inverse.reshape(-1)
        self._contexts = found

    def _arrange_for(self, contexts: Sequence[_Context]) -> None:
        """Have the launches at hand for contexts that go these ways; each is made once."""
        for context in contexts:
            if context.plan is None:
                context.plan = self._number_of(context.ways)
        plans = [context.plan or 0 for context in contexts]
        if plans == self._now:  # nearly always
            return
        self._now = None  # Ctrl-C may come in between
        key = tuple(plans)
        if key not in self._at_hand:
            self._at_hand[key] = self._arranged(key)
        self._arrangement = self._at_hand[key]
        self._now = plans

    def _arranged(self, plans: tuple[int, ...]) -> Arrangement:
        """The launches for contexts of these plans."""
        if not plans:
            return Arrangement(self._work.chain, [])
        key: int | bytes = plans[0]
        if plans.count(plans[0]) < len(plans):
            assert self._context_of is not None
            key = np.array(plans)[self._context_of].tobytes()
        if key not in self._arrangements:
            if len(self._arrangements) >= _MOST:
                self._arrangements.clear()
                self._at_hand.clear()
            self._arrangements[key] = self._arrange(key)
        return self._arrangements[key]

    def _number_of(self, ways: Ways) -> int:
        if ways not in self._plans:
            self._plans[ways] = len(self._plans)
        return self._plans[ways]

    def _arrange(self, key: int | bytes) -> Arrangement:
        work, count = self._work, len(self._work.kind_of)
        plan_of = np.full(count, key) if isinstance(key, int) else np.frombuffer(key, np.int64)
        plans: dict[int, Plan] = {
            number: plan_for(work.chain, ways) for ways, number in self._plans.items()
        }
        both = plan_of * len(work.kinds) + work.kind_of
        found, which = np.unique(both, return_inverse=True)
        pairs = [divmod(one, len(work.kinds)) for one in found.tolist()]
        if any(isinstance(leg, Question) for plan, _ in pairs for leg in plans[plan].ahead):
            return Arrangement(work.chain, [], asks=True)
        kinds = [work.kinds[kind] for _, kind in pairs]
        batches = work._batched([plans[plan] for plan, _ in pairs], kinds, which.reshape(-1))
        number_at, moves = self._deciding.number_at, bool(self._deciding.moving)
        shares = [
            Share(number_at, moves, batch, self._pointers, self._desk, self._stay)
            for batch in batches
            if batch.plan.main.stores or batch.plan.ahead
        ]
        return Arrangement(work.chain, shares)
