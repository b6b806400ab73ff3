"""Builds a plan: a chain with its `if`s decided, cut into the passes that a step takes.

The lines are plain Python text in the parts' own names. A line is either uniform (one value per
tensor, computed in double, before the loop) or per element (computed in the loop, where every
number has already been rounded to the computation type). No engine's words occur here.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from thalweg.chain import Chain, Ways
from thalweg.fuse.legs import (
    Leg,
    Line,
    MatrixWork,
    Pass,
    Plan,
    Question,
    Reduction,
    RowReduction,
)
from thalweg.fuse.lines import emit, text_of
from thalweg.fuse.lowering import (
    Ask,
    Assign,
    Branch,
    MatrixLine,
    Node,
    Reduce,
    lowered,
    rounded_in,
    targets,
)
from thalweg.fuse.needs import needed_for, pruned, swept_for
from thalweg.parts import sees_stack
from thalweg.source import names_in
from thalweg.text import Level, level_per

__all__ = [
    "Line",
    "MatrixWork",
    "Pass",
    "Plan",
    "Question",
    "Reduction",
    "RowReduction",
    "plan_for",
]


@functools.lru_cache(maxsize=1024)
def plan_for(chain: Chain, ways: Ways) -> Plan:
    """The plan of a chain whose `if`s go these ways; built once and kept."""
    builder = _Builder(chain, ways)
    main, closing = builder.main(), builder.closing()
    ahead = builder.barriers()
    ahead += builder.rounds({*main.numbers, *closing.numbers, *builder.of_all()})
    return Plan(
        chain,
        tuple(ahead),
        main,
        tuple(builder.kept),
        closing.lines.uniform,
        tuple(builder.scratch),
        tuple(builder.matrices),
        {**builder.vectors, **builder.vector_states()},
        sees_stack([part for part, own in zip(chain.parts, ways, strict=True) if own is not None]),
    )


class _Builder:
    """Lowers a chain once, then cuts passes out of the whole."""

    def __init__(self, chain: Chain, ways: Ways) -> None:
        self.chain = chain
        self.nodes = lowered(chain, ways)
        self._round_what_is_measured()
        found = [(n, i) for i, n in enumerate(self.nodes) if isinstance(n, Reduce)]
        self.places = {n.target: i for n, i in found if not n.is_aside}
        self.aside = {n.target: i for n, i in found if n.is_aside}
        self.states = [slot.qualified for slot in chain.slots if not slot.state.is_apart]
        self.scratch = list(dict.fromkeys(self._of_this_step()))
        self.vectors: dict[str, Level] = {
            node.target: node.level
            for node in self.nodes
            if isinstance(node, MatrixLine) and node.level in (Level.ROW, Level.COLUMN)
        }
        self.vectors |= {n: level_per(self._reduce(i).over) for n, i in self.aside.items()}
        self.matrices = self._needed_matrices()
        self.arrays = ["p", "g", *self.states, *self.scratch]
        self._lying = {n.target for n in self.nodes if isinstance(n, MatrixLine | Ask)}
        self._known: set[str] = set()  # the reductions that have a pass already
        rows = {name for name, i in self.places.items() if self._reduce(i).over == "row"}
        self.varying = {*self.arrays, *rows}
        self.kept = [
            part.qualified(name)
            for part, own in zip(chain.parts, ways, strict=True)
            if own is not None  # a part of another alternative keeps nothing here
            for name in part.declared.declaration.cells
            if part.declared.text.levels.get(name, Level.STEP) > Level.STEP
        ]

    def _of_this_step(self) -> Iterator[str]:
        """The arrays that live for one step: operands of matrix lines and questions, and their
        values; sums per row and column, and what is added up."""
        lasting = {"p", "g", *self.states}
        for node in self.nodes:
            if isinstance(node, Reduce) and node.is_aside:
                yield from (node.target, f"{node.target}__value")
            if isinstance(node, MatrixLine | Ask):
                yield from (name for name in node.operands if name not in lasting)
                if isinstance(node, Ask) or node.level != Level.MATRIX:
                    yield node.target

    def vector_states(self) -> dict[str, Level]:
        """The states that have one number per row or column."""
        per = {slot.qualified: slot.state.per for slot in self.chain.slots}
        return {name: level_per(one) for name, one in per.items() if one in ("row", "column")}

    def _needed_matrices(self) -> list[str]:
        """The matrix states that are given a value."""
        given = targets(self.nodes)
        slots = self.chain.slots
        return [s.qualified for s in slots if s.state.is_apart and s.qualified in given]

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
        stores = [name for name in ["p", *self.states] if name in given]
        return self._cut(self.nodes, stores, stores)

    def closing(self) -> Pass:
        """The lines, all on numbers, that give the kept numbers their values."""
        moved = [name for name in self.kept if name in targets(self.nodes)]
        return self._cut(self.nodes, moved, [])

    def of_all(self) -> list[str]:
        """The reductions over all tensors: other tensors may want what this one adds to them, even
        where it has no use for them itself."""
        return [name for name, i in self.places.items() if self._reduce(i).over == "all"]

    def barriers(self) -> list[Leg]:
        """What must be known before the main pass and is no number: sums per row and column, lines
        on matrices, questions, each behind the passes that it needs. Lines share the pass that
        writes their operands, and sums one pass, where none of them takes what another gives."""
        found: list[Leg] = []
        sums: list[str] = []
        lines: list[tuple[int, MatrixLine]] = []
        for place, node in enumerate(self.nodes):
            if isinstance(node, Reduce) and node.is_aside:
                if self._loads(self._reducing([node.target])) & {n.target for _, n in lines}:
                    found += self._matrix_work(sums, lines)
                    sums, lines = [], []
                elif self._loads(self._reducing([node.target])) & {*sums}:
                    found += self._adding_up(sums)
                    sums = []
                sums.append(node.target)
            if not isinstance(node, MatrixLine | Ask):
                continue
            given = {line.target for _, line in lines}
            if isinstance(node, Ask) or given & swept_for(self.nodes[:place], node):
                found += self._matrix_work(sums, lines)
                sums, lines = [], []
            if isinstance(node, MatrixLine):
                lines.append((place, node))
                continue
            # all are asked in the order of the text, whether this tensor needs it or not
            found += self.rounds([n for n in self.of_all() if self.places[n] < place])
            found += self._ready(self._written(place, node.operands))
            at = node.operands[0] if node.operands else ""
            found.append(Question(node.name, node.target, at, node.numbers))
        return [*found, *self._matrix_work(sums, lines)]

    def _loads(self, pass_: Pass) -> set[str]:
        """The arrays that a pass reads, and those that measure what it takes."""
        found, numbers = {*pass_.loads}, {*pass_.numbers} & self.places.keys()
        return found.union(*(self._loads(self._reducing([name])) for name in numbers))

    def _adding_up(self, names: Sequence[str]) -> list[Leg]:
        """The pass that sums per row and column, behind those that it needs."""
        return self._ready(self._reducing(names)) if names else []

    def _matrix_work(
        self, sums: Sequence[str], lines: Sequence[tuple[int, MatrixLine]]
    ) -> list[Leg]:
        """Some sums and lines on matrices, behind the passes that they need."""
        added = self._adding_up(sums)
        if not lines:
            return added
        places, nodes = zip(*lines, strict=True)
        operands = [name for node in nodes for name in node.operands]
        taken = set[str]().union(*(names_in(node.value) for node in nodes))
        assigned = targets(n for n in self.nodes if isinstance(n, Assign | Branch))
        wanted = (taken & assigned) - {*self.arrays}
        uniform = self._cut(self.nodes[: places[-1]], wanted, [])
        numbers = [n for n in self._numbers() if n in taken or n in uniform.numbers]
        made = tuple(
            Line(
                n.target,
                text_of(n.value),
                tuple(sorted(names_in(n.value))),
                n.level,
                n.written,
            )
            for n in nodes
        )
        work = MatrixWork(made, tuple(numbers), uniform.lines.uniform)
        before = self._ready(self._written(places[-1], operands), numbers)
        return [*added, *before, work]

    def _written(self, place: int, operands: Collection[str]) -> Pass:
        """The pass that writes the arrays of one step that a line takes and that lie nowhere."""
        there = {"p", "g", *self.states, *self._lying}
        made = [name for name in dict.fromkeys(operands) if name not in there]
        return self._cut(self.nodes[:place], made, made)

    def _ready(self, pass_: Pass, numbers: Collection[str] = ()) -> list[Leg]:
        """A pass behind those that measure what it takes; nothing, if it would give nothing."""
        before: list[Leg] = [*self.rounds({*pass_.numbers, *numbers})]
        self._lying |= {*pass_.stores}
        return [*before, pass_] if pass_.stores or pass_.vectors else before

    def rounds(self, numbers: Collection[str]) -> list[Pass]:
        """The passes that compute the reductions over tensors among these numbers, and those that
        they need themselves: all that can be known at once share a pass."""
        needs: dict[str, set[str]] = {}
        waiting = {n for n in numbers if n in self.places and n not in self._known}
        while waiting - needs.keys():
            for name in waiting - needs.keys():
                found = self._reducing([name]).numbers
                needs[name] = {n for n in found if n in self.places and n not in self._known}
                waiting = waiting | needs[name]
        made: list[Pass] = []
        known: set[str] = set()
        while known != needs.keys():
            ready = [n for n in self.places if n in needs and n not in known and needs[n] <= known]
            made.append(self._reducing(ready))
            known |= {*ready}
        self._known |= known
        return made

    def _reducing(self, names: Sequence[str]) -> Pass:
        """One pass for several reductions over tensors, or over their rows and columns."""
        values = {name: f"{name}__value" for name in names}
        nodes: list[Node] = []
        for node in self.nodes:
            of_it = isinstance(node, Reduce) and node.target in values
            nodes.append(Assign(values[node.target], node.value) if of_it else node)  # type: ignore[union-attr]
        cut = self._cut(nodes, list(values.values()), [])
        places = {**self.places, **self.aside}
        asked = {name: self._reduce(places[name]) for name in names}
        made = [Reduction(n, one.over, one.kind, values[n]) for n, one in asked.items()]
        of_vectors = tuple(one for one in made if one.name in self.aside)
        results = tuple(one for one in made if one.name not in self.aside)
        return replace(cut, results=results, vectors=of_vectors)

    def _cut(self, nodes: list[Node], keep: Collection[str], stores: Iterable[str]) -> Pass:
        """Drop what `keep` does not depend on and order the rest into a pass."""
        kept, live = pruned(nodes, keep)
        rows = self._row_reductions(live)
        used = live.union(*(names for _, names in rows))
        loads = tuple(n for n in self.arrays if n in used)
        of = {level: frozenset(n for n in loads if self.vectors.get(n) == level) for level in Level}
        return Pass(
            by_row=of[Level.ROW],
            by_column=of[Level.COLUMN],
            loads=loads,
            stores=tuple(stores),
            numbers=tuple(n for n in self._numbers() if n in used),
            rows=tuple(row for row, _ in rows),
            lines=emit(kept, self.varying),
            measured=frozenset(self.places.keys() & used),
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
