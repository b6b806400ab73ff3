"""What of a step is no pass over memory: lines on whole matrices, and questions to the border.

Both happen while a step is prepared, when nothing has moved yet. The engine's passes write what
these lines take into arrays that live for one step, and read what they give; whole matrices are
worked on by the border's own library, those of one shape together.
"""

from __future__ import annotations

import ast
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from types import CodeType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from thalweg import elementwise, matrices, reductions
from thalweg.fuse.closing import worked_out
from thalweg.fuse.legs import Line, MatrixWork, Pass, Plan, Question
from thalweg.text import Level, Request
from thalweg.view import matrices_of

__all__ = ["Desk", "Scratch"]

# so many numbers at most has a matrix that is worked on together with others: larger ones fill the
# processor by themselves, and a stack is a copy
_STACKED = 1 << 14

_WORDS: dict[str, Any] = {name: getattr(elementwise, name) for name in elementwise.PRIMITIVES}
# one number for each row or column, of a matrix or a stack
_ONE = {Level.ROW: np.s_[..., :1], Level.COLUMN: np.s_[..., :1, :]}


def _reduction(kind: str, whole: tuple[int, ...]) -> Callable[[Any, str], Any]:
    """A reduction of one number per row or column: over all of them, which a tensor has in these
    axes, or over those of its matrix, as often as there are any."""

    def reduced(x: Any, over: str) -> Any:
        if over == "tensor":
            return reductions.over_axes(kind, x, whole)
        found = reductions.over_axes(kind, x, reductions.AXES[over])
        return elementwise.where(x > x, found, found)

    return reduced


_WORDS |= {n: getattr(matrices, n) for n in ("matmul", "transposed", *matrices.MATRIX_WORDS)}
_WORDS["laid_product"] = matrices.laid_product
_WORDS |= {kind: _reduction(kind, (-2, -1)) for kind in reductions.REDUCTIONS}
_OF_STACKS = {**_WORDS, **{kind: _reduction(kind, (-3, -2, -1)) for kind in reductions.REDUCTIONS}}


class Desk(Protocol):
    """Where a border lays out one step's arrays. Tensors go by their places in `Work`; an array is
    the framework's own, of the computation type."""

    def array(self, tensor: int, name: str) -> Any:
        """The parameter "p", its gradient "g" or a state, by qualified name."""

    def empty(self, tensor: int) -> Any:
        """An array that lies as the parameter does."""

    def like(self, tensor: int, array: Any) -> Any:
        """The same numbers in an array that lies as the parameter does."""

    def whole(self, tensor: int, array: Any) -> Any:
        """An array that lies as the parameter does with the parts of all processes that share it;
        where it is not shared, the array."""

    def vector(self, tensor: int, array: Any, per: str) -> Any:
        """The same numbers, one per "row" or "column", one behind the other: those that meet what
        lies here of the parameter."""

    def numbers(self, tensor: int, values: NDArray[np.float64]) -> Any:
        """These numbers in an array of the framework, of the computation type."""

    def address(self, array: Any) -> int:
        """Where an array lies."""

    def keep(self, tensor: int, name: str, array: Any) -> None:
        """Store the new value of a matrix that is a state."""

    def answer(self, request: Request, about: Sequence[tuple[Any, Any]]) -> list[Any]:
        """The answer for each tensor, as arrays that lie as the parameters do: `about` are the
        tensors, by place, or as `Odd` objects, each with the weights that are asked about."""


