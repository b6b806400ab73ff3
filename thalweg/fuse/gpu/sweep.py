"""Runs the kernel of a pass over the tensors of one table: one launch for all of them, or, of a
pass that goes by rows, one for each width of tile that occurs.

Nothing here waits for the device: what `Sweep.run` hands back, the device has yet to work out.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.fuse.device import Buffer, DeviceMemory
from thalweg.fuse.gpu import awaited
from thalweg.fuse.gpu.kernels import OPTIONS, Launcher, kernel_of, options_for
from thalweg.fuse.gpu.numbers import Numbers
from thalweg.fuse.gpu.table import Table
from thalweg.fuse.gpu.text import ARGUMENTS, kernel_text
from thalweg.fuse.gpu.totals import added_up
from thalweg.fuse.plan import Pass

__all__ = ["Launch", "Sweep"]


class Sweep:
    """One pass over the tensors of one table: its kernel, ready to be run at every step."""

    def __init__(
        self,
        memory: DeviceMemory,
        pass_: Pass,
        formats: Sequence[str],
        computation: str,
        title: str,
        table: Table,
    ) -> None:
        self._memory, self._table = memory, table
        self._pass, self._computation, self._title = pass_, computation, title
        kernel = kernel_of(kernel_text(pass_, formats, computation, title), title)
        self._kernel = Launcher(kernel, options_for(pass_, formats, memory.lanes))
        self._numbers = Numbers(pass_, computation)
        self._kinds = np.array([one.kind == "largest" for one in pass_.results], np.int32)
        self._turn, self._is_compiled = 0, False
        self._done: Buffer | None = None
        self._kinds_there: Buffer | None = None
        self._last: tuple[bytes, Buffer] | None = None
        self._working_out: dict[tuple[int, ...], Any] = {}

    def launch(self, pointers: NDArray[np.int64], numbers: Any, seed: int = 0) -> Launch:
        """The pass over tensors at these addresses, ready to be run once; its tables are on their
        way to the device. Some of the `numbers` may be awaited."""
        self._compile()
        self._turn += 1
        pointers = np.ascontiguousarray(pointers)
        if isinstance(numbers, awaited.Numbers):
            return self._on_device(pointers, numbers)
        tables, places = self._uploaded([pointers.tobytes(), self._numbers.packed(numbers)])
        return Launch(self, self._turn, places[0], places[1], [tables])

    def _on_device(self, pointers: NDArray[np.int64], numbers: awaited.Numbers) -> Launch:
        """The same where the device works out the numbers first."""
        tables, places = self._uploaded([one.tobytes() for one in (pointers, *numbers.tables())])
        columns = tuple(numbers.columns)
        if columns not in self._working_out:
            text = awaited.numbers_text(self._pass, columns, self._computation, self._title)
            self._working_out[columns] = kernel_of(text, f"{self._title}_numbers")
        tensors = len(pointers)
        rounded = self._memory.zeros(self._numbers.row_size * tensors)
        with self._memory.active(tables, rounded, *numbers.buffers):
            self._working_out[columns][(-(-tensors // awaited.LANES),)](
                *places[1:], rounded.address, tensors, awaited.LANES, **OPTIONS
            )
        return Launch(self, self._turn, places[0], rounded.address, [tables, rounded])

    def run(self, pointers: NDArray[np.int64], numbers: Any, threads: int, seed: int = 0) -> Any:
        """Run it; returns what each tensor adds to each result, which the device has yet to work
        out."""
        launch = self.launch(pointers, numbers, seed)
        launch.run(threads)
        return self.sums_of(launch, len(pointers))

    def sums_of(self, launch: Launch, tensors: int) -> Any:
        """What each of so many tensors adds to each result of a launch that is on the stream."""
        shape = tensors, len(self._kinds)
        if launch.sums is None:
            return np.broadcast_to(np.where(self._kinds, -np.inf, 0.0), shape)
        totals = self._memory.zeros(8 * shape[0] * shape[1])
        tables = self._table.on_device[2], self.kinds_there
        where = (launch.sums.address, shape[1]), *tables, (*shape, totals.address)
        added_up(self._memory, *where, launch.sums, totals)
        return awaited.Sums(self._memory, totals, shape)

    @property
    def kinds_there(self) -> Buffer:
        """Of each result whether it is the largest, on the device."""
        if self._kinds_there is None:
            self._kinds_there = self._memory.upload(self._kinds)
        return self._kinds_there

    def _uploaded(self, tables: Sequence[bytes]) -> tuple[Buffer, list[int]]:
        """Tables in one buffer, which is sent where one of them has changed; and where they lie."""
        content = b"".join(tables)
        if self._last is None or self._last[0] != content:
            self._last = content, self._memory.upload(np.frombuffer(content, np.uint8))
        buffer = self._last[1]
        ends = itertools.accumulate(map(len, tables), initial=buffer.address)
        return buffer, list(ends)[:-1]

    def _compile(self) -> None:
        """Have the kernel before anything moves: what cannot be compiled is said now."""
        if self._is_compiled:
            return
        nothing = [0] * len(ARGUMENTS)
        with self._memory.active():
            for sizes in {stretch.sizes for stretch in self._table.stretches}:
                self._kernel.compile(nothing, sizes)
        self._is_compiled = True

    def _start(self, launch: Launch) -> None:
        table, memory = self._table, self._memory
        if not len(table.pieces):
            return
        if self._done is None:
            self._done = memory.zeros(4 * len(table.pieces))
        shapes, pieces, _ = table.on_device
        given = launch.pointers, launch.numbers
        addresses = [*given, shapes.address, pieces.address, self._done.address]
        addresses.append(launch.sums.address if launch.sums else 0)
        buffers = *launch.buffers, shapes, pieces, self._done
        self.put(addresses, launch.turn, [*buffers, *([launch.sums] if launch.sums else [])])

    def put(self, addresses: Sequence[int], turn: int, buffers: Sequence[Buffer]) -> None:
        """Put the kernel on the stream, with its tables at these addresses."""
        with self._memory.active(*buffers):
            for one in self._table.stretches:
                self._kernel.launch(one.count, [*addresses, one.first, turn], one.sizes)


class Launch:
    """One run of a sweep. Every piece of it knows its turn: run again, it finds nothing to do."""

    def __init__(
        self, sweep: Sweep, turn: int, pointers: int, numbers: int, buffers: Sequence[Buffer]
    ) -> None:
        self._sweep, self.turn = sweep, turn
        self.pointers, self.numbers, self.buffers = pointers, numbers, buffers
        size = 8 * len(sweep._table.pieces) * len(sweep._kinds)
        self.sums: Any = sweep._memory.zeros(size) if size else None

    def run(self, threads: int) -> None:
        """Put it on the stream; a device has its own `threads`."""
        self._sweep._start(self)
