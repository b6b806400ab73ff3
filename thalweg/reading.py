"""The text of an `update`, made plain: constants in place, its own functions written out.

What is left are assignments to one name, `if`s, and calls of the words of the language by their
own names, whatever the module imported them as. Every node keeps its line.
"""

from __future__ import annotations

import ast
import copy
import functools
import inspect
import itertools
import math
from collections.abc import Collection, Iterator, Sequence
from typing import TypeVar

from thalweg import elementwise, reductions
from thalweg.source import Source, unknown

__all__ = ["WORDS", "plain_text"]

WORDS = {getattr(elementwise, n): n for n in elementwise.PRIMITIVES + elementwise.COMPOSITES}
WORDS |= {getattr(reductions, n): n for n in reductions.REDUCTIONS}

Node = TypeVar("Node", bound=ast.AST)

# a function of a rule's module may call another; one that calls itself has no end
_DEEPEST = 8


def plain_text(source: Source) -> list[ast.stmt]:
    """The statements of an `update` before its `return`."""
    taken = {*source.arguments, *source.assigned}
    return _Plain(source, itertools.count(1), taken).statements(source.body)


class _Plain:
    """Writes statements anew; `taken` are the names of the `update`, and `place` is where an
    inlined function is called."""

    def __init__(
        self,
        source: Source,
        count: Iterator[int],
        taken: Collection[str],
        depth: int = 0,
        place: ast.expr | None = None,
    ) -> None:
        self.source, self.count, self.taken = source, count, taken
        self.depth, self.place = depth, place
        self.local = {*source.arguments, *source.assigned}
        self.names: dict[str, ast.expr] = {}  # what the names of an inlined function stand for
        self.before: list[ast.stmt] = []

    def statements(self, body: Sequence[ast.stmt]) -> list[ast.stmt]:
        found: list[ast.stmt] = []
        for statement in body:
            made = self._statement(statement)
            found += [*self.before, *made]
            self.before = []
        return found

    def _statement(self, statement: ast.stmt) -> list[ast.stmt]:
        if isinstance(statement, ast.If):
            test = self.value(statement.test)
            before, self.before = self.before, []
            sides = self.statements(statement.body), self.statements(statement.orelse)
            self.before = before
            return [self._at(ast.If(test, *sides), statement)]
        if isinstance(statement, ast.Assign):
            return self._assign(statement)
        if isinstance(statement, ast.Pass):
            return []
        raise self._refusal(statement)

    def _refusal(self, statement: ast.stmt) -> TypeError:
        line = statement.lineno
        if isinstance(statement, ast.AugAssign):
            name = ast.unparse(statement.target)
            said = f"would change {name} in place, which may be the caller's; use {name} = ..."
        elif isinstance(statement, ast.Return):
            said = "may only return at its end"
        elif isinstance(statement, ast.Expr):
            said = f"`{ast.unparse(statement.value)}` gives no name a value; what stands here "
            said += "must be `name = ...` or an `if`"
        else:
            said = f"{type(statement).__name__.lower()!r} is not an assignment or an `if`"
        return self.source.error(line, said)

    def _assign(self, statement: ast.Assign) -> list[ast.stmt]:
        found: list[ast.stmt] = []
        for target in statement.targets:
            is_tuple = isinstance(target, ast.Tuple) and isinstance(statement.value, ast.Tuple)
            value = statement.value if is_tuple else self.value(statement.value)
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                values = [self.value(one) for one in value.elts] if is_tuple else value.elts
                found += self._several(statement, target, values)
            else:
                found.append(self._at(ast.Assign([self._target(target)], value), statement))
        return found

    def _several(
        self, statement: ast.Assign, target: ast.Tuple, values: Sequence[ast.expr]
    ) -> list[ast.stmt]:
        """`a, b = x, y` as two lines, where no line reads what an earlier one has changed."""
        if len(target.elts) != len(values):
            raise self.source.error(
                statement.lineno, f"gives {len(target.elts)} names {len(values)} values"
            )
        found: list[ast.stmt] = []
        changed: set[str] = set()
        for one, of_one in zip(target.elts, values, strict=True):
            read = {n.id for n in ast.walk(of_one) if isinstance(n, ast.Name)}
            if both := sorted(read & changed):
                raise self.source.error(
                    statement.lineno, f"reads {both[0]!r}, which it changes; write a line for each"
                )
            found.append(self._at(ast.Assign([self._target(one)], of_one), statement))
            changed |= {n.id for n in ast.walk(one) if isinstance(n, ast.Name)}
        return found

    def _target(self, target: ast.expr) -> ast.expr:
        names = target.elts if isinstance(target, ast.Tuple) else [target]
        made: list[ast.expr] = []
        for one in names:
            if not isinstance(one, ast.Name):
                raise self.source.error(target.lineno, "assigns to something other than a name")
            if one.id in WORDS.values():
                raise self.source.error(
                    target.lineno, f"{one.id!r} is a word of the language; use another name"
                )
            known = self.names.get(one.id, one)
            made.append(ast.Name(known.id, ast.Store()))  # type: ignore[attr-defined]
        whole = ast.Tuple(made, ast.Store()) if isinstance(target, ast.Tuple) else made[0]
        self._at(whole, target)
        return whole

    def value(self, tree: ast.expr) -> ast.expr:
        """An expression, with every name and function as it is meant."""
        if isinstance(tree, ast.Name):
            return self._name(tree)
        if isinstance(tree, ast.Call):
            return self._call(tree)
        if isinstance(tree, ast.IfExp):
            return self._choice(tree)
        if isinstance(tree, ast.BoolOp):
            return self._either(tree)
        made: ast.expr = copy.copy(tree)
        for field, value in ast.iter_fields(tree):
            if isinstance(value, ast.expr):
                setattr(made, field, self.value(value))
            elif isinstance(value, list) and value and isinstance(value[0], ast.expr):
                setattr(made, field, [self.value(one) for one in value])
        return self._at(made, tree)

    def _choice(self, tree: ast.IfExp) -> ast.expr:
        """`a if c else b`; lines that one side brings with it are run on that side only."""
        test = self.value(tree.test)
        before = self.before
        found: list[tuple[ast.expr, list[ast.stmt]]] = []
        for side in (tree.body, tree.orelse):
            self.before = []
            value = self.value(side)
            found.append((value, self.before))
        self.before = before
        (one, ones), (other, others) = found
        if not ones and not others:
            return self._at(ast.IfExp(test, one, other), tree)
        name = self._mark("chosen")
        for value, lines in found:
            lines.append(self._at(ast.Assign([ast.Name(name, ast.Store())], value), tree))
        self.before.append(self._at(ast.If(test, ones, others), tree))
        return self._at(ast.Name(name, ast.Load()), tree)

    def _either(self, tree: ast.BoolOp) -> ast.expr:
        """`a and b`, `a or b`; lines that b brings with it are run where b is asked for only."""
        first = self.value(tree.values[0])
        before, self.before = self.before, []
        others = [self.value(one) for one in tree.values[1:]]
        brought, self.before = self.before, before
        if not brought:
            return self._at(ast.BoolOp(tree.op, [first, *others]), tree)
        a, b = tree.values[0], tree.values[1]
        if tree.values[2:]:
            b = ast.copy_location(ast.BoolOp(tree.op, tree.values[1:]), b)
        sides = (b, a) if isinstance(tree.op, ast.And) else (a, b)
        return self._choice(ast.copy_location(ast.IfExp(a, *sides), tree))

    def _mark(self, word: str) -> str:
        """A word with a number, with which no name of the text begins."""
        marks = (f"{word}{n}" for n in self.count)
        return next(m for m in marks if not any(name.startswith(m) for name in self.taken))

    def _name(self, tree: ast.Name) -> ast.expr:
        if tree.id in self.local:
            return self._at(copy.copy(self.names.get(tree.id, tree)), tree)
        number = self.source.number_named(tree.id)
        if number is None:
            raise self.source.error(tree.lineno, unknown(tree.id, sorted(self.local)))
        return self._at(_literal(number), tree)

    def _call(self, tree: ast.Call) -> ast.expr:
        name = ast.unparse(tree.func)
        meant = self.source.meant_by(name) if isinstance(tree.func, ast.Name) else None
        word = WORDS.get(meant) if inspect.isroutine(meant) else None
        is_own = word is None and inspect.isfunction(meant)
        if word is None and not is_own:
            raise self.source.error(tree.lineno, self._not_a_word(tree, name))
        if tree.keywords:
            raise self.source.error(tree.lineno, f"{name} takes its arguments by position")
        if word is None:
            assert callable(meant)
            return self._own_function(tree, Source.of(meant, name))
        self._check_count(tree, word)
        if self.depth and word in reductions.REDUCTIONS:
            raise self.source.error(
                tree.lineno, f"{word} stands in {self.source.title}; take it in update itself"
            )
        arguments = [self.value(one) for one in tree.args]
        if word in elementwise.COMPOSITES:
            return self._at(_written_out(word, arguments), tree)
        return self._at(ast.Call(ast.Name(word, ast.Load()), arguments, []), tree)

    def _check_count(self, tree: ast.Call, word: str) -> None:
        takes = elementwise.ARITY.get(word)
        if takes is None and len(tree.args) not in (1, 2):
            raise self.source.error(
                tree.lineno, f"{word} takes what to reduce and over what, got {len(tree.args)}"
            )
        if takes is not None and len(tree.args) != takes:
            raise self.source.error(
                tree.lineno, f"{word} takes {takes} arguments, got {len(tree.args)}"
            )

    def _not_a_word(self, tree: ast.Call, name: str) -> str:
        allowed = list(WORDS.values())
        if name in allowed:  # Python's own abs, or one of another module
            hint = f"{name} is not the function of thalweg.{_home(name)}"
        elif not isinstance(tree.func, ast.Name):
            hint = f"{name} is not a function of thalweg.elementwise"
            name = name.rpartition(".")[2]
        else:
            hint = unknown(name, allowed)
        return f"{hint}; import it from thalweg.{_home(name)}"

    def _own_function(self, tree: ast.Call, own: Source) -> ast.expr:
        """A function of the rule's module: its lines stand before this one, its result here."""
        if self.depth == _DEEPEST:
            raise self.source.error(tree.lineno, f"{own.title} calls itself, or too many others")
        if len(tree.args) != len(own.arguments):
            raise self.source.error(
                tree.lineno,
                f"{own.title} takes {len(own.arguments)} arguments, got {len(tree.args)}",
            )
        inner = _Plain(own, self.count, self.taken, self.depth + 1, self.place or tree)
        mark = self._mark(own.function.__name__)
        inner.names = {n: ast.Name(f"{mark}_{n}", ast.Load()) for n in inner.local}
        for name, given in zip(own.arguments, tree.args, strict=True):
            value = self.value(given)
            if isinstance(value, ast.Name | ast.Constant) and name not in own.assigned:
                inner.names[name] = value
            else:
                target = ast.Name(f"{mark}_{name}", ast.Store())
                self.before.append(self._at(ast.Assign([target], value), tree))
        self.before += inner.statements(own.body)
        results = [inner.value(one) for one in own.results]
        self.before += inner.before
        return self._at(ast.Tuple(results, ast.Load()), tree) if results[1:] else results[0]

    def _at(self, made: Node, tree: ast.AST) -> Node:
        """A new node where an old one stood, or where its function is called."""
        return ast.fix_missing_locations(ast.copy_location(made, self.place or tree))


def _literal(number: float) -> ast.expr:
    """A number as it can be written: -2 ** 2 would be minus four, and `nan` nobody's name."""
    if number != number:
        return ast.BinOp(ast.Constant(math.inf), ast.Sub(), ast.Constant(math.inf))
    if math.copysign(1, number) < 0:
        return ast.UnaryOp(ast.USub(), ast.Constant(-number))
    return ast.Constant(number)


def _home(word: str) -> str:
    return "reductions" if word in reductions.REDUCTIONS else "elementwise"


def _written_out(name: str, arguments: list[ast.expr]) -> ast.expr:
    """The expression that a composite function stands for."""
    source = _composite(name)
    given = dict(zip(source.arguments, arguments, strict=True))

    class Inserted(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return given.get(node.id, node)

    written: ast.expr = Inserted().visit(copy.deepcopy(source.result))
    return written


@functools.cache
def _composite(name: str) -> Source:
    return Source.of(getattr(elementwise, name), name)
