"""What a prepared step asks of the engine: a launch that is run again and again, and one look at
everything that may have moved since the last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.fuse.cpu.cache import compiled
from thalweg.fuse.cpu.sweep import address
from thalweg.fuse.threads import run

__all__ = ["Look", "StandingLaunch"]

_LOOK = """# Made by thalweg: whether tensors and the numbers kept with them are where they were.
from thalweg.fuse.cpu.memory import call, double, integer, load, put_integer

load_narrow = load("float32", "float64", "cell", ("cell",))
load_wide = load("float64", "float64", "cell", ("cell",))


def kernel(table):
    function, nothing = integer(table, 0), integer(table, 1)
    objects, places, count = integer(table, 2), integer(table, 3), integer(table, 4)
    changed = 0
    for i in range(count):
        changed |= call(function, integer(objects, i)) ^ integer(places, i)
    cells, wide, numbers = integer(table, 5), integer(table, 6), integer(table, 7)
    for i in range(integer(table, 8)):
        at = integer(cells, i)
        if integer(wide, i):
            number = load_wide(at, 0)
        else:
            number = load_narrow(at, 0)
        if number != double(numbers, i):
            changed |= 1
    grads, found, missing = integer(table, 9), integer(table, 10), 0
    for i in range(integer(table, 11)):
        grad = integer(grads, i)
        at = 0
        if grad == nothing:
            missing += 1
        else:
            at = call(function, grad)
            if at == 0:
                changed |= 1
        put_integer(found, i, at)
    put_integer(table, 12, changed)
    put_integer(table, 13, missing)
"""

_KEEP = """# Made by thalweg: stores the numbers kept with tensors.
from thalweg.fuse.cpu.memory import double, integer, store

store_narrow = store("float32", "float64", "cell", ("cell",))
store_wide = store("float64", "float64", "cell", ("cell",))


def kernel(table):
    cells, wide, numbers = integer(table, 5), integer(table, 6), integer(table, 7)
    for i in range(integer(table, 8)):
        at = integer(cells, i)
        if integer(wide, i):
            store_wide(at, 0, double(numbers, i))
        else:
            store_narrow(at, 0, double(numbers, i))
"""


class StandingLaunch:
    """A pass over the same tensors at every step: its tables stay, what is new is written there.

    `pointers` [tensor, array] and `numbers` [tensor, number] are read when it runs; a tensor whose
    first address is 0 is passed over.
    """

    def __init__(
        self,
        sweep: Any,
        pointers: NDArray[np.int64],
        numbers: NDArray[np.float64],
        seed: int = 0,
    ) -> None:
        launch = sweep.launch(pointers, numbers, seed)
        self.pointers, self.numbers, self._counter = launch._memory
        self._launch, self._kernel = launch, sweep._kernel
        self._at = address(launch._arguments)
        self._elements = sweep.table.elements if len(sweep.table.chunks) else 0

    def begin(self) -> None:
        """Make it ready to be run once; run again before the next time, it does nothing."""
        self._counter[0] = 0

    def run(self, threads: int) -> None:
        """Run it on that many `threads` at most."""
        if self._elements:
            run(self._kernel, self._at, self._elements, threads)


class Look:
    """One look at many objects of Python, by a C function from object to address.

    `objects` must lie at `places` still, and the numbers at `cells` (doubles where `wide`) must be
    those in `numbers`; a number that is none never is. The objects are known by their identities:
    who asks keeps them alive.
    """

    def __init__(
        self,
        function: int,
        objects: Sequence[Any],
        places: NDArray[np.int64],
        cells: NDArray[np.int64],
        wide: NDArray[np.int64],
        numbers: NDArray[np.float64],
        rows: int,
    ) -> None:
        ids = np.fromiter(map(id, objects), np.int64, len(objects))
        self.found = np.zeros(rows, np.int64)
        self._memory = objects, ids, places, cells, wide, numbers
        self._table = np.array(
            [
                function,
                id(None),
                *(address(ids), address(places), len(ids)),
                *(address(cells), address(wide), address(numbers), cells.size),
                *(0, address(self.found), rows),
                *(0, 0),
            ],
            np.int64,
        )
        self._at = address(self._table)
        self._look = compiled(_LOOK, "look", 1, holds_gil=True)
        self._keep = compiled(_KEEP, "keep", 1, holds_gil=True)

    def holds(self, objects: Sequence[Any]) -> bool:
        """Whether all is where it was, and each of these objects lies somewhere or is None; then
        `found` says where, 0 for None, and `missing` how many there are of those."""
        ids = np.fromiter(map(id, objects), np.int64, len(objects))
        self._table[9] = address(ids)
        self._look(self._at)
        return not self._table[12]

    def keep(self) -> None:
        """Store the numbers, as they are now, into the cells."""
        self._keep(self._at)

    @property
    def missing(self) -> int:
        """How many objects were None when it looked last."""
        return int(self._table[13])
