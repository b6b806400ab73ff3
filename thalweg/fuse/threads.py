"""Runs one kernel on several threads: a framework's, or Python's own pool.

A pool is enough, since kernels release the GIL and take their tasks from a shared counter: the
caller works too, and a helper that starts late finds nothing to do. It follows the thread count of
the environment or of a framework, outlives concurrent launches, and is made anew in a forked child.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

__all__ = ["available", "run", "use_team"]

# Below this many elements per thread, waking a helper costs more than it saves.
ELEMENTS_PER_THREAD = 1 << 18

# A team's threads are awake.
ELEMENTS_PER_TEAM_THREAD = 1 << 16

_team: Callable[[int, int, int], None] | None = None
_pool: ThreadPoolExecutor | None = None
_lock = threading.Lock()


def available() -> int:
    """The threads to use when no framework says: OMP_NUM_THREADS, else the cores we may run on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return max(1, min(int(asked), cores or 1)) if asked.isdigit() and int(asked) else cores or 1


def use_team(team: Callable[[int, int, int], None] | None) -> None:
    """Run kernels on a framework's own threads from now on, or again on the pool.

    `team(function, argument, threads)` calls a C function by its address on so many threads at
    once. A framework's threads spin for a while after its own work, on the cores a pool would
    need; asked to work, they are there at once.
    """
    global _team
    _team = team


def run(kernel: Any, argument: int, elements: int, threads: int) -> None:
    """Call `kernel(argument)` on up to `threads` threads at once; return when all are done.

    `kernel` is a C function of one integer, as `ctypes` has it.
    """
    per_thread = ELEMENTS_PER_THREAD if _team is None else ELEMENTS_PER_TEAM_THREAD
    count = min(threads, elements // per_thread)
    if count < 2:
        kernel(argument)
    elif _team is not None:
        _team(ctypes.cast(kernel, ctypes.c_void_p).value or 0, argument, count)
    else:
        _run_on_pool(kernel, argument, count - 1)


class _Crew:
    """The helpers of one launch: those that are at work are waited for, and nobody comes late."""

    def __init__(self, kernel: Any, argument: int) -> None:
        self._kernel, self._argument = kernel, argument
        self._changed = threading.Condition()
        self._working, self._is_open = 0, True

    def help(self) -> None:
        with self._changed:
            if not self._is_open:
                return
            self._working += 1
        try:
            self._kernel(self._argument)
        finally:
            with self._changed:
                self._working -= 1
                self._changed.notify_all()

    def dismiss(self) -> None:
        with self._changed:
            self._is_open = False
            self._changed.wait_for(lambda: not self._working)


def _run_on_pool(kernel: Any, argument: int, helpers: int) -> None:
    crew = _Crew(kernel, argument)
    try:
        with suppress(RuntimeError):  # the interpreter is shutting down: no new threads
            for _ in range(helpers):
                _executor().submit(crew.help)
        kernel(argument)
    finally:
        try:
            crew.dismiss()
        finally:  # Ctrl-C while they are waited for: they write to memory that must outlive them
            crew.dismiss()


def _executor() -> ThreadPoolExecutor:
    global _pool
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(max(1, (os.cpu_count() or 1) - 1), "thalweg")
        return _pool


def _forget() -> None:
    """In a forked child neither the pool's threads exist nor a team's."""
    global _pool, _lock, _team
    _pool, _lock, _team = None, threading.Lock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
