"""One optimizer's step over all its tensors: which plan each takes, its numbers, the launches.

Knows no framework: a border hands in addresses of what lies in memory as the fused pass needs it,
and `Odd` objects for the tensors that must take the reference engine.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.chain import Chain
from thalweg.fuse import reference
from thalweg.fuse.batch import Batch
from thalweg.fuse.closing import closed
from thalweg.fuse.desk import Desk
from thalweg.fuse.engine import Engine
from thalweg.fuse.errand import Context, Errand, Odd, Processes, as_written
from thalweg.fuse.plan import Plan, plan_for
from thalweg.fuse.storage import columns
from thalweg.fuse.totals import Totals
from thalweg.fuse.walk import Walk
from thalweg.fuse.whole import Deed
from thalweg.settings import as_double

__all__ = ["EXACT", "Kind", "Odd", "Prepared", "Work"]

# the first count to which single precision cannot add one
EXACT = 2.0**24


@dataclass(frozen=True)
class Kind:
    """What decides a tensor's plan beside the settings: its shape and its arrays' formats.

    `formats` is in the order of `Work.arrays`; None for a state that does not exist. An element
    is `width` numbers: two if it is complex. Of a tensor that several processes share out, `part`
    is the shape of what lies here. With a `walk`, which has strides for each of the arrays, they
    have gaps between their elements. Of the engines that step an optimizer's tensors, `engine` is
    the place of its own.
    """

    shape: tuple[int, ...]
    formats: tuple[str | None, ...]
    width: int = 1
    part: tuple[int, ...] | None = None
    walk: Walk | None = None
    engine: int = 0

    @property
    def here(self) -> tuple[int, ...]:
        """The shape of what lies in this process."""
        return self.shape if self.part is None else self.part


@dataclass
class Prepared:
    """One step to be taken: the deeds, then the next cells, of the tensors and of the odd ones."""

    deeds: list[Deed]
    cells: NDArray[np.float64]
    odd_cells: list[dict[str, float]]
    is_large: bool  # whether a cell has outgrown single precision


class Work:
    """The tensors of one optimizer in the order of their lots, as long as they stay the same."""

    def __init__(
        self, chain: Chain, kinds: Sequence[Kind], lots: Sequence[int], *engines: Engine
    ) -> None:
        self.chain, self.engines = chain, engines
        self.arrays = ["p", "g", *(slot.qualified for slot in chain.slots)]
        self.kinds = list(dict.fromkeys(kinds))
        self.columns = columns(self.arrays, *(kind.formats for kind in self.kinds))
        index = {kind: i for i, kind in enumerate(self.kinds)}
        self.kind_of = np.array([index[kind] for kind in kinds], np.int64)
        self.lot_of = np.array(lots, np.int64)
        # those that may have a context in common: of one lot, and where it matters of one shape
        asked = [chain.asked_of(kind.shape) for kind in kinds]
        number_of = {one: i for i, one in enumerate(dict.fromkeys(asked))}
        numbers = np.array([number_of[one] for one in asked], np.int64)
        self._fellows = self.lot_of * max(len(number_of), 1) + numbers
        # per tensor, the first of its fellows, and their rank among those present
        _, leaders, ranks = np.unique(self._fellows, return_index=True, return_inverse=True)
        self._leader_of, self._leaders, self._rank_of = leaders[ranks], leaders, ranks
        self.processes: Processes | None = None
        """Those that share tensors out, if any do: a border says so."""
        self._batches: dict[tuple[Plan, ...], list[Batch]] = {}
        self._sorted: tuple[NDArray[np.int64], list[int], NDArray[np.int64]] | None = None

    def prepare(
        self,
        views: Sequence[list[SimpleNamespace]],
        pointers: NDArray[np.int64],
        cells: NDArray[np.float64],
        first: NDArray[np.bool_],
        odd: Sequence[Odd],
        threads: int,
        seed: int = 0,
        desk: Desk | None = None,
    ) -> Prepared:
        """Measure what a step must know, and say what it will do; nothing moves yet.

        `views` are the lots' settings as `chain.views` gives them. `pointers` has a column per
        `columns`: the arrays, then the companions that any of them has. `cells` has a column per
        `chain.cells`, with the numbers as the last step left them; `first` has a column per part:
        whether its states were created for this step. Another `seed` rounds otherwise, where a
        format rounds at random. `desk` is asked where a plan is more than passes.
        """
        contexts, context_of = self._contexts(views, cells, first)
        batches = self._partition(contexts, context_of)
        others = [self._context(views[one.lot], one.cells, one.first, one.shape) for one in odd]
        numbers = [context.decided.numbers for context in contexts]
        ahead = list(zip(odd, others, strict=True))
        errand = Errand(
            self.chain,
            batches,
            numbers,
            context_of,
            pointers,
            ahead,
            threads,
            desk,
            self.processes,
        )
        totals = errand.run()
        launches = [
            batch.launch(numbers, context_of, known, pointers, seed)
            for batch, known in zip(batches, totals.of_batches, strict=True)
            if batch.plan.main.stores
        ]
        # the odd ones first: only they can still fail, and the first of them before it moves
        deeds = self._odd_deeds(ahead, totals) if odd else []
        deeds += [functools.partial(launch.run, threads) for launch in launches]
        deeds += errand.kept()
        following = self._following(contexts, context_of, batches, totals)
        is_large = bool(following.size) and float(following.max()) >= EXACT
        odd_cells = [self._odd_cells(one, context, totals) for one, context in ahead]
        self._share(following, odd, odd_cells)
        return Prepared(deeds, following, odd_cells, is_large)

    def _following(
        self,
        contexts: Sequence[Context],
        context_of: NDArray[np.int64],
        batches: Sequence[Batch],
        totals: Totals,
    ) -> NDArray[np.float64]:
        """The cells after the step."""
        keys = list(self.chain.cells)
        kept = [[context.decided.kept[key] for key in keys] for context in contexts]
        # None for what is measured becomes NaN, and then what it is
        following = np.array(kept, np.float64).reshape(len(contexts), len(keys))[context_of]
        for batch, known in zip(batches, totals.of_batches, strict=True):
            if batch.plan.kept:
                its = [contexts[i].decided.numbers for i in context_of[batch.members].tolist()]
                measured = {name: np.asarray(values) for name, values in known.items()}
                for key, values in closed(batch.plan, its, measured).items():
                    following[batch.members, keys.index(key)] = values
        return following

    def _share(
        self,
        following: NDArray[np.float64],
        odd: Sequence[Odd],
        odd_cells: list[dict[str, float]],
    ) -> None:
        """Of a number that is one for all tensors, the first tensor's settings decide."""
        for key in self.chain.shared:
            column = list(self.chain.cells).index(key)
            both = zip(odd, odd_cells, strict=True)
            ahead = [SimpleNamespace(lot=one.lot, cells=cells) for one, cells in both]
            values = self.first_of(following[:, column], ahead, key)
            if len(following):
                following[:, column] = float(values[0])
            for one in odd_cells:
                one[key] = values[0]

    def first_of(self, column: NDArray[np.float64], odd: Sequence[Any], key: str) -> list[Any]:
        """Of a number that is one for all tensors: the first tensor's, by the order of the lots."""
        found = [(int(self.lot_of[0]), float(column[0]))] if len(column) else []
        found += [(one.lot, one.cells[key]) for one in odd[:1]]
        return [value for _, value in sorted(found, key=lambda pair: pair[0])][:1]

    def _odd_cells(self, one: Odd, context: Context, totals: Totals) -> dict[str, float]:
        """The cells of an odd tensor after the step; what is measured it can only find by it."""
        kept = context.decided.kept
        if any(value is None for value in kept.values()):
            kept = {**kept, **as_written(self.chain, one, context, totals)[1]}
        return {key: as_double(kept[key]) for key in self.chain.cells}

    def _odd_deeds(self, ahead: list[tuple[Odd, Context]], totals: Totals) -> list[Deed]:
        """Compute the first of these, and what is then to be done: store it, and go on."""
        if not ahead:
            return []
        one, context = ahead[0]
        arrays, _ = as_written(self.chain, one, context, totals)
        plan = plan_for(self.chain, context.decided.ways)
        keep = functools.partial(one.keep, arrays, [*plan.main.stores, *plan.matrices])
        return [keep, functools.partial(self._odd_deeds, ahead[1:], totals)]

    def _contexts(
        self,
        views: Sequence[list[SimpleNamespace]],
        cells: NDArray[np.float64],
        first: NDArray[np.bool_],
    ) -> tuple[list[Context], NDArray[np.int64]]:
        """The distinct combinations of lot, cells and `first`, and which one each tensor has."""
        # as bytes: on a few numbers NumPy's own questions take longer than the answer
        if b"\1" not in first.tobytes() and cells.tobytes() == cells[self._leader_of].tobytes():
            examples, context_of = self._leaders, self._rank_of  # one step count to a lot
        else:
            keys = np.column_stack([self._fellows, cells, first])
            _, examples, context_of = np.unique(
                keys, axis=0, return_index=True, return_inverse=True
            )
            context_of = context_of.reshape(-1)
        contexts = []
        for i in examples.tolist():
            held = dict(zip(self.chain.cells, cells[i].tolist(), strict=True))
            prefixes = (part.prefix for part in self.chain.parts)
            new = dict(zip(prefixes, first[i].tolist(), strict=True))
            shape = self.kinds[self.kind_of[i]].shape
            contexts.append(self._context(views[self.lot_of[i]], held, new, shape))
        return contexts, context_of

    def _context(
        self,
        views: list[SimpleNamespace],
        cells: Mapping[str, float],
        first: Mapping[str, bool],
        shape: tuple[int, ...],
    ) -> Context:
        t = int(cells.get("step", 0.0)) + 1
        decided = self.chain.decide(views, t, first, shape, cells)
        if "step" in cells:
            decided.kept["step"] = cells["step"] + 1
        return Context(reference.Given(views, t, first, shape, cells), decided)

    def _partition(self, contexts: Sequence[Context], context_of: NDArray[np.int64]) -> list[Batch]:
        """The tensors by plan and formats; remembered, since most steps repeat an earlier one."""
        if not len(context_of):
            return []
        before = self._sorted
        if before is None or not (context_of is before[0] or np.array_equal(context_of, before[0])):
            both = context_of * len(self.kinds) + self.kind_of
            found, inverse = np.unique(both, return_inverse=True)
            self._batches.clear()  # first: what is filed must never be of another partition
            before = self._sorted = context_of, found.tolist(), inverse
        _, present, which = before
        pairs = [divmod(both, len(self.kinds)) for both in present]
        chosen = [plan_for(self.chain, context.decided.ways) for context in contexts]
        plans = [chosen[c] for c, _ in pairs]
        key = tuple(plans)
        if key not in self._batches:
            kinds = [self.kinds[k] for _, k in pairs]
            self._batches[key] = self._batched(plans, kinds, which)
        return self._batches[key]

    def _batched(
        self,
        plans: Sequence[Plan],
        kinds: Sequence[Kind],
        which: NDArray[np.int64],
    ) -> list[Batch]:
        sorts: dict[tuple[Any, ...], list[int]] = {}
        for i, (plan, kind) in enumerate(zip(plans, kinds, strict=True)):
            strided = None if kind.walk is None else kind.walk.strided
            sorts.setdefault((plan, kind.formats, strided, kind.engine), []).append(i)
        batches = []
        for (plan, form, _, number), members in sorts.items():
            engine = self.engines[number]
            for chosen in self._portions(plan, np.flatnonzero(np.isin(which, members)), engine):
                its = [self.kinds[i] for i in self.kind_of[chosen].tolist()]
                shapes = [(*kind.here, kind.width) for kind in its]
                wholes = [(*kind.shape, kind.width) for kind in its]
                walks = [kind.walk for kind in its if kind.walk is not None]
                made = Batch(plan, self.columns, form, chosen, shapes, wholes, engine, walks)
                batches.append(made)
        return batches

    def _portions(
        self, plan: Plan, chosen: NDArray[np.int64], engine: Engine
    ) -> list[NDArray[np.int64]]:
        """Tensors of one plan, of one shape together, in portions whose operands of lines on
        matrices are still near when the lines read them."""
        if plan.is_plain or not engine.portion:
            return [chosen]
        found: list[list[int]] = []
        room = 0
        for place in chosen[np.argsort(self.kind_of[chosen], kind="stable")].tolist():
            size = math.prod(self.kinds[self.kind_of[place]].here)
            if not found or size > room:
                found.append([])
                room = engine.portion
            found[-1].append(place)
            room -= size
        return [np.sort(np.array(places, np.int64)) for places in found]
