"""Lets kernels run on torch's own OpenMP threads, where torch has brought GNU's OpenMP along.

After a backward pass those threads spin for some milliseconds, waiting for more work. A pool of
our own would have to share the cores with them.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import torch

from thalweg.fuse import threads

__all__ = ["join"]


def _entry() -> Any:
    """OpenMP's `GOMP_parallel` as torch has loaded it; None where torch uses another OpenMP."""
    for path in sorted((Path(torch.__file__).parent / "lib").glob("libgomp*.so*")):
        try:
            parallel = ctypes.CDLL(str(path)).GOMP_parallel
        except (OSError, AttributeError):
            continue
        parallel.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
        parallel.restype = None
        return parallel
    return None


def join() -> None:
    """Run kernels on torch's team, if it can be found; else the pool goes on serving."""
    parallel = _entry()
    if parallel is not None:
        threads.use_team(lambda function, argument, count: parallel(function, argument, count, 0))


join()
