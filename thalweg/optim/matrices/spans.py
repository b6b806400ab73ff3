"""Passes of the engine over the rows of many matrices, with each row as a tensor of its own.

So every row can have numbers of its own, and all rows of a matrix can share one array, such as a
factor per column.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.fuse.engine import Launch, Sweep
from thalweg.fuse.engines import host
from thalweg.fuse.plan import Pass

__all__ = ["Shapes", "SpanPass", "Spans", "counted", "own", "portions", "vectors"]

Shapes = tuple[tuple[int, int], ...]

# A span is at most so long: the engine cuts none in two, and what it adds up per column stays in
# the processor's nearest cache.
WIDEST = 1 << 12

# So many rows at most are added up in the computation type; such sums are added in double.
DEEPEST = 1 << 8


class Spans:
    """The rows of some matrices in order, row by row: `matrix`, `row`, first `column`, `width`.

    A row longer than WIDEST is several spans, and its matrix is cut into strips of columns, one
    after the other. `bin` numbers stretches of spans of one strip that one thread works on: each
    can add to an array of its own without regard to the others.
    """

    def __init__(self, shapes: Shapes) -> None:
        rows, columns = np.array(shapes, np.int64).reshape(-1, 2).T
        strips = -(-columns // WIDEST)
        matrix = np.repeat(np.arange(len(rows)), strips)  # of each strip
        column = counted(strips) * WIDEST
        width = np.minimum(columns[matrix] - column, WIDEST)
        strip = np.repeat(np.arange(len(matrix)), rows[matrix])
        self.matrix, self.column, self.width = matrix[strip], column[strip], width[strip]
        self.row = counted(rows[matrix])
        self.table = vectors(self.width)
        assert len(self.table.chunks) == len(strip), "the engine has cut a span in two"
        task = np.searchsorted(self.table.tasks, np.arange(len(strip)), side="right")
        keys = np.stack([strip, task, self.row // DEEPEST])
        is_first = np.append(True, np.any(keys[:, 1:] != keys[:, :-1], axis=0))[: len(strip)]
        self.bin = np.cumsum(is_first) - 1
        first = np.flatnonzero(is_first)  # the first span of each bin
        self.bin_matrix, self.bin_column = self.matrix[first], self.column[first]
        self.bin_width = self.width[first]
        self.bins = vectors(self.bin_width)


class SpanPass:
    """One pass for one choice of formats, over tensors known by their addresses.

    Streams and numbers go by the names that the rule gives them; `results` are the reductions that
    the pass adds up, each with its kind.
    """

    def __init__(
        self, pass_: Pass, formats: Mapping[str, str], computation: str, title: str
    ) -> None:
        self._pass, self._computation, self._title = pass_, computation, re.sub(r"\W+", "_", title)
        self._streams, self.numbers = (
            [own(n) for n in pass_.streams],
            [own(n) for n in pass_.numbers],
        )
        self._formats = [formats[name] for name in self._streams]
        self.results = [(own(one.name), one.kind) for one in pass_.results]
        self._sweeps: dict[Any, Sweep] = {}  # by the table

    def run(
        self,
        table: Any,
        addresses: Mapping[str, NDArray[np.int64]],
        numbers: Mapping[str, Any],
        threads: int,
    ) -> NDArray[np.float64]:
        """Run it on up to `threads` threads; returns what each tensor adds to each result."""
        return self._sweep(table).run(*self._given(table, addresses, numbers), threads)

    def launch(
        self, table: Any, addresses: Mapping[str, NDArray[np.int64]], numbers: Mapping[str, Any]
    ) -> Launch:
        """One run of it, not yet begun: begun twice, it happens once."""
        return self._sweep(table).launch(*self._given(table, addresses, numbers))

    def _given(
        self, table: Any, addresses: Mapping[str, NDArray[np.int64]], numbers: Mapping[str, Any]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Addresses and numbers as the engine has them."""
        streams = [addresses[name] for name in self._streams]
        values = np.empty((len(table.columns), len(self.numbers)))
        for i, name in enumerate(self.numbers):
            values[:, i] = numbers[name]
        return np.stack(streams, axis=1), values

    def _sweep(self, table: Any) -> Sweep:
        if table not in self._sweeps:
            self._sweeps[table] = host().sweep(
                self._pass, self._formats, self._computation, self._title, table
            )
        return self._sweeps[table]


def vectors(sizes: NDArray[np.int64]) -> Any:
    """The engine's table of one vector for each size."""
    return host().table([(size,) for size in sizes.tolist()], by_rows=False)


def counted(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """0, 1, ... up to each count, one after the other."""
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)


def portions(sizes: NDArray[np.int64], limit: int) -> list[slice]:
    """Cut a list into neighbours of up to `limit` in all; what is larger stays alone."""
    found: list[slice] = []
    start = total = 0
    for i, size in enumerate(sizes.tolist()):
        if start < i and total + size > limit:
            found.append(slice(start, i))
            start, total = i, 0
        total += size
    return [*found, slice(start, len(sizes))] if len(sizes) else found


def own(name: str) -> str:
    """A name as its rule has it."""
    return name.rpartition("__")[2]
