"""The numbers that a kernel's blocks meet: worked out in double on the host, then rounded.

So a kernel of single precision has no double in it, and tensors of one step have theirs worked out
once.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from struct import Struct
from types import CodeType

import numpy as np
from numpy.typing import NDArray

from thalweg.fuse.closing import worked_out
from thalweg.fuse.gpu.lines import numbers_of, uniform_values
from thalweg.fuse.plan import Pass

__all__ = ["Numbers"]


class Numbers:
    """The table of a pass's kernel: [tensor, rounded number, then truth]."""

    def __init__(self, pass_: Pass, computation: str) -> None:
        several = [*(row.lines for row in pass_.rows), pass_.lines]
        doubles = {new: old for lines in several for new, old in lines.rounded}
        reduced = uniform_values(pass_)
        doubles |= {name: name for name in reduced}
        rounded, truths = numbers_of(several, reduced)
        self._names, self._computation = pass_.numbers, np.dtype(computation)
        self._wanted = [*(doubles[name] for name in rounded), *truths]
        self._lines = tuple(line for lines in several for line in lines.uniform)
        self._columns = _columns(self._lines, self._names, self._wanted)
        self._struct = Struct(f"{len(self._wanted)}{self._computation.char}")
        self._last = b"", b""  # a row of numbers, and the one that it has become

    @property
    def row_size(self) -> int:
        """The bytes of one row."""
        return self._computation.itemsize * len(self._wanted)

    def packed(self, numbers: NDArray[np.float64]) -> bytes:
        """The table as it lies there: a row for each row of `numbers`, which has a column per
        number of the pass."""
        content = numbers.tobytes()
        one = content[: numbers.strides[0]] if len(numbers) else b""
        if one and content == one * len(numbers):  # nearly always; NumPy takes longer to ask
            if one != self._last[0]:
                self._last = one, self._packed_row(numbers[0].tolist())
            return self._last[1] * len(numbers)
        return self.table(numbers).tobytes()

    def _packed_row(self, numbers: Sequence[float]) -> bytes:
        """One row: of few numbers Python is done before NumPy begins."""
        if self._columns is not None:
            places, tests = self._columns
            known = dict(zip(self._names, numbers, strict=True)) if tests is not None else {}
            if tests is not None:
                exec(tests, {}, known)
            truths = [known[name] for name in self._wanted[len(places) :]]
            try:
                return self._struct.pack(*[numbers[i] for i in places], *truths)
            except OverflowError:  # what is too large is infinite
                pass
        return self.table(np.array([numbers])).tobytes()

    def table(self, numbers: NDArray[np.float64]) -> NDArray[np.floating]:
        """The same as an array."""
        if self._columns is not None:
            return self._of_columns(numbers, *self._columns)
        known = {each.tobytes(): each for each in numbers}
        rows = {key: self._row(each) for key, each in known.items()}
        each_row = [rows[each.tobytes()] for each in numbers]
        return np.array(each_row, self._computation).reshape(len(numbers), len(self._wanted))

    def _of_columns(
        self, numbers: NDArray[np.float64], places: Sequence[int], tests: CodeType | None
    ) -> NDArray[np.floating]:
        """The table where a number is only rounded, and a truth compares some of them."""
        found = np.empty((len(numbers), len(self._wanted)), self._computation)
        with np.errstate(over="ignore"):  # what is too large is infinite
            found[:, : len(places)] = numbers[:, places]
        if tests is not None:
            known = dict(zip(self._names, numbers.T, strict=True))
            exec(tests, {}, known)
            for i, name in enumerate(self._wanted[len(places) :], len(places)):
                found[:, i] = known[name]
        return found

    def _row(self, numbers: NDArray[np.float64]) -> NDArray[np.floating]:
        table = dict(zip(self._names, numbers.tolist(), strict=True))
        found = worked_out(self._lines, table)
        with np.errstate(over="ignore"):  # what is too large is infinite
            return np.array([found[name] for name in self._wanted], np.float64).astype(
                self._computation
            )


def _columns(
    lines: Sequence[str], names: Sequence[str], wanted: Sequence[str]
) -> tuple[list[int], CodeType | None] | None:
    """Where each wanted number stands in a row as it is, and the comparisons that are the truths
    behind them; None where a line works out more."""
    at = {name: i for i, name in enumerate(names)}
    tests: list[ast.stmt] = []
    tested: set[str] = set()
    for statement in ast.parse("\n".join(lines)).body:
        if not (isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)):
            return None
        name, value = statement.targets[0].id, statement.value
        if isinstance(value, ast.Name) and value.id in at and name not in at:
            at[name] = at[value.id]
        elif isinstance(value, ast.Compare) and _is_of(value, names):
            tests.append(statement)
            tested.add(name)
        else:
            return None
    places = [at[name] for name in wanted if name in at]
    is_all = len(places) + len(tested & {*wanted}) == len(wanted)
    if not is_all or any(name in tested for name in wanted[: len(places)]):
        return None
    made = compile(ast.Module(tests, []), "<truths of a step>", "exec") if tests else None
    return places, made


def _is_of(tree: ast.Compare, names: Sequence[str]) -> bool:
    """Whether it compares two of these numbers, or one with a constant."""
    sides = [tree.left, *tree.comparators]
    is_plain = all(
        isinstance(one, ast.Constant) or (isinstance(one, ast.Name) and one.id in names)
        for one in sides
    )
    return is_plain and len(sides) == 2
