"""The folder of kernels: whose it is, what is read from it and written to it, how large it gets.

Object code is run, so the folder and each file must be the user's own and writable by nobody else.
That is asked of what has been opened, never of a name, which may lead elsewhere a moment later.
"""

from __future__ import annotations

import functools
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

__all__ = ["Folder", "Kept", "Unfit", "candidates", "folder", "in_bytes", "limit", "reason"]

LARGEST = 1 << 24  # bytes of one file; a kernel has some thousands
_DEFAULT_LIMIT = "256MiB"
_KERNEL = re.compile(r".+-[0-9a-f]{20}\.kernel")
_HALF_DONE = re.compile(r"(thalweg-[0-9a-f]{16}|tmp\w{8})\.new")  # the second: of version 0.1.0
_GIVEN_UP = 60  # seconds after which a half file is one of a process that ended
_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_MOST_LINKS = 40  # in one path, as the kernel of Linux has it
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmg]?)(i?)b?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3}


class Unfit(Exception):
    """A folder or a file that is not used; its text says why."""


@dataclass(frozen=True)
class Kept:
    """One file of the folder: its name, its bytes, when it was last used."""

    name: str
    size: int
    used: int


@dataclass(frozen=True)
class Folder:
    """One folder of kernels, opened anew for each use: a program may close all its files."""

    path: str

    def read(self, name: str) -> bytes | None:
        """The content of a file, which counts as used from now on; None if it is not to be had."""
        try:
            with self._opened() as at:
                return _read(name, at)
        except FileNotFoundError:
            return None
        except (Unfit, OSError) as error:
            say(f"{os.path.join(self.path, name)} is not read: {reason(error)}")
            return None

    def write(self, name: str, content: bytes) -> None:
        """Keep a file, whole or not at all; a disk that is full or read-only costs time only."""
        if len(content) > min(limit(), LARGEST):
            return
        try:
            with self._opened() as at:
                _check_place(name, at)
                _replace(name, content, at)
                _bound(at, limit())
        except (Unfit, OSError) as error:
            say(f"{os.path.join(self.path, name)} is not written: {reason(error)}")

    def kept(self) -> list[Kept]:
        """The kernels in it, the one longest unused first."""
        with self._opened() as at:
            return _kept(at)

    def bound(self, limit: int) -> list[Kept]:
        """Remove kernels, those longest unused first, until the rest fit; and half files.

        Returns what was removed.
        """
        with self._opened() as at:
            return _bound(at, limit)

    def prepare(self) -> None:
        """Raise `Unfit` or an OSError unless kernels may be kept here; remove half files."""
        with self._opened() as at:
            if not os.access(".", os.W_OK | os.X_OK, dir_fd=at):
                raise Unfit("it may not be written to")
            _sweep(at, _GIVEN_UP)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        _check_links(self.path)
        at = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _check_owner(os.fstat(at))
            yield at
        finally:
            os.close(at)


def _read(name: str, at: int) -> bytes:
    # without O_NONBLOCK a pipe under this name would be waited for
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with open(os.open(name, flags, dir_fd=at), "rb", buffering=0) as file:
        about = os.fstat(file.fileno())
        _check_file(about)
        content = file.read(LARGEST) or b""
        with suppress(OSError):  # what is used last is removed last
            os.utime(file.fileno(), ns=(time.time_ns(), about.st_mtime_ns))
    return content


def _check_place(name: str, at: int) -> None:
    """Leave alone what is under this name and not a file of ours."""
    with suppress(FileNotFoundError):
        _check_file(os.stat(name, dir_fd=at, follow_symlinks=False))


def _replace(name: str, content: bytes, at: int) -> None:
    half = f"thalweg-{os.urandom(8).hex()}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(os.open(half, flags, 0o600, dir_fd=at), "wb") as file:
            file.write(content)
        os.replace(half, name, src_dir_fd=at, dst_dir_fd=at)
    except BaseException:
        with suppress(OSError):
            os.unlink(half, dir_fd=at)
        raise


def _kept(at: int) -> list[Kept]:
    found = []
    for name in os.listdir(at):
        if _KERNEL.fullmatch(name):
            with suppress(FileNotFoundError):  # another process has just removed it
                about = os.stat(name, dir_fd=at, follow_symlinks=False)
                if not stat.S_ISDIR(about.st_mode):
                    found.append(Kept(name, about.st_size, about.st_atime_ns))
    return sorted(found, key=lambda one: one.used)


