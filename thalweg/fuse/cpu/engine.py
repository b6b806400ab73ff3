"""What the CPU engine offers: the protocol, and what else runs over memory on the host."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from thalweg.fuse.cpu import arrays, cache, looking, numbers, products, standing
from thalweg.fuse.cpu.sweep import Sweep, Table
from thalweg.fuse.plan import Pass

__all__ = ["CpuEngine"]


class CpuEngine:
    """Runs passes as machine code over whatever lies in the host's memory, on several threads.

    Beyond the protocol: many short vectors as one table, the products that L-BFGS needs, and a C
    function called on many pointers.
    """

    name = "cpu"
    sums_vectors = True
    portion = 1 << 20  # a cache's worth, and memory that the next portion takes over

    def formats(self) -> frozenset[str]:
        """The element formats that this processor can convert."""
        return cache.formats()

    def table(self, shapes: Sequence[tuple[int, ...]], by_rows: bool) -> Table:
        """The pieces that tensors are cut into."""
        return Table(shapes, by_rows)

    def table_of_rows(self, count: int, width: int) -> Table:
        """The same of many short vectors of one length, without a look at each."""
        return Table.of_rows(count, width)

    def sweep(
        self, pass_: Pass, formats: Sequence[str], computation: str, title: str, table: Table
    ) -> Sweep:
        """A pass with its kernel, over the tensors of a table."""
        return Sweep(pass_, formats, computation, title, table)

    def cache(self) -> Path | None:
        """The folder of the kernels' object code."""
        found = cache.folder()
        return Path(found.path) if found else None

    read_numbers = staticmethod(numbers.read_numbers)
    write_numbers = staticmethod(numbers.write_numbers)
    call_each = staticmethod(numbers.call_each)
    standing_launch = staticmethod(standing.StandingLaunch)
    look = looking.Look
    array_look = arrays.ArrayLook
    inner_products = staticmethod(products.inner_products)
    combine = staticmethod(products.combine)
    two_systems = staticmethod(products.two_systems)
