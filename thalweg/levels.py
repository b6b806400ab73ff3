"""Reads an `update`: of what every name has one value, and what no engine could run is refused.

The text is walked once, in its order. What is found is a `thalweg.text.Text`.
"""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from thalweg.alike import as_said, not_alike, not_alike_in, of_each
from thalweg.calls import Calls, Place
from thalweg.carried import Carried, assigned_in
from thalweg.kinds import Kinds
from thalweg.reading import plain_text
from thalweg.returned import check_returned
from thalweg.settings import Setting
from thalweg.shapes import Shapes, as_written
from thalweg.source import Source
from thalweg.text import (
    GIVEN,
    SCOPE_OF,
    STREAMS,
    Level,
    Text,
    join,
    level_per,
)

__all__ = ["read"]

_ONE_WAY = "has a value on one way through an `if` and none on another"

# what arithmetic may consist of, beside names, constants, calls and `a if c else b`
_OPERATORS = (
    *(ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow),
    *(ast.BitAnd, ast.BitOr),
)


def read(
    source: Source,
    levels: Mapping[str, Level],
    states: Mapping[str, Any],
    settings: Mapping[str, Setting],
    advice: Callable[[str], str],
) -> Text:
    """Read an `update`. `levels` are those of the names that it may take, `states` what its states
    have one number per, `settings` those that it declares; `advice` is what to say of an argument
    that is not known."""
    for name, line in source.arguments.items():
        if name not in levels:
            raise source.error(line, advice(name))
    text = Text(source, plain_text(source, levels))
    choices = {n: [word for word in one.choices if word] for n, one in settings.items()}
    defaults = {name: one.default for name, one in settings.items()}
    kinds = Kinds(source, defaults, choices, [*states, *STREAMS, *GIVEN])
    reader = _Reader(text, levels, states, kinds, defaults)
    text.borrowed = kinds.borrowed
    text.vectors = {n: level_per(per) for n, per in states.items() if per in ("row", "column")}
    reader.block(text.body)
    text.levels = dict(reader.known)
    reader.check_under()
    check_returned(source, states, reader.known, reader.partly, reader.assigned)
    text.held = reader.carried.held()
    return text


