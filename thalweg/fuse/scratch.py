"""The arrays of one step, and the lines on whole matrices between its passes."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg import matrices, reductions
from thalweg.elementwise import Measured
from thalweg.fuse.closing import plainly
from thalweg.fuse.desk import Desk
from thalweg.fuse.legs import Line, MatrixWork, Pass, Plan, Question
from thalweg.fuse.matrix_lines import compiled, vectors_by_themselves, words
from thalweg.fuse.together import Together, in_buckets, of_one_shape
from thalweg.text import Level
from thalweg.view import matrices_of

__all__ = ["Lot", "Scratch"]

# so many numbers at most has a matrix that is worked on together with others: larger ones fill the
# processor by themselves, and a stack is a copy
_STACKED = 1 << 16

# so many numbers, about, of the matrices that processes share are put together at once
_GATHERED = 1 << 23

Group = tuple[Sequence[int], NDArray[np.float64]]  # members, and what each of them has

# the places of members that are worked on together, and the numbers that they have in common
Lot = tuple[list[int], dict[str, Any]]


class Scratch:
    """The arrays of one step of the tensors of one batch: those of the plan, of the parameters'
    shapes, and the matrices. `members` are the tensors' places. Where it `stands` there for many
    steps, states lie where they lay; where it `stays`, the memory that passes write to is that of
    the next step, too."""

    def __init__(
        self,
        plan: Plan,
        members: Sequence[int],
        shapes: Sequence[tuple[int, ...]],
        desk: Desk,
        stands: bool = False,
        stays: bool = False,
    ) -> None:
        self.plan, self.members, self.desk, self._stays = plan, members, desk, stays
        self._shapes, self._is_stack = shapes, plan.is_stack
        # of each member as a matrix, or behind how many they are as a stack of them
        all_sides = [matrices_of(shape, plan.is_stack) for shape in shapes]
        self._sides = all_sides if plan.is_stack else [sides[1:] for sides in all_sides]
        self._stands = stands
        self._standing: dict[tuple[int, str], Any] = {}  # states, as they lie
        self.addresses: NDArray[np.int64] = np.zeros((len(members), len(plan.scratch)), np.int64)
        self._made: dict[str, Together] = {}  # for passes to write to
        self._arrays: dict[str, Together] = {}  # that lie as parameters do
        # of lines, and sums of rows and columns
        self._results: defaultdict[str, Together] = defaultdict(Together)
        self._rooms = of_one_shape(shapes, _STACKED)
        self._loaded = {n for one in (*plan.reductions, plan.main) for n in one.loads}
        works = [one for one in plan.ahead if isinstance(one, MatrixWork)]
        # what of the lines' values somebody takes who is not among them
        self._wanted = self._loaded.union(plan.matrices, *(compiled(one).takes for one in works))
        self._apart = {slot.qualified for slot in plan.chain.slots if slot.state.is_apart}
        self._with_sides = {slot.qualified for slot in plan.chain.slots if slot.state.settings}
        self._vectors: dict[tuple[str, tuple[int, ...]], Any] = {}  # of many steps, for passes
        self._type = self._type_of_vectors()
        self._words: Any = words(plan.is_stack, self._type is not None)
        self._wholes: dict[tuple[int, str], Any] = {}  # of those that are worked on now
        self._parts: list[Any] = []  # of vectors that are shared out: they live as long as the step

    def _type_of_vectors(self) -> Any:
        """NumPy's type of vectors, if they lie on the host and meet no matrix: a framework takes
        longer to begin. None where they are the framework's."""
        states = vectors_by_themselves(self.plan)
        if states is None or not self.members:
            return None
        found = dict[tuple[int, str], Any]()
        for name in states:
            for k, tensor in enumerate(self.members):
                if (array := self.desk.on_host(tensor, name)) is None:
                    return None  # then none of them is taken so
                found[k, name] = array.reshape(self._sides_of(k, name))
        self._standing |= found
        return self.desk.type_on_host(self.members[0])

    def make(self, names: Sequence[str]) -> None:
        """Memory for what a pass is about to write."""
        for name in names:
            if name not in self._made:
                self._made[name] = made = Together()
                for members in self._rooms:
                    tensors = [self.members[k] for k in members]
                    whole = self.desk.empties(tensors) if members[1:] else None
                    if whole is not None:
                        made.put(members, whole)
                        continue
                    for k, tensor in zip(members, tensors, strict=True):
                        made.put([k], self.desk.empty(tensor))
            self._put(name, self._made[name])

    def put(self, name: str, arrays: Sequence[Any]) -> None:
        """File arrays, one for each member."""
        made = Together()
        for k, array in enumerate(arrays):
            made.put([k], array)
        self._put(name, made)

    def _put(self, name: str, arrays: Together) -> None:
        self._arrays[name] = arrays
        at = self.plan.scratch.index(name)
        for members, array in arrays.groups():
            self._locate(at, members, array)

    def _locate(self, at: int, members: Sequence[int], array: Any) -> None:
        """Say where what of some members lies one behind the other."""
        first = self.desk.address(array)
        if not members[1:]:
            self.addresses[members[0], at] = first
            return
        length = self.desk.address(array[1]) - first
        self.addresses[members, at] = first + length * np.arange(len(members))

    def put_vectors(self, pass_: Pass, found: Mapping[str, Sequence[Group]]) -> None:
        """File what a pass has found of each row and column of groups of members."""
        for one in pass_.vectors:
            for members, values in found[one.name]:
                array = self._numbers(members[0], values)
                sides = self._sides_of(members[0], one.name)
                whole = (len(members), *sides) if members[1:] else sides
                self._file(one.name, members, array.reshape(whole))

    def add_up(self, pass_: Pass) -> None:
        """The same of what a pass has written."""
        for one in pass_.vectors:
            axes = reductions.AXES[one.over]
            self._make_whole([(k, one.value) for k in range(len(self.members))])
            for k in range(len(self.members)):
                value = reductions.over_axes(one.kind, self._matrix(k, one.value), axes)
                self._file(one.name, [k], np.asarray(value, self._type) if self._type else value)
            self._wholes.clear()
            del self._arrays[one.value], self._made[one.value]

    def _file(self, name: str, members: Sequence[int], array: Any) -> None:
        """File what there is of each row or column of some members, where passes read it."""
        if name in self._loaded and self._type is not None:
            array = self._for_passes(name, members, array)
        elif name in self._loaded:
            tensors = [self.members[k] for k in members]
            at = self.plan.scratch.index(name)
            there = self.desk.vectors(tensors, array)
            if there is None:
                per = "row" if self.plan.vectors[name] == Level.ROW else "column"
                each = array if members[1:] else [array]
                parts = [self.desk.vector(t, a, per) for t, a in zip(tensors, each, strict=True)]
                self._parts += parts
                self.addresses[members, at] = [self.desk.address(part) for part in parts]
            else:
                array = there
                self._locate(at, members, array)
        self._results[name].put(members, array)

    def _for_passes(self, name: str, members: Sequence[int], array: Any) -> Any:
        """The same numbers where passes read them: at every step in the same place."""
        key = name, tuple(members)
        there = self._vectors.get(key)
        if there is None:
            sides = self._sides_of(members[0], name)
            there = np.empty((len(members), *sides) if members[1:] else sides, self._type)
            self._vectors[key] = there
            self._locate(self.plan.scratch.index(name), members, there)
        there[...] = array
        return there

    def _numbers(self, k: int, values: NDArray[np.float64]) -> Any:
        """These numbers in an array of the computation type."""
        if self._type is not None:
            return values.astype(self._type)
        return self.desk.numbers(self.members[k], values)

    def at(self, question: Question) -> list[Any]:
        """The weights of each member that a question is about."""
        filed = self._arrays.get(question.at)
        if filed is not None:
            return [filed.one(k) for k in range(len(self.members))]
        return [self.desk.array(tensor, question.at) for tensor in self.members]

    def work(self, work: MatrixWork, lots: Sequence[Lot]) -> None:
        """Run lines on matrices, of lots as `alike` finds them."""
        found = list[tuple[list[int], dict[str, Any]]]()
        for some in in_buckets(lots, self._shapes, _GATHERED) if self.desk.shares else [lots]:
            if self.desk.shares:
                self._gather(work.lines, some)
            with np.errstate(all="ignore"):
                for members, table in some:
                    found.append((members, self._run(work, members, table)))
            self._wholes.clear()
        for line in work.lines:  # a state is read by all before it has its new value
            self._results.pop(line.target, None)
            if line.target not in self._wanted and line.target not in self.plan.swept:
                continue
            if line.level == Level.ELEMENT and line.target in self.plan.swept:
                self._lay_out(line.target, [(k, values[line.target]) for k, values in found])
                continue
            for members, values in found:
                value = values[line.target]
                if line.level in (Level.ELEMENT, Level.MATRIX):
                    self._results[line.target].put(members, value)
                else:
                    self._file(line.target, members, value)

    def _lay_out(self, name: str, found: Sequence[tuple[list[int], Any]]) -> None:
        """File arrays of the parameters' shapes for passes to read."""
        made = Together()
        for members, value in found:
            tensors, shape = [self.members[k] for k in members], self._shapes[members[0]]
            array = value.reshape((len(members), *shape) if members[1:] else shape)
            there = self.desk.alike(tensors, array) if members[1:] else None
            if there is not None:
                made.put(members, there)
                continue
            each = array if members[1:] else [array]
            for k, tensor, one in zip(members, tensors, each, strict=True):
                made.put([k], self.desk.like(tensor, one))
        self._put(name, made)

    def forget(self) -> None:
        """Let go of what the pass which stores does not read, and no state is."""
        for filed in (self._arrays, self._results):
            for name in filed.keys() - {*self.plan.main.loads, *self.plan.matrices}:
                del filed[name]
        if not self._stays:
            self._made.clear()

    def keep(self) -> None:
        """Store the matrices that are states; called again, it does it again."""
        for name in self.plan.matrices:
            for members, array in self._results[name].groups():
                if self._type is not None and name in self.plan.vectors:
                    for k, new in zip(members, array if members[1:] else [array], strict=True):
                        self._standing[k, name][...] = new
                    continue
                self.desk.keep([self.members[k] for k in members], name, array)

    def let_go(self) -> None:
        """The step has happened, or will not: its arrays are nobody's any more."""
        self._arrays.clear()
        self._results.clear()
        self._wholes.clear()
        self._parts.clear()
        if not self._stays:
            self._made.clear()

    def alike(
        self,
        work: MatrixWork,
        numbers: Sequence[Mapping[str, Any]],
        context_of: Sequence[int],
        known: Mapping[str, NDArray[np.float64]],
    ) -> list[Lot]:
        """The members that are worked on together, with the numbers that they have in common:
        `numbers` are those that are known before the step, of each context, `context_of` says which
        a member has, and `known` are the reductions."""
        found: dict[Any, Lot] = {}
        asked = dict.fromkeys(name for line in work.lines for name in line.names)
        sided = [name for name in asked if name in self._with_sides]
        is_small = all(name in self.plan.vectors for name in asked if name not in work.numbers)
        measured = [name for name in work.numbers if name in known]
        tables = [{name: own[name] for name in work.numbers if name in own} for own in numbers]
        said = [tuple(map(str, table.values())) for table in tables]
        for k, context in enumerate(context_of):
            more = {name: Measured(known[name][k]) for name in measured}
            shape = self._shapes[k]
            alone = k if not is_small and math.prod(shape) > _STACKED else -1
            # the sides of a matrix may be settings, which groups have
            sides = [tuple(self._matrix(k, name).shape) for name in sided]
            key = (alone, shape, said[context], *map(str, more.values()), *sides)
            if key not in found:
                found[key] = [], plainly(work.uniform, {**tables[context], **more})
            found[key][0].append(k)
        return list(found.values())

    def _gather(self, lines: Sequence[Line], lots: Sequence[Lot]) -> None:
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
        there = {n: arrays.one for n, arrays in self._arrays.items()}
        asked = [(self.members[k], n, there[n](k) if n in there else None) for k, n in keys]
        self._wholes = dict(zip(keys, self.desk.wholes(asked) if asked else [], strict=True))

    def _run(
        self, work: MatrixWork, members: Sequence[int], table: dict[str, Any]
    ) -> dict[str, Any]:
        """What the lines give of some members, one behind the other."""
        code = compiled(work)
        for name in code.takes:
            if name not in table:
                table[name] = self._gathered(members, name)
        given = table.copy()
        try:
            exec(code.whole, self._words, table)
        except (RuntimeError, ValueError):  # of the library's: which line it was is found out
            return self._run_each(work, members, given)
        if any([type(table[name]) is float or type(table[name]) is int for name in code.vectors]):
            return self._run_each(work, members, given)
        return table

    def _run_each(
        self, work: MatrixWork, members: Sequence[int], table: dict[str, Any]
    ) -> dict[str, Any]:
        """The same, line by line: where one fails, or has one number for all rows or columns."""
        for line, one in zip(work.lines, compiled(work).each, strict=True):
            try:
                value = eval(one, self._words, table)
            except (RuntimeError, ValueError) as error:  # no basis is found, say
                told = f"{self.plan.chain.name}: `{line.written}`: {error}"
                raise ArithmeticError(told) from error
            if line.level in (Level.ROW, Level.COLUMN) and isinstance(value, int | float):
                value = self._filled(members[0], line.level, value)
                value = value if len(members) == 1 else matrices.stacked([value] * len(members))
            table[line.target] = value
        return table

    def _gathered(self, members: Sequence[int], name: str) -> Any:
        """An array of a member as a matrix, or those of several as one array."""
        if len(members) == 1:
            return self._matrix(members[0], name)
        filed = self._results.get(name)
        array = None if filed is None else filed.of(members)
        is_state = filed is None and name in self._apart
        if array is None and is_state and (members[0], name) not in self._standing:
            array = self.desk.stacked([self.members[k] for k in members], name)
            if name in self.plan.vectors:
                array = array.reshape((len(members), *self._sides_of(members[0], name)))
        if array is None and name in self._arrays and not self._wholes:
            array = self._arrays[name].of(members)
            if array is not None:
                array = array.reshape((len(members), *self._sides[members[0]]))
        if array is not None:
            return array
        return matrices.stacked([self._matrix(k, name) for k in members])

    def _filled(self, k: int, level: Level, value: float) -> Any:
        """An array with the same number for each row or column of a member."""
        sides = self._one_for_each(k, level)
        return self._numbers(k, np.full(math.prod(sides), float(value))).reshape(sides)

    def _matrix(self, k: int, name: str) -> Any:
        """An array of a member as a matrix."""
        if name in self._results:
            array = self._results[name].one(k)
        elif (k, name) in self._wholes:
            array = self._wholes[k, name]
        elif name in self._arrays:
            array = self._arrays[name].one(k)
        elif (k, name) in self._standing:
            return self._standing[k, name]
        elif self._stands and name in self._apart:
            return self._stood(k, name)
        else:  # a matrix of which every process has all
            array = self.desk.array(self.members[k], name)
        return self._as_matrix(k, name, array)

    def _stood(self, k: int, name: str) -> Any:
        """A state that is a matrix, which lies where it lay."""
        array = self.desk.view(self.members[k], name)
        if array is None:  # in another type
            return self._as_matrix(k, name, self.desk.array(self.members[k], name))
        self._standing[k, name] = self._as_matrix(k, name, array)
        return self._standing[k, name]

    def _as_matrix(self, k: int, name: str, array: Any) -> Any:
        if name in self.plan.vectors:
            return array.reshape(self._sides_of(k, name))
        sides, shape = self._sides[k], self._shapes[k]
        is_whole = tuple(array.shape) == shape  # and no matrix of another shape
        return array.reshape(sides) if is_whole and len(shape) != len(sides) else array

    def _sides_of(self, k: int, vector: str) -> tuple[int, ...]:
        """The sides of what there is one of for each row or column of a member."""
        return self._one_for_each(k, self.plan.vectors[vector])

    def _one_for_each(self, k: int, level: Level) -> tuple[int, ...]:
        """The same of a level, that of rows or that of columns."""
        *stack, rows, columns = self._sides[k]
        return (*stack, rows, 1) if level == Level.ROW else (*stack, 1, columns)
