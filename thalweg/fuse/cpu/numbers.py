"""Numbers where they lie: the counts that are kept with tensors, and addresses of objects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from thalweg.fuse.cpu.cache import compiled
from thalweg.fuse.cpu.sweep import address

__all__ = ["call_each", "read_numbers", "write_numbers"]

_NUMBERS = """# Made by thalweg: reads and writes numbers kept per parameter.
from thalweg.fuse.cpu.memory import double, integer, load, put_double, store

load_narrow = load("float32", "float64", "cell", ("cell",))
load_wide = load("float64", "float64", "cell", ("cell",))
store_narrow = store("float32", "float64", "cell", ("cell",))
store_wide = store("float64", "float64", "cell", ("cell",))


def kernel(addresses, wide, values, count, write):
    for i in range(count):
        at = integer(addresses, i)
        if write and integer(wide, i):
            store_wide(at, 0, double(values, i))
        elif write:
            store_narrow(at, 0, double(values, i))
        elif integer(wide, i):
            put_double(values, i, load_wide(at, 0))
        else:
            put_double(values, i, load_narrow(at, 0))
"""

_EACH = """# Made by thalweg: calls a C function on each of many pointers.
from thalweg.fuse.cpu.memory import call, integer, put_integer


def kernel(function, arguments, results, count):
    for i in range(count):
        put_integer(results, i, call(function, integer(arguments, i)))
"""


def read_numbers(addresses: NDArray[np.int64], wide: NDArray[np.int64]) -> NDArray[np.float64]:
    """The numbers at a table of addresses: doubles where `wide`, else single precision."""
    values = np.zeros(addresses.shape)
    _move(addresses, wide, values, write=False)
    return values


def write_numbers(
    addresses: NDArray[np.int64], wide: NDArray[np.int64], values: NDArray[np.float64]
) -> None:
    """Store numbers at a table of addresses."""
    _move(addresses, wide, np.ascontiguousarray(values), write=True)


def _move(
    addresses: NDArray[np.int64], wide: NDArray[np.int64], values: NDArray[np.float64], write: bool
) -> None:
    if addresses.size:
        kernel = compiled(_NUMBERS, "numbers", 5, holds_gil=True)
        kernel(address(addresses), address(wide), address(values), addresses.size, write)


def call_each(function: int, arguments: NDArray[np.int64]) -> NDArray[np.int64]:
    """What a C function `void *f(void *)` returns for each argument; the GIL is held throughout."""
    results = np.empty_like(arguments)
    kernel = compiled(_EACH, "each", 4, holds_gil=True)
    kernel(function, address(arguments), address(results), len(arguments))
    return results
