"""What an engine is: it runs the passes of plans over arrays that a border hands in.

The driver (`work.py`) decides which tensors take which plan with which numbers, and knows engines
by this protocol alone; `engines.py` finds the one for a device.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from thalweg.fuse.plan import Pass

__all__ = ["Engine", "Launch", "StandingLaunch", "StandingVectorLaunch", "Sweep", "VectorSweep"]


class Launch(Protocol):
    """One run of a pass, prepared and not yet begun: begun twice, it happens once."""

    def run(self, threads: int) -> None:
        """Run it on that many `threads` at most."""


class Sweep(Protocol):
    """One pass over the tensors of one table: ready to be run at every step."""

    def launch(
        self, pointers: NDArray[np.int64], numbers: NDArray[np.float64], seed: int = 0
    ) -> Launch:
        """The pass over arrays that lie at `pointers`, with these numbers; nothing runs yet."""

    def run(
        self,
        pointers: NDArray[np.int64],
        numbers: NDArray[np.float64],
        threads: int,
        seed: int = 0,
    ) -> NDArray[np.float64]:
        """Run it; returns what each tensor adds to each of the results, [tensor, result]: numbers,
        or something whose `T` has an `Awaited` for each result, which numbers of `launch` and `run`
        may then be made of.

        `pointers` has a row per tensor and says where each array lies: a column per stream, then
        one per companion, as `storage.columns` lists them. `numbers`
        has a column per `Pass.numbers`. That many `threads` take part at most, where that means
        something. Of `seed` come the random bits of formats that round with them: below 2^63.
        """


class VectorSweep(Sweep, Protocol):
    """A sweep of an engine that sums rows and columns."""

    def run_with_vectors(
        self,
        pointers: NDArray[np.int64],
        numbers: NDArray[np.float64],
        threads: int,
        seed: int = 0,
    ) -> tuple[NDArray[np.float64], list[list[tuple[list[int], NDArray[np.float64]]]]]:
        """The same, and for each of the `Pass.vectors` what rows or columns add up to: groups of
        tensors of one shape, with [tensor, row or column], matrix by matrix."""


class StandingLaunch(Protocol):
    """A launch that is run again and again: its tables stay, what is new is written there."""

    pointers: NDArray[np.int64]
    numbers: NDArray[np.float64]

    def begin(self) -> None:
        """Make it ready to be run once more."""

    def run(self, threads: int) -> None:
        """Run it on that many `threads` at most; again before the next time, it does nothing."""

    def sums(self) -> Any:
        """What each tensor adds to each result [tensor, result], when it has run."""


class StandingVectorLaunch(StandingLaunch, Protocol):
    """One of an engine that sums rows and columns."""

    def vectors(self) -> list[list[tuple[list[int], NDArray[np.float64]]]]:
        """What rows and columns add up to, when it has run, as `run_with_vectors` has it."""


class Engine(Protocol):
    """Everything that the driver and the borders ask of an engine."""

    name: str
    """What it is called where one is chosen."""

    sums_vectors: bool
    """Whether its passes can sum over each row and column; else what is added up is written."""

    def formats(self) -> frozenset[str]:
        """The storage formats that it can load and store here."""

    portion: int
    """How many elements it takes at once, or one tensor, where lines on matrices read what a pass
    has written; 0 for all."""

    def table(self, shapes: Sequence[tuple[int, ...]], by_rows: bool) -> Any:
        """What it must know of the shapes of a set of tensors: made once, handed back to `sweep`.

        With `by_rows` no row of a tensor may be split, and its shape is how many matrices it is,
        their rows and their columns.
        """

    def sweep(
        self, pass_: Pass, formats: Sequence[str], computation: str, title: str, table: Any
    ) -> Sweep:
        """A pass over tensors of one table. `formats` are those of `pass_.streams`; numbers are
        computed in double, elements in the type `computation`."""

    def standing_launch(
        self, sweep: Any, pointers: NDArray[np.int64], numbers: NDArray[np.float64]
    ) -> StandingLaunch:
        """The same launch for step after step, as `fuse/prepared.py` takes them."""

    def read_numbers(
        self, addresses: NDArray[np.int64], wide: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """The numbers kept with tensors, where they lie: doubles where `wide`, else singles."""

    def write_numbers(
        self,
        addresses: NDArray[np.int64],
        wide: NDArray[np.int64],
        values: NDArray[np.float64],
    ) -> None:
        """Store the numbers kept with tensors."""

    def cache(self) -> Path | None:
        """The folder in which it keeps what it compiled, or None."""
