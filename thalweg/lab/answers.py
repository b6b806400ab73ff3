"""How a command answers: lines that fit the window, or JSON; on standard output, or in a file."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import shutil
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from thalweg.lab.errors import UserError
from thalweg.whole_file import whole_file

__all__ = [
    "JSON",
    "OUT",
    "UNDRAWN",
    "answer",
    "as_json",
    "columns",
    "is_plain",
    "pairs",
    "table",
    "window",
    "wrapped",
    "write",
]

JSON = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OUT = Annotated[
    str | None, typer.Option("--out", metavar="FILE", help="Write to this file instead.")
]

# every command takes a seed, so that a script may give all of them the same
UNDRAWN = Annotated[
    int, typer.Option("--seed", min=0, metavar="N", help="Changes nothing: nothing is drawn here.")
]

_WIDEST = 100
_FILE_WIDTH = 80


def window() -> int:
    """How many columns a line may have; nothing is easier to read for being wider than 100."""
    return max(20, min(shutil.get_terminal_size().columns, _WIDEST))


def is_plain(encoding: str | None) -> bool:
    """Whether only ASCII is safe: the stream cannot hold more, or the locale says C."""
    said = next((os.environ[v] for v in ("LC_ALL", "LC_CTYPE", "LANG") if os.environ.get(v)), "")
    return said in ("C", "POSIX") or not (encoding or "").lower().replace("-", "").startswith("utf")


def answer(
    lines: Callable[[int], Iterable[str]],
    plain: Any,
    wants_json: bool = False,
    out: str | None = None,
) -> None:
    """Print what a command found, or write it: `lines` of a width, or `plain` data as JSON."""
    text = as_json(plain) if wants_json else ""
    if out is None:
        print(text or "\n".join(lines(window())))
        return
    write(out, (text or "\n".join(lines(_FILE_WIDTH))) + "\n")
    print(f"Written: {out}")


def write(out: str, text: str) -> None:
    """Write a text file whole, or say why it cannot be."""
    if out == "":
        raise UserError("--out must be the path of a file, got ''")
    try:
        with whole_file(Path(out)) as file:
            file.write(text.encode())
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}") from None


def as_json(plain: Any) -> str:
    """JSON of dataclasses, mappings and arrays; null where a number is not finite."""
    return json.dumps(_plain(plain), indent=2, allow_nan=False, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {one.name: _plain(getattr(value, one.name)) for one in fields}
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if hasattr(value, "tolist"):  # NumPy's
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def wrapped(text: str, width: int, first: str = "", rest: str | None = None) -> list[str]:
    """A paragraph in lines; words stay whole, also one that is longer than a line."""
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=first if rest is None else rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def pairs(found: Sequence[tuple[str, str]], width: int, indent: str = "  ") -> list[str]:
    """Words with what they mean: beside them, or below them where the window is narrow."""
    longest = max((len(word) for word, _ in found), default=0)
    column = len(indent) + longest + 2
    lines: list[str] = []
    for word, meaning in found:
        if width - column >= 36:
            head = f"{indent}{word:<{longest}}  "
            lines += wrapped(meaning, width, head, " " * column) or [head.rstrip()]
        else:
            lines += [f"{indent}{word}", *wrapped(meaning, width, f"{indent}    ")]
    return lines


def columns(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table whose columns are as wide as their cells, numbers to the right."""
    cells = [list(headings), *map(list, rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headings))]
    right = [i > 0 and all(_is_number(row[i]) for row in rows) for i in range(len(headings))]
    return [
        "  ".join(
            cell.rjust(size) if at_right else cell.ljust(size)
            for cell, size, at_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in cells
    ]


def _is_number(cell: str) -> bool:
    try:
        float(cell.rstrip("*%") or 0)
    except ValueError:
        return cell == "-"
    return True


def table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], width: int, indent: str = "  "
) -> list[str]:
    """A table where it fits the window; else a list, row by row."""
    lines = [f"{indent}{line}".rstrip() for line in columns(headings, rows)]
    if max(map(len, lines)) <= width:
        return lines
    found: list[str] = []
    for first, *others in rows:
        found.append(f"{indent}{f'{headings[0]} {first}'.strip()}")
        for heading, cell in zip(headings[1:], others, strict=True):
            if cell:
                said = f"{heading}: {cell}" if heading else cell
                found += wrapped(said, width, f"{indent}  ", f"{indent}    ")
    return found
