"""One pass of a step whose numbers the device works out: its tables stay."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.fuse.batch import Batch
from thalweg.fuse.device import Buffer, DeviceMemory
from thalweg.fuse.gpu.awaited import LANES, OnDevice, Sums, places_of
from thalweg.fuse.gpu.kernels import OPTIONS, kernel_of
from thalweg.fuse.gpu.prologue import aimed_text, blank, closing_text
from thalweg.fuse.gpu.sweep import Sweep
from thalweg.fuse.gpu.totals import added_up
from thalweg.fuse.plan import Pass
from thalweg.source import names_in

__all__ = ["Closing", "ReadiedPass", "whole_of"]


class ReadiedPass:
    """A pass over the tensors of a batch, of which at each step those move that go its way.

    `members` int32 [member, 2] are the tensors, each with the code of that way; `tables` are the
    codes, where the gradients lie, and the chain's numbers, of which `number_at` says the order.
    """

    def __init__(
        self,
        memory: DeviceMemory,
        batch: Batch,
        pass_: Pass,
        members: NDArray[np.int32],
        pointers: NDArray[np.int64],
        tables: tuple[Buffer, Buffer, Buffer],
        number_at: Mapping[str, int],
    ) -> None:
        self._memory, self.pass_, self._number_at = memory, pass_, number_at
        sweep, places = batch._sweep(pass_)
        assert isinstance(sweep, Sweep)
        sweep._compile()
        self._sweep, self._count = sweep, len(members)
        home = np.ascontiguousarray(pointers[batch.members[:, None], places])
        self._members, self._home = memory.upload(members), memory.upload(home)
        self._aimed = memory.upload(home)
        self._codes, self._gradients, self._decided = tables
        pieces, results = len(sweep._table.pieces), len(sweep._kinds)
        self._rounded = memory.zeros(max(sweep._numbers.row_size * self._count, 8))
        self._done = memory.zeros(max(4 * pieces, 8))
        self._parts = memory.zeros(max(8 * pieces * results, 8))
        self._totals = memory.zeros(max(8 * self._count * results, 8))
        self._tables = [*sweep._table.on_device, sweep.kinds_there]
        self._awaited: list[Buffer] = []
        self._kernel: Any = None
        self._places = self._counts = self._members.address  # of nothing

    def know(self, known: Mapping[str, OnDevice]) -> None:
        """What is measured of its tensors will lie there: said once."""
        names = [name for name in self.pass_.numbers if name in known]
        sweep = self._sweep
        text = aimed_text(self.pass_, self._number_at, names, sweep._computation, sweep._title)
        self._kernel = kernel_of(text, f"{sweep._title}_numbers")
        if names:
            columns = [known[name] for name in names]
            tables = [self._memory.upload(one) for one in places_of(columns)]
            self._places, self._counts = (one.address for one in tables)
            self._awaited = [*tables, *(one.buffer for one in columns)]

    @property
    def _buffers(self) -> list[Buffer]:
        own = [self._members, self._home, self._aimed, self._rounded, self._done, self._parts]
        common = [self._codes, self._gradients, self._decided, self._totals]
        return [*own, *common, *self._tables, *self._awaited]

    def ready(self) -> None:
        """Put it on the stream to work out its numbers, and to begin anew: nothing moves."""
        sweep = self._sweep
        pieces, results = len(sweep._table.pieces), len(sweep._kinds)
        with self._memory.active(*self._buffers):
            self._kernel[(-(-self._count // LANES),)](
                self._members.address,
                self._count,
                self._codes.address,
                self._gradients.address,
                self._home.address,
                self._aimed.address,
                self._decided.address,
                self._places,
                self._counts,
                self._rounded.address,
                LANES=LANES,
                **OPTIONS,
            )
            if pieces:
                at = self._done.address, self._parts.address, sweep.kinds_there.address
                blank[(-(-pieces // LANES),)](*at, pieces, results, LANES=LANES, **OPTIONS)

    def run(self) -> None:
        """Put the pass on the stream; once more before it is made ready, it finds nothing to do."""
        shapes, pieces, _ = self._sweep._table.on_device
        addresses = [one.address for one in (self._aimed, self._rounded, shapes, pieces)]
        addresses += [self._done.address, self._parts.address]
        self._sweep.put(addresses, 1, self._buffers)

    def add_up(self) -> None:
        """Add up what the pieces of each tensor have added to each result."""
        results = len(self._sweep._kinds)
        spans, sums = self._sweep._table.on_device[2], (self._parts.address, results)
        if results:
            target = self._count, results, self._totals.address
            tables = spans, self._sweep.kinds_there
            added_up(self._memory, sums, *tables, target, *self._buffers)

    @property
    def sums(self) -> Any:
        """What each tensor adds to each result: a column for each."""
        return Sums(self._memory, self._totals, (self._count, len(self._sweep._kinds)))


class Closing:
    """The kept numbers of the tensors of a batch that follow from what is `known`, the reductions
    by name: worked out on the device, behind the passes that measure.

    `tables` are the codes, the chain's numbers, of which `number_at` says the order, and the kept
    ones, a row for each tensor, in the order of the chain's cells.
    """

    def __init__(
        self,
        memory: DeviceMemory,
        batch: Batch,
        members: NDArray[np.int32],
        tables: tuple[Buffer, Buffer, Buffer],
        number_at: Mapping[str, int],
        known: Mapping[str, OnDevice],
    ) -> None:
        plan, self._memory, self._tables = batch.plan, memory, tables
        chain = plan.chain
        cells = list(chain.cells)
        place = {
            part.qualified(name): cells.index(part.key(name, one.key))
            for part in chain.parts
            for name, one in part.declared.declaration.cells.items()
        }
        given = {line.partition(" = ")[0].strip() for line in plan.closing}
        kept = {name: place[name] for name in plan.kept if name in given}
        asked = names_in(ast.parse("\n".join(plan.closing)))
        names = [name for name in known if name in asked]
        text = closing_text(plan.closing, kept, number_at, names, len(cells), chain.name)
        self._kernel = kernel_of(text, f"{chain.name}_kept")
        self._members, self._count = memory.upload(members), len(members)
        self._places = self._counts = self._members.address  # of nothing
        self._awaited: list[Buffer] = []
        if names:
            columns = [known[name] for name in names]
            measured = [memory.upload(one) for one in places_of(columns)]
            self._places, self._counts = (one.address for one in measured)
            self._awaited = [*measured, *(one.buffer for one in columns)]

    def run(self) -> None:
        """Put it on the stream."""
        codes, decided, kept = self._tables
        with self._memory.active(self._members, *self._tables, *self._awaited):
            self._kernel[(-(-self._count // LANES),)](
                self._members.address,
                self._count,
                codes.address,
                decided.address,
                self._places,
                self._counts,
                kept.address,
                LANES=LANES,
                **OPTIONS,
            )


def whole_of(
    memory: DeviceMemory, kind: str, parts: Sequence[OnDevice], count: int
) -> tuple[Callable[[], None], list[OnDevice]]:
    """What puts several parts of a reduction over all tensors together, always in this order, and
    the one number that they are then, of so many elements, for each of the parts."""
    is_largest = memory.upload(np.array([kind == "largest"], np.int32))
    found, whole = memory.zeros(8 * len(parts)), memory.zeros(8)
    spans = [memory.upload(np.array([[0, one.length]], np.int64)) for one in parts]
    of_parts = memory.upload(np.array([[0, len(parts)]], np.int64))

    def add() -> None:
        for i, (one, span) in enumerate(zip(parts, spans, strict=True)):
            target = 1, 1, found.address + 8 * i
            where = one.address, one.step // 8
            added_up(memory, where, span, is_largest, target, one.buffer, found)
        added_up(memory, (found.address, 1), of_parts, is_largest, (1, 1, whole.address), found)

    counts = [np.full(one.length, max(count, 1)) for one in parts]
    return add, [
        OnDevice(memory, whole, 0, 0, one.length, kind, of_each)
        for one, of_each in zip(parts, counts, strict=True)
    ]
