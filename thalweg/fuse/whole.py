"""A step happens whole or not at all, and of one optimizer one step at a time.

Ctrl-C raises KeyboardInterrupt between any two of Python's instructions. A step is therefore
prepared first, while nothing moves, and then consists of deeds: functions that may be called again
when it is not known whether they had come to their end. Once the first deed has begun, all are
done, whatever is raised meanwhile; before that, nothing has happened.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

__all__ = ["Deed", "Turn", "take"]

# It may return further deeds, to be done in its place.
Deed = Callable[[], Any]


class _Deeds:
    """What is left to do, and whether anything has been done."""

    def __init__(self) -> None:
        self.ahead: list[Deed] = []
        self.begun = self.done = False

    def do(self) -> None:
        while self.ahead:
            self.begun = True
            self.ahead[:1] = self.ahead[0]() or ()  # in one instruction: done, and off the list
            self.done = True


def take(prepare: Callable[[], Sequence[Deed]], undo: Callable[[], None]) -> None:
    """Take a step: what `prepare` returns is done to its end, or else `undo` is called."""
    deeds = _Deeds()
    try:
        deeds.ahead[:] = prepare()
        deeds.do()
    except BaseException:
        if deeds.begun:
            with suppress(Exception):  # what failed by itself will fail again
                deeds.do()
        if not deeds.done:
            undo()
        raise


class Turn:
    """Whose turn it is to step one optimizer, and what each thread's step has come to.

    Kernels let other Python threads run, and two of them must not move the same weights. It
    belongs to the process: no copy or file has one.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._taken: dict[int, bool] = {}  # by thread, for as long as its call of `step` lasts
        _turns.add(self)

    def __deepcopy__(self, memo: Any) -> Turn:
        return Turn()

    def __reduce__(self) -> Any:
        return Turn, ()

    @property
    def is_inside(self) -> bool:
        """Whether this thread is inside a call of `step` already."""
        return threading.get_ident() in self._taken

    @property
    def is_taken(self) -> bool:
        """Whether the step that this thread is inside of has happened."""
        return self._taken.get(threading.get_ident(), False)

    def enter(self) -> None:
        """This thread calls `step`."""
        self._taken[threading.get_ident()] = False

    def leave(self) -> None:
        """The call is over; to be said twice does no harm."""
        self._taken.pop(threading.get_ident(), None)

    def note(self) -> None:
        """The weights have moved; a graph's step, which no call of `step` is around, needs no note."""
        if self.is_inside:
            self._taken[threading.get_ident()] = True


_turns: weakref.WeakSet[Turn] = weakref.WeakSet()


def _forget() -> None:
    """In a forked child nobody is stepping, whoever was in the parent."""
    for turn in _turns:
        turn.lock, turn._taken = threading.RLock(), {}


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
