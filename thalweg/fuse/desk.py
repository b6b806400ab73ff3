"""What of a step is no pass over memory: lines on whole matrices, and questions to the border.

Both happen while a step is prepared, when nothing has moved yet. The engine's passes write what
these lines take into arrays that live for one step, and read what they give; whole matrices are
worked on by the border's own library, those of one shape together.
"""

from __future__ import annotations

import ast
import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import CodeType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from thalweg import elementwise, matrices, reductions
from thalweg.fuse.closing import worked_out
from thalweg.fuse.legs import Line, MatrixWork, Pass, Plan, Question
from thalweg.fuse.together import Together
from thalweg.text import Level, Request
from thalweg.view import matrices_of

__all__ = ["Desk", "Scratch"]

# so many numbers at most has a matrix that is worked on together with others: larger ones fill the
# processor by themselves, and a stack is a copy
_STACKED = 1 << 16

# so many numbers, about, of the matrices that processes share are put together at once
_GATHERED = 1 << 23

Group = tuple[Sequence[int], NDArray[np.float64]]  # members, and what each of them has

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


# the places of members that are worked on together, and the numbers that they have in common
_Lot = tuple[list[int], dict[str, Any]]


class Desk(Protocol):
    """Where a border lays out one step's arrays. Tensors go by their places in `Work`; an array is
    the framework's own, of the computation type."""

    def array(self, tensor: int, name: str) -> Any:
        """What lies here of the parameter "p", its gradient "g" or a state, by qualified name."""

    def empty(self, tensor: int) -> Any:
        """An array that lies as the parameter does."""

    def like(self, tensor: int, array: Any) -> Any:
        """The same numbers in an array that lies as the parameter does."""

    def wholes(self, asked: Sequence[tuple[int, str, Any]]) -> list[Any]:
        """Arrays with the parts of all processes that share their tensors; where nobody shares
        them, as they are. Each is asked for by its tensor, its name, and the array where it is one
        that lies as the parameter does; None where it is what `array` gives."""

    def vector(self, tensor: int, array: Any, per: str) -> Any:
        """The same numbers, one per "row" or "column", one behind the other: those that meet what
        lies here of the parameter."""

    def numbers(self, tensor: int, values: NDArray[np.float64]) -> Any:
        """These numbers in an array of the framework, of the computation type."""

    def vectors(self, tensors: Sequence[int], array: Any) -> Any:
        """The same of tensors of one shape, one behind the other; None where they are shared out
        over processes, and each has its own part."""

    def stacked(self, tensors: Sequence[int], name: str) -> Any:
        """A state of tensors of one shape that is no array of theirs, as one array."""

    def address(self, array: Any) -> int:
        """Where an array lies."""

    def keep(self, tensors: Sequence[int], name: str, array: Any) -> None:
        """Store the new values, one behind the other, of a matrix that is a state."""

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
        self._shapes, self._is_stack = shapes, plan.is_stack
        self.addresses: NDArray[np.int64] = np.zeros((len(members), len(plan.scratch)), np.int64)
        self.arrays: dict[str, list[Any]] = {}
        self._results: dict[str, Together] = {}  # of lines, and sums of rows and columns
        legs = [one for one in (*plan.ahead, plan.main) if isinstance(one, Pass)]
        self._loaded = {name for one in legs for name in one.loads}
        self._apart = {slot.qualified for slot in plan.chain.slots if slot.state.is_apart}
        self._with_sides = {slot.qualified for slot in plan.chain.slots if slot.state.settings}
        self._wholes: dict[tuple[int, str], Any] = {}  # of those that are worked on now

    def make(self, names: Sequence[str]) -> None:
        """Memory for what a pass is about to write."""
        for name in names:
            self.put(name, [self.desk.empty(tensor) for tensor in self.members])

    def put(self, name: str, arrays: list[Any]) -> None:
        """File arrays, one for each member."""
        self.arrays[name] = arrays
        at = self.plan.scratch.index(name)
        self.addresses[:, at] = [self.desk.address(array) for array in arrays]

    def put_vectors(self, pass_: Pass, found: Mapping[str, Sequence[Group]]) -> None:
        """File what a pass has found of each row and column of groups of members."""
        for one in pass_.vectors:
            for members, values in found[one.name]:
                array = self.desk.numbers(self.members[members[0]], values)
                sides = self._sides_of(members[0], one.name)
                self._file(one.name, members, array.reshape((len(members), *sides)))

    def add_up(self, pass_: Pass) -> None:
        """The same of what a pass has written."""
        for one in pass_.vectors:
            axes = reductions.AXES[one.over]
            self._make_whole([(k, one.value) for k in range(len(self.members))])
            for k in range(len(self.members)):
                value = self._matrix(k, one.value)
                self._file(one.name, [k], reductions.over_axes(one.kind, value, axes)[None])
            self._wholes.clear()
            del self.arrays[one.value]

    def _file(self, name: str, members: Sequence[int], array: Any) -> None:
        """File what there is of each row or column of some members, where passes read it."""
        tensors = [self.members[k] for k in members]
        if name not in self._loaded:
            self._results.setdefault(name, Together()).put(members, array)
            return
        at = self.plan.scratch.index(name)
        there = self.desk.vectors(tensors, array)
        if there is None:
            per = "row" if self.plan.vectors[name] == Level.ROW else "column"
            parts = [self.desk.vector(t, a, per) for t, a in zip(tensors, array, strict=True)]
            self.arrays.setdefault(name, []).extend(parts)  # they live as long as the step
            self.addresses[members, at] = [self.desk.address(part) for part in parts]
        else:
            array = there
            first = self.desk.address(array)
            length = self.desk.address(array[1]) - first if members[1:] else 0
            self.addresses[members, at] = first + length * np.arange(len(members))
        self._results.setdefault(name, Together()).put(members, array)

    def at(self, question: Question) -> list[Any]:
        """The weights of each member that a question is about."""
        if question.at in self.arrays:
            return self.arrays[question.at]
        return [self.desk.array(tensor, question.at) for tensor in self.members]

    def work(
        self,
        work: MatrixWork,
        numbers: Sequence[Mapping[str, Any]],
        context_of: Sequence[int],
        known: Mapping[str, NDArray[np.float64]],
    ) -> None:
        """Run lines on matrices: `numbers` are those that are known before the step, of each
        context, `context_of` says which a member has, and `known` are the reductions."""
        code, found = _compiled(work), list[_Lot]()
        for lots in self._in_buckets(self._alike(work, numbers, context_of, known)):
            self._gather(work.lines, lots)
            for members, table in lots:
                with np.errstate(all="ignore"):
                    found.append((members, self._run(work.lines, code, members, table)))
            self._wholes.clear()
        for line in work.lines:  # a state is read by all before it has its new value
            self._results.pop(line.target, None)
            is_swept = line.level == Level.ELEMENT and line.target in self.plan.swept
            arrays: list[Any] = [None] * len(self.members)
            for members, values in found:
                value = values[line.target]
                if is_swept:
                    for k, one in zip(members, value, strict=True):
                        arrays[k] = self._like(k, one)
                elif line.level in (Level.ELEMENT, Level.MATRIX):
                    self._results.setdefault(line.target, Together()).put(members, value)
                else:
                    self._file(line.target, members, value)
            if is_swept:
                self.put(line.target, arrays)

    def forget(self) -> None:
        """Let go of what the pass which stores does not read, and no state is."""
        needed = {*self.plan.main.loads, *self.plan.matrices}
        self.arrays = {n: a for n, a in self.arrays.items() if n in needed}
        self._results = {n: a for n, a in self._results.items() if n in needed}

    def kept(self) -> list[Callable[[], None]]:
        """What is to be done to store the matrices that are states."""
        return [
            functools.partial(self.desk.keep, [self.members[k] for k in members], name, array)
            for name in self.plan.matrices
            for members, array in self._results[name].groups()
        ]

    def let_go(self) -> None:
        """The step has happened: its arrays are nobody's any more."""
        self.arrays.clear()
        self._results.clear()

    def _alike(
        self,
        work: MatrixWork,
        numbers: Sequence[Mapping[str, Any]],
        context_of: Sequence[int],
        known: Mapping[str, NDArray[np.float64]],
    ) -> list[_Lot]:
        """The members that are worked on together, with the numbers that they have in common."""
        found: dict[Any, _Lot] = {}
        asked = dict.fromkeys(name for line in work.lines for name in line.names)
        sided = [name for name in asked if name in self._with_sides]
        is_small = all(name in self.plan.vectors for name in asked if name not in work.numbers)
        measured = [name for name in work.numbers if name in known]
        tables = [{name: own[name] for name in work.numbers if name in own} for own in numbers]
        said = [tuple(map(str, table.values())) for table in tables]
        for k, context in enumerate(context_of):
            more = {name: elementwise.Measured(known[name][k]) for name in measured}
            shape = self._shapes[k]
            alone = k if not is_small and math.prod(shape) > _STACKED else -1
            # the sides of a matrix may be settings, which groups have
            sides = [tuple(self._matrix(k, name).shape) for name in sided]
            key = (alone, shape, said[context], *map(str, more.values()), *sides)
            if key not in found:
                table = {**tables[context], **more}
                found[key] = [], _plain(worked_out(work.uniform, table)) if work.uniform else table
            found[key][0].append(k)
        return list(found.values())

    def _in_buckets(self, lots: Sequence[_Lot]) -> Iterator[list[_Lot]]:
        """Members that are worked on together, some at a time: what of them is whole, is memory."""
        found: list[_Lot] = []
        size = 0
        for lot in lots:
            own = sum(math.prod(self._shapes[k]) for k in lot[0])
            if found and size + own > _GATHERED:
                yield found
                found, size = [], 0
            found.append(lot)
            size += own
        if found:
            yield found

    def _gather(self, lines: Sequence[Line], lots: Sequence[_Lot]) -> None:
        """Have all that the lines take and that is no whole matrix yet made whole, at once."""
        keys: list[tuple[int, str]] = []
        for members, table in lots:
            known = {*table, *self._results, *self._apart}
            for line in lines:
                keys += [(k, name) for name in line.names if name not in known for k in members]
                known |= {*line.names, line.target}
        self._make_whole(keys)

    def _make_whole(self, keys: Sequence[tuple[int, str]]) -> None:
        """The same of these arrays of members."""
        asked = [
            (self.members[k], name, self.arrays[name][k] if name in self.arrays else None)
            for k, name in keys
        ]
        self._wholes = dict(zip(keys, self.desk.wholes(asked) if asked else [], strict=True))

    def _run(
        self,
        lines: Sequence[Line],
        code: Sequence[CodeType],
        members: Sequence[int],
        table: dict[str, Any],
    ) -> dict[str, Any]:
        """What the lines give of some members, one behind the other."""
        found: dict[str, Any] = {}
        for line, compiled in zip(lines, code, strict=True):
            for name in line.names:
                if name not in table:
                    table[name] = self._gathered(members, name)
            try:
                value = eval(compiled, _OF_STACKS if self._is_stack else _WORDS, table)
            except (RuntimeError, ValueError) as error:  # of the library's: no basis is found, say
                title = self.plan.chain.name
                raise ArithmeticError(f"{title}: `{line.written}`: {error}") from error
            if line.level in (Level.ROW, Level.COLUMN) and isinstance(value, int | float):
                value = self._filled(members[0], line.level, value)
                value = value if len(members) == 1 else matrices.stacked([value] * len(members))
            if line.text in self._apart:  # a copy: that state may get another value
                value = value * 1.0
            table[line.target] = value
            found[line.target] = value[None] if len(members) == 1 else value
        return found

    def _gathered(self, members: Sequence[int], name: str) -> Any:
        """An array of a member as a matrix, or those of several as one array."""
        if len(members) == 1:
            return self._matrix(members[0], name)
        filed = self._results.get(name)
        array = None if filed is None else filed.of(members)
        if array is None and filed is None and name in self._apart:
            array = self.desk.stacked([self.members[k] for k in members], name)
            if name in self.plan.vectors:
                array = array.reshape((len(members), *self._sides_of(members[0], name)))
        if array is not None:
            return array
        return matrices.stacked([self._matrix(k, name) for k in members])

    def _filled(self, k: int, level: Level, value: float) -> Any:
        """An array with the same number for each row or column of a member."""
        sides = self._one_for_each(k, level)
        numbers = np.full(math.prod(sides), float(value))
        return self.desk.numbers(self.members[k], numbers).reshape(sides)

    def _matrix(self, k: int, name: str) -> Any:
        """An array of a member as a matrix."""
        if name in self._results:
            array = self._results[name].one(k)
        elif (k, name) in self._wholes:
            array = self._wholes[k, name]
        else:  # a matrix of which every process has all
            array = self.desk.array(self.members[k], name)
        if name in self.plan.vectors:
            return array.reshape(self._sides_of(k, name))
        sides, shape = self._matrices_of(k), self._shapes[k]
        is_whole = tuple(array.shape) == shape  # and no matrix of another shape
        return array.reshape(sides) if is_whole and len(shape) != len(sides) else array

    def _sides_of(self, k: int, vector: str) -> tuple[int, ...]:
        """The sides of what there is one of for each row or column of a member."""
        return self._one_for_each(k, self.plan.vectors[vector])

    def _one_for_each(self, k: int, level: Level) -> tuple[int, ...]:
        """The same of a level, that of rows or that of columns."""
        *stack, rows, columns = self._matrices_of(k)
        return (*stack, rows, 1) if level == Level.ROW else (*stack, 1, columns)

    def _matrices_of(self, k: int) -> tuple[int, ...]:
        """The sides of a member as a matrix, or behind how many they are as a stack of them."""
        sides = matrices_of(self._shapes[k], self._is_stack)
        return sides if self._is_stack else sides[1:]

    def _like(self, k: int, matrix: Any) -> Any:
        return self.desk.like(self.members[k], matrix.reshape(self._shapes[k]))


def _plain(table: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers as the plain run has them: a NumPy number would widen an array, or be one."""
    found = dict(table)
    for name, value in table.items():
        if isinstance(value, np.bool_):
            found[name] = bool(value)
        elif isinstance(value, np.generic):
            found[name] = elementwise.Measured(value)
    return found


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
