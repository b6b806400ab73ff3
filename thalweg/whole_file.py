"""Files that are there whole or not at all, whoever is killed and however full the disk is."""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows, where a file that somebody has open cannot be removed anyway
    fcntl = None  # type: ignore[assignment]

__all__ = ["whole_file"]


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to fill, which takes the place of `path` when the block has ended well.

        with whole_file(path) as file:
            file.write(content)

    Readers find the old file or the new one. If the block or the disk fails, the old one stays;
    what a killed process has left beside it goes at the next writing. A link stays a link, and a
    new file is as readable as the old one. Raises OSError.
    """
    place = Path(os.path.realpath(path))
    mode = _mode(place)
    _remove_leftovers(place)
    file, unfinished = _begin(place)
    try:
        with file:
            yield file
            file.flush()
            if mode is not None:
                os.chmod(unfinished, mode)
            os.fsync(file.fileno())
            if fcntl is not None:  # while it is locked: nobody takes it for a leftover
                os.replace(unfinished, place)
        if fcntl is None:
            os.replace(unfinished, place)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink()
        raise
    _settle(place.parent)


def _mode(place: Path) -> int | None:
    """Who may read the file that is there; what is no file is not replaced by one."""
    try:
        found = place.stat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found):
        raise OSError(errno.EISDIR, "must be the name of a file, but it is a folder", str(place))
    if not stat.S_ISREG(found):  # a device or a pipe: who writes to it wants to keep it
        raise OSError(errno.EEXIST, "must be the name of a file, but it is none", str(place))
    return stat.S_IMODE(found)


def _begin(place: Path) -> tuple[BinaryIO, Path]:
    """A new file beside its place, locked as long as this process writes."""
    while True:
        unfinished = place.with_name(f"{place.name}.{secrets.token_hex(4)}.tmp")
        file = open(unfinished, "xb")  # noqa: SIM115  (the caller closes it)
        # before it is locked, another process may take it for a leftover
        if _lock(file) is not False and unfinished.exists():
            return file, unfinished
        file.close()


def _remove_leftovers(place: Path) -> None:
    """Remove what killed processes have left of this file: nobody holds the lock on it."""
    ours = re.compile(rf"{re.escape(place.name)}\.[0-9a-f]{{8}}\.tmp")
    with suppress(OSError), os.scandir(place.parent) as entries:
        found = [Path(entry.path) for entry in entries if ours.fullmatch(entry.name)]
        for leftover in found:
            _remove_if_left(leftover)


def _remove_if_left(leftover: Path) -> None:
    with suppress(OSError):
        if not stat.S_ISREG(leftover.lstat().st_mode):
            return
        with open(leftover, "rb") as file:
            if _lock(file):
                leftover.unlink()


def _lock(file: BinaryIO) -> bool | None:
    """Take the lock if nobody holds it; None where a disk knows no locks."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _settle(folder: Path) -> None:
    """Let the new name of a file outlast a loss of power, where the system knows how."""
    with suppress(OSError):
        found = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(found)
        finally:
            os.close(found)
