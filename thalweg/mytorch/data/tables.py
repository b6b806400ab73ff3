"""Tables of numbers in text files."""

import difflib
import os
from collections.abc import Iterator
from csv import Error, reader
from typing import Any

import numpy as np

from thalweg.mytorch.data.dataset import TensorDataset

__all__ = ["csv"]

_NO_DELIMITERS = '"\r\n\0'
_SHOWN = 300
_LARGEST = float(np.finfo(np.float32).max)


def csv(path: str | os.PathLike[str], target: str, *, delimiter: str = ",") -> TensorDataset:
    """Features (N, columns) of float32 and a target (N,), from a file whose first line names the
    columns.

    Every column but `target` is a feature, in the file's order. The target is int64, to be classes,
    if each of its values is a whole number, and float32 otherwise.
    """
    _check_arguments(path, target, delimiter)
    lines = _lines(path, delimiter)
    _, names = next(lines, (0, []))
    names = [name.strip() for name in names]
    _check_header(path, names, target)
    rows = [_numbers(path, number, names, cells) for number, cells in lines]
    if not rows:
        raise ValueError(f"csv: {path} has a header, but no rows below it")
    table = np.array(rows, np.float64)
    at = names.index(target)
    wanted = table[:, at]
    is_whole = bool(np.all(wanted == np.rint(wanted)) and np.all(np.abs(wanted) < 2**53))
    return TensorDataset(
        np.delete(table, at, axis=1).astype(np.float32),
        wanted.astype(np.int64 if is_whole else np.float32),
    )


def _check_arguments(path: Any, target: Any, delimiter: Any) -> None:
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"csv: path must be the name of a file, got {path!r}")
    if not os.path.isfile(path):  # a device might never end
        raise FileNotFoundError(f"csv: there must be a file at {path}")
    if not isinstance(target, str):
        raise TypeError(f"csv: target must be the name of a column, got {target!r}")
    if not isinstance(delimiter, str):
        raise TypeError(f"csv: delimiter must be one character, got {delimiter!r}")
    if len(delimiter) != 1 or delimiter in _NO_DELIMITERS:
        raise ValueError(
            f"csv: delimiter must be one character, no quote and no end of a line, got "
            f"{delimiter!r}"
        )


def _lines(path: str | os.PathLike[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The lines that are not empty, with their numbers."""
    try:
        # utf-8-sig: spreadsheets begin their files with a mark that is no part of the first name
        with open(path, encoding="utf-8-sig", newline="") as file:
            found = reader(file, delimiter=delimiter, skipinitialspace=delimiter != " ")
            for cells in found:
                if cells:
                    yield found.line_num, cells
    except (UnicodeDecodeError, Error) as error:
        raise ValueError(f"csv: {path} must be a table in UTF-8, but: {_short(error)}") from None


def _check_header(path: str | os.PathLike[str], names: list[str], target: str) -> None:
    if not names:
        raise ValueError(f"csv: {path} is empty: its first line must name the columns")
    if all(_number(name) is not None for name in names):
        raise ValueError(
            f"csv: {path}: the first line must name the columns, got numbers: "
            f"{_short(', '.join(names))}"
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"csv: {path}: every column must have a name of its own, got {_short(twice)}"
        )
    if target not in names:
        close = difflib.get_close_matches(target, names, 1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {_short(', '.join(names))}"
        raise ValueError(f"csv: {path} has no column {target!r}; {hint}")
    if len(names) == 1:
        raise ValueError(f"csv: {path} has no column besides the target {target!r}")


def _numbers(
    path: str | os.PathLike[str], line: int, names: list[str], cells: list[str]
) -> list[float | None]:
    if len(cells) != len(names):
        raise ValueError(
            f"csv: {path}, line {line}: there must be {len(names)} values, as in the header, "
            f"got {len(cells)}"
        )
    values = [_number(cell) for cell in cells]
    if None in values:
        at = values.index(None)
        fault = f"got {_short(repr(cells[at]))}" if cells[at].strip() else "but this one is missing"
        raise ValueError(
            f"csv: {path}, line {line}, column {names[at]!r}: every value must be a number that "
            f"float32 can hold, {fault}"
        )
    return values


def _short(what: Any) -> str:
    """What a file says of itself, without the rest of what may be all of it."""
    text = str(what)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _number(cell: str) -> float | None:
    """None for a text, and for NaN, which is how a missing value is often written."""
    try:
        number = float(cell.replace("_", "?"))  # Python, but no table, writes 1_000
    except ValueError:
        return None
    return number if abs(number) <= _LARGEST else None
