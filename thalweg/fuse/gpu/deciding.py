"""What a step works out before it, for the device to work out: counts and settings that lie there.

The lines on numbers of every part (`thalweg.deciding`) become lines of one kernel. What the host
knows decides `if`s here and now: switches, and settings that are plain numbers. An `if` on a count,
or on a setting that is a tensor of the device, is a choice there, and the chain then has several
`ways`, each with a plan of its own: of these the kernel says which one a tensor takes.
"""

from __future__ import annotations

import ast
import functools
import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from thalweg.chain import Chain, Ways
from thalweg.deciding import script_of, value_of
from thalweg.fuse.gpu.lines import block
from thalweg.source import names_in

__all__ = ["Choices", "Word", "choices", "counts"]

_MOST_WAYS = 32  # each is a launch, of which all but one find nothing to do
_WAY = re.compile(r"(d\d+_)?way\d+_")
_TRUTHS = (ast.Compare, ast.BoolOp)
_NUMBERS = (bool, int, float)


@dataclass(frozen=True)
class Word:
    """A number that the lines of a part take: a setting, with its place where it is several, or
    what its shape says; the name that it has in the lines, and whether it lies on the device."""

    name: str
    part: int
    of: str
    place: int | None
    is_there: bool


@dataclass
class Choices:
    """The lines of a chain under some settings.

    `lines` are Python's, over the names of the `words`, `t{part}` and `cell{number}`; `numbers`
    are the expressions of the chain's numbers, in its order, and `kept` those of its cells but for
    the step, and for those that follow from what is measured. `leaves` are the `ways` that it can
    go, and `tests` when it goes them: of each part the truths, with the name of the way and whether
    it is taken, of each of its alternatives.
    """

    words: list[Word] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    numbers: list[str] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)
    leaves: list[Ways] = field(default_factory=list)
    tests: list[list[list[tuple[str, bool]]]] = field(default_factory=list)

    @property
    def key(self) -> Any:
        """Two with the same are the same kernel."""
        return repr((self.words, self.lines, self.numbers, self.kept, self.leaves))


def choices(
    chain: Chain, views: Sequence[SimpleNamespace], first: Sequence[bool], shape: tuple[int, ...]
) -> Choices:
    """The lines of a chain for tensors under these settings, of which a view lacks those that lie
    on the device; `first` says of each part whether its states are new. Raises ValueError where
    there are too many ways."""
    found = Choices()
    of_parts = []
    cells = list(chain.cells)
    for i, part in enumerate(chain.parts):
        own = _Part(i, part.declared, views[i], bool(first[i]), shape, "step" in chain.cells)
        keys = chain._wirings[0].cells[i]
        own.run([cells.index(key) for key in keys])
        found.words += own.words.values()
        found.lines += own.lines
        found.numbers += own.numbers
        found.kept |= {k: one for k, one in zip(keys, own.kept, strict=True) if one is not None}
        of_parts.append(own.leaves())
        found.tests.append([own.test(leaf) for leaf in of_parts[-1]])
    count = 1
    for leaves in of_parts:
        count *= len(leaves)
    if count > _MOST_WAYS:
        raise ValueError(f"a step can go {count} ways that only the device knows")
    found.leaves = [tuple(ways) for ways in itertools.product(*of_parts)]
    return found


@functools.lru_cache(maxsize=256)
def counts(chain: Chain) -> bool:
    """Whether the lines of a chain can be run on the device, all that they take being there."""
    if chain.on_matrices or chain.requests or len(chain.choice.alternatives) > 1:
        return False
    try:
        found = choices(chain, chain.views(chain.defaults), [False] * len(chain.parts), (2, 2))
        block(found.lines, ())
    except (TypeError, ValueError, AssertionError):  # a word or a form that no kernel has
        return False
    return True


