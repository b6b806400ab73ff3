"""Builds a plan: a chain with its `if`s decided, cut into the passes that a step takes.

The lines are plain Python text in the parts' own names. A line is either uniform (one value per
tensor, computed in double, before the loop) or per element (computed in the loop, where every
number has already been rounded to the computation type). No engine's words occur here.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from thalweg.chain import Chain, Ways
from thalweg.fuse.lines import Lines, emit
from thalweg.fuse.lowering import (
    Assign,
    Node,
    Reduce,
    lowered,
    needed_for,
    prune,
    rounded_in,
    targets,
)
from thalweg.source import names_in
from thalweg.text import Level

__all__ = ["Pass", "Plan", "Reduction", "plan_for"]


@dataclass(frozen=True)
class Reduction:
    """A reduction: the lines that compute `value` per element, and how values are combined."""

    name: str
    scope: str
    kind: str
    value: str
    lines: Lines


@dataclass(frozen=True, eq=False)  # a key by its identity: looked up at every step
class Pass:
    """One sweep over memory: per row the row reductions, then the lines, then what is stored.

    `result` is the reduction that the pass is made for, or None for the pass that stores.
    """

    loads: tuple[str, ...]
    stores: tuple[str, ...]
    numbers: tuple[str, ...]
    rows: tuple[Reduction, ...]
    lines: Lines
    result: Reduction | None = None

    @property
    def streams(self) -> tuple[str, ...]:
        """Every array the pass touches, loads first."""
        return tuple(dict.fromkeys([*self.loads, *self.stores]))

    def reduces(self, name: str) -> bool:
        """Whether the pass is made for this reduction."""
        return self.result is not None and self.result.name == name


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything one step of one tensor runs: the reductions it must know first, then the pass.

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
    needed = builder.reductions_under({*main.numbers, *closing.numbers})
    return Plan(
        chain,
        tuple(builder.reduction_pass(name) for name in needed),
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

    def reductions_under(self, numbers: Collection[str]) -> list[str]:
        """The reductions over tensors that these numbers need, those of earlier parts first."""
        found: set[str] = set()
        waiting = {n for n in numbers if n in self.places}
        while waiting:
            found |= waiting
            under = {n for name in waiting for n in self.reduction_pass(name).numbers}
            waiting = {n for n in under if n in self.places} - found
        return [name for name in self.places if name in found]

    def reduction_pass(self, name: str) -> Pass:
        """The pass that computes one reduction over tensors."""
        nodes, value = self._measured(name)
        node = self._reduce(self.places[name])
        cut = self._cut(nodes, [value], [])
        result = Reduction(name, node.over, node.kind, value, cut.lines)
        return Pass(cut.loads, (), cut.numbers, cut.rows, cut.lines, result)

    def _measured(self, name: str) -> tuple[list[Node], str]:
        """Everything that runs before a reduction, and the line that gives its value."""
        place, value = self.places[name], f"{name}__value"
        return [*self.nodes[:place], Assign(value, self._reduce(place).value)], value

    def _cut(self, nodes: list[Node], keep: Collection[str], stores: Iterable[str]) -> Pass:
        """Drop what `keep` does not depend on and order the rest into a pass."""
        needed = needed_for(nodes, set(keep))
        rows = self._row_reductions(needed)
        used = needed.union(*(names for _, names in rows))
        return Pass(
            loads=tuple(n for n in self.arrays if n in used),
            stores=tuple(stores),
            numbers=tuple(n for n in self._numbers() if n in used),
            rows=tuple(row for row, _ in rows),
            lines=emit(prune(nodes, needed), self.varying),
        )

    def _row_reductions(self, used: set[str]) -> list[tuple[Reduction, set[str]]]:
        """The row reductions that are needed, in order, each with the names it needs itself."""
        found: list[tuple[Reduction, set[str]]] = []
        needed = set(used)
        for name in reversed(self.places):
            node = self._reduce(self.places[name])
            if node.over == "row" and name in needed:
                nodes, value = self._measured(name)
                names = needed_for(nodes, {value})
                needed |= names
                lines = emit(prune(nodes, names), self.varying, f"_{name}")
                found.append((Reduction(name, "row", node.kind, value, lines), names))
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