def _bound(at: int, limit: int) -> list[Kept]:
    _sweep(at, _GIVEN_UP if limit else 0)
    kept, removed = _kept(at), []
    size = sum(one.size for one in kept)
    for one in kept:
        if limit and size <= limit:
            break
        with suppress(OSError):
            os.unlink(one.name, dir_fd=at)
            removed.append(one)
            size -= one.size
    return removed


def _sweep(at: int, seconds: float) -> None:
    """Remove what processes left behind that ended while they wrote."""
    for name in os.listdir(at):
        if _HALF_DONE.fullmatch(name):
            with suppress(OSError):
                about = os.stat(name, dir_fd=at, follow_symlinks=False)
                if abs(time.time() - about.st_mtime) >= seconds:
                    os.unlink(name, dir_fd=at)


def _check_owner(about: os.stat_result) -> None:
    if about.st_uid != os.geteuid():
        raise Unfit(f"it belongs to user {about.st_uid}")
    if about.st_mode & _OTHERS:
        raise Unfit("others may write to it")


def _check_file(about: os.stat_result) -> None:
    if not stat.S_ISREG(about.st_mode):
        raise Unfit("it is not a regular file")
    _check_owner(about)


def _check_links(path: str, left: int = _MOST_LINKS) -> None:
    """Raise `Unfit` if a link of somebody else's, root apart, is on the way to a folder, which is
    given from the root on."""
    way = path.split(os.sep)
    for i in range(2, len(way) + 1):
        step = os.sep.join(way[:i])
        about = os.lstat(step)
        if stat.S_ISLNK(about.st_mode):
            if about.st_uid not in (0, os.geteuid()):
                raise Unfit(f"{step} is a link of user {about.st_uid}")
            if not left:
                raise Unfit("its path has too many links")
            following = os.path.join(os.path.dirname(step), os.readlink(step), *way[i:])
            return _check_links(following, left - 1)
    return None


def reason(error: Exception) -> str:
    """Why a folder or a file is not used, in words."""
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


@functools.cache
def say(sentence: str) -> None:
    """Tell it once, to who listens to the logger `thalweg` at its debug level."""
    import logging

    logging.getLogger("thalweg").debug("kernel cache: %s", sentence)


def in_bytes(text: str) -> int:
    """A size such as 64MB, 1.5 GiB or 1000."""
    match = _SIZE.fullmatch(text.strip())
    if not match:
        raise ValueError(f"must be a size such as 64MB or 1GiB, got {text!r}")
    number, unit, binary = match.groups()
    return int(float(number) * (1024 if binary else 1000) ** _POWERS[unit.lower()])


@functools.cache
def limit() -> int:
    """How many bytes of kernels are kept: THALWEG_CACHE_LIMIT; 0 turns the cache off."""
    asked = os.environ.get("THALWEG_CACHE_LIMIT", "").strip()
    try:
        return in_bytes(asked or _DEFAULT_LIMIT)
    except ValueError as error:
        import logging

        logging.getLogger("thalweg").warning("THALWEG_CACHE_LIMIT %s; it is ignored", error)
        return in_bytes(_DEFAULT_LIMIT)


def candidates() -> Iterator[str]:
    """Where kernels may be kept, in order: THALWEG_CACHE_DIR, the user's cache, temporaries."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    for path in (os.environ.get("THALWEG_CACHE_DIR"), os.path.join(home, "thalweg")):
        if path:
            with suppress(OSError):  # where the folder we are in is gone
                yield path if os.path.isabs(path) else os.path.join(os.getcwd(), path)
    import tempfile  # which brings much along, and is seldom needed

    user = os.getuid() if hasattr(os, "getuid") else "user"
    with suppress(OSError):  # where nobody may write temporary files
        yield os.path.join(tempfile.gettempdir(), f"thalweg-{user}")


@functools.cache
def folder() -> Folder | None:
    """The first folder that kernels may be kept in, made if it is not there; None if there is none.

    Without owners and open folders, as on Windows, nothing can be promised, and nothing is kept.
    """
    if not limit() or not hasattr(os, "geteuid") or os.open not in os.supports_dir_fd:
        return None
    for path in candidates():
        try:
            os.makedirs(path, mode=0o700, exist_ok=True)
            Folder(path).prepare()
        except (Unfit, OSError) as error:
            say(f"{path} is not used: {reason(error)}")
            continue
        return Folder(path)
    return None
