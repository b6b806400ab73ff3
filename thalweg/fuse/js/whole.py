"""A chain as one JavaScript function, numbers and `if`s included: what a page runs and shows.

    function step(S, h, p, g, shape = [p.length])

It takes one step of one tensor, which has an element at least, in place and in double. S keeps the
states under their keys of a state_dict, and is {} before the first step; h has the settings by
their public names, which are read at every step, and what it leaves out is as it is by default.
Nothing is decided beforehand: a setting may change, or be switched, between two steps. What is of
all tensors is of this one, which is all there is. p and g are arrays of numbers of any type;
`shape` is for the texts that ask for rows or axes.

What Python refuses, such as a number divided by zero, is infinite or NaN here.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Sequence
from typing import Any

from thalweg.chain import Chain, Part
from thalweg.fuse.js.heading import Heading
from thalweg.fuse.js.lines import OfRows, Set
from thalweg.fuse.js.loops import Loops
from thalweg.fuse.js.script import Script
from thalweg.fuse.js.tidying import averaged, tidied
from thalweg.fuse.js.words import HELPERS, indented
from thalweg.parts import sees_stack
from thalweg.text import GIVEN, STREAMS, Level, Text

__all__ = ["step_text"]

_ORDER = ("number", "row", "column", "element")
_VECTORS = ("row", "column")


def step_text(chain: Chain) -> str:
    """The text of the function `step` for a chain."""
    _check(chain)
    kinds = dict.fromkeys(STREAMS, "element")
    kinds |= {slot.qualified: str(slot.state.per) for slot in chain.slots}
    loops = Loops(kinds)
    ends = chain.steps_after([()] * len(chain.parts))
    for i, part in enumerate(chain.parts):
        _Reader(part, kinds).run(loops)
        if i in ends:
            step = ast.BinOp(ast.Name("p"), ast.Sub(), ast.Name("u"))
            loops.give(Set(part.declared.__name__, ("p",), step))
    heading = Heading(chain)
    names = heading.named(kinds)
    script = Script(
        tidied(loops.close(), kinds),
        names,
        kinds,
        heading.given,
        heading.truths,
        len(chain.parts) == 1,
        heading.sides,
    )
    body, (first, last) = script.text(), heading.lines(script)
    helpers = [line for one in sorted(script.writer.used) for line in HELPERS[one].splitlines()]
    lines = indented([*helpers, *first, *body, *last])
    opening = f"function step(S, h, p, g, shape = [p.length]) {{  // {chain.name}"
    return "\n".join([opening, *lines, "}"]) + "\n"


def _check(chain: Chain) -> None:
    """Raise ValueError for a chain that is more than passes of one rule."""
    texts = [part.declared.text for part in chain.parts]
    if any(text.matrices for text in texts) or chain.requests:
        raise ValueError(
            f"{chain.name}: JavaScript takes passes over elements alone, and its text works on "
            "whole matrices, or asks for another gradient or numbers at random"
        )
    if len(chain.choice.alternatives) > 1:
        raise ValueError(
            f"{chain.name}: JavaScript takes one rule for every tensor, and this chooses among "
            "several by the shape; take the chain of the one that is wanted"
        )
    asked = {name for text in texts for name in text.source.arguments}
    if sees_stack(chain.parts) and asked & {"rows", "columns"}:
        raise ValueError(
            f"{chain.name}: JavaScript tells rows and columns of one matrix, and this has stacks"
        )


class _Reader:
    """Walks one part's text; `kinds` gathers what there is one of, by name in the chain."""

    def __init__(self, part: Part, kinds: dict[str, str]) -> None:
        self.part, self.kinds = part, kinds
        self.title = part.declared.__name__
        self.text: Text = part.declared.text
        source, declared = self.text.source, part.declared.declaration
        # a stream that is assigned and not returned is this part's own business
        self.own = {n for n in STREAMS if n in source.assigned and n not in source.returned}
        self.settings = {*declared.settings, *declared.needs}
        arrays = dict.fromkeys(STREAMS, "element")
        arrays |= {name: str(one.per) for name, one in declared.arrays.items()}
        self.known = {n: arrays.get(n, "number") for n in source.arguments}
        self._reduced: dict[ast.Call, ast.expr] = {}  # in the line that is read
        self.finest = dict(self.known)
        for statement, level in self.text.given.items():
            for node in ast.walk(statement):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    self.finest[node.id] = _finer(self.finest.get(node.id), self._kind(level))

    def run(self, loops: Loops) -> None:
        """Add its lines."""
        for stream in STREAMS:
            if stream in self.own and stream in self.known:
                self._give(loops, (stream,), ast.Name(stream), "element")
        self._block(self.text.body, loops)

    def _kind(self, level: Level) -> str:
        return "number" if level <= Level.TENSOR else level.name.lower()

    def _name(self, name: str, kind: str) -> str:
        """A name in the chain; one that is a number here and more there is two."""
        if name in self.settings:
            return f"h.{self.part.public(name)}"
        if name in GIVEN and name != "first":
            return name
        whole = f"{self.part.prefix}__{name}" if name in self.own else self.part.qualified(name)
        return whole if kind == self.finest[name] else f"{whole}_{kind}"

    def _give(self, loops: Loops, names: Sequence[str], value: ast.expr, kind: str) -> None:
        targets = tuple(self._name(name, kind) for name in names)
        self.kinds |= dict.fromkeys(targets, kind)
        loops.give(Set(self.title, targets, value))
        self.known |= dict.fromkeys(names, kind)

    def _block(self, body: Sequence[ast.stmt], loops: Loops) -> None:
        for statement in body:
            if isinstance(statement, ast.If):
                self._branch(statement, loops)
            elif isinstance(statement, ast.Assign):
                self._value(statement, loops)

    def _branch(self, statement: ast.If, loops: Loops) -> None:
        self._reduced.clear()
        test = self._visit(statement.test, loops)
        before, sides, ways = self.known, [Loops(self.kinds), Loops(self.kinds)], []
        for inner, body in zip(sides, (statement.body, statement.orelse), strict=True):
            self.known = dict(before)
            self._block(body, inner)
            ways.append(self.known)
        both = ways[0].keys() & ways[1].keys()
        joined = {name: _finer(ways[0][name], ways[1][name]) for name in sorted(both)}
        for inner, way in zip(sides, ways, strict=True):
            for name, kind in joined.items():
                if way[name] != kind:  # a number that goes on as something finer
                    self._give(inner, (name,), ast.Name(self._name(name, way[name])), kind)
        self.known = joined
        loops.branch(self.title, test, *sides)

    def _value(self, statement: ast.Assign, loops: Loops) -> None:
        """A name, or several, given what a line says."""
        self._reduced.clear()
        names = [n.id for n in ast.walk(statement.targets[0]) if isinstance(n, ast.Name)]
        value, kind = statement.value, self._kind(self.text.given[statement])
        is_reduced = isinstance(value, ast.Call) and value in self.text.reductions
        if is_reduced and self._is_new(names[0], kind):  # it is added up under the name it gets
            assert isinstance(value, ast.Call)
            self._reduce(value, loops, (), names[0])
            self.known[names[0]] = kind
            return
        self._give(loops, names, self._visit(value, loops), kind)

    def _is_new(self, name: str, kind: str) -> bool:
        """Whether a name is first heard of where it is given a value of this kind."""
        return name not in {*self.known, *STREAMS} and kind == self.finest[name]

    def _visit(self, tree: ast.expr, loops: Loops, under: tuple[ast.expr, ...] = ()) -> ast.expr:
        """An expression in the chain's names; what is reduced in it stands in front, under the
        tests that it is asked under."""
        if isinstance(tree, ast.Name):
            return ast.Name(self._name(tree.id, self.known[tree.id]))
        if tree in self.text.reductions:
            assert isinstance(tree, ast.Call)
            return self._reduce(tree, loops, under)
        if isinstance(tree, ast.IfExp):
            test = self._visit(tree.test, loops, under)
            body = self._visit(tree.body, loops, (*under, test))
            no = ast.UnaryOp(ast.Not(), test)
            return ast.IfExp(test, body, self._visit(tree.orelse, loops, (*under, no)))
        made = copy.copy(tree)
        for field, value in ast.iter_fields(tree):
            if isinstance(value, ast.expr) and field != "func":
                setattr(made, field, self._visit(value, loops, under))
            elif isinstance(value, list) and value and isinstance(value[0], ast.expr):
                setattr(made, field, [self._visit(one, loops, under) for one in value])
        return averaged(made)

    def _reduce(
        self, tree: ast.Call, loops: Loops, under: tuple[ast.expr, ...], by: str = ""
    ) -> ast.expr:
        if tree in self._reduced:  # as where a moving average is written out
            return self._reduced[tree]
        asked = self.text.reductions[tree]
        name = self.part.qualified(by or asked.name)
        outer, loops = loops, Loops(self.kinds) if under else loops
        value = self._visit(tree.args[0], loops)
        of = self._kind(self.text.found[tree.args[0]])
        of = of if of in _VECTORS else "element"
        if asked.over in _VECTORS:
            per = asked.over if of == "element" else of
            self.kinds[name] = per
            loops.reduce_rows(OfRows(self.title, name, asked.kind, value, per, of))
        else:
            self.kinds[name] = "number"
            loops.reduce(self.title, name, asked.kind, value, of)
        if under:
            whole = under[0] if len(under) == 1 else ast.BoolOp(ast.And(), list(under))
            outer.branch(self.title, whole, loops, Loops(self.kinds))
        else:
            self._reduced[tree] = ast.Name(name)
        return ast.Name(name)


def _finer(one: Any, other: str) -> str:
    both = {one or "number", other}
    return "element" if both == {*_VECTORS} else max(both, key=_ORDER.index)
