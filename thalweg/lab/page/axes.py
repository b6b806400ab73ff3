"""How the figures of the page are framed: axes, and marks at the edge for what lies beyond."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from thalweg.lab.tasks.task import Task
from thalweg.pictures.curves import limits

__all__ = ["Trace", "framed", "limit", "line_at", "make_layout", "narrowed"]

# What plotly draws, as plain data.
Trace = dict[str, Any]


def make_layout(x: str, y: str, is_log: bool) -> dict[str, Any]:
    """Axes with titles; `is_log` is of the upright one."""
    return {
        "xaxis": {
            "title": {"text": x},
            "gridcolor": "#e6e6e6",
            "zeroline": False,
            "automargin": True,
        },
        "yaxis": {
            "title": {"text": y},
            "gridcolor": "#e6e6e6",
            "zeroline": False,
            "automargin": True,
            **({"type": "log", "exponentformat": "power"} if is_log else {}),
        },
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1.02,
            "yanchor": "bottom",
        },
        "margin": {"l": 10, "r": 16, "t": 10, "b": 40},
        "plot_bgcolor": "#fff",
        "paper_bgcolor": "#fff",
        "font": {"family": "system-ui, sans-serif", "size": 13},
        "hovermode": "closest",
    }


def line_at(value: float) -> dict[str, Any]:
    """A dotted line across at a value."""
    return {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": value,
        "y1": value,
        "line": {"color": "#777", "width": 1, "dash": "dot"},
    }


def framed(
    traces: list[Trace], layout: dict[str, Any], shown: list[np.ndarray], is_loss: bool
) -> tuple[list[Trace], dict[str, Any]]:
    """Set the height where the good ones differ, with a mark at the edge for who ends beyond."""
    found = limits(shown, is_loss)
    if found is None:
        return traces, layout
    top = limit(layout, found)
    marks = []
    for trace in [trace for trace in traces if trace.get("showlegend", True)]:
        ends = [value for value in trace["y"] if value is not None]
        if ends and (ends[-1] > top or (ends[-1] < found[0] and not is_loss)):
            is_above = ends[-1] > top
            marks.append(
                {
                    "x": [trace["x"][-1]],
                    "y": [top if is_above else layout["_bottom"]],
                    "mode": "markers",
                    "cliponaxis": False,
                    "marker": {
                        **trace["marker"],
                        "size": 10,
                        "symbol": "triangle-up" if is_above else "triangle-down",
                    },
                    "legendgroup": trace["legendgroup"],
                    "showlegend": False,
                    "hovertemplate": f"ends at {ends[-1]:.4g}<extra>{trace['name']}</extra>",
                }
            )
    return [*traces, *marks], layout


def narrowed(layout: dict[str, Any], traces: list[Trace], task: Task) -> None:
    """Set the width where the good ones differ, with a mark at the edge for who is beyond."""
    dots = [trace for trace in traces if "text" in trace and trace["x"]]
    found = limits([np.array(trace["x"])[:, None] for trace in dots], task.metric is None)
    if found is None:
        return
    means = [float(np.mean(trace["x"])) for trace in dots]
    inside = [
        trace for trace, mean in zip(dots, means, strict=True) if found[0] <= mean <= found[1]
    ]
    low, high = (end(end(trace["x"]) for trace in inside) for end in (min, max))
    for trace in traces:  # the means, with their intervals
        if "error_x" in trace and low <= trace["x"][0] <= high:
            half = min(trace["error_x"]["array"][0], 2 * (high - low))
            low, high = min(low, trace["x"][0] - half), max(high, trace["x"][0] + half)
    room = 0.08 * (high - low) or 0.01
    layout["xaxis"]["range"] = [low - room, high + room]
    for trace, mean in zip(dots, means, strict=True):
        if not low - room <= mean <= high + room:
            is_below = mean < low
            traces.append(
                {
                    "x": [low - room if is_below else high + room],
                    "y": trace["y"][:1],
                    "mode": "markers",
                    "cliponaxis": False,
                    "marker": {
                        "color": trace["marker"]["color"],
                        "symbol": "triangle-left" if is_below else "triangle-right",
                        "size": 11,
                    },
                    "name": trace["name"],
                    "hovertemplate": f"mean {mean:.4g}<extra>{trace['name']}</extra>",
                }
            )


def limit(layout: dict[str, Any], between: tuple[float, float]) -> float:
    """Set the height, with a little room, and give its upper end."""
    low, high = between
    if layout["yaxis"].get("type") == "log" and low > 0:
        room = 0.06 * math.log10(high / low) + 0.02
        ends = [math.log10(low) - room, math.log10(high) + room]
        layout["yaxis"]["range"] = ends
        layout["_bottom"] = 10 ** ends[0]
        return float(10 ** ends[1])
    if layout["yaxis"].get("type") == "log":
        return math.inf
    room = 0.06 * (high - low)
    layout["yaxis"]["range"] = [low - room, high + room]
    layout["_bottom"] = low - room
    return high + room
