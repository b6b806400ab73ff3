"""Builds a plan: a chain with its switches fixed, reduced to the lines one pass has to run.

The lines are plain Python text in the parts' own names. A line is either uniform (one value per
tensor, computed in double, before the loop) or per element (computed in the loop, where every
number has already been rounded to the computation type). No engine's words occur here.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from thalweg.chain import Chain, Part
from thalweg.declaration import Measure
from thalweg.fuse.lines import Lines, emit
from thalweg.fuse.lowering import Assign, Lower, Node, needed_for, prune, rounded_in, targets

__all__ = ["Pass", "Plan", "Reduction", "plan_for"]


@dataclass(frozen=True)
class Reduction:
    """A measure: the lines that compute `value` per element, and how the values are combined."""

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

    def measures(self, name: str) -> bool:
        """Whether the pass is made for this measure."""
        return self.result is not None and self.result.name == name


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything one step of one tensor runs: the reductions it must know first, then the pass."""

    chain: Chain
    reductions: tuple[Pass, ...]
    main: Pass


def plan_for(chain: Chain, static: Mapping[str, bool | str]) -> Plan:
    """The plan of a chain under one set of switches; built once and kept."""
    return _plan(chain, tuple(static.items()))


@functools.lru_cache(maxsize=1024)
def _plan(chain: Chain, static: tuple[tuple[str, bool | str], ...]) -> Plan:
    builder = _Builder(chain, dict(static))
    main = builder.main()
    needed = builder.reductions_under(main)
    return Plan(chain, tuple(builder.reduction_pass(name) for name in needed), main)


class _Builder:
    """Lowers every part of a chain once, then cuts passes out of the whole."""

    def __init__(self, chain: Chain, static: Mapping[str, bool | str]) -> None:
        self.chain = chain
        self.static = static
        self.parts: list[list[Node]] = [self._lower_part(part) for part in chain.parts]
        self.measures: dict[str, tuple[int, Part, Measure]] = {
            part.qualified(name): (i, part, m)
            for i, part in enumerate(chain.parts)
            for name, m in part.declared.declaration.measures.items()
        }
        self._round_what_is_measured()
        arrays = ["p", "g", *(slot.qualified for slot in chain.slots)]
        self.arrays = arrays
        self.varying = {*arrays, *(n for n, (_, _, m) in self.measures.items() if m.scope == "row")}

    def _round_what_is_measured(self) -> None:
        """Every pass must meet the numbers that were measured: g - mean(g) of equal g is zero."""
        for i, part, m in self.measures.values():
            assert m.source is not None
            read = {part.qualified(name) for name in m.source.arguments}
            before = [node for earlier in self.parts[:i] for node in earlier]
            names = needed_for(before, read)
            self.parts[:i] = [rounded_in(earlier, names) for earlier in self.parts[:i]]

    def main(self) -> Pass:
        """The pass that stores: all parts, and every array that one of them gave a value."""
        nodes = [node for part in self.parts for node in part]
        stores = [name for name in self.arrays if name in targets(nodes) and name != "g"]
        return self._cut(nodes, stores, stores)

    def reductions_under(self, main: Pass) -> list[str]:
        """The tensor-wide measures a pass needs, those of earlier parts first."""
        found: set[str] = set()
        waiting = {n for n in main.numbers if n in self.measures}
        while waiting:
            found |= waiting
            numbers = {n for name in waiting for n in self.reduction_pass(name).numbers}
            waiting = {n for n in numbers if n in self.measures} - found
        return [name for name in self.measures if name in found]

    def reduction_pass(self, name: str) -> Pass:
        """The pass that computes one tensor-wide measure."""
        nodes, value = self._measured(name)
        _, _, m = self.measures[name]
        cut = self._cut(nodes, [value], [])
        result = Reduction(name, m.scope, m.reduction, value, cut.lines)
        return Pass(cut.loads, (), cut.numbers, cut.rows, cut.lines, result)

    def _measured(self, name: str) -> tuple[list[Node], str]:
        """Everything that runs before a measure, and the line that gives its value."""
        i, part, m = self.measures[name]
        assert m.source is not None
        value = f"{name}__value"
        nodes = [node for earlier in self.parts[:i] for node in earlier]
        own = {local: f"{name}__{local}" for local in m.source.assigned}
        lower = Lower(part, m.source, self.static, own)
        nodes += lower.statements(m.source.body)
        return [*nodes, Assign(value, lower.visit(m.source.result))], value

    def _cut(self, nodes: list[Node], keep: Collection[str], stores: Iterable[str]) -> Pass:
        """Drop what `keep` does not depend on and order the rest into a pass."""
        needed = needed_for(nodes, set(keep))
        rows = self._row_reductions(needed)
        nodes = prune(nodes, needed)
        used = needed.union(*(names for _, names in rows))
        known = self._numbers()
        return Pass(
            loads=tuple(n for n in self.arrays if n in used),
            stores=tuple(stores),
            numbers=tuple(n for n in known if n in used),
            rows=tuple(row for row, _ in rows),
            lines=emit(nodes, self.varying),
        )

    def _row_reductions(self, used: set[str]) -> list[tuple[Reduction, set[str]]]:
        """The row measures that are needed, in order, each with the names it needs itself."""
        found: list[tuple[Reduction, set[str]]] = []
        needed = set(used)
        for name in reversed(self.measures):
            _, _, m = self.measures[name]
            if m.scope == "row" and name in needed:
                nodes, value = self._measured(name)
                names = needed_for(nodes, {value})
                needed |= names
                lines = emit(prune(nodes, names), self.varying, f"_{name}")
                found.append((Reduction(name, "row", m.reduction, value, lines), names))
        return found[::-1]

    def _numbers(self) -> list[str]:
        """Every uniform number there is: what parts declare, and the tensor-wide measures."""
        declared = [
            part.qualified(n)
            for part in self.chain.parts
            for n in part.declared.declaration.numbers
        ]
        return declared + [n for n, (_, _, m) in self.measures.items() if m.scope != "row"]

    def _lower_part(self, part: Part) -> list[Node]:
        source = part.declared.source
        assert source is not None
        own: dict[str, str] = {}
        nodes: list[Node] = []
        for stream in ("p", "g"):  # one assigned but not returned is this part's own business
            if stream in source.assigned and stream not in source.returned:
                own[stream] = f"{part.prefix}__{stream}"
                nodes.append(Assign(own[stream], ast.Name(stream, ast.Load())))
        return nodes + Lower(part, source, self.static, own).statements(source.body)
