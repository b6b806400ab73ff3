"""The text of an `update`, made plain: constants in place, its own functions written out.

What is left are assignments to one name, `if`s, and calls of the words of the language by their
own names, whatever the module imported them as. Every node keeps its line.
"""

from __future__ import annotations

import ast
import copy
import difflib
import functools
import inspect
import itertools
import math
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TypeVar

from thalweg import advice, elementwise, matrices, reductions, requests
from thalweg.source import Source, check_depth, unknown

__all__ = ["WORDS", "plain_text"]

WORDS = {getattr(elementwise, n): n for n in elementwise.PRIMITIVES + elementwise.COMPOSITES}
WORDS |= {getattr(reductions, n): n for n in reductions.REDUCTIONS}
WORDS |= {getattr(matrices, n): n for n in matrices.MATRIX_WORDS}
WORDS |= {getattr(requests, n): n for n in requests.REQUESTS}

_HOME = {word: function.__module__ for function, word in WORDS.items()}
_HOME |= dict.fromkeys(elementwise.FUNCTIONS, elementwise.__name__)

_COSTLY = ("matmul", *matrices.MATRIX_WORDS)

Node = TypeVar("Node", bound=ast.AST)

_DEEPEST = 8  # functions of the module, each called by the one before

# names of the functions that are written from a text
_TAKEN = re.compile(r"(n\d+|way\d+|h|cells|prod|bool|failed|error)_|[a-z]+\d*__")


def plain_text(source: Source, known: Collection[str] = ()) -> list[ast.stmt]:
    """The statements of an `update` before its `return`; `known` are the names it may take."""
    return _Plain(source, itertools.count(1), known).statements(source.body)


