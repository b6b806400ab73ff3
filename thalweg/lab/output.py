"""Standard output that may be full or gone: the work goes on, and the end says what happened."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

__all__ = ["Output", "watch_output"]


class Output:
    """A stream that keeps the first error of writing to it, and takes no more after that."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.error: OSError | None = None
        self.kept: Any = None  # where a user finds what this stream could not show

    def write(self, text: str) -> int:
        self._attempt(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        self._attempt(self._stream.flush)

    def _attempt(self, action: Any) -> None:
        if self.error is None:
            try:
                action()
            except OSError as error:
                self.error = error

    def __getattr__(self, name: str) -> Any:  # isatty, encoding, fileno, …
        return getattr(self._stream, name)


@contextmanager
def watch_output() -> Iterator[Output]:
    """Let everything in the block print into one `Output`, flushed at the end."""
    stdout = sys.stdout
    if isinstance(stdout, io.TextIOWrapper):
        stdout.reconfigure(errors="replace")  # a terminal that has no µ gets a ?
    output = Output(stdout or io.StringIO())
    if stdout is None:
        output.error = OSError(errno.EBADF, "it is closed")
    sys.stdout = output
    try:
        yield output
    finally:
        output.flush()
        sys.stdout = stdout
        if output.error is not None and stdout is not None:
            _silence(stdout)


def _silence(stream: Any) -> None:
    """Send what is still in the buffer to nowhere, or Python would complain of it at its end."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
