"""The curves of the page: lines with marks, in bands over the seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from thalweg.lab.colours import Look
from thalweg.lab.contest import Entry
from thalweg.lab.page.axes import Trace

__all__ = ["MARKERS", "banded", "faint", "line_of", "plain", "steps_of"]

# matplotlib's markers in plotly's words
MARKERS = {
    "o": "circle",
    "s": "square",
    "^": "triangle-up",
    "D": "diamond",
    "v": "triangle-down",
    "P": "cross",
    "X": "x",
    "<": "triangle-left",
    ">": "triangle-right",
    "*": "star",
    "h": "hexagon",
}

# Marks on a curve.
_MARKS = 6


def steps_of(entry: Entry) -> Sequence[int]:
    """The steps of an entry's longest run."""
    return max((run.outcome.curve.step for run in entry.runs.values()), key=len)


def faint(entry: Entry, look: Look, mean: np.ndarray) -> list[Trace]:
    """A thin line behind a smoothed one."""
    return [
        {
            "x": list(steps_of(entry)),
            "y": plain(mean),
            "mode": "lines",
            "line": {"color": look.colour, "width": 0.8},
            "opacity": 0.3,
            "legendgroup": entry.label,
            "showlegend": False,
            "hoverinfo": "skip",
        }
    ]


def banded(entry: Entry, look: Look, values: np.ndarray) -> list[Trace]:
    """The mean with marks, in a band from lowest to highest, of a row for each seed."""
    steps = list(steps_of(entry))
    stride = max(1, len(steps) // _MARKS)
    sizes = [7 if (i + 1) % stride == 0 else 0 for i in range(len(steps))]
    edge = {
        "x": steps,
        "mode": "lines",
        "line": {"width": 0, "color": look.colour},
        "legendgroup": entry.label,
        "showlegend": False,
        "hoverinfo": "skip",
    }
    band = []
    if len(values) > 1:
        band = [
            {**edge, "y": plain(values.min(axis=0))},
            {
                **edge,
                "y": plain(values.max(axis=0)),
                "fill": "tonexty",
                "fillcolor": _faded(look.colour),
            },
        ]
    label = entry.label if entry.lr is None else f"{entry.label}, lr {entry.lr:g}"
    line = {
        "x": steps,
        "y": plain(values.mean(axis=0)),
        "mode": "lines+markers",
        "name": label,
        "legendgroup": entry.label,
        "line": line_of(look),
        "marker": {"size": sizes, "symbol": MARKERS[look.marker], "color": look.colour},
    }
    return [*band, line]


def line_of(look: Look) -> dict[str, Any]:
    """A line in an optimizer's colour and dash."""
    dash = ",".join(f"{length}px" for length in look.dash) if look.dash else "solid"
    return {"color": look.colour, "width": 2, "dash": dash}


def _faded(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.15)"


def plain(values: np.ndarray) -> list[float | None]:
    """As JSON can hold them, in digits enough for a picture."""
    return [float(f"{value:.5g}") if math.isfinite(value) else None for value in values.tolist()]
