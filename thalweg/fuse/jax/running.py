"""One part's text, run on the arrays of one leaf while JAX looks on.

What Python knows is decided as Python does: an `if` on a setting that is a plain number leaves no
trace. What is traced is decided by JAX when the function runs.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from thalweg.carried import assigned_in
from thalweg.fuse.jax.choices import chosen, selected
from thalweg.fuse.jax.matrices import ON_MATRICES, on_matrices
from thalweg.fuse.jax.words import (
    OPERATORS,
    REDUCTIONS,
    WORDS,
    applied,
    conjunction,
    finished,
    is_decided,
    is_float,
    reduced,
    truth,
)
from thalweg.reductions import SCOPES
from thalweg.source import Source
from thalweg.text import Text

__all__ = ["MISSING", "Asked", "Run"]

MISSING = object()
"""Stands for a state that is not kept under the settings that `init` was given."""


class Asked(NamedTuple):
    """What one leaf asks of all: of a reduction, by its name and kind, what it adds to it, of how
    many elements; of a request, what that is about. It asks where `holds`."""

    name: str
    kind: str
    value: Any
    count: Any = 0
    holds: Any = True


Running = Generator[Asked, Any, None]


class Ground(Protocol):
    """The leaf that a text is run on: the shape of what is per element, the axes that a row and a
    column go along, and what is drawn at random for it."""

    shape: tuple[int, ...]
    axes: Mapping[str, Sequence[int]]

    def noise(self, name: str, seed: Any, t: Any) -> Any:
        """One number per element."""
        ...


class Run:
    """The names of one text on one leaf; `values` are those that it starts with.

    `table` has what they are when the text has been run.
    """

    def __init__(self, source: Source, text: Text, values: Mapping[str, Any], leaf: Ground) -> None:
        self.source, self.text, self.leaf = source, text, leaf
        self.table = dict(values)
        self._known: dict[ast.expr, Any] = {}  # what all leaves have been asked for
        self._under: list[Any] = []  # the traced tests that a line stands under

    # ---- statements ----

    def block(self, body: Sequence[ast.stmt]) -> Running:
        """Run some lines; where one reduces over all leaves, it is asked for, and sent."""
        for statement in body:
            if isinstance(statement, ast.If):
                yield from self._ask(statement.test)
                yield from self._branch(statement)
            elif isinstance(statement, ast.Assign):
                yield from self._ask(statement.value)
                self._assign(statement.targets[0], self.value(statement.value))
            else:
                raise self._unknown(statement)

    def _assign(self, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Tuple):
            for one, part in zip(target.elts, value, strict=True):
                self._assign(one, part)
        else:
            assert isinstance(target, ast.Name)
            self._check_kept(target)
            self.table[target.id] = value

    def _branch(self, statement: ast.If) -> Running:
        test = self.value(statement.test)
        sides = statement.body, statement.orelse
        if is_decided(test):
            yield from self.block(sides[0] if truth(test) else sides[1])
            return
        names = list(dict.fromkeys(assigned_in([statement])))
        if any(True for side in sides for line in side for _ in self._of_all(line)):
            yield from self._abreast(test, sides, names)
        else:
            one, other = (self._side(body, names) for body in sides)
            self._join(names, chosen(test, one, other))

    def _side(self, body: Sequence[ast.stmt], names: Sequence[str]) -> Callable[[], dict[str, Any]]:
        """One side of an `if` as a function; nothing of it is left in the table."""

        def run() -> dict[str, Any]:
            with self._apart():
                for _ in self.block(body):
                    raise AssertionError("nothing in it asks all leaves")
                table = {name: one for name, one in self.table.items() if one is not MISSING}
                return {name: table[name] for name in names if name in table}

        return run

    def _abreast(self, test: Any, sides: Any, names: Sequence[str]) -> Running:
        """Run both sides, so that no leaf waits for another that goes the other way."""
        ways: list[dict[str, Any]] = []
        before = self.table
        for side, holds in zip(sides, (test, applied(ast.Not, [test])), strict=True):
            self.table = dict(before)
            self._under.append(holds)
            yield from self.block(side)
            self._under.pop()
            ways.append(self.table)
        self.table = before
        one, other = ways
        both = [name for name in names if name in one and name in other]
        self._join(names, {name: selected(test, one[name], other[name]) for name in both})

    def _join(self, names: Sequence[str], found: Mapping[str, Any]) -> None:
        left = {n: one for n, one in self.table.items() if n not in names or one is MISSING}
        self.table = {**left, **found}

    @contextlib.contextmanager
    def _apart(self) -> Iterator[None]:
        """What is run inside leaves the table as it was, and may be what nobody comes to."""
        before, self.table = self.table, dict(self.table)
        self._under.append(True)
        try:
            yield
        finally:
            self._under.pop()
            self.table = before

    # ---- what is asked of all leaves ----

    def _of_all(self, tree: ast.AST) -> Iterator[ast.Call]:
        """What some syntax asks of all leaves, inner calls first."""
        for part in ast.iter_child_nodes(tree):
            yield from self._of_all(part)
        if not isinstance(tree, ast.Call):
            return
        reduction, request = self.text.reductions.get(tree), self.text.requests.get(tree)
        is_of_all = reduction is not None and reduction.over == "all"
        if is_of_all or (request is not None and request.kind != "noise"):
            yield tree

    def _ask(self, tree: ast.expr) -> Running:
        for call in self._of_all(tree):
            if call in self._known:
                continue
            x, holds = self._whole(self.value(call.args[0])), conjunction(self._under)
            if call in self.text.requests:
                request = self.text.requests[call]
                x = jnp.broadcast_to(x, self.leaf.shape)
                self._known[call] = yield Asked(request.name, request.kind, x, holds=holds)
                continue
            one = self.text.reductions[call]
            total, count = reduced(one.kind, x, range(x.ndim)), math.prod(self.leaf.shape)
            if self._under:
                nothing = -math.inf if one.kind == "largest" else 0.0
                total, count = jnp.where(holds, total, nothing), jnp.where(holds, count, 0)
            self._known[call] = yield Asked(one.name, one.kind, total, count, holds)

    # ---- expressions ----

    def value(self, tree: ast.expr) -> Any:
        """What an expression is."""
        if isinstance(tree, ast.Name):
            self._check_kept(tree)
            return self.table[tree.id]
        if isinstance(tree, ast.Constant):
            return tree.value
        if isinstance(tree, ast.IfExp):
            return self._choice(tree)
        if isinstance(tree, ast.BoolOp):
            return self._either(tree)
        if isinstance(tree, ast.Tuple):
            return tuple(map(self.value, tree.elts))
        if isinstance(tree, ast.Subscript):
            return self.value(tree.value)[self.value(tree.slice)]
        if isinstance(tree, ast.Call):
            return self._call(tree)
        if isinstance(tree, ast.BinOp):
            return self._applied(type(tree.op), [tree.left, tree.right], tree)
        if isinstance(tree, ast.UnaryOp):
            return self._applied(type(tree.op), [tree.operand], tree)
        if isinstance(tree, ast.Compare):
            return self._compared(tree)
        raise self._unknown(tree)

    def _applied(self, what: Any, parts: Sequence[ast.expr], tree: ast.expr) -> Any:
        if isinstance(what, type) and what not in OPERATORS:
            raise self._unknown(tree)
        return self._worked_out(what, [self.value(part) for part in parts], tree)

    def _worked_out(self, what: Any, values: Sequence[Any], tree: ast.expr) -> Any:
        try:
            return applied(what, values)
        except ArithmeticError as error:
            if self._under:  # perhaps nobody comes to it: as in a kernel, infinite or NaN
                with np.errstate(all="ignore"):
                    return float(applied(what, [np.float64(value) for value in values]))
            line = ast.unparse(tree)
            said = f"{self.source.title}: {error} in `{line}`, with these settings"
            raise type(error)(said) from None

    def _compared(self, tree: ast.Compare) -> Any:
        values = [self.value(one) for one in (tree.left, *tree.comparators)]
        pairs = zip(values, tree.ops, values[1:], strict=False)
        found = [self._worked_out(type(op), [a, b], tree) for a, op, b in pairs]
        return found[0] if len(found) == 1 else conjunction(found)

    def _choice(self, tree: ast.IfExp) -> Any:
        test = self.value(tree.test)
        if is_decided(test):
            return self.value(tree.body if truth(test) else tree.orelse)

        def side(part: ast.expr) -> Callable[[], dict[str, Any]]:
            def run() -> dict[str, Any]:
                with self._apart():
                    return {"": self.value(part)}

            return run

        return chosen(test, side(tree.body), side(tree.orelse))[""]

    def _either(self, tree: ast.BoolOp) -> Any:
        """`and`, `or`: what Python knows may decide it, and leaves the rest alone."""
        deciding = isinstance(tree.op, ast.Or)
        traced: list[Any] = []
        for part in tree.values:
            with self._apart() if traced else contextlib.nullcontext():
                value = self.value(part)
            if not is_decided(value):
                traced.append(value)
            elif truth(value) is deciding:
                return deciding
        if not traced:
            return not deciding
        if not deciding:
            return conjunction(traced)
        return applied(ast.Not, [conjunction([applied(ast.Not, [one]) for one in traced])])

    def _call(self, tree: ast.Call) -> Any:
        if tree in self._known:
            return self._known[tree]
        word = ast.unparse(tree.func)
        if tree in self.text.reductions and word in REDUCTIONS:
            return self._reduction(tree)
        if tree in self.text.requests:
            return self._noise(tree)
        if word in ON_MATRICES:
            return on_matrices(word, [self.value(one) for one in tree.args], tree, self.source)
        if word not in WORDS:
            raise self.source.error(tree.lineno, f"{word} is a word that the JAX engine has not")
        return self._applied(word, tree.args, tree)

    def _reduction(self, tree: ast.Call) -> Any:
        one = self.text.reductions[tree]
        x = self._whole(self.value(tree.args[0]))
        is_one = one.over not in self.leaf.axes
        if is_one and one.over not in SCOPES:
            said = f"{one.kind} over {one.over!r}, which the JAX engine does not know"
            raise self.source.error(tree.lineno, said)
        axes = range(x.ndim) if is_one else self.leaf.axes[one.over]
        if not axes and not is_one:  # a row of one element
            return jnp.abs(x) if one.kind == "norm" else x
        count = max(math.prod(x.shape[axis] for axis in axes), 1)
        found = finished(one.kind, reduced(one.kind, x, axes, keepdims=not is_one), count)
        return found if is_one or not is_float(x) else found.astype(x.dtype)

    def _noise(self, tree: ast.Call) -> Any:
        """Numbers drawn at random, where anybody may come to it."""
        draw = functools.partial(self.leaf.noise, self.text.requests[tree].name)
        told, holds = [self.value(one) for one in tree.args], conjunction(self._under)
        if is_decided(holds):
            return draw(*told)
        like = jax.eval_shape(lambda: draw(*told))
        return jax.lax.cond(holds, lambda: draw(*told), lambda: jnp.zeros(like.shape, like.dtype))

    def _whole(self, value: Any) -> Any:
        """An array, also where one number was meant for all elements of the leaf."""
        x = jnp.asarray(value)
        return x if x.ndim else jnp.broadcast_to(x, self.leaf.shape)

    # ---- what is refused ----

    def _check_kept(self, tree: ast.Name) -> None:
        """Raise a TypeError for a state that is not kept."""
        if self.table.get(tree.id) is MISSING:
            said = f"{tree.id!r} is not among the states; give `init` the settings that ask for it"
            raise self.source.error(tree.lineno, said)

    def _unknown(self, tree: Any) -> TypeError:
        return self.source.error(
            tree.lineno, f"`{ast.unparse(tree)}` is nothing that the JAX engine can run"
        )
