"""What the GPU engine offers: the protocol, over the memory of one device."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import triton
from numpy.typing import NDArray

from thalweg.chain import Chain
from thalweg.fuse.counted import Context
from thalweg.fuse.device import DeviceMemory
from thalweg.fuse.engine import Engine
from thalweg.fuse.gpu.counted import CountedStep
from thalweg.fuse.gpu.deciding import counts
from thalweg.fuse.gpu.standing import StandingLaunch
from thalweg.fuse.gpu.sweep import Sweep
from thalweg.fuse.gpu.table import Table
from thalweg.fuse.gpu.totals import added_up
from thalweg.fuse.plan import Pass
from thalweg.fuse.storage import ELEMENTS
from thalweg.fuse.work import Work

__all__ = ["BLOCK", "GpuEngine"]

# Elements of one piece: four for each thread of eight warps, or eight for each of four, so that
# every element type is read 128 bits at a time.
BLOCK = 1024
_TRIED = 300  # numbers that are added up to see whether kernels run


class GpuEngine:
    """Runs passes as Triton's kernels over what lies in the `memory` of one device.

    The numbers kept with tensors lie in this machine's memory, as torch keeps its step counts, and
    are the `host` engine's. `block` elements, a power of two from 16 on, are one program's.
    """

    name = "gpu"
    sums_vectors = False
    portion = 0  # a launch costs more than what lies near saves

    def __init__(self, memory: DeviceMemory, host: Engine, block: int = BLOCK) -> None:
        self._memory, self._host, self._block = memory, host, block

    def check(self) -> None:
        """Run a kernel there and look at what it wrote. Raises what kept it from running."""
        memory = self._memory
        sums, spans = memory.upload(np.arange(_TRIED, dtype=np.float64)), np.array([[0, _TRIED]])
        found = memory.zeros(8)
        tables = memory.upload(spans), memory.upload(np.zeros(1, np.int32))
        added_up(memory, (sums.address, 1), *tables, (1, 1, found.address), sums, found)
        if np.frombuffer(memory.download(found, 8), np.float64) != _TRIED * (_TRIED - 1) / 2:
            raise RuntimeError("what Triton compiled for it adds up wrongly")

    def formats(self) -> frozenset[str]:
        """The element types alone: no companions, nothing rounded at random."""
        return frozenset(ELEMENTS)

    def table(self, shapes: Sequence[tuple[int, ...]], by_rows: bool) -> Table:
        """The pieces that tensors are cut into."""
        return Table(self._memory, shapes, by_rows, self._block)

    def sweep(
        self, pass_: Pass, formats: Sequence[str], computation: str, title: str, table: Table
    ) -> Sweep:
        """A pass with its kernel, over the tensors of a table."""
        return Sweep(self._memory, pass_, formats, computation, title, table)

    def counts(self, chain: Chain) -> bool:
        """Whether the numbers of its steps can be worked out where the counts lie."""
        return counts(chain)

    def counted_step(
        self,
        work: Work,
        pointers: NDArray[np.int64],
        cells: tuple[NDArray[np.int64], NDArray[np.int64]],
        contexts: Sequence[Context],
        context_of: NDArray[np.int64],
    ) -> CountedStep:
        """The steps of tensors whose counts lie with them."""
        return CountedStep(self._memory, work, pointers, *cells, contexts, context_of)

    def read_numbers(
        self, addresses: NDArray[np.int64], wide: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """The numbers kept with tensors: nothing waits for the device."""
        return self._host.read_numbers(addresses, wide)

    def write_numbers(
        self,
        addresses: NDArray[np.int64],
        wide: NDArray[np.int64],
        values: NDArray[np.float64],
    ) -> None:
        """Store the numbers kept with tensors."""
        self._host.write_numbers(addresses, wide, values)

    def cache(self) -> Path | None:
        """The folder in which Triton keeps what it compiled."""
        return Path(triton.knobs.cache.dir)

    standing_launch = staticmethod(StandingLaunch)
