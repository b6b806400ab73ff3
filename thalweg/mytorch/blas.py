"""Matrix products; the small ones on one thread.

NumPy's OpenBLAS splits a product from 2^18 multiplications on among all its threads, and waits for
each of them. Where another process has one of the processors, a product of 30 microseconds then
takes as long as the system lets that process run: milliseconds, for each product of a network.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

__all__ = ["SMALL", "product"]

# From so many multiplications on, a product is split. One core takes 0.7 ms for 2^25 of them. Below
# that, two threads gain a third at best on a quiet machine (2^24: 0.36 ms against 0.24), and where
# they share the machine they lose twenty times as much as that (0.36 ms against 23).
SMALL = 1 << 25

# What OpenBLAS computes on one thread anyway: there is nothing to say to it.
_TINY = 1 << 18


class _Threads(NamedTuple):
    ask: Callable[[], int]
    use: Callable[[int], None]


def product(a: np.ndarray, b: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """`a @ b` for arrays of at least one axis.

    A small one runs on one thread. Afterwards NumPy has as many as before, whoever has set them:
    whatever else a program computes is left alone, and who reads 1 here never raises it.
    """
    work = a.size * b.shape[-1]
    if work <= _TINY:
        return a @ b if out is None else np.matmul(a, b, out=out)
    if a.ndim > 2:
        work = a.shape[-2] * a.shape[-1] * b.shape[-1]  # a stack goes matrix by matrix
    if not _TINY < work < SMALL:
        return np.matmul(a, b, out=out)
    threads = _threads()
    before = threads.ask() if threads else 1
    if threads is None or before == 1:
        return np.matmul(a, b, out=out)
    try:
        threads.use(1)
        return np.matmul(a, b, out=out)
    finally:
        threads.use(before)


@cache
def _threads() -> _Threads | None:
    """How the OpenBLAS that NumPy is linked to is asked and told its threads, if it is one."""
    # the system finds a name in what a library is linked to, under whatever name that lies there
    names = ("numpy._core._multiarray_umath", "numpy.core._multiarray_umath")
    core = next((sys.modules[name] for name in names if name in sys.modules), None)
    try:
        library = ctypes.PyDLL(str(getattr(core, "__file__", None)))
    except OSError:
        return None
    for form in ("scipy_openblas_{}64_", "openblas_{}64_", "scipy_openblas_{}", "openblas_{}"):
        try:
            ask, use, kind = (
                library[form.format(name)]
                for name in ("get_num_threads", "set_num_threads", "get_parallel")
            )
        except AttributeError:
            continue
        # one built upon OpenMP counts each thread's by itself, and some of them wrongly
        return _Threads(ask, use) if kind() == 1 else None
    return None