class _Part:
    """The lines of one part: those that are left when all that is known here has been decided."""

    def __init__(
        self,
        number: int,
        declared: Any,
        h: SimpleNamespace,
        first: bool,
        shape: tuple[int, ...],
        counts: bool,
    ) -> None:
        d = declared.declaration
        script = script_of(declared.text, [*d.settings, *d.needs], list(d.cells))
        (made,) = ast.parse("\n".join(script)).body
        assert isinstance(made, ast.FunctionDef)
        (tried,) = made.body
        assert isinstance(tried, ast.Try)
        self._body, self._number, self._cells = tried.body, number, list(d.cells)
        self._given = {**vars(h)}
        self._several = {n for n, s in d.settings.items() if isinstance(s.default, tuple)}
        self._several |= {n for n, count in declared.text.borrowed.items() if count is not None}
        whole = {"ndim": len(shape), "rows": shape[0] if shape else 1}
        self._of_shape = {**whole, "columns": math.prod(shape[1:])}
        self._known: dict[str, Any] = {"first": first} if counts else {"first": first, "t": 1}
        self.words: dict[str, Word] = {}
        self._left: list[ast.stmt] = []  # the ways among them
        self._ways: list[str] = []
        self.lines: list[str] = []
        self.numbers: list[str] = []
        self.kept: list[str | None] = []

    def run(self, cells: Sequence[int]) -> None:
        """Go through the lines; `cells` are the places of its kept numbers among all."""
        *body, last = self._body
        self._left = list(self._block(body))
        assert isinstance(last, ast.Return)
        assert isinstance(last.value, ast.Tuple)
        ways, numbers, kept = last.value.elts
        self._ways, self.numbers = _names(ways), list(map(self._own, _names(numbers)))
        assert isinstance(kept, ast.Tuple)
        self.kept = [self._own(n.id) if isinstance(n, ast.Name) else None for n in kept.elts]
        self.lines = [f"{self._own(n)} = cell{i}" for n, i in zip(self._cells, cells, strict=True)]
        self.lines += [line for one in self._left for line in ast.unparse(one).splitlines()]

    def _own(self, name: str) -> str:
        return f"d{self._number}_{name}"

    # -- the lines

    def _block(self, body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
        for statement in body:
            if isinstance(statement, ast.If):
                yield from self._branch(statement)
            elif isinstance(statement, ast.Assign):
                yield from self._assign(statement)

    def _branch(self, statement: ast.If) -> Iterator[ast.stmt]:
        is_known, value = value_of(statement.test, self._known)
        if is_known:
            yield from self._block(statement.body if value else statement.orelse)
            return
        test, before = self._truth(statement.test), dict(self._known)
        body = list(self._block(statement.body))
        one, self._known = self._known, before
        orelse = list(self._block(statement.orelse))
        both = self._known.keys() & one.keys()
        self._known = {n: one[n] for n in both if one[n] == self._known[n]}
        yield ast.If(test, body or [ast.Pass()], orelse)

    def _assign(self, statement: ast.Assign) -> Iterator[ast.stmt]:
        (target,), value = statement.targets, statement.value
        names = _names(target)
        if ast.unparse(value) == "cells_":
            return
        if isinstance(target, ast.Tuple):
            assert isinstance(value, ast.Name)
            yield from self._taken_apart(names, value.id)
        elif isinstance(value, ast.Attribute):  # a setting
            yield from self._taken(names[0], self._given)
        elif names[0] in self._of_shape and "shape" in names_in(value):
            yield from self._taken(names[0], self._of_shape)
        elif not _WAY.fullmatch(names[0]):
            yield from self._set(names[0], self._expression(value), *value_of(value, self._known))
        elif isinstance(value, ast.Call):  # to bool_
            (asked,) = value.args
            yield from self._set(names[0], self._truth(asked), *value_of(asked, self._known))

    def _set(
        self, name: str, written: ast.expr, is_known: bool, value: Any = None
    ) -> Iterator[ast.stmt]:
        """A name has another value from here on."""
        self._known.pop(name, None)
        if is_known:
            self._known[name] = value
        if not is_known or isinstance(value, _NUMBERS):
            yield ast.Assign([ast.Name(self._own(name), ast.Store())], written, lineno=0)

    def _taken(self, name: str, table: Mapping[str, Any]) -> Iterator[ast.stmt]:
        """A setting, or what a shape says. One that is several is taken apart later."""
        is_known = name in table
        if name in self._several or (is_known and not isinstance(table[name], _NUMBERS)):
            self._known |= {name: table[name]} if is_known else {}
            return
        yield from self._set(name, self._word(name), is_known, table.get(name))

    def _taken_apart(self, targets: Sequence[str], name: str) -> Iterator[ast.stmt]:
        is_known = name in self._known
        whole: Any = self._known.get(name)
        for i, target in enumerate(targets):
            value = whole[i] if is_known else None
            yield from self._set(target, self._word(name, i), is_known, value)

    # -- expressions

    def _truth(self, tree: ast.expr) -> ast.expr:
        """An expression as a truth."""
        is_known, value = value_of(tree, self._known)
        if is_known:
            return ast.Constant(bool(value))
        written = self._expression(tree)
        is_not = isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.Not)
        is_way = isinstance(tree, ast.Name) and _WAY.fullmatch(tree.id)
        if is_not or is_way or isinstance(tree, _TRUTHS):
            return written
        return ast.Compare(written, [ast.NotEq()], [ast.Constant(0.0)])

    def _expression(self, tree: ast.expr) -> ast.expr:
        """An expression over this part's own names, the switches in it decided."""
        own = ast.parse(ast.unparse(tree), mode="eval").body  # the text is others' too
        made: ast.expr = _Rewritten(self).visit(own)
        return ast.fix_missing_locations(made)

    def _word(self, name: str, place: int | None = None) -> ast.Name:
        """A setting in the lines."""
        own = f"w{self._number}_{name}" + ("" if place is None else f"_{place}_")
        is_there = name not in self._of_shape and name not in self._given
        self.words[own] = Word(own, self._number, name, place, is_there)
        return ast.Name(own, ast.Load())

    # -- the ways

    def leaves(self) -> list[tuple[bool | None, ...]]:
        """The ways that are open."""
        found = []
        for taken in _forks(self._left, {}):
            known = {self._own(n): v for n, v in self._known.items() if n in self._ways}
            found.append(tuple({**known, **taken}.get(self._own(way)) for way in self._ways))
        return list(dict.fromkeys(found))

    def test(self, leaf: Sequence[bool | None]) -> list[tuple[str, bool]]:
        """The truths that hold where it goes this way."""
        pairs = zip(map(self._own, self._ways), leaf, strict=True)
        return [(way, taken) for way, taken in pairs if taken is not None]


