"""Ctrl-C, and being told to end, as a question that a loop asks: no finished work is lost."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["catch_interrupt"]

# Ctrl-C, `kill` and batch systems, and a terminal that is closed
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


@contextmanager
def catch_interrupt() -> Iterator[Callable[[], int]]:
    """Give a function that says which signal to end has come, 0 if none; a second ends at once.

    A KeyboardInterrupt raised wherever the program happens to be is lost when
    that is a callback from compiled code, and may leave a file half written.
    """
    came = 0

    def take(number: int, frame: FrameType | None) -> None:
        nonlocal came
        if came:
            raise SystemExit(128 + number)
        came = number

    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    # `nohup` has the closed terminal ignored, and that is to stay so
    wanted = [n for n in numbers if n == signal.SIGINT or signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, take) for number in wanted}
    try:
        yield lambda: came
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
