"""Trainings that are not finished, kept on the disk so that a kill costs minutes and not hours.

A file holds what a training was between two of its epochs: the states of model and optimizer, and
what was seen of it. Random numbers are seeded anew at the beginning of each epoch, and the loaders
are walked through once more, without training, so that they are where they were whatever they draw.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from thalweg.lab.frameworks import Backend
from thalweg.whole_file import whole_file

__all__ = ["SECONDS", "Shelf", "Unfinished"]

# so long a training runs before it is kept, and again from one time to the next
SECONDS = 10.0

# writing takes no more than such a share of the time
_SHARE = 0.05


@dataclass(frozen=True)
class Shelf:
    """A folder with a file for each training that is kept: they are written every so many seconds,
    at 0 after each epoch."""

    folder: Path
    seconds: float = SECONDS

    def place(self, asked: object) -> Unfinished:
        """Where a training is kept: by everything that was asked of it."""
        digest = hashlib.sha256(repr(asked).encode()).hexdigest()[:16]
        return Unfinished(self.folder / f"{digest}.state", self.seconds)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is kept."""
        return not any(self.folder.glob("*.state"))

    def clear(self) -> None:
        """Keep nothing any more."""
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass
class Unfinished:
    """The file of one training; what cannot be written or read is as if it had not been kept."""

    path: Path
    seconds: float
    _next: float = field(default=0.0, repr=False)

    def begin(self) -> None:
        """Count the time from now on."""
        self._next = time.monotonic() + self.seconds

    def write(self, backend: Backend, values: Callable[[], dict[str, Any]]) -> None:
        """Write these values if it is time; a disk that is full, or values that no file can hold,
        end the keeping and not the training."""
        begun = time.monotonic()
        if begun < self._next:
            return
        try:
            self.path.parent.mkdir(exist_ok=True)
            with whole_file(self.path) as file:
                backend.write_state(file, values())
        except Exception:  # of whatever a user's own model or optimizer has in its state
            self._next = float("inf")
            return
        now = time.monotonic()
        self._next = now + (self.seconds and max(self.seconds, (now - begun) / _SHARE))

    def read(self, backend: Backend) -> dict[str, Any] | None:
        """What was written, if it is there whole."""
        try:
            with open(self.path, "rb") as file:
                found: dict[str, Any] = backend.read_state(file)
                return found
        except Exception:  # another version's, or no file at all
            return None

    def drop(self) -> None:
        """The training is finished."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