class _Plain:
    """Writes statements anew; `place` is where an inlined function is called."""

    def __init__(
        self,
        source: Source,
        count: Iterator[int],
        known: Collection[str] = (),
        callers: tuple[_Plain, ...] = (),
        place: ast.expr | None = None,
    ) -> None:
        self.source, self.count, self.known, self.place = source, count, known, place
        self.callers = callers
        self.local = {*source.arguments, *source.assigned}
        self._check_shape()
        self.names: dict[str, ast.expr] = {}  # what the names of an inlined function stand for
        self.before: list[ast.stmt] = []

    def _check_shape(self) -> None:
        """Refuse what cannot be called as it stands, and names that mean something else."""
        source = self.source
        if said := advice.for_arguments(source.function, is_update=not self.callers):
            raise source.error(source.def_line, said)
        for name, line in [*source.arguments.items(), *_stored(source.body)]:
            if name in WORDS.values():
                raise source.error(line, f"{name!r} is a word of the language; use another name")
            if _TAKEN.fullmatch(name):
                raise source.error(line, f"{name!r} is a name of the engine's; use another one")
        for tree in [*source.body, source.result]:
            check_depth(source, tree)

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
            if not sides[0]:  # only `pass`: what is left is the other side, if that says anything
                sides, test = (sides[1], []), self._at(ast.UnaryOp(ast.Not(), test), statement)
            return [self._at(ast.If(test, *sides), statement)] if sides[0] else []
        if isinstance(statement, ast.Assign):
            return self._assign(statement)
        if isinstance(statement, ast.Pass):
            return []
        raise self._refusal(statement)

    def _refusal(self, statement: ast.stmt) -> TypeError:
        return self.source.error(statement.lineno, advice.for_statement(statement))

    def _assign(self, statement: ast.Assign) -> list[ast.stmt]:
        found: list[ast.stmt] = []
        for target in statement.targets:
            self._check_target(target)
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

    def _check_target(self, target: ast.expr) -> None:
        for one in target.elts if isinstance(target, ast.Tuple) else [target]:
            if not isinstance(one, ast.Name):
                raise self.source.error(
                    target.lineno, f"gives `{ast.unparse(one)}` a value, which is not a name"
                )

    def _target(self, target: ast.expr) -> ast.expr:
        names = target.elts if isinstance(target, ast.Tuple) else [target]
        made: list[ast.expr] = []
        for one in names:
            known = self.names.get(one.id, one)  # type: ignore[attr-defined]
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
        if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.MatMult):
            return self._word("matmul", [tree.left, tree.right], tree)
        if isinstance(tree, ast.Attribute) and tree.attr == "mT":
            return self._word("transposed", [tree.value], tree)
        if said := advice.for_expression(tree, self.local):
            raise self.source.error(tree.lineno, said)
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

    def _word(self, word: str, arguments: Sequence[ast.expr], tree: ast.expr) -> ast.expr:
        """A word of the language that a text writes as an operator."""
        given = [self.value(one) for one in arguments]
        return self._at(ast.Call(ast.Name(word, ast.Load()), given, []), tree)

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
        root = self.callers[0] if self.callers else self
        marks = (f"{word}{number}" for number in self.count)
        return next(m for m in marks if not any(name.startswith(m) for name in root.local))

    def _name(self, tree: ast.Name) -> ast.expr:
        if tree.id in self.local:
            return self._at(copy.copy(self.names.get(tree.id, tree)), tree)
        number = self.source.number_named(tree.id)
        if number is not None:
            return self._at(_constant(number), tree)
        if tree.id in self.known:
            said = f"{tree.id!r} is not among the arguments of update; take it there"
        else:
            meant = self.source.meant_by(tree.id)
            said = advice.for_outside(tree.id, meant) or unknown(tree.id, sorted(self.local))
        raise self.source.error(tree.lineno, said)

    def _call(self, tree: ast.Call) -> ast.expr:
        name = ast.unparse(tree.func)
        is_named = isinstance(tree.func, ast.Name) and name not in self.local
        meant = self.source.meant_by(name) if is_named else None
        word = WORDS.get(meant) if inspect.isroutine(meant) else None
        is_own = word is None and inspect.isfunction(meant)
        if word is None and not is_own:
            raise self.source.error(tree.lineno, self._not_a_word(tree, name, meant))
        if tree.keywords:
            raise self.source.error(tree.lineno, f"{name} takes its arguments by position")
        if several := next((one for one in tree.args if isinstance(one, ast.Starred)), None):
            raise self.source.error(tree.lineno, advice.for_expression(several))
        if word is None:
            assert callable(meant)
            return self._own_function(tree, name, meant)
        self._check_count(tree, word)
        if self.callers and word in (*reductions.REDUCTIONS, *requests.REQUESTS):
            raise self.source.error(
                tree.lineno,
                f"{word} in a function of your own; take it in update, and give its result to "
                f"{self.source.function.__name__}",
            )
        arguments = [self.value(one) for one in tree.args]
        if word in elementwise.COMPOSITES:
            arguments = [self._once(one) for one in arguments]
            return self._at(_written_out(word, arguments, self.place or tree), tree)
        return self._at(ast.Call(ast.Name(word, ast.Load()), arguments, []), tree)

    def _once(self, tree: ast.expr) -> ast.expr:
        """An argument that is written out more than once: matrices get a name, since no engine
        finds what is the same in two of their products."""
        calls = (one for one in ast.walk(tree) if isinstance(one, ast.Call))
        if not any(ast.unparse(call.func) in _COSTLY for call in calls):
            return tree
        name = self._mark("given")
        self.before.append(self._at(ast.Assign([ast.Name(name, ast.Store())], tree), tree))
        return ast.Name(name, ast.Load())

    def _check_count(self, tree: ast.Call, word: str) -> None:
        takes = {**elementwise.ARITY, **matrices.ARITY}.get(word)
        if word in requests.REQUESTS:
            may, told = requests.REQUESTS[word]
            if len(tree.args) not in may:
                raise self.source.error(
                    tree.lineno, f"{word} is told {told}; it got {len(tree.args)} arguments"
                )
            return
        if takes is None and len(tree.args) not in (1, 2):
            raise self.source.error(
                tree.lineno, f"{word} takes what to reduce and over what, got {len(tree.args)}"
            )
        either: tuple[int | None, ...] = takes if isinstance(takes, tuple) else (takes,)
        if takes is not None and len(tree.args) not in either:
            many = " or ".join(map(str, either))
            raise self.source.error(
                tree.lineno, f"{word} takes {many} arguments, got {len(tree.args)}"
            )

    def _not_a_word(self, tree: ast.Call, name: str, meant: object) -> str:
        allowed = list(WORDS.values())
        last = name.rpartition(".")[2]
        if name in self.local:
            return f"{name!r} is a value, and is called like a function"
        if name in _HOME:  # Python's own abs, or one of another module
            home = _home(name)
            return f"{name} is not the function of thalweg.{home}; import it from thalweg.{home}"
        if isinstance(tree.func, ast.Lambda):
            return advice.for_expression(tree.func)
        if not isinstance(tree.func, ast.Name):
            more = f"import {last} from thalweg.{_home(last)}" if last in _HOME else ""
            return f"{name} is no word of the language; " + (more or _known(allowed))
        if meant is not None:
            return f"{name} cannot be read; a function of your own is written with `def` alone"
        close = difflib.get_close_matches(name, _HOME, 1)
        more = f"; import it from thalweg.{_home(close[0])}" if close else ""
        return unknown(name, allowed) + more

    def _own_function(self, tree: ast.Call, name: str, meant: Callable[..., object]) -> ast.expr:
        """A function of the rule's module: its lines stand before this one, its result here."""
        root = self.callers[0] if self.callers else self
        if meant in [one.source.function for one in (*self.callers, self)]:
            raise self.source.error(tree.lineno, f"{name} calls itself, which has no end")
        if len(self.callers) == _DEEPEST:
            raise self.source.error(tree.lineno, f"{name} is called by too many others in turn")
        if hasattr(meant, "__wrapped__"):
            raise self.source.error(tree.lineno, f"{name} {advice.WRAPPED}")
        own = Source.of(meant, f"{name}, which {root.source.title} calls")
        inner = _Plain(own, self.count, (), (*self.callers, self), self.place or tree)
        if len(tree.args) != len(own.arguments):
            raise self.source.error(
                tree.lineno, f"{name} takes {len(own.arguments)} arguments, got {len(tree.args)}"
            )
        mark = self._mark(meant.__name__)
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