class Scratch:
    """The arrays of one step of the tensors of one batch: those of the plan, of the parameters'
    shapes, and the matrices. `members` are the tensors' places."""

    def __init__(
        self, plan: Plan, members: Sequence[int], shapes: Sequence[tuple[int, ...]], desk: Desk
    ) -> None:
        self.plan, self.members, self.desk = plan, members, desk
        self._shapes, self._is_stack = shapes, plan.chain.is_stack
        self.addresses: NDArray[np.int64] = np.zeros((len(members), len(plan.scratch)), np.int64)
        self.arrays: dict[str, list[Any]] = {}
        self._matrices: dict[str, list[Any]] = {}
        self._vectors: dict[str, list[Any]] = {}  # as the lines gave them

    def make(self, names: Sequence[str]) -> None:
        """Memory for what a pass is about to write."""
        for name in names:
            self.put(name, [self.desk.empty(tensor) for tensor in self.members])

    def put(self, name: str, arrays: list[Any]) -> None:
        """File arrays, one for each member."""
        self.arrays[name] = arrays
        at = self.plan.scratch.index(name)
        self.addresses[:, at] = [self.desk.address(array) for array in arrays]

    def put_vectors(self, pass_: Pass, found: Mapping[str, Sequence[NDArray[np.float64]]]) -> None:
        """File what a pass has found of each row and column."""
        for one in pass_.vectors:
            pairs = zip(self.members, found[one.name], strict=True)
            arrays = [self.desk.numbers(tensor, values) for tensor, values in pairs]
            self.put(one.name, arrays)
            self._vectors[one.name] = arrays

    def add_up(self, pass_: Pass) -> None:
        """The same of what a pass has written."""
        for one in pass_.vectors:
            axes = reductions.AXES[one.over]
            values = [self._matrix(k, one.value) for k in range(len(self.members))]
            arrays = [reductions.over_axes(one.kind, value, axes) for value in values]
            pairs = zip(self.members, arrays, strict=True)
            self.put(one.name, [self.desk.vector(tensor, a, one.over) for tensor, a in pairs])
            self._vectors[one.name] = arrays
            del self.arrays[one.value]

    def at(self, question: Question) -> list[Any]:
        """The weights of each member that a question is about."""
        if question.at in self.arrays:
            return self.arrays[question.at]
        return [self.desk.array(tensor, question.at) for tensor in self.members]

    def work(
        self,
        work: MatrixWork,
        numbers: Sequence[Mapping[str, Any]],
        known: Mapping[str, NDArray[np.float64]],
    ) -> None:
        """Run lines on matrices: `numbers` are those of each member that are known before the
        step, `known` the reductions."""
        results: dict[str, list[Any]] = {line.target: [None] * len(numbers) for line in work.lines}
        code = _compiled(work)
        for members, table in self._alike(work, numbers, known):
            with np.errstate(all="ignore"):
                found = self._run(work.lines, code, members, table)
            for name, values in found.items():
                for k, value in zip(members, values, strict=True):
                    results[name][k] = value
        for line in work.lines:
            arrays = results[line.target]
            if line.level == Level.ELEMENT and line.target in self.plan.swept:
                self.put(line.target, [self._like(k, a) for k, a in enumerate(arrays)])
            elif line.level in (Level.ELEMENT, Level.MATRIX):
                self._matrices[line.target] = arrays
            else:
                pairs = zip(self.members, arrays, strict=True)
                per = "row" if line.level == Level.ROW else "column"
                self.put(line.target, [self.desk.vector(tensor, a, per) for tensor, a in pairs])
                self._vectors[line.target] = arrays

    def let_go(self) -> None:
        """Forget what the pass which stores does not read, and no state is."""
        self.arrays = {n: a for n, a in self.arrays.items() if n in self.plan.main.loads}
        self._matrices = {n: a for n, a in self._matrices.items() if n in self.plan.matrices}
        self._vectors.clear()

    def kept(self) -> list[Callable[[], None]]:
        """What is to be done to store the matrices that are states."""
        return [
            functools.partial(self.desk.keep, tensor, name, array)
            for name in self.plan.matrices
            for tensor, array in zip(self.members, self._matrices[name], strict=True)
        ]

    def _alike(
        self,
        work: MatrixWork,
        numbers: Sequence[Mapping[str, Any]],
        known: Mapping[str, NDArray[np.float64]],
    ) -> list[tuple[list[int], dict[str, Any]]]:
        """The members that are worked on together, with the numbers that they have in common."""
        found: dict[Any, tuple[list[int], dict[str, Any]]] = {}
        for k, own in enumerate(numbers):
            table = {name: own[name] for name in work.numbers if name in own}
            table |= {name: known[name][k] for name in work.numbers if name in known}
            shape = self._shapes[k]
            key: tuple[Any, ...] = (k,)
            if math.prod(shape) <= _STACKED:
                key = (shape, *map(str, table.values()), *self._sides(work, k))
            if key not in found:
                found[key] = [], worked_out(work.uniform, table)
            found[key][0].append(k)
        return list(found.values())

    def _sides(self, work: MatrixWork, k: int) -> list[tuple[int, ...]]:
        """The shapes of a member's matrices: a side may be a setting, which groups have."""
        asked = dict.fromkeys(name for line in work.lines for name in line.names)
        states = {slot.qualified for slot in self.plan.chain.slots if slot.state.is_apart}
        return [tuple(self._matrix(k, name).shape) for name in asked if name in states]

    def _run(
        self,
        lines: Sequence[Line],
        code: Sequence[CodeType],
        members: Sequence[int],
        table: dict[str, Any],
    ) -> dict[str, Sequence[Any]]:
        found: dict[str, Sequence[Any]] = {}
        for line, compiled in zip(lines, code, strict=True):
            for name in line.names:
                if name not in table:
                    arrays = [self._matrix(k, name) for k in members]
                    table[name] = arrays[0] if len(arrays) == 1 else matrices.stacked(arrays)
            try:
                value = eval(compiled, _OF_STACKS if self._is_stack else _WORDS, table)
            except (RuntimeError, ValueError) as error:  # of the library's: no basis is found, say
                title = self.plan.chain.name
                raise ArithmeticError(f"{title}: `{line.written}`: {error}") from error
            if line.level in _ONE and isinstance(value, int | float):
                value = self._filled(members[0], line.level, value)
                value = value if len(members) == 1 else matrices.stacked([value] * len(members))
            table[line.target] = value
            found[line.target] = [value] if len(members) == 1 else value
        return found

    def _filled(self, k: int, level: Level, value: float) -> Any:
        """An array with the same number for each row or column of a member."""
        p = self._matrix(k, "p")
        like = p[_ONE[level]]
        return elementwise.where(like == like, value, value)

    def _matrix(self, k: int, name: str) -> Any:
        """An array of a member as a matrix."""
        if name in self._matrices:
            return self._matrices[name][k]
        if name in self._vectors:
            array = self._vectors[name][k]
        elif name in self.arrays:
            array = self.desk.whole(self.members[k], self.arrays[name][k])
        else:
            array = self.desk.array(self.members[k], name)
        sides = self._matrices_of(k)
        if name in self.plan.vectors:
            is_row = self.plan.vectors[name] == Level.ROW
            *stack, rows, columns = sides
            return array.reshape((*stack, rows, 1) if is_row else (*stack, 1, columns))
        shape = self._shapes[k]
        is_whole = tuple(array.shape) == shape  # and no matrix of another shape
        return array.reshape(sides) if is_whole and len(shape) != len(sides) else array

    def _matrices_of(self, k: int) -> tuple[int, ...]:
        """The sides of a member as a matrix, or behind how many they are as a stack of them."""
        sides = matrices_of(self._shapes[k], self._is_stack)
        return sides if self._is_stack else sides[1:]

    def _like(self, k: int, matrix: Any) -> Any:
        return self.desk.like(self.members[k], matrix.reshape(self._shapes[k]))


@functools.cache
def _compiled(work: MatrixWork) -> list[CodeType]:
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