class _Reader:
    """Walks a text in its order, and knows at each line of what every name has one."""

    def __init__(
        self,
        text: Text,
        levels: Mapping[str, Level],
        states: Mapping[str, Any],
        kinds: Kinds,
        settings: Mapping[str, Any],
    ) -> None:
        self.text, self.source, self.states, self.kinds = text, text.source, states, kinds
        self.shapes = Shapes(text.source, states, settings, self.level)
        self.known = {name: levels[name] for name in text.source.arguments}
        self.given = {n for n in self.known if n not in states and n not in STREAMS}
        self._under: Level | None = None  # inside an `if` on a number that is measured
        self._under_if: list[tuple[ast.Assign, str]] = []  # what is given values there
        self._perhaps = False  # where not every tensor comes to, in an expression
        self.assigned: dict[str, int] = {}  # how often each name is given a number
        self.carried = Carried(text, self.level, kinds, self._decide)
        names = {*self.known, *assigned_in(text.body)}
        self.calls = Calls(text, self.level, kinds, self.shapes, names)
        # those that have no value of one kind, and what is wrong with them
        self.partly: dict[str, str] = {}

    # ---- statements ----

    def block(self, body: Sequence[ast.stmt]) -> None:
        for statement in body:
            if isinstance(statement, ast.If):
                self._branch(statement)
            else:
                assert isinstance(statement, ast.Assign)
                self._assign(statement)

    def _assign(self, statement: ast.Assign) -> None:
        (target,) = statement.targets
        value, level = statement.value, self.level(statement.value)
        if isinstance(target, ast.Tuple):
            self._check_tuple(statement, target, value, level)
        else:
            self.kinds.check(value)
        names = [n.id for n in ast.walk(target) if isinstance(n, ast.Name)]
        for name in names:
            if name in self.given:
                raise self.source.error(
                    target.lineno, f"{name!r} is given, and cannot be assigned; use another name"
                )
        if self._under is not None:
            level = join(level, self._under)
            self._under_if += [(statement, name) for name in names]
        is_number = level == Level.STEP and not any(self._is_array(name) for name in names)
        if is_number:
            self.text.before.add(statement)
        else:
            self.carried.take(value)
        for name in names:
            self.partly.pop(name, None)
            self._give(name, level, value)
            self.text.given[statement] = self.known[name]
            self.kinds.give(name, value)
            self._check_kept(name, value)

    def _give(self, name: str, level: Level, value: ast.expr) -> None:
        per = level_per(self.states.get(name, "element"))
        if (
            level == Level.MATRIX
            and per != Level.MATRIX
            and (name in self.states or name in STREAMS)
        ):
            raise self.source.error(
                value.lineno,
                f"{name!r} has the shape of its parameter, and is given a matrix of another",
            )
        if Level.MATRIX in (level, per):
            self.shapes.give(name, value, level)
        elif level in (Level.ROW, Level.COLUMN) and per == Level.ELEMENT and self._is_array(name):
            more = f'; declare it per="{SCOPE_OF[level]}", or' if name in self.states else ";"
            raise self.source.error(
                value.lineno,
                f"{name!r} is one number per element, and is given one {of_each(level)}{more} "
                "compute it with something per element",
            )
        elif name in self.states and join(level, per) != per:
            more = ' over "all"' if per == Level.ALL else ""
            raise self.source.error(
                value.lineno,
                f"{name!r} is one number {of_each(per)}, and is given one {of_each(level)}; "
                f"take its sum, mean, norm or largest{more}",
            )
        self.known[name] = max(level, per) if self._is_array(name) else level
        self.carried.changed(name)
        self.assigned[name] = self.assigned.get(name, 0) + 1

    def _check_kept(self, name: str, value: ast.expr) -> None:
        """Refuse what a state or a stream cannot be: a condition."""
        if name in self.kinds.logic and (name in self.states or name in STREAMS):
            written = ast.unparse(value)
            raise self.source.error(
                value.lineno,
                f"{name!r} holds numbers, and is given a condition; write "
                f"where({written}, 1.0, 0.0)",
            )

    def _is_array(self, name: str) -> bool:
        """Whether a name holds elements, rows or columns, whatever it is given."""
        per = self.states.get(name)
        return name in STREAMS or (per is not None and level_per(per) > Level.TENSOR)

    def _check_tuple(
        self, statement: ast.Assign, target: ast.Tuple, value: ast.expr, level: Level
    ) -> None:
        length, written = self.kinds.length(value), ast.unparse(value)
        if length is None or level > Level.STEP:
            said = "takes `{}` apart, which is one value"
            if length is not None:
                said = "takes `{}` apart, which is of elements; write an `if`, a line for each name"
            raise self.source.error(statement.lineno, said.format(written))
        if length != len(target.elts):
            raise self.source.error(
                statement.lineno, f"takes {length} numbers apart into {len(target.elts)} names"
            )
        if self._under is not None:
            raise self.source.error(
                statement.lineno,
                f"takes {written} apart under an `if` on a number that is measured; "
                f"do it before the `if`",
            )

    def _branch(self, statement: ast.If) -> None:
        level = self.level(statement.test)
        self.kinds.check(statement.test)
        self._check_test(statement.test, level)
        assigned = {n for n in assigned_in([statement]) if n in self.known}
        if level > Level.STEP:
            self.carried.take(statement.test)
            for name in sorted(n for n in assigned if self.known[n] == Level.STEP):
                self._lift(statement, "before", name)
        outer, before = self._under, dict(self.known)
        if level > Level.STEP:
            self._under = level if outer is None else join(outer, level)
        ways: list[dict[str, Level]] = []
        logic, shapes = [self.kinds.logic], [self.shapes.names]
        for side in (statement.body, statement.orelse):
            self.known, self.kinds.logic, self.shapes.names = (
                dict(before),
                {**logic[0]},
                {**shapes[0]},
            )
            with self.carried.side():
                self.block(side)
            ways.append(self.known)
            logic.append(self.kinds.logic)
            shapes.append(self.shapes.names)
        self._under = outer
        one, other = ways
        changed = [name for name in assigned_in([statement]) if name in one and name in other]
        # where the other side has an array of that name, elements must know which way it went
        is_number = (
            level == Level.STEP
            and all(line in self.text.before for line in [*statement.body, *statement.orelse])
            and all(join(one[name], other[name]) == Level.STEP for name in changed)
        )
        if is_number:
            self.text.before.add(statement)
        elif level == Level.STEP:
            self._decide(statement)
        self._join(statement, level, ways)
        names = [n for n in one if n in other and not self._is_array(n)]
        uneven = not_alike_in(names, ways, logic[1:], shapes[1:])
        self.partly |= uneven
        self.known = {n: level for n, level in self.known.items() if n not in uneven}
        self.kinds.join(*logic[1:])
        self.shapes.names = {**shapes[1], **shapes[2]}
        # a line behind it may not take a number that was worked out on one side only
        for name in assigned_in([statement]):
            self.carried.changed(name)

    def _join(self, statement: ast.If, level: Level, ways: list[dict[str, Level]]) -> None:
        one, other = ways
        self.partly |= dict.fromkeys(one.keys() ^ other.keys(), _ONE_WAY)
        self.known = {n: join(one[n], other[n]) for n in one if n in other}
        for name, joined in self.known.items():
            for way, side in zip(ways, ("body", "orelse"), strict=True):
                if level == Level.STEP and joined > way[name] == Level.STEP:
                    self._lift(statement, side, name)
                    self.text.joined[statement, name] = joined

    def _lift(self, statement: ast.If, where: str, name: str) -> None:
        """A number that goes on as something finer."""
        self.text.lifted.setdefault((statement, where), []).append((name, self.carried.fresh()))
        if where == "before":
            self.known[name] = self._under_of(statement)

    def _under_of(self, statement: ast.If) -> Level:
        return max(self.level(statement.test), Level.ALL)

    def _decide(self, node: ast.AST) -> None:
        self.text.decisions.setdefault(node, len(self.text.decisions))

    def _check_test(self, test: ast.expr, level: Level) -> None:
        if level <= Level.TENSOR:
            return
        culprit = self._culprit(test)
        word = SCOPE_OF[self.level(culprit)]
        written = repr(culprit.id) if isinstance(culprit, ast.Name) else f"`{ast.unparse(culprit)}`"
        raise self.source.error(
            test.lineno,
            f"`if` on {written}, which differs from {word} to {word}; use where(condition, a, b)",
        )

    def _culprit(self, test: ast.expr) -> ast.expr:
        """The first name or reduction in a test of which a tensor has more than one."""
        parts = [one for one in ast.iter_child_nodes(test) if isinstance(one, ast.expr)]
        is_word = isinstance(test, ast.Call)
        if test in self.text.reductions or isinstance(test, ast.Name):
            return test
        for part in parts[1:] if is_word else parts:
            if self.level(part) > Level.TENSOR:
                return self._culprit(part)
        return test

    # ---- expressions ----

    def level(self, tree: ast.expr) -> Level:
        """Of what an expression has one value; raises for what no engine could run."""
        level = self._level(tree)
        self.kinds.parts(tree)
        if isinstance(tree, ast.BinOp) and level > Level.STEP:
            self.kinds.check_difference(tree)
        if level == Level.MATRIX and not isinstance(tree, ast.Name):
            self.shapes.of(tree)
        self.text.found[tree] = level
        return level

    def _level(self, tree: ast.expr) -> Level:
        if isinstance(tree, ast.Name):
            return self._level_of_name(tree)
        if isinstance(tree, ast.Constant):
            return self._level_of_constant(tree)
        if isinstance(tree, ast.BinOp) and isinstance(tree.op, _OPERATORS):
            return self._joined(tree, [tree.left, tree.right])
        if isinstance(tree, ast.UnaryOp):
            level = self._joined(tree, [tree.operand])
            if isinstance(tree.op, ast.Invert) and level <= Level.TENSOR:
                said = f"`{ast.unparse(tree)}` is for conditions on elements; here it is `not`"
                raise self.source.error(tree.lineno, said)
            is_not = isinstance(tree.op, ast.Not)
            return self._no_truth(tree, level, "`not`") if is_not else level
        if isinstance(tree, ast.BoolOp):
            first, *others = tree.values
            level = join(self.level(first), self._if_reached(others))
            return self._no_truth(tree, level, "`and`/`or`")
        if isinstance(tree, ast.Compare):
            level = self._joined(tree, [tree.left, *tree.comparators])
            return self._no_truth(tree, level, "`a < b < c`") if len(tree.ops) > 1 else level
        if isinstance(tree, ast.IfExp):
            test = self.level(tree.test)
            self._check_test(tree.test, test)
            sides = [tree.body, tree.orelse]
            if test == Level.STEP:  # decided, and the same in every engine
                levels = [self.level(one) for one in sides]
            else:
                levels = [self._if_reached([one]) for one in sides]
            if said := not_alike(
                levels,
                [self.shapes.of(one) for one in sides] if Level.MATRIX in levels else [None, None],
            ):
                raise self.source.error(tree.lineno, f"`{as_written(tree)}` {said}")
            return functools.reduce(join, levels, test)
        if isinstance(tree, ast.Call):
            place = Place(self._under is not None, self._perhaps)
            found = self.calls.of(tree, place)
            return self._joined(tree, tree.args) if found is None else found
        if isinstance(tree, ast.Tuple):
            return functools.reduce(join, map(self.level, tree.elts), Level.STEP)
        if isinstance(tree, ast.Subscript):
            self.kinds.index(tree)
            return Level.STEP
        raise self.source.error(tree.lineno, f"`{ast.unparse(tree)}` is not arithmetic on elements")

    def _level_of_name(self, tree: ast.Name) -> Level:
        name = tree.id
        if name in self.known:
            return self.known[name]
        if name in self.partly:
            raise self.source.error(tree.lineno, f"{name!r} {self.partly[name]}")
        raise self.source.error(tree.lineno, f"{name!r} has no value yet where it is read")

    def _level_of_constant(self, tree: ast.Constant) -> Level:
        if not isinstance(tree.value, bool | int | float | str):
            said = f"{tree.value!r} is no number"
            raise self.source.error(
                tree.lineno,
                f"{said}; a state is a number from the start, `state(..., start=0.0)`"
                if tree.value is None
                else said,
            )
        if isinstance(tree.value, int) and abs(tree.value) > sys.float_info.max:
            raise self.source.error(tree.lineno, "has a number that is too large for a double")
        return Level.STEP

    def _joined(self, tree: ast.expr, parts: Sequence[ast.expr]) -> Level:
        return functools.reduce(join, map(self.level, parts), Level.STEP)

    def _if_reached(self, parts: Sequence[ast.expr]) -> Level:
        """What something has one of that is worked out on one way through an expression."""
        outer, self._perhaps = self._perhaps, True
        level = functools.reduce(join, map(self.level, parts))
        self._perhaps = outer
        return level

    def _no_truth(self, tree: ast.expr, level: Level, what: str) -> Level:
        """Refuse what asks elements for one truth value, which an array does not have."""
        if level > Level.TENSOR:
            raise self.source.error(tree.lineno, f"{what} on elements; use where(condition, a, b)")
        return level

    def check_under(self) -> None:
        """Refuse lines on matrices, rows or columns where a kernel branches."""
        for line, name in self._under_if:
            level = self.text.given[line]
            is_vector = level in (Level.ROW, Level.COLUMN) and self.text.on_vectors
            if level == Level.MATRIX or is_vector:
                raise self.source.error(
                    line.lineno,
                    f"{name!r} is {as_said(level)} and is given a value under an `if` on a number "
                    "that is measured; write where(condition, a, b) in its place",
                )
