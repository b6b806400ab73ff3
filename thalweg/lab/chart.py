"""Curves in a terminal: one in fine dots, several in letters; in ASCII where need be."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["MARKS", "chart"]

MARKS = "abcdefghijklmnopqrstuvwxyz"

_BRAILLE = 0x2800
# the bit of each dot of a Braille cell, by column and row
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))


def chart(
    curves: Sequence[NDArray[np.float64]],
    width: int,
    height: int = 12,
    plain: bool = False,
    ends: tuple[str, str] | None = None,
    mark: float | None = None,
) -> list[str]:
    """Lines of at most `width` columns with the curves, all of one length, over their index.

    `ends` are what stands below the left and the right end; without it, the first and last index.
    `mark` is a share of the way between them, which an arrow points at.
    Values that are not finite are left out.
    """
    every = np.concatenate([np.ravel(one) for one in curves]) if curves else np.empty(0)
    every = every[np.isfinite(every)]
    if not every.size:
        return ["(nothing to draw: no value is finite)"]
    low, high = float(every.min()), float(every.max())
    if low == high:
        low, high = low - (abs(low) or 1) * 0.5, high + (abs(high) or 1) * 0.5
    labels = [f"{high:.4g}", f"{(low + high) / 2:.4g}", f"{low:.4g}"]
    margin = max(map(len, labels))
    across = max(10, width - margin - 2)
    if len(curves) == 1 and not plain:
        body = _braille(curves[0], across, height, low, high)
    else:
        marks = MARKS if len(curves) > 1 else "*"
        body = _letters(curves, marks, across, height, low, high)
    left = {0: labels[0], height // 2: labels[1], height - 1: labels[2]}
    bar = "|" if plain else "│"
    lines = [f"{left.get(i, ''):>{margin}} {bar}{row}".rstrip() for i, row in enumerate(body)]
    first, last = ends or ("0", str(len(curves[0]) - 1))
    lines.append(" " * (margin + 1) + ("+" + "-" * across if plain else "└" + "─" * across))
    lines.append(" " * (margin + 2) + first + last.rjust(across - len(first)))
    if mark is not None and 0 <= mark <= 1:
        lines.insert(-1, " " * (margin + 2 + round(mark * (across - 1))) + ("^" if plain else "▲"))
    return lines


def _spans(
    values: NDArray[np.float64], across: int, high: int, low_value: float, high_value: float
) -> list[tuple[int, int] | None]:
    """For each of so many places the rows, from the top, between which a curve runs there."""
    edges = np.linspace(0, len(values), across + 1)
    scale = (high - 1) / (high_value - low_value)
    spans: list[tuple[int, int] | None] = []
    before: float | None = None
    for i in range(across):
        start = min(math.floor(edges[i]), len(values) - 1)
        piece = values[start : max(start + 1, math.floor(edges[i + 1]))]
        piece = piece[np.isfinite(piece)]
        if not piece.size:
            spans.append(None)
            before = None
            continue
        reach = [*piece, *([] if before is None else [before])]
        rows = [round((high_value - value) * scale) for value in (max(reach), min(reach))]
        if before is not None and rows[1] - rows[0] > 1:  # the last place has the other end
            up = before == max(reach)
            rows[0 if up else 1] += 1 if up else -1
        spans.append((rows[0], rows[1]))
        before = float(piece[-1])
    return spans


def _braille(
    values: NDArray[np.float64], across: int, height: int, low: float, high: float
) -> list[str]:
    cells = np.zeros((height, across), int)
    for x, span in enumerate(_spans(values, 2 * across, 4 * height, low, high)):
        for y in range(span[0], span[1] + 1) if span else ():
            cells[y // 4, x // 2] |= _DOTS[x % 2][y % 4]
    return ["".join(chr(_BRAILLE + cell) if cell else " " for cell in row) for row in cells]


def _letters(
    curves: Sequence[NDArray[np.float64]],
    marks: str,
    across: int,
    height: int,
    low: float,
    high: float,
) -> list[str]:
    rows = [[" "] * across for _ in range(height)]
    for i, values in reversed(list(enumerate(curves))):  # the first one on top
        for x, span in enumerate(_spans(values, across, height, low, high)):
            for y in range(span[0], span[1] + 1) if span else ():
                rows[y][x] = marks[i % len(marks)]
    return ["".join(row) for row in rows]