def _constant(number: float) -> ast.expr:
    """A number of the module as it can be written: `-2 ** 2` would be minus four, and there is no
    way to write NaN."""
    if math.isnan(number):
        return ast.BinOp(ast.Constant(math.inf), ast.Sub(), ast.Constant(math.inf))
    if math.copysign(1, number) < 0:
        return ast.UnaryOp(ast.USub(), ast.Constant(-number))
    return ast.Constant(number)


def _stored(body: Sequence[ast.stmt]) -> list[tuple[str, int]]:
    nodes = [node for statement in body for node in ast.walk(statement)]
    return [
        (one.id, one.lineno)
        for one in nodes
        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)
    ]


def _known(words: Sequence[str]) -> str:
    return f"known are {', '.join(words)}"


def _home(word: str) -> str:
    return str(_HOME[word]).removeprefix("thalweg.")


def _written_out(name: str, arguments: list[ast.expr], place: ast.expr) -> ast.expr:
    """The expression that a composite function, called at a place, stands for."""
    source = _composite(name)
    given = dict(zip(source.arguments, arguments, strict=True))
    result = copy.deepcopy(source.result)
    for node in ast.walk(result):
        ast.copy_location(node, place)

    class Inserted(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return given.get(node.id, node)

    written: ast.expr = Inserted().visit(result)
    return written


@functools.cache
def _composite(name: str) -> Source:
    return Source.of(getattr(elementwise, name), name)
