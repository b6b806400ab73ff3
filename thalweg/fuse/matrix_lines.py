"""Lines on whole matrices as Python runs them: their words, and their code."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable
from types import CodeType
from typing import Any

from thalweg import elementwise, matrices, reductions
from thalweg.fuse.legs import MatrixWork

__all__ = ["OF_STACKS", "WORDS", "compiled"]

WORDS: dict[str, Any] = {name: getattr(elementwise, name) for name in elementwise.PRIMITIVES}


def _reduction(kind: str, whole: tuple[int, ...]) -> Callable[[Any, str], Any]:
    """A reduction of one number per row or column: over all of them, which a tensor has in these
    axes, or over those of its matrix, as often as there are any."""

    def reduced(x: Any, over: str) -> Any:
        if over == "tensor":
            return reductions.over_axes(kind, x, whole)
        found = reductions.over_axes(kind, x, reductions.AXES[over])
        return elementwise.where(x > x, found, found)

    return reduced


WORDS |= {n: getattr(matrices, n) for n in ("matmul", "transposed", *matrices.MATRIX_WORDS)}
WORDS["laid_product"] = matrices.laid_product
WORDS |= {kind: _reduction(kind, (-2, -1)) for kind in reductions.REDUCTIONS}
OF_STACKS = {**WORDS, **{kind: _reduction(kind, (-3, -2, -1)) for kind in reductions.REDUCTIONS}}


@functools.cache
def compiled(work: MatrixWork) -> list[CodeType]:
    trees = [_Turned().visit(ast.parse(line.text, mode="eval")) for line in work.lines]
    pairs = zip(trees, work.lines, strict=True)
    return [compile(ast.fix_missing_locations(t), f"<{line.target}>", "eval") for t, line in pairs]


class _Turned(ast.NodeTransformer):
    """A product that is turned is taken of turned factors: it then lies as it is wanted."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        inner = node.args[0] if node.args else None
        is_product = isinstance(inner, ast.Call) and ast.unparse(inner.func) == "matmul"
        if is_product and ast.unparse(node.func) == "laid":
            return ast.Call(ast.Name("laid_product", ast.Load()), [*inner.args, *node.args[1:]], [])  # type: ignore[union-attr]
        return node
