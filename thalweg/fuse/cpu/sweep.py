"""Cuts tensors into pieces and runs a pass's kernel over them."""

from __future__ import annotations

import copy
import ctypes
import functools
import itertools
import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.fuse.cpu.cache import compiled
from thalweg.fuse.cpu.text import kernel_text
from thalweg.fuse.cpu.vectors import Rooms
from thalweg.fuse.legs import Pass
from thalweg.fuse.threads import run
from thalweg.fuse.walk import Walk

_address_of, _byte_of = ctypes.addressof, ctypes.c_char.from_buffer

__all__ = ["BLOCK", "Launch", "Sweep", "Table", "address", "of_tensors"]

# Elements of one chunk. Large ones keep the processor's prefetching going (2^18 is a fifth faster
# than 2^14 where memory is the limit); where there is less to do, smaller ones are shared evenly.
BLOCK = 1 << 18
_SMALLEST = 1 << 14
_CHUNKS_PER_CORE = 4
_FEWEST_ROWS = 32
_ALIGNED = 64  # so that a chunk begins where a cache line does, if its tensor does


class Table:
    """The pieces that tensors are cut into, and how pieces are dealt out as tasks; with `by_rows`
    the shapes are how many matrices each tensor is, their rows and columns.

    `strided` says of each array that is walked with gaps whether its rows have some, too.
    """

    strided: tuple[bool, ...] | None = None

    def __init__(
        self, shapes: Sequence[tuple[int, ...]], by_rows: bool, fewest_rows: int = 1
    ) -> None:
        sizes = np.array([math.prod(shape) for shape in shapes], np.int64)
        self.elements = int(sizes.sum())
        self.shapes: list[Any] = list(shapes) if by_rows else []
        block = _block(self.elements)
        if by_rows:
            matrices, rows, columns = np.array(self.shapes, np.int64).reshape(-1, 3).T
            self.columns = np.ascontiguousarray(columns)
            units, per_unit = np.where(sizes > 0, rows, 0), self.columns
            piece = np.maximum(block // np.maximum(per_unit, 1), fewest_rows)
            self.chunks = _cut(units, piece, matrices)
        else:
            self.columns = np.where(sizes > 0, 1, 0)
            units, per_unit = sizes, np.ones_like(sizes)
            piece = np.full_like(sizes, block)
            self.chunks = _cut(units, piece, np.ones_like(sizes))
        ends = np.cumsum(self.chunks[:, 2] * per_unit[self.chunks[:, 0]])
        task_of = (ends - 1) // block
        starts = np.flatnonzero(np.diff(task_of, prepend=-1))
        self.tasks = np.append(starts, len(self.chunks)).astype(np.int64)

    @functools.cached_property
    def with_more_rows(self) -> Table:
        """The same in pieces of some rows at least: what is kept for each of their columns is then
        little beside them."""
        return Table(self.shapes, True, _FEWEST_ROWS)

    @classmethod
    def of_rows(cls, count: int, width: int) -> Table:
        """The same of many short vectors of one length, without a look at each."""
        table = cls.__new__(cls)
        table.elements = count * width
        table.columns, table.shapes = np.ones(count, np.int64), []
        in_a_task = max(_block(table.elements) // width, 1)
        table.chunks = np.zeros((count, 3), np.int64)
        table.chunks[:, 0], table.chunks[:, 2] = np.arange(count), width
        table.tasks = np.minimum(np.arange(0, count + in_a_task, in_a_task, dtype=np.int64), count)
        return table

    def walked(self, walks: Sequence[Walk]) -> Table:
        """The same pieces, each of which is walked in rows; the walks have a stride for each array
        of a pass."""
        table = copy.copy(self)
        rows = [(walk.length, *itertools.chain(*walk.strides)) for walk in walks]
        table.columns, table.strided = np.array(rows, np.int64), walks[0].strided
        return table


@functools.cache
def _cores() -> int:
    return os.cpu_count() or 1


def _block(elements: int) -> int:
    """How many elements a chunk has at most."""
    even = elements // (_CHUNKS_PER_CORE * _cores())
    return min(BLOCK, max(_SMALLEST, even - even % _ALIGNED))


def _cut(
    units: NDArray[np.int64], piece: NDArray[np.int64], matrices: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Rows (tensor, first unit, number of units), none of more than `piece[tensor]` units; each of
    a tensor's `matrices` has so many units, and no piece is of two."""
    pieces = -(-units // piece)
    tensor = np.repeat(np.arange(len(units)), pieces * matrices)
    before = np.cumsum(pieces * matrices) - pieces * matrices
    matrix, place = np.divmod(np.arange(len(tensor)) - before[tensor], pieces[tensor])
    first = place * piece[tensor]
    count = np.minimum(piece[tensor], units[tensor] - first)
    first += matrix * units[tensor]
    return np.ascontiguousarray(np.stack([tensor, first, count], axis=1), dtype=np.int64)


class Sweep:
    """One pass over the tensors of one table: its kernel, ready to be run at every step."""

    def __init__(
        self, pass_: Pass, formats: Sequence[str], computation: str, title: str, table: Table
    ) -> None:
        if pass_.vectors:  # each chunk has a number for each column
            table = table.with_more_rows
        self.table = table
        self.kinds = [one.kind for one in pass_.results]
        self.rooms = Rooms(pass_, table.chunks, table.shapes) if pass_.vectors else None
        self._kernel = _kernel(pass_, tuple(formats), computation, title, table.strided)
        tables = (table.columns, table.chunks, table.tasks)
        self._tables = [address(array) for array in tables]
        self.beside = np.zeros((len(table.chunks), 2), np.int64)
        if table.shapes:
            rows, columns = (np.array([one[i] for one in table.shapes]) for i in (1, 2))
            tensor, first, _ = table.chunks.T
            self.beside[:, 0] = first // np.maximum(rows, 1)[tensor] * columns[tensor]
        if self.rooms is not None:
            self.beside[:, 1] = self.rooms.at

    def launch(
        self, pointers: NDArray[np.int64], numbers: NDArray[np.float64], seed: int = 0
    ) -> Launch:
        """The pass over tensors at these addresses, ready to be run once."""
        return Launch(self, pointers, numbers, seed)

    def run(
        self,
        pointers: NDArray[np.int64],
        numbers: NDArray[np.float64],
        threads: int,
        seed: int = 0,
    ) -> NDArray[np.float64]:
        """Run it on that many `threads` at most; returns what each tensor adds to each result."""
        return self.run_with_vectors(pointers, numbers, threads, seed)[0]

    def run_with_vectors(
        self,
        pointers: NDArray[np.int64],
        numbers: NDArray[np.float64],
        threads: int,
        seed: int = 0,
    ) -> tuple[NDArray[np.float64], list[list[tuple[list[int], NDArray[np.float64]]]]]:
        """The same, with what rows and columns add up to: for each of the results, of groups of
        tensors of one shape."""
        launch = self.launch(pointers, numbers, seed)
        launch.run(threads)
        tensors = self.table.chunks[:, 0]
        sums = of_tensors(launch.sums, self.kinds, tensors, len(pointers))
        return sums, [] if self.rooms is None else self.rooms.together(launch.vectors)


class Launch:
    """One run of a sweep. Its tasks are taken from a counter: run again, it finds none left."""

    def __init__(
        self, sweep: Sweep, pointers: NDArray[np.int64], numbers: NDArray[np.float64], seed: int
    ) -> None:
        table = sweep.table
        self._sweep = sweep
        self.sums: NDArray[np.float64] = np.zeros((len(table.chunks), len(sweep.kinds)))
        self.vectors: NDArray[np.float64] = np.empty(0 if sweep.rooms is None else sweep.rooms.size)
        counter = np.zeros(1, np.int64)
        pointers, numbers = np.ascontiguousarray(pointers), np.ascontiguousarray(numbers)
        addresses = (
            address(pointers),
            address(numbers),
            *sweep._tables,
            len(table.tasks) - 1,
            address(self.sums),
            address(counter),
            seed,
            address(sweep.beside),
            address(self.vectors),
        )
        self._arguments = np.array(addresses, np.int64)
        self._memory = pointers, numbers, counter  # what the addresses point to

    def run(self, threads: int) -> None:
        """Run it on that many `threads` at most."""
        table = self._sweep.table
        if len(table.chunks):
            run(self._sweep._kernel, address(self._arguments), table.elements, threads)


def of_tensors(
    sums: NDArray[np.float64], kinds: Sequence[str], tensor_of: NDArray[np.int64], count: int
) -> NDArray[np.float64]:
    """What so many tensors add to each result, out of what their chunks do."""
    found = np.zeros((count, len(kinds)))
    for i, kind in enumerate(kinds):
        if kind == "largest":
            found[:, i] = -np.inf
            with np.errstate(invalid="ignore"):  # the largest of what has a NaN is one
                np.maximum.at(found[:, i], tensor_of, sums[:, i])
        else:
            found[:, i] = np.bincount(tensor_of, sums[:, i], count)
    return found


@functools.cache
def _kernel(
    pass_: Pass,
    formats: tuple[str, ...],
    computation: str,
    title: str,
    strided: tuple[bool, ...] | None,
) -> Any:
    """The kernel of a pass: its text, and the search for what was made of it, once per process."""
    return compiled(kernel_text(pass_, formats, computation, title, strided), title, 1)


def address(array: NDArray[Any]) -> int:
    """Where a contiguous array lies; it must outlive the use of its address.

    Asked through ctypes: NumPy itself takes nine times as long, and a step asks ten times.
    """
    if not array.size:
        return 0
    if not array.flags.writeable:
        return int(array.__array_interface__["data"][0])
    return _address_of(_byte_of(array.data))
