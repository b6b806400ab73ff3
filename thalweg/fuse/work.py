"""One optimizer's step over all its tensors: which plan each takes, its numbers, the launches.

Knows no framework: a border hands in addresses of what lies in memory as the fused pass needs it,
and `Odd` objects for the tensors that must take the reference engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from thalweg.chain import Chain
from thalweg.fuse import cpu, reference
from thalweg.fuse.plan import Pass, Plan, plan_for
from thalweg.fuse.storage import computation

__all__ = ["Kind", "Odd", "Work"]

Static = Mapping[str, bool | str]


@dataclass(frozen=True)
class Kind:
    """What decides a tensor's plan beside the settings: its shape and its arrays' formats.

    `formats` is in the order of `Work.arrays`; None for a state that does not exist. An element
    is `width` numbers: two if it is complex.
    """

    shape: tuple[int, ...]
    formats: tuple[str | None, ...]
    width: int = 1


class Odd(Protocol):
    """A tensor that the fused pass cannot take, as the reference engine meets it."""

    group: int
    shape: tuple[int, ...]
    cells: Mapping[str, float]
    first: Mapping[str, bool]

    def arrays(self) -> dict[str, Any]:
        """Copies of its arrays, in the computation type, by qualified name."""

    def keep(self, arrays: Mapping[str, Any], names: Sequence[str]) -> None:
        """Store the named ones back."""


@dataclass
class _Context:
    """What tensors of the same group, step and cells have in common."""

    views: list[SimpleNamespace]
    t: int
    numbers: dict[str, float]
    carried: dict[str, float]


@dataclass
class _Batch:
    """The tensors that take the same plan in the same formats: one launch."""

    plan: Plan
    formats: tuple[str | None, ...]
    members: NDArray[np.int64]
    shapes: list[tuple[int, ...]]
    tables: dict[bool, cpu.Table] = field(default_factory=dict)

    def table(self, by_rows: bool) -> cpu.Table:
        """How the tensors are cut; the same at every step."""
        if by_rows not in self.tables:
            self.tables[by_rows] = cpu.Table(self.shapes, by_rows)
        return self.tables[by_rows]


class Work:
    """The tensors of one optimizer in the order of their groups, as long as they stay the same."""

    def __init__(self, chain: Chain, kinds: Sequence[Kind], groups: Sequence[int]) -> None:
        self.chain = chain
        self.arrays = ["p", "g", *(slot.qualified for slot in chain.slots)]
        self.kinds = list(dict.fromkeys(kinds))
        index = {kind: i for i, kind in enumerate(self.kinds)}
        self.kind_of = np.array([index[kind] for kind in kinds], np.int64)
        self.group_of = np.array(groups, np.int64)
        self._batches: dict[Any, list[_Batch]] = {}

    def step(
        self,
        views: Sequence[list[SimpleNamespace]],
        pointers: NDArray[np.int64],
        cells: NDArray[np.float64],
        first: NDArray[np.bool_],
        odd: Sequence[Odd],
        limit: int,
    ) -> tuple[NDArray[np.float64], list[dict[str, float]]]:
        """Run one step; returns the next cells, of the tensors and of the odd ones.

        `views` are the groups' settings as `chain.views` gives them; `cells` has a column per `chain.cells`, holding the numbers as the last step left them;
        `first` has a column per part: whether its states were created for this step.
        """
        contexts, context_of = self._contexts(views, cells, first)
        batches = self._partition(contexts, context_of)
        others = [self._odd_context(views[one.group], one) for one in odd]
        totals = self._measure(batches, contexts, context_of, pointers, odd, others, limit)
        for number, batch in enumerate(batches):
            known = totals.of_batch(number)
            self._launch(batch.plan.main, batch, contexts, context_of, pointers, known, limit)
        for number, (one, context) in enumerate(zip(odd, others, strict=True)):
            static, plan = self._plan(context, one.shape)
            known_numbers = context.numbers | totals.of_odd(number)
            arrays = reference.update(plan, one.arrays(), known_numbers, static)
            one.keep(arrays, plan.main.stores)
        following = np.array([[c.carried[k] for k in self.chain.cells] for c in contexts])
        return (
            following.reshape(len(contexts), -1)[context_of],
            [context.carried for context in others],
        )

    def _contexts(
        self,
        views: Sequence[list[SimpleNamespace]],
        cells: NDArray[np.float64],
        first: NDArray[np.bool_],
    ) -> tuple[list[_Context], NDArray[np.int64]]:
        """The distinct combinations of group, cells and first-ness, and which one each tensor has."""
        if not len(self.group_of):
            return [], np.zeros(0, np.int64)
        keys = np.column_stack([self.group_of, cells, first])
        # groups are contiguous, so equal neighbours find almost everything; the dict the rest
        starts = np.flatnonzero(np.any(keys[1:] != keys[:-1], axis=1)) + 1
        starts = np.concatenate([[0], starts])
        seen: dict[tuple[float, ...], int] = {}
        numbers = [seen.setdefault(tuple(keys[i]), len(seen)) for i in starts]
        lengths = np.diff(np.append(starts, len(keys)))
        names, prefixes = list(self.chain.cells), [part.prefix for part in self.chain.parts]
        contexts = []
        for group, *rest in seen:
            held = dict(zip(names, rest[: len(names)], strict=True))
            new = dict(zip(prefixes, map(bool, rest[len(names) :]), strict=True))
            contexts.append(self._context(views[int(group)], held, new))
        return contexts, np.repeat(numbers, lengths)

    def _context(
        self, views: list[SimpleNamespace], cells: Mapping[str, float], first: Mapping[str, bool]
    ) -> _Context:
        t = int(cells.get("step", 0.0)) + 1
        numbers, carried = self.chain.scalars(views, t, first, cells)
        if "step" in cells:
            carried["step"] = cells["step"] + 1
        return _Context(views, t, numbers, carried)

    def _odd_context(self, views: list[SimpleNamespace], one: Odd) -> _Context:
        return self._context(views, one.cells, one.first)

    def _plan(self, context: _Context, shape: tuple[int, ...]) -> tuple[Static, Plan]:
        static = self.chain.static(context.views, context.t, shape)
        return static, plan_for(self.chain, static)

    def _partition(
        self, contexts: Sequence[_Context], context_of: NDArray[np.int64]
    ) -> list[_Batch]:
        """The tensors by plan and formats; remembered, since most steps repeat an earlier one."""
        if not len(context_of):
            return []
        both = context_of * len(self.kinds) + self.kind_of
        present, which = np.unique(both, return_inverse=True)
        plans = [
            self._plan(contexts[b // len(self.kinds)], self.kinds[b % len(self.kinds)].shape)[1]
            for b in present.tolist()
        ]
        key = (which.tobytes(), tuple(map(id, plans)))
        if key not in self._batches:
            formats = [self.kinds[b % len(self.kinds)].formats for b in present.tolist()]
            self._batches[key] = self._batched(plans, formats, which)
        return self._batches[key]

    def _batched(
        self,
        plans: Sequence[Plan],
        formats: Sequence[tuple[str | None, ...]],
        which: NDArray[np.int64],
    ) -> list[_Batch]:
        sorts: dict[tuple[int, tuple[str | None, ...]], list[int]] = {}
        for i, (plan, form) in enumerate(zip(plans, formats, strict=True)):
            sorts.setdefault((id(plan), form), []).append(i)
        batches = []
        for (_, form), members in sorts.items():
            chosen = np.flatnonzero(np.isin(which, members))
            kinds = [self.kinds[i] for i in self.kind_of[chosen].tolist()]
            shapes = [(*kind.shape, kind.width) for kind in kinds]
            batches.append(_Batch(plans[members[0]], form, chosen, shapes))
        return batches

    def _measure(
        self,
        batches: Sequence[_Batch],
        contexts: Sequence[_Context],
        context_of: NDArray[np.int64],
        pointers: NDArray[np.int64],
        odd: Sequence[Odd],
        others: Sequence[_Context],
        limit: int,
    ) -> _Totals:
        """Every tensor-wide measure, those of earlier parts first."""
        totals = _Totals(len(batches), len(odd))
        for name in self._measure_names():
            sums: dict[int, NDArray[np.float64]] = {}
            counts: dict[int, NDArray[np.float64]] = {}
            for number, batch in enumerate(batches):
                for work in batch.plan.reductions:
                    if work.result is not None and work.result.name == name:
                        known = totals.of_batch(number)
                        sums[number] = self._launch(
                            work, batch, contexts, context_of, pointers, known, limit
                        )
                        counts[number] = np.array([np.prod(s) for s in batch.shapes])
            odd_sums = self._measure_odd(name, odd, others, totals)
            totals.add(name, *self._reduction(name), sums, counts, odd_sums)
        return totals

    def _measure_odd(
        self, name: str, odd: Sequence[Odd], others: Sequence[_Context], totals: _Totals
    ) -> dict[int, tuple[float, float]]:
        found: dict[int, tuple[float, float]] = {}
        for number, (one, context) in enumerate(zip(odd, others, strict=True)):
            static, plan = self._plan(context, one.shape)
            if any(work.result and work.result.name == name for work in plan.reductions):
                known = context.numbers | totals.of_odd(number)
                total = reference.reduce(plan, name, one.arrays(), known, static)
                found[number] = float(total), float(np.prod(one.shape))
        return found

    def _measure_names(self) -> list[str]:
        return [
            part.qualified(name)
            for part in self.chain.parts
            for name, m in part.declared.declaration.measures.items()
            if m.scope != "row"
        ]

    def _reduction(self, name: str) -> tuple[str, str]:
        """The scope and the kind of a measure."""
        for part in self.chain.parts:
            for own, m in part.declared.declaration.measures.items():
                if part.qualified(own) == name:
                    return m.scope, m.reduction
        raise KeyError(name)

    def _launch(
        self,
        work: Pass,
        batch: _Batch,
        contexts: Sequence[_Context],
        context_of: NDArray[np.int64],
        pointers: NDArray[np.int64],
        known: Mapping[str, NDArray[np.float64]],
        limit: int,
    ) -> NDArray[np.float64]:
        columns = [self.arrays.index(name) for name in work.streams]
        rows = [[c.numbers.get(name, 0.0) for name in work.numbers] for c in contexts]
        numbers = np.array(rows, np.float64).reshape(len(contexts), -1)[context_of[batch.members]]
        for i, name in enumerate(work.numbers):
            if name in known:
                numbers[:, i] = known[name]
        formats = [batch.formats[i] or "" for i in columns]
        table = np.ascontiguousarray(pointers[np.ix_(batch.members, columns)])
        computes = computation(batch.formats[0] or "")
        by_rows = batch.table(bool(work.rows))
        title = self.chain.name
        return cpu.run(work, formats, computes, title, by_rows, table, numbers, limit)


class _Totals:
    """The tensor-wide measures known so far, per tensor of each batch and per odd tensor."""

    def __init__(self, batches: int, odd: int) -> None:
        self._batches: list[dict[str, NDArray[np.float64]]] = [{} for _ in range(batches)]
        self._odd: list[dict[str, float]] = [{} for _ in range(odd)]

    def of_batch(self, number: int) -> dict[str, NDArray[np.float64]]:
        return self._batches[number]

    def of_odd(self, number: int) -> dict[str, float]:
        return self._odd[number]

    def add(
        self,
        name: str,
        scope: str,
        kind: str,
        sums: Mapping[int, NDArray[np.float64]],
        counts: Mapping[int, NDArray[np.float64]],
        odd: Mapping[int, tuple[float, float]],
    ) -> None:
        """File one measure, from sums per tensor."""
        total = sum(s.sum() for s in sums.values()) + sum(s for s, _ in odd.values())
        count = sum(c.sum() for c in counts.values()) + sum(c for _, c in odd.values())
        for number, own in sums.items():
            if scope == "all":
                self._batches[number][name] = np.full(len(own), _finish(kind, total, count))
            else:
                self._batches[number][name] = _finish(kind, own, np.maximum(counts[number], 1))
        for number, (own_total, own_count) in odd.items():
            one = (total, count) if scope == "all" else (own_total, own_count)
            self._odd[number][name] = float(_finish(kind, *one))


def _finish(kind: str, total: Any, count: Any) -> Any:
    return reference.finish(kind, np.asarray(total, np.float64), count)
