"""Builds a plan: a chain with its `if`s decided, cut into the passes that a step takes.

The lines are plain Python text in the parts' own names. A line is either uniform (one value per
tensor, computed in double, before the loop) or per element (computed in the loop, where every
number has already been rounded to the computation type). No engine's words occur here.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from thalweg.chain import Chain, Ways
from thalweg.fuse.lines import Lines, emit
from thalweg.fuse.lowering import (
    Assign,
    Node,
    Reduce,
    lowered,
    needed_for,
    pruned,
    rounded_in,
    targets,
)
from thalweg.source import names_in
from thalweg.text import Level

__all__ = ["Pass", "Plan", "Reduction", "RowReduction", "plan_for"]


@dataclass(frozen=True)
class Reduction:
    """A reduction over tensors: the name of its value per element, and how values are combined."""

    name: str
    over: str
    kind: str
    value: str


@dataclass(frozen=True)
class RowReduction:
    """A number per row: the lines that compute its `value` per element, and how they are
    combined."""

    name: str
    kind: str
    value: str
    lines: Lines


@dataclass(frozen=True, eq=False)  # a key by its identity: looked up at every step
class Pass:
    """One sweep over memory: per row the row reductions, then the lines, then what is stored and
    what is added to the `results`."""

    loads: tuple[str, ...]
    stores: tuple[str, ...]
    numbers: tuple[str, ...]
    rows: tuple[RowReduction, ...]
    lines: Lines
    results: tuple[Reduction, ...] = ()

    @property
    def streams(self) -> tuple[str, ...]:
        """Every array the pass touches, loads first."""
        return tuple(dict.fromkeys([*self.loads, *self.stores]))


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything one step of one tensor runs: passes for what it must know first, then the main
    one, which stores.

    `kept` are the kept numbers, by qualified name, that follow from what was measured, and
    `closing` the lines that give them their values.
    """

    chain: Chain
    reductions: tuple[Pass, ...]
    main: Pass
    kept: tuple[str, ...] = ()
    closing: tuple[str, ...] = ()


@functools.lru_cache(maxsize=1024)
def plan_for(chain: Chain, ways: Ways) -> Plan:
    """The plan of a chain whose `if`s go these ways; built once and kept."""
    builder = _Builder(chain, ways)
    main, closing = builder.main(), builder.closing()
    return Plan(
        chain,
        tuple(builder.rounds({*main.numbers, *closing.numbers, *builder.of_all()})),
        main,
        tuple(builder.kept),
        closing.lines.uniform,
    )


class _Builder:
    """Lowers a chain once, then cuts passes out of the whole."""

    def __init__(self, chain: Chain, ways: Ways) -> None:
        self.chain = chain
        self.nodes = lowered(chain, ways)
        self._round_what_is_measured()
        self.places = {n.target: i for i, n in enumerate(self.nodes) if isinstance(n, Reduce)}
        self.arrays = ["p", "g", *(slot.qualified for slot in chain.slots)]
        rows = {name for name, i in self.places.items() if self._reduce(i).over == "row"}
        self.varying = {*self.arrays, *rows}
        self.kept = [
            part.qualified(name)
            for part in chain.parts
            for name in part.declared.declaration.cells
            if part.declared.text.levels.get(name, Level.STEP) > Level.STEP
        ]

    def _reduce(self, place: int) -> Reduce:
        node = self.nodes[place]
        assert isinstance(node, Reduce)
        return node

    def _round_what_is_measured(self) -> None:
        """Every pass must meet the numbers that were measured: g - mean(g) of equal g is zero."""
        for i, node in enumerate(self.nodes):
            if isinstance(node, Reduce):
                names = needed_for(self.nodes[:i], names_in(node.value))
                self.nodes[:i] = rounded_in(self.nodes[:i], names)

    def main(self) -> Pass:
        """The pass that stores: all parts, and every array that one of them gave a value."""
        given = targets(self.nodes)
        stores = [name for name in self.arrays if name in given and name != "g"]
        return self._cut(self.nodes, stores, stores)

    def closing(self) -> Pass:
        """The lines, all on numbers, that give the kept numbers their values."""
        moved = [name for name in self.kept if name in targets(self.nodes)]
        return self._cut(self.nodes, moved, [])

    def of_all(self) -> list[str]:
        """The reductions over all tensors: other tensors may want what this one adds to them, even
        where it has no use for them itself."""
        return [name for name, i in self.places.items() if self._reduce(i).over == "all"]

    def rounds(self, numbers: Collection[str]) -> list[Pass]:
        """The passes that compute the reductions over tensors among these numbers, and those that
        they need themselves: all that can be known at once share a pass."""
        needs: dict[str, set[str]] = {}
        waiting = {n for n in numbers if n in self.places}
        while waiting - needs.keys():
            for name in waiting - needs.keys():
                found = self._reducing([name]).numbers
                needs[name] = {n for n in found if n in self.places}
                waiting = waiting | needs[name]
        made: list[Pass] = []
        known: set[str] = set()
        while known != needs.keys():
            ready = [n for n in self.places if n in needs and n not in known and needs[n] <= known]
            made.append(self._reducing(ready))
            known |= {*ready}
        return made

    def _reducing(self, names: Sequence[str]) -> Pass:
        """One pass for several reductions over tensors."""
        values = {name: f"{name}__value" for name in names}
        nodes: list[Node] = []
        for node in self.nodes:
            of_it = isinstance(node, Reduce) and node.target in values
            nodes.append(Assign(values[node.target], node.value) if of_it else node)  # type: ignore[union-attr]
        cut = self._cut(nodes, list(values.values()), [])
        asked = {name: self._reduce(self.places[name]) for name in names}
        results = [Reduction(n, one.over, one.kind, values[n]) for n, one in asked.items()]
        return replace(cut, results=tuple(results))

    def _cut(self, nodes: list[Node], keep: Collection[str], stores: Iterable[str]) -> Pass:
        """Drop what `keep` does not depend on and order the rest into a pass."""
        kept, live = pruned(nodes, keep)
        rows = self._row_reductions(live)
        used = live.union(*(names for _, names in rows))
        return Pass(
            loads=tuple(n for n in self.arrays if n in used),
            stores=tuple(stores),
            numbers=tuple(n for n in self._numbers() if n in used),
            rows=tuple(row for row, _ in rows),
            lines=emit(kept, self.varying),
        )

    def _row_reductions(self, live: set[str]) -> list[tuple[RowReduction, set[str]]]:
        """The row reductions among these names, and those that they need, in order; each with the
        names that must have a value before it."""
        found: list[tuple[RowReduction, set[str]]] = []
        wanted = set(live)
        for name in reversed(self.places):
            place, value = self.places[name], f"{name}__value"
            node = self._reduce(place)
            if node.over == "row" and name in wanted:
                nodes, names = pruned([*self.nodes[:place], Assign(value, node.value)], [value])
                wanted |= names
                lines = emit(nodes, self.varying, f"_{name}")
                found.append((RowReduction(name, node.kind, value, lines), names))
        return found[::-1]

    def _numbers(self) -> list[str]:
        """Every number there may be: those known before the step, and the reductions."""
        known = [
            part.qualified(name)
            for part in self.chain.parts
            for name in part.declared.text.number_names
        ]
        of_rows = self.varying
        return [*known, *(name for name in self.places if name not in of_rows)]
