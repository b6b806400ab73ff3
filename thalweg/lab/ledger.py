"""What is finished, kept as it comes: a comparison that was killed goes on from here."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from thalweg.lab.contest import Unit
from thalweg.lab.errors import UserError
from thalweg.lab.training import Curve, Outcome

try:
    import fcntl
except ImportError:  # Windows, where a second process is not kept out
    fcntl = None  # type: ignore[assignment]

__all__ = ["JOURNAL", "Journal", "Ledger", "Record", "check_same", "open_journal"]

JOURNAL = "journal.jsonl"


class Record(NamedTuple):
    """A finished training, or that the search was closed after so many trials."""

    unit: Unit | None
    outcome: Outcome | None
    closed: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """As plain values, every number as exact as it was."""
        if self.unit is None or self.outcome is None:
            return {"closed": self.closed}
        return {"unit": list(self.unit), "outcome": asdict(self.outcome)}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Record:
        """Back from plain values."""
        if "unit" not in values:
            return cls(None, None, values["closed"])
        outcome = dict(values["outcome"])
        return cls(
            Unit(*values["unit"]), Outcome(**{**outcome, "curve": Curve(**outcome["curve"])})
        )


class Ledger(Protocol):
    """Where finished trainings are kept, by one process or by several that share the work."""

    def news(self) -> list[Record]:
        """What has been finished since the last time, by whomever."""
        ...

    def claim(self, unit: Unit) -> bool:
        """Take a training on; False if somebody else has it."""
        ...

    def record(self, record: Record) -> None: ...

    def release(self) -> None:
        """Give back what was taken on and not finished."""
        ...


class Journal:
    """A file with a line for each finished training, of one process alone."""

    def __init__(self, file: FileIO, path: Path, records: list[Record]) -> None:
        self._file, self._path, self._records = file, path, records

    def news(self) -> list[Record]:
        """What was in the file when it was opened."""
        found, self._records = self._records, []
        return found

    def claim(self, unit: Unit) -> bool:
        """Nobody else is there."""
        return True

    def record(self, record: Record) -> None:
        """Add a line, which is on the disk when this returns."""
        _write(self._file, self._path, record.as_dict())

    def release(self) -> None:
        """Nothing is kept of what is not finished."""


@contextmanager
def open_journal(folder: Path, header: Mapping[str, Any], resume: bool) -> Iterator[Journal]:
    """The journal of a folder: begun anew, or with `resume` gone on with.

    Raises UserError where another process writes it, and where it is that of another comparison.
    """
    path = folder / JOURNAL
    try:
        # without a buffer, which would try once more at the end what a full disk has refused
        file = open(path, "r+b" if path.exists() else "w+b", buffering=0)  # noqa: SIM115
    except OSError as error:
        raise UserError(f"cannot write to {path}: {error.strerror}") from error
    with file:
        _lock(file, folder)
        records = _read(file, path, header) if resume else None
        if records is None:
            file.seek(0)
            file.truncate()
            _write(file, path, {"comparison": header})
        yield Journal(file, path, records or [])


def _lock(file: FileIO, folder: Path) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(f"another comparison is at work in {folder}") from None
    except OSError:  # a disk that knows no locks
        pass


def _read(file: FileIO, path: Path, header: Mapping[str, Any]) -> list[Record] | None:
    """The records of this comparison, behind which the file goes on; None if it is empty.

    The process may have been killed within a line: what comes after the last whole one is cut off.
    """
    whole = 0
    lines: list[dict[str, Any]] = []
    for line in file.readall().splitlines(keepends=True):
        try:
            lines.append(json.loads(line if line.endswith(b"\n") else b""))
        except ValueError:
            break
        whole += len(line)
    file.seek(whole)
    file.truncate()
    if not lines:
        return None
    if "comparison" not in lines[0]:
        raise UserError(f"{path} is no journal of a comparison; without --resume it is replaced")
    check_same(str(path.parent), lines[0]["comparison"], header)
    return [Record.of(line) for line in lines[1:]]


def check_same(where: str, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    """Raise UserError unless a comparison that was begun is the one that is asked for."""
    found = _differences(theirs, json.loads(json.dumps(ours)))
    if found:
        raise UserError(
            f"{where} holds another comparison: {found}; say the same as then, or leave "
            "--resume and --join out"
        )


def _differences(theirs: Any, ours: Any, name: str = "") -> str:
    """The first difference between two nests of plain values, in words."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in [*theirs, *(key for key in ours if key not in theirs)]:
            told = _differences(theirs.get(key), ours.get(key), key)
            if told:
                return told
        return ""
    return "" if theirs == ours else f"its {name} is {theirs!r}, and here it is {ours!r}"


def _write(file: FileIO, path: Path, values: Mapping[str, Any]) -> None:
    line = f"{json.dumps(values, separators=(',', ':'))}\n".encode()
    begin = file.tell()
    try:
        left = memoryview(line)
        while left:
            left = left[file.write(left) :]
        os.fsync(file.fileno())
    except OSError as error:
        with suppress(OSError):
            os.truncate(path, begin)  # no half of a line
        raise UserError(f"cannot write to {path}: {error.strerror}") from error
