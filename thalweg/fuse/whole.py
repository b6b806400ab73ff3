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
from collections.abc import Callable
from contextlib import suppress
from typing import Any

__all__ = ["Deed", "Turn", "finish", "take"]

# It may return further deeds, to be done in its place.
Deed = Callable[[], Any]


def take(prepare: Callable[[], list[Deed]], undo: Callable[[], None]) -> None:
    """Take a step: what `prepare` returns is done to its end, or else `undo` is called."""
    ahead: list[Deed] = []
    first: Deed | None = None
    try:
        ahead = prepare()
        first = ahead[0] if ahead else None
        _do(ahead)
    except BaseException:
        if first is not None:
            with suppress(Exception):  # what failed by itself will fail again
                _do(ahead)
        if first is None or (ahead and ahead[0] is first):
            undo()
        raise


def _do(ahead: list[Deed]) -> None:
    while ahead:
        ahead[:1] = ahead[0]() or ()  # in one instruction: done, and off the list


def finish(deed: Callable[[], None]) -> None:
    """Do one deed, which may be called again, to its end, whatever is raised meanwhile."""
    try:
        deed()
    except BaseException:
        with suppress(Exception):  # what failed by itself will fail again
            deed()
        raise


class Turn:
    """Whose turn it is to step one optimizer, and what each thread's step has come to.

    Kernels let other Python threads run, and two of them must not move the same weights. It
    belongs to the process: no copy or file has one. `taken` says of each thread that is inside a
    call of `step` whether its step has happened.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.taken: dict[int, bool] = {}
        _turns.add(self)

    def __deepcopy__(self, memo: Any) -> Turn:
        return Turn()

    def __reduce__(self) -> Any:
        return Turn, ()

    def note(self) -> None:
        """This thread's step has happened; where no call of `step` is around it, nobody asks."""
        me = threading.get_ident()
        if me in self.taken:
            self.taken[me] = True


_turns: weakref.WeakSet[Turn] = weakref.WeakSet()


def _forget() -> None:
    """In a forked child nobody is stepping, whoever was in the parent."""
    for turn in _turns:
        turn.lock, turn.taken = threading.RLock(), {}


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
