"""Lines on whole matrices as Python runs them: their words, and their code."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import CodeType
from typing import Any

import numpy as np

from thalweg import elementwise, matrices, reductions
from thalweg.fuse.legs import MatrixWork, Plan
from thalweg.text import Level

__all__ = ["Compiled", "compiled", "vectors_by_themselves", "words"]

_Words = Mapping[str, Callable[..., Any]]


def _reduction(kind: str, whole: tuple[int, ...], spreads: bool) -> Callable[[Any, str], Any]:
    """A reduction of one number per row or column: over all of them, which a tensor has in these
    axes, or over those of its matrix, as often as there are any, if it `spreads`."""

    def reduced(x: Any, over: str) -> Any:
        if over == "tensor":
            return reductions.over_axes(kind, x, whole)
        found = reductions.over_axes(kind, x, reductions.AXES[over])
        return matrices.spread(found, x) if spreads else found

    return reduced


def _of_arrays(word: str) -> Callable[..., Any]:
    """A word of the language on NumPy's arrays, in half of the time; on all else as it is."""
    plain, function = getattr(np, word), getattr(elementwise, word)

    def apply(x: Any, *more: Any) -> Any:
        return plain(x, *more) if type(x) is np.ndarray else function(x, *more)

    return apply


def _chosen(condition: Any, a: Any, b: Any) -> Any:
    if type(condition) is bool:
        return a if condition else b
    return elementwise.where(condition, a, b)


@functools.cache
def words(is_stack: bool, on_host: bool) -> _Words:
    """What lines call: of stacks of matrices, or of single ones; of vectors on the host, which are
    NumPy's and meet each other only, or of a border's arrays."""
    found = {name: getattr(elementwise, name) for name in elementwise.PRIMITIVES}
    found |= {n: getattr(matrices, n) for n in ("matmul", "transposed", *matrices.MATRIX_WORDS)}
    found["laid_product"] = matrices.laid_product
    if on_host:
        found |= {word: _of_arrays(word) for word in ("sqrt", "maximum", "minimum", "abs")}
        found["where"] = _chosen
    axes = (-3, -2, -1) if is_stack else (-2, -1)
    return found | {kind: _reduction(kind, axes, not on_host) for kind in reductions.REDUCTIONS}


@dataclass(frozen=True)
class Compiled:
    """Lines as code: `whole`, or the value of `each`. They take what is called `takes`, some of it
    numbers, and give values per row or column to the `vectors`."""

    whole: CodeType
    each: tuple[CodeType, ...]
    takes: tuple[str, ...]
    vectors: tuple[str, ...]


@functools.cache
def compiled(work: MatrixWork) -> Compiled:
    """The code of lines; made once."""
    # of an array by itself a copy: what it is called may get another value
    texts = [f"{line.text} * 1.0" if line.text.isidentifier() else line.text for line in work.lines]
    both = zip(work.lines, texts, strict=True)
    text = "\n".join(f"{line.target} = {own}" for line, own in both)
    tree = ast.fix_missing_locations(_Turned().visit(ast.parse(text)))
    values = [one.value for one in tree.body]
    takes, given = dict[str, None](), set[str]()
    for line in work.lines:
        takes |= dict.fromkeys(name for name in line.names if name not in given)
        given.add(line.target)
    return Compiled(
        compile(tree, f"<lines of {work.lines[0].target}>", "exec"),
        tuple(compile(ast.Expression(value), "<a line>", "eval") for value in values),
        tuple(takes),
        tuple(x.target for x in work.lines if x.level in (Level.ROW, Level.COLUMN)),
    )


@functools.cache
def vectors_by_themselves(plan: Plan) -> frozenset[str] | None:
    """The states with one number per row or column that lines take or give, where no line meets
    such a vector with a whole matrix; None where one does."""
    lines = [line for one in plan.ahead if isinstance(one, MatrixWork) for line in one.lines]
    slots = {slot.qualified for slot in plan.chain.slots}
    arrays = {"p", "g", *slots, *plan.scratch}
    found = set[str]()
    for line in lines:
        met = {line.target, *line.names} & arrays
        if met & plan.vectors.keys():
            if not met <= plan.vectors.keys():
                return None
            found |= met & slots
    return frozenset(found)


class _Turned(ast.NodeTransformer):
    """A product that is turned is taken of turned factors: it then lies as it is wanted."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        inner = node.args[0] if node.args else None
        is_product = isinstance(inner, ast.Call) and ast.unparse(inner.func) == "matmul"
        if is_product and ast.unparse(node.func) == "laid":
            return ast.Call(ast.Name("laid_product", ast.Load()), [*inner.args, *node.args[1:]], [])  # type: ignore[union-attr]
        return node
