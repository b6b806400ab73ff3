"""A launch that is run again and again: what a prepared step asks of the engine."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.fuse.cpu.sweep import address, of_tensors
from thalweg.fuse.threads import ELEMENTS_PER_TEAM_THREAD, run

__all__ = ["StandingLaunch"]


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
        self._is_small = 0 < self._elements < 2 * ELEMENTS_PER_TEAM_THREAD
        self._kinds, self._tensor_of = sweep.kinds, sweep.table.chunks[:, 0]
        # of small tensors each is one chunk
        self._is_whole = np.array_equal(self._tensor_of, np.arange(len(pointers)))

    def begin(self) -> None:
        """Make it ready to be run once; run again before the next time, it does nothing."""
        self._counter[0] = 0

    def run(self, threads: int) -> None:
        """Run it on that many `threads` at most."""
        if self._is_small:  # one thread does all
            self._kernel(self._at)
        elif self._elements:
            run(self._kernel, self._at, self._elements, threads)

    def sums(self) -> NDArray[np.float64]:
        """What each tensor adds to each result, when it has run; of one that was passed over, any
        number."""
        sums: NDArray[np.float64] = self._launch.sums
        if self._is_whole:
            return sums
        return of_tensors(sums, self._kinds, self._tensor_of, len(self.pointers))