class _Rewritten(ast.NodeTransformer):
    """Gives names their part's, and decides what is known and no number."""

    def __init__(self, part: _Part) -> None:
        self._part = part

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Name(self._part._own(node.id), ast.Load())

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        assert isinstance(node.value, ast.Name)
        assert isinstance(node.slice, ast.Constant)
        assert isinstance(node.slice.value, int)
        return self._part._word(node.value.id, node.slice.value)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        node.args = [self.visit(one) for one in node.args]
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        is_known, value = value_of(node.test, self._part._known)
        if is_known:
            chosen: ast.expr = self.visit(node.body if value else node.orelse)
            return chosen
        both = self.visit(node.body), self.visit(node.orelse)
        return ast.IfExp(self._part._truth(node.test), *both)

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        is_known, value = value_of(node, self._part._known)
        return ast.Constant(bool(value)) if is_known else self.generic_visit(node)  # type: ignore[return-value]

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        is_known, value = value_of(node, self._part._known)
        if is_known:
            return ast.Constant(bool(value))
        return ast.BoolOp(node.op, [self._part._truth(one) for one in node.values])

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        if isinstance(node.op, ast.Not):
            return ast.UnaryOp(node.op, self._part._truth(node.operand))
        return self.generic_visit(node)  # type: ignore[return-value]


def _names(tree: ast.expr) -> list[str]:
    """The names of a tuple, or the one name."""
    found = tree.elts if isinstance(tree, ast.Tuple) else [tree]
    return [one.id for one in found if isinstance(one, ast.Name)]


def _forks(body: Sequence[ast.stmt], taken: Mapping[str, bool]) -> Iterator[dict[str, bool]]:
    """Every way through some lines, as the truths that are met on it."""
    if not body:
        yield dict(taken)
        return
    first, *others = body
    if isinstance(first, ast.If) and isinstance(first.test, ast.Name):
        side = first.body if taken[first.test.id] else first.orelse
        for one in _forks(side, taken):
            yield from _forks(others, one)
        return
    (target,) = first.targets if isinstance(first, ast.Assign) else [None]
    if not (isinstance(target, ast.Name) and _WAY.fullmatch(target.id)):
        yield from _forks(others, taken)
        return
    assert isinstance(first, ast.Assign)
    is_known = isinstance(first.value, ast.Constant)
    for value in [first.value.value] if is_known else [True, False]:  # type: ignore[attr-defined]
        yield from _forks(others, {**taken, target.id: bool(value)})
