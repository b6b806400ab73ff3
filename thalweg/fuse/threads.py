"""Runs one kernel on several threads: Python's own pool, since kernels release the GIL.

Numba's thread layers abort on concurrent launches (workqueue) or kill forked children (OpenMP),
and ignore the thread count of torch and of the environment. Here the caller works too, kernels
take their tasks from a shared counter, and a helper that starts late finds nothing to do.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

__all__ = ["available", "run"]

# Below this many elements per thread, waking a helper costs more than it saves.
ELEMENTS_PER_THREAD = 1 << 18

_pool: ThreadPoolExecutor | None = None
_lock = threading.Lock()


def available() -> int:
    """The threads to use when no framework says: OMP_NUM_THREADS, else the cores we may run on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return max(1, min(int(asked), cores or 1)) if asked.isdigit() and int(asked) else cores or 1


def run(kernel: Callable[..., Any], arguments: tuple[Any, ...], elements: int, limit: int) -> None:
    """Call `kernel(*arguments)` on up to `limit` threads at once; return when all are done."""
    helpers = min(limit, elements // ELEMENTS_PER_THREAD) - 1
    futures: list[Future[Any]] = []
    with suppress(RuntimeError):  # the interpreter is shutting down: no new threads
        for _ in range(helpers):
            futures.append(_executor().submit(kernel, *arguments))
    kernel(*arguments)
    for future in futures:
        if not future.cancel():
            future.result()


def _executor() -> ThreadPoolExecutor:
    global _pool
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(max(1, (os.cpu_count() or 1) - 1), "thalweg")
        return _pool


def _forget() -> None:
    """In a forked child the pool's threads do not exist."""
    global _pool, _lock
    _pool, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
