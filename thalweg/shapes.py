"""Which shape the matrices of an `update` have, side by side with the text.

A side is "rows", "columns" or a setting; the parameter, its gradient and what is per element have
rows and columns. `thalweg.levels` asks it about each word on whole matrices.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Mapping
from typing import Any

from thalweg.declaration import SIDES
from thalweg.matrices import MATRIX_WORDS
from thalweg.reductions import REDUCTIONS
from thalweg.requests import REQUESTS
from thalweg.source import Source, unknown
from thalweg.text import Level, join

__all__ = ["Shapes", "as_written", "said_of"]

_ASKED = (*REDUCTIONS, *REQUESTS)

Shape = tuple[str, str]

_ELEMENTS: Shape = ("rows", "columns")
_TALL: Shape = ("longer", "shorter")
# the words on matrices with as many rows as columns, and what else these are
_OF_SQUARES = {
    "eigenbasis": "symmetric",
    "inverse_root": "symmetric",
    "spectral_bound": "symmetric",
    "identity": "square",
    "triu": "square",
    "solve_triangular": "triangular",
}
_OF_LEVEL = {Level.ROW: ("rows", "1"), Level.COLUMN: ("1", "columns"), Level.ELEMENT: _ELEMENTS}


class Shapes:
    """Knows the shape of every matrix, and refuses what does not fit; `level` tells of what an
    expression has one, `states` what each state is per, `settings` the defaults."""

    def __init__(
        self,
        source: Source,
        states: Mapping[str, Any],
        settings: Mapping[str, Any],
        level: Callable[[ast.expr], Level],
    ) -> None:
        self.source, self.level = source, level
        self.states = {name: per for name, per in states.items() if isinstance(per, tuple)}
        self.names: dict[str, Shape] = dict(self.states)
        whole = [name for name, default in settings.items() if type(default) is int]
        for name, sides in self.states.items():
            for side in sides:
                if side not in (*SIDES, *whole):
                    raise TypeError(
                        f"{source.title.removesuffix('.update')}.{name}: a side of a matrix is "
                        f"rows, columns or a whole number; {unknown(side, [*SIDES, *whole])}"
                    )
        self.whole = whole

    def of(self, tree: ast.expr) -> Shape | None:
        """The shape of an expression, or None for a number."""
        if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
            word = tree.func.id
            if word == "matmul":
                return self._product(tree)
            if word == "transposed":
                one, other = self._matrix(tree.args[0], ".mT", may_be_one=True)
                return other, one
            if word in MATRIX_WORDS:
                return self._of_word(tree, word)
        is_asked = isinstance(tree, ast.Call) and ast.unparse(tree.func) in _ASKED
        if isinstance(tree, ast.Name) or is_asked:
            level = self.level(tree)
        else:
            level = functools.reduce(join, map(self.level, _parts(tree)), Level.STEP)
        if isinstance(tree, ast.Name) and level == Level.MATRIX:
            return self.names[tree.id]
        if level <= Level.TENSOR:
            return None
        return _OF_LEVEL[level] if level < Level.MATRIX else self._common(tree)

    def level_of(self, tree: ast.Call) -> Level:
        """Of what a word on whole matrices has one."""
        return Level.ELEMENT if self.of(tree) == _ELEMENTS else Level.MATRIX

    def give(self, name: str, tree: ast.expr, level: Level) -> None:
        """A name is given a value; raises where it is a state of another shape."""
        if level == Level.MATRIX:
            shape = self.of(tree)
            assert shape is not None
            if name in self.states and shape != self.states[name]:
                raise self.source.error(
                    tree.lineno,
                    f"{name!r} is a matrix of {said_of(self.states[name])}, and is given one of "
                    f"{said_of(shape)}",
                )
            self.names[name] = shape
        elif name in self.states:
            raise self.source.error(
                tree.lineno,
                f"{name!r} is a matrix of {said_of(self.states[name])}, and is given no matrix",
            )

    def _product(self, tree: ast.Call) -> Shape:
        one, other = (self._matrix(part, "@") for part in tree.args)
        if one[1] != other[0]:
            raise self._misfit(tree, one, other)
        return one[0], other[1]

    def _matrix(self, tree: ast.expr, word: str, may_be_one: bool = False) -> Shape:
        shape = self.of(tree)
        is_vector = shape in (_OF_LEVEL[Level.ROW], _OF_LEVEL[Level.COLUMN])
        if shape is None or is_vector or ("1" in shape and not may_be_one):
            raise self.source.error(
                tree.lineno, f"{word} is for matrices, and `{ast.unparse(tree)}` is none"
            )
        return shape

    def _of_word(self, tree: ast.Call, word: str) -> Shape:
        if word == "row_lengths":
            return self._matrix(tree.args[0], word, may_be_one=True)[0], "1"
        shape = self._matrix(tree.args[0], word)
        if word == "descending":
            other = self._matrix(tree.args[1], word)
            if other != (shape[1], shape[1]):
                raise self._misfit(tree, shape, other)
            return shape
        if word in ("leading", "first_columns"):
            return shape[0], self._count(tree, word)
        for turning, before, after in (("tall", _ELEMENTS, _TALL), ("laid", _TALL, _ELEMENTS)):
            if word == turning and shape != before:
                raise self._misfit(tree, before, shape)
            if word == turning:
                return after
        if word in _OF_SQUARES and shape[0] != shape[1]:
            raise self.source.error(
                tree.lineno,
                f"{word} is for {_OF_SQUARES[word]} matrices, and `{ast.unparse(tree.args[0])}` is "
                f"of {said_of(shape)}",
            )
        if word == "solve_triangular":
            other = self._matrix(tree.args[1], word)
            if other[1] != shape[0]:
                raise self._misfit(tree, shape, other)
            return other
        for part in tree.args[1:]:
            if self.level(part) > Level.STEP:
                raise self.source.error(
                    tree.lineno,
                    f"{word} takes `{ast.unparse(part)}` as a number that is known before the "
                    "step, which it is not",
                )
        return shape

    def _count(self, tree: ast.Call, word: str) -> str:
        """How many columns are taken: a setting, so that it is the side of a matrix."""
        count = tree.args[1]
        if not (isinstance(count, ast.Name) and count.id in self.whole):
            raise self.source.error(
                tree.lineno,
                f"{word} takes as many as a setting says that is a whole number, and "
                f"`{ast.unparse(count)}` is none",
            )
        return count.id

    def _common(self, tree: ast.expr) -> Shape:
        """The shape of what is done to each number of several matrices."""
        found: Shape | None = None
        for part in _parts(tree):
            shape = self.of(part)
            if shape is not None and found is not None:
                shape = self._both(tree, found, shape)
            found = found if shape is None else shape
        assert found is not None
        return found

    def _both(self, tree: ast.expr, one: Shape, other: Shape) -> Shape:
        """The shape of two together, of which a side of one goes along with any."""
        for a, b in zip(one, other, strict=True):
            if a != b and "1" not in (a, b):
                raise self._misfit(tree, one, other)
        rows, columns = (b if a == "1" else a for a, b in zip(one, other, strict=True))
        return rows, columns

    def _misfit(self, tree: ast.expr, one: Shape, other: Shape) -> TypeError:
        return self.source.error(
            tree.lineno,
            f"`{as_written(tree)}`: a matrix of {said_of(one)} and one of {said_of(other)} do not "
            "go together",
        )


def _parts(tree: ast.expr) -> list[ast.expr]:
    if isinstance(tree, ast.IfExp):
        return [tree.body, tree.orelse]
    parts = [one for one in ast.iter_child_nodes(tree) if isinstance(one, ast.expr)]
    return parts[1:] if isinstance(tree, ast.Call) else parts


def as_written(tree: ast.expr) -> str:
    """An expression as its author wrote it, with @ and .mT."""

    class Written(ast.NodeTransformer):
        def visit_Call(self, node: ast.Call) -> ast.AST:
            self.generic_visit(node)
            word = ast.unparse(node.func)
            if word == "matmul":
                return ast.BinOp(node.args[0], ast.MatMult(), node.args[1])
            if word == "transposed":
                return ast.Attribute(node.args[0], "mT", ast.Load())
            return node

    return ast.unparse(Written().visit(ast.parse(ast.unparse(tree), mode="eval")))


def said_of(shape: Shape) -> str:
    """A shape, in words."""
    return f"{shape[0]} x {shape[1]}"
