"""A step that was taken before, taken again: what was settled then is not settled anew.

Of a step are settled once: its kernels, the tables of addresses, which numbers follow from settings
alone. What is left are the gradients' addresses, the numbers that change with the count, and the
count. Whether all else is as it was, each border asks in its own way; where it is not, the step
goes the way of `border/layout.py`, which looks at everything, and is prepared again.

A tensor without a gradient is a row that the sweep passes over: the set may differ at every step.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Collection, Sequence
from operator import itemgetter
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.chain import Chain, Ways
from thalweg.fuse.batch import Batch
from thalweg.fuse.plan import Plan, plan_for
from thalweg.fuse.storage import FORMATS
from thalweg.fuse.work import Work

__all__ = ["PreparedCall"]

_GRADIENT = 1  # its column in the table of addresses
_MOST = 64  # arrangements that are remembered

Row = Sequence[Any]


class _Deciding:
    """What each part of a chain works out before a step, and which parts do so at every step."""

    def __init__(self, chain: Chain, narrow: Collection[int]) -> None:
        self.narrow, wiring = narrow, chain._wirings[0]
        keys = list(chain.cells)
        self.step = keys.index("step") if "step" in keys else None
        ends = list(itertools.accumulate(map(len, wiring.numbers), initial=0))
        self.parts = [
            (
                i,
                part.declared.decide,
                [keys.index(key) for key in own],
                slice(*ends[i : i + 2]),
                "t" in part.declared.text.source.arguments or bool(own),
            )
            for i, (part, own) in enumerate(zip(chain.parts, wiring.cells, strict=True))
        ]
        self.moving = [part for part in self.parts if part[-1]]
        names = itertools.chain.from_iterable(wiring.numbers)
        self.number_at = {name: i for i, name in enumerate(names)}


class _Context:
    """Tensors of one lot and one count: their step is decided once for all of them.

    Decided are the `ways` of the chain's `if`s, every number, and the cells that it will keep.
    """

    def __init__(
        self,
        of: _Deciding,
        views: Sequence[SimpleNamespace],
        shape: tuple[int, ...],
        cells: list[float],
    ) -> None:
        self._of, self._views, self._shape, self.cells = of, views, shape, cells
        ways: list[tuple[bool | None, ...]] = [()] * len(of.parts)
        self.numbers: list[Any] = [0.0] * len(of.number_at)
        self.kept = cells
        self._ways, self._is_new = ways, True
        self.ways: Ways = ()

    def decide(self) -> None:
        """Decide the next step: of the parts that settings alone decide, only the first time."""
        of, cells = self._of, self.cells
        parts = of.parts if self._is_new else of.moving
        if not (parts or cells):
            return
        t = 1 if of.step is None else int(cells[of.step]) + 1
        kept = list(cells)
        for i, decide, places, where, _ in parts:
            held = [cells[j] for j in places] if places else ()
            self._ways[i], self.numbers[where], following = decide(
                self._views[i], t, False, self._shape, held
            )
            for j, value in zip(places, following, strict=True) if places else ():
                kept[j] = float(np.float32(value)) if j in of.narrow else float(value)
        if of.step is not None:
            kept[of.step] = cells[of.step] + 1
        self.kept, self._is_new = kept, False
        if parts:
            self.ways = tuple(self._ways)


class _Share:
    """The tensors of one plan and one set of formats: a launch, and what is written into it."""

    def __init__(self, deciding: _Deciding, batch: Batch, pointers: NDArray[np.int64]) -> None:
        self.members = None if len(batch.members) == len(pointers) else batch.members
        pass_ = batch.plan.main
        sweep, places = batch._sweep(pass_)
        self._home = pointers[batch.members[:, None], places]
        found = np.flatnonzero(places == _GRADIENT)
        self._gradient = int(found[0]) if len(found) else None
        self._pick = _picker([deciding.number_at[name] for name in pass_.numbers])
        self._pack = struct.Struct(f"{len(pass_.numbers)}d").pack_into
        numbers = np.zeros((len(batch.members), len(pass_.numbers)))
        self.launch = batch.engine.standing_launch(sweep, self._home.copy(), numbers)
        self._buffer = self.launch.numbers.data
        self._row: tuple[Any, ...] | None = None
        self._has_holes = False
        # the numbers that are in the table, where no step has others
        self._moves = bool(deciding.moving)
        self._contexts: Sequence[_Context] | None = None

    def begin(
        self,
        gradients: NDArray[np.int64],
        missing: bool,
        contexts: Sequence[_Context],
        context_of: NDArray[np.int64] | None,
    ) -> None:
        """Take in where the gradients lie, and the numbers of each context; tensors that have no
        gradient are passed over."""
        own = gradients if self.members is None else gradients[self.members]
        pointers = self.launch.pointers
        if self._gradient is not None:
            pointers[:, self._gradient] = own
        if missing or self._has_holes:
            pointers[:, 0] = np.where(own, own if self._gradient == 0 else self._home[:, 0], 0)
            self._has_holes = missing
        if context_of is None:
            row = self._pick(contexts[0].numbers)
            if row != self._row:
                self._row, self._contexts, numbers = None, None, self.launch.numbers
                self._pack(self._buffer, 0, *row)
                numbers[1:] = numbers[0]
                self._row = row
        elif self._moves or contexts is not self._contexts:
            self._row = None
            rows = [self._pick(context.numbers) for context in contexts]
            table = np.array(rows, np.float64).reshape(len(rows), -1)
            which = context_of if self.members is None else context_of[self.members]
            self.launch.numbers[:] = table[which]
            self._contexts = contexts
        self.launch.begin()


def _picker(places: Sequence[int]) -> Callable[[Row], tuple[Any, ...]]:
    if len(places) > 1:
        return itemgetter(*places)
    return lambda row: tuple(row[i] for i in places)


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
    ) -> None:
        self.cells: NDArray[np.float64] = np.ascontiguousarray(cells)
        self._work, self._pointers, self._views = work, pointers, list(views)
        self._deciding = _Deciding(work.chain, narrow)
        self._counts = self.cells.size > 0
        self._contexts: list[_Context] | None = None  # of all tensors; None: to be found anew
        self._context_of: NDArray[np.int64] | None = None  # None where there is one
        self._plans: dict[Ways, int] = {}
        self._arrangements: dict[int | bytes, list[_Share]] = {}
        self._whole: dict[Ways, list[_Share]] = {}  # where one context is all
        self._shares: list[_Share] = []
        self._next: tuple[list[_Context], NDArray[np.bool_] | None] = [], None

    @staticmethod
    def can_take(chain: Chain, formats: Sequence[str | None] = ()) -> bool:
        """Whether all that its steps need is known before anything is read."""
        if any(form and FORMATS[form].rounds_at_random for form in formats):
            return False
        is_more = chain.on_matrices or chain.is_asking or chain.shared
        return not (is_more or chain.choice.numbers)

    def set(self, lot: int, views: list[SimpleNamespace]) -> None:
        """The settings of a lot have changed."""
        self._views[lot] = views
        self._contexts = None

    def prepare(self, gradients: NDArray[np.int64], missing: int) -> float:
        """Settle the next step of the tensors whose gradients lie there, 0 for those that have
        none; nothing moves yet. Returns the largest number that it will keep."""
        active = gradients != 0 if missing else None
        if self._contexts is None or (missing and self._counts):
            self._find_contexts(active if self._counts else None)
        contexts = self._contexts or []
        for context in contexts:
            context.decide()
        self._shares = self._arranged([context.ways for context in contexts])
        for share in self._shares:
            share.begin(gradients, missing > 0, contexts, self._context_of)
        self._next = contexts, active
        return max([max(context.kept) for context in contexts]) if self._counts else 0.0

    def run(self, threads: int) -> None:
        """Move the tensors, and count it in `cells`: called again, it does what is left of it."""
        for share in self._shares:
            share.launch.run(threads)
        contexts, active = self._next
        if self._counts:
            kept = [context.kept for context in contexts]
            if self._context_of is None:
                following: Any = kept[0]
            else:
                following = np.array(kept, np.float64)[self._context_of]
            if active is None:
                self.cells[:] = following
            else:
                self.cells[active] = following if self._context_of is None else following[active]
        for context in contexts:
            context.cells = context.kept
        if active is not None and self._counts:
            self._contexts = None

    def _find_contexts(self, active: NDArray[np.bool_] | None) -> None:
        """Sort the tensors by lot and cells, those that are passed over with any."""
        work = self._work
        code = work._fellows
        for column in self.cells.T:
            if (column != column[0]).any():
                values, inverse = np.unique(column, return_inverse=True)
                code = code * len(values) + inverse
        rows = np.arange(len(code)) if active is None else np.flatnonzero(active)
        _, first, inverse = np.unique(code[rows], return_index=True, return_inverse=True)
        examples = rows[first].tolist()
        shapes = [work.kinds[i].shape for i in work.kind_of[examples].tolist()]
        cells, lots = self.cells[examples].tolist(), work.lot_of[examples].tolist()
        self._contexts = [
            _Context(self._deciding, self._views[lot], shape, own)
            for lot, shape, own in zip(lots, shapes, cells, strict=True)
        ]
        self._context_of = None
        if len(examples) > 1:
            self._context_of = np.zeros(len(code), np.int64)
            self._context_of[rows] = inverse.reshape(-1)

    def _arranged(self, ways: Sequence[Ways]) -> list[_Share]:
        """The launches for contexts that go these ways; made once."""
        if not ways:
            return []
        if len(ways) == 1 and ways[0] in self._whole:  # nearly always
            return self._whole[ways[0]]
        plans = [self._number_of(one) for one in ways]
        key: int | bytes = plans[0]
        if plans.count(plans[0]) < len(plans):
            assert self._context_of is not None
            key = np.array(plans)[self._context_of].tobytes()
        if key not in self._arrangements:
            if len(self._arrangements) >= _MOST:
                self._arrangements.clear()
                self._whole.clear()
            self._arrangements[key] = self._arrange(key)
        if len(ways) == 1:
            self._whole[ways[0]] = self._arrangements[key]
        return self._arrangements[key]

    def _number_of(self, ways: Ways) -> int:
        if ways not in self._plans:
            self._plans[ways] = len(self._plans)
        return self._plans[ways]

    def _arrange(self, key: int | bytes) -> list[_Share]:
        work, count = self._work, len(self._work.kind_of)
        plan_of = np.full(count, key) if isinstance(key, int) else np.frombuffer(key, np.int64)
        plans: dict[int, Plan] = {
            number: plan_for(work.chain, ways) for ways, number in self._plans.items()
        }
        both = plan_of * len(work.kinds) + work.kind_of
        found, which = np.unique(both, return_inverse=True)
        pairs = [divmod(one, len(work.kinds)) for one in found.tolist()]
        formats = [work.kinds[kind].formats for _, kind in pairs]
        batches = work._batched([plans[plan] for plan, _ in pairs], formats, which.reshape(-1))
        return [
            _Share(self._deciding, batch, self._pointers)
            for batch in batches
            if batch.plan.main.stores
        ]
