"""A launch that is run again and again: what a prepared step asks of the engine."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.fuse.gpu.sweep import Launch, Sweep

__all__ = ["StandingLaunch"]


class StandingLaunch:
    """A pass over the same tensors at every step.

    `pointers` [tensor, array] and `numbers` [tensor, number] are the host's: what is there when it
    begins is sent to the device, if it is new. A tensor whose first address is 0 is passed over.
    """

    def __init__(
        self, sweep: Sweep, pointers: NDArray[np.int64], numbers: NDArray[np.float64]
    ) -> None:
        self.pointers = np.ascontiguousarray(pointers)
        self.numbers = np.ascontiguousarray(numbers)
        self._sweep = sweep
        self._launch: Launch | None = None

    def begin(self) -> None:
        """Make it ready to be run once; run again before the next time, it does nothing."""
        self._launch = self._sweep.launch(self.pointers, self.numbers)

    def run(self, threads: int) -> None:
        """Put it on the stream."""
        if self._launch is not None:
            self._launch.run(threads)

    def sums(self) -> Any:
        """What each tensor adds to each result, which the device has yet to work out."""
        assert self._launch is not None
        return self._sweep.sums_of(self._launch, len(self.pointers))
