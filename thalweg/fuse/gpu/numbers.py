"""The numbers that a kernel's blocks meet: worked out in double on the host, then rounded.

So a kernel of single precision has no double in it, and tensors of one step have theirs worked out
once.
"""

from __future__ import annotations

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

    @property
    def row_size(self) -> int:
        """The bytes of one row."""
        return self._computation.itemsize * len(self._wanted)

    def table(self, numbers: NDArray[np.float64]) -> NDArray[np.floating]:
        """A row for each row of `numbers`, which has a column per number of the pass."""
        if len(numbers) and (numbers == numbers[0]).all():
            found = np.empty((len(numbers), len(self._wanted)), self._computation)
            found[:] = self._row(numbers[0])
            return found
        known = {each.tobytes(): each for each in numbers}
        rows = {key: self._row(each) for key, each in known.items()}
        each_row = [rows[each.tobytes()] for each in numbers]
        return np.array(each_row, self._computation).reshape(len(numbers), len(self._wanted))

    def _row(self, numbers: NDArray[np.float64]) -> NDArray[np.floating]:
        table = dict(zip(self._names, numbers.tolist(), strict=True))
        found = worked_out(self._lines, table)
        with np.errstate(over="ignore"):  # what is too large is infinite
            return np.array([found[name] for name in self._wanted], np.float64).astype(
                self._computation
            )
