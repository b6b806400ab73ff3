"""Runs the kernel of a pass over the tensors of one table: one launch for all of them, or, of a
pass that goes by rows, one for each width of tile that occurs.

Nothing here waits for the device but `Sweep.run`, which hands back what was added up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.fuse.device import Buffer, DeviceMemory
from thalweg.fuse.gpu.kernels import OPTIONS, kernel_of
from thalweg.fuse.gpu.numbers import Numbers
from thalweg.fuse.gpu.table import Table
from thalweg.fuse.gpu.text import ARGUMENTS, kernel_text
from thalweg.fuse.gpu.totals import totals_of
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
        self._kernel = kernel_of(kernel_text(pass_, formats, computation, title), title)
        self._numbers = Numbers(pass_, computation)
        self._kinds = np.array([one.kind == "largest" for one in pass_.results], np.int32)
        self._turn, self._is_compiled = 0, False
        self._done: Buffer | None = None
        self._last: tuple[tuple[bytes, bytes], int, Buffer] | None = None

    def launch(
        self, pointers: NDArray[np.int64], numbers: NDArray[np.float64], seed: int = 0
    ) -> Launch:
        """The pass over tensors at these addresses, ready to be run once; its tables are on their
        way to the device."""
        self._compile()
        self._turn += 1
        return Launch(self, *self._uploaded(pointers, self._numbers.table(numbers)), self._turn)

    def run(
        self,
        pointers: NDArray[np.int64],
        numbers: NDArray[np.float64],
        threads: int,
        seed: int = 0,
    ) -> NDArray[np.float64]:
        """Run it; returns what each tensor adds to each result, for which it waits."""
        launch = self.launch(pointers, numbers, seed)
        launch.run(threads)
        if launch.sums is None:
            return np.zeros((len(pointers), len(self._kinds)))
        spans = self._table.on_device[2]
        return totals_of(self._memory, launch.sums, spans, self._kinds, len(pointers))

    def _uploaded(
        self, pointers: NDArray[np.int64], numbers: NDArray[np.floating]
    ) -> tuple[Buffer, int]:
        """Both tables in one buffer, which is sent where one of them has changed; and how far into
        it the numbers lie."""
        pointers = np.ascontiguousarray(pointers)
        content = pointers.tobytes(), numbers.tobytes()
        if self._last is None or self._last[0] != content:
            whole = np.frombuffer(b"".join(content), np.uint8)
            self._last = content, pointers.nbytes, self._memory.upload(whole)
        return self._last[2], self._last[1]

    def _compile(self) -> None:
        """Have the kernel before anything moves: what cannot be compiled is said now."""
        if self._is_compiled:
            return
        nothing = [0] * len(ARGUMENTS)
        with self._memory.active():
            for sizes in {stretch.sizes for stretch in self._table.stretches}:
                self._kernel.run(*nothing, *sizes, grid=(1,), warmup=True, **OPTIONS)
        self._is_compiled = True

    def _start(self, launch: Launch) -> None:
        table, memory = self._table, self._memory
        if not len(table.pieces):
            return
        if self._done is None:
            self._done = memory.zeros(4 * len(table.pieces))
        shapes, pieces, _ = table.on_device
        at = launch.tables.address
        addresses = (at, at + launch.offset, shapes.address, pieces.address, self._done.address)
        sums = launch.sums.address if launch.sums else 0
        buffers = launch.tables, shapes, pieces, self._done
        with memory.active(*buffers, *([launch.sums] if launch.sums else [])):
            for stretch in table.stretches:
                self._kernel[(stretch.count,)](
                    *addresses, sums, stretch.first, launch.turn, *stretch.sizes, **OPTIONS
                )


class Launch:
    """One run of a sweep. Every piece of it knows its turn: run again, it finds nothing to do."""

    def __init__(self, sweep: Sweep, tables: Buffer, offset: int, turn: int) -> None:
        self._sweep, self.tables, self.offset, self.turn = sweep, tables, offset, turn
        size = 8 * len(sweep._table.pieces) * len(sweep._kinds)
        self.sums: Any = sweep._memory.zeros(size) if size else None

    def run(self, threads: int) -> None:
        """Put it on the stream; a device has its own `threads`."""
        self._sweep._start(self)
