"""The figures of the page, as the plain data that plotly draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from thalweg.lab.colours import Look, looks
from thalweg.lab.contest import Contest, Entry
from thalweg.lab.picture import rows, seen
from thalweg.lab.summary import score, summarize, target_of
from thalweg.lab.tasks.task import Task
from thalweg.pictures.curves import limits, smoothed

__all__ = ["Figure", "figures"]

# matplotlib's markers in plotly's words
_MARKERS = {
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

_Trace = dict[str, Any]


class Figure(NamedTuple):
    """A figure with its title and what is to be known about it."""

    id: str
    title: str
    about: str
    traces: list[_Trace]
    layout: dict[str, Any]


def figures(contest: Contest) -> list[Figure]:
    """Every figure that there is something to show in."""
    found = looks(entry.label for entry in contest.entries)
    made = [
        _losses(contest, found),
        _validated(contest, found),
        _scores(contest, found),
        _sensitivity(contest, found),
        _schedule(contest, found),
    ]
    return [figure for figure in made if figure is not None]


def _losses(contest: Contest, found: dict[str, Look]) -> Figure:
    traces: list[_Trace] = []
    shown = []
    for entry in _played(contest):
        curves = rows(entry, len(_steps(entry)), lambda curve: curve.train_loss)
        smooth = smoothed(curves)
        traces += _faint(entry, found[entry.label], curves.mean(axis=0))
        traces += _banded(entry, found[entry.label], smooth)
        shown.append(smooth)
    layout = _layout("step", "training loss", is_log=True)
    return Figure(
        "training",
        "Training loss",
        "The mean of the seeds in a band from lowest to highest, smoothed over five looks; faint "
        "is what was seen.",
        *_framed(traces, layout, shown, True),
    )


def _validated(contest: Contest, found: dict[str, Look]) -> Figure:
    task, target = contest.task, target_of(contest)
    traces: list[_Trace] = []
    shown = []
    for entry in _played(contest):
        curves = rows(entry, len(_steps(entry)), seen(contest))
        traces += _banded(entry, found[entry.label], curves)
        shown.append(curves)
    what = f"validation {task.metric or 'loss'}"
    layout = _layout("step", what, is_log=task.metric is None)
    if task.is_share:
        layout["yaxis"]["tickformat"] = ".1%"
    if target is not None:
        layout["shapes"] = [_line_at(target.value)]
    about = "Of the weights to look at, as the training went on; dotted is the target."
    return Figure(
        "validation",
        what.capitalize(),
        about,
        *_framed(traces, layout, shown, task.metric is None),
    )


def _scores(contest: Contest, found: dict[str, Look]) -> Figure:
    task = contest.task
    traces: list[_Trace] = []
    for entry in _played(contest):
        look = found[entry.label]
        values = [score(run.outcome, task) for run in entry.runs.values()]
        finite = [value for value in values if math.isfinite(value)]
        marker = {"color": look.colour, "symbol": _MARKERS[look.marker], "size": 7, "opacity": 0.45}
        seeds = [f"seed {seed}" for seed in entry.runs]
        traces.append(
            {
                "x": finite,
                "y": [entry.label] * len(finite),
                "text": [s for s, value in zip(seeds, values, strict=True) if math.isfinite(value)],
                "mode": "markers",
                "marker": marker,
                "name": entry.label,
                "legendgroup": entry.label,
                "hovertemplate": "%{text}: %{x}<extra></extra>",
            }
        )
        summary = summarize(entry, task, None)
        spread = summary.test_loss if task.metric is None else summary.test_metric
        if spread is not None and math.isfinite(spread.mean):
            half = spread.half if spread.half is not None and math.isfinite(spread.half) else 0.0
            traces.append(
                {
                    "x": [spread.mean],
                    "y": [entry.label],
                    "error_x": {"type": "data", "array": [half], "color": look.colour},
                    "mode": "markers",
                    "marker": {"color": look.colour, "symbol": "line-ns-open", "size": 16},
                    "legendgroup": entry.label,
                    "showlegend": False,
                    "name": entry.label,
                    "hovertemplate": f"mean %{{x:.4g}} ± {half:.2g}<extra>{entry.label}</extra>",
                }
            )
    layout = _layout(f"test {task.metric or 'loss'}", "", is_log=False)
    layout["yaxis"] |= {"type": "category", "autorange": "reversed", "automargin": True}
    layout["showlegend"] = False
    layout["xaxis"]["automargin"] = True
    if task.is_share:
        layout["xaxis"]["tickformat"] = ".1%"
    _narrow(layout, traces, task)
    about = "Each seed, and the mean with its 95 % interval. The test split was looked at once."
    return Figure("scores", f"Test {task.metric or 'loss'}", about, traces, layout)


def _narrow(layout: dict[str, Any], traces: list[_Trace], task: Task) -> None:
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


def _sensitivity(contest: Contest, found: dict[str, Look]) -> Figure | None:
    traces: list[_Trace] = []
    shown = []
    for entry in contest.entries:
        trials = sorted(
            (one for one in entry.trials.values() if "lr" in one.setting), key=lambda one: one.lr
        )
        kept = [one for one in trials if one.outcome.pruned_at is None]
        finite = [one for one in kept if math.isfinite(one.validation_loss)]
        if not finite:
            continue
        look = found[entry.label]
        shown.append(np.array([[one.validation_loss for one in finite]]))
        traces.append(
            {
                "x": [one.lr for one in finite],
                "y": [one.validation_loss for one in finite],
                "mode": "lines+markers",
                "name": f"{entry.label}{good_band(entry)}",
                "legendgroup": entry.label,
                "line": _line(look),
                "marker": {"color": look.colour, "symbol": _MARKERS[look.marker], "size": 8},
            }
        )
    if not traces:
        return None
    layout = _layout("lr", "final validation loss", is_log=True)
    layout["xaxis"]["type"] = "log"
    losses = np.concatenate([one.ravel() for one in shown])
    low, best = float(losses.min()), sorted(float(one.min()) for one in shown)
    high = min(float(losses.max()), 30 * best[len(best) // 2])
    top = _limit(layout, (low, high))
    traces += _beyond(contest, found, top)
    return Figure(
        "sensitivity",
        "How much the learning rate matters",
        "The loss at the end over the rate, of one seed: a wide valley forgives a rate that is "
        "off. In brackets is where the loss is within a fifth of the optimizer's best. A hollow "
        "mark at the edge has diverged or lies beyond; trials that were ended early are left out.",
        traces,
        layout,
    )


def _beyond(contest: Contest, found: dict[str, Look], top: float) -> list[_Trace]:
    """Marks at the upper edge for what is above it, or not finite."""
    traces = []
    for entry in contest.entries:
        rates = [
            one.lr
            for one in entry.trials.values()
            if "lr" in one.setting
            and one.outcome.pruned_at is None
            and not one.validation_loss <= top
        ]
        if rates:
            look = found[entry.label]
            traces.append(
                {
                    "x": rates,
                    "y": [top] * len(rates),
                    "mode": "markers",
                    "cliponaxis": False,
                    "marker": {"color": look.colour, "symbol": "triangle-up-open", "size": 9},
                    "legendgroup": entry.label,
                    "showlegend": False,
                    "name": entry.label,
                    "hovertemplate": "lr %{x}: beyond or diverged<extra>"
                    + entry.label
                    + "</extra>",
                }
            )
    return traces


def good_band(entry: Entry) -> str:
    """Between which rates an optimizer is within a fifth of its best, in brackets."""
    trials = sorted(
        (one.lr, one.validation_loss)
        for one in entry.trials.values()
        if "lr" in one.setting and one.outcome.pruned_at is None
    )
    best = min((loss for _, loss in trials), default=math.inf)
    if not math.isfinite(best):
        return ""
    place = next(i for i, (_, loss) in enumerate(trials) if loss == best)
    begin = end = place
    while begin > 0 and trials[begin - 1][1] <= 1.2 * best:
        begin -= 1
    while end + 1 < len(trials) and trials[end + 1][1] <= 1.2 * best:
        end += 1
    low, high = trials[begin][0], trials[end][0]
    return f" ({low:g})" if low == high else f" ({low:g} to {high:g})"


def _schedule(contest: Contest, found: dict[str, Look]) -> Figure | None:
    if contest.budget.schedule is None:
        return None
    traces = []
    for entry in _played(contest):
        if entry.lr is None:
            continue
        curve = max((run.outcome.curve for run in entry.runs.values()), key=lambda c: len(c.step))
        traces.append(
            {
                "x": curve.step,
                "y": _plain(np.array(curve.lr) / entry.lr),
                "mode": "lines",
                "name": entry.label,
                "legendgroup": entry.label,
                "line": _line(found[entry.label]),
            }
        )
    if not traces:
        return None
    about = f"{contest.budget.schedule}: the same share of each one's own learning rate."
    layout = _layout("step", "share of lr", is_log=False)
    return Figure("schedule", "Schedule", about, traces, layout)


def _played(contest: Contest) -> list[Entry]:
    return [entry for entry in contest.entries if entry.runs]


def _steps(entry: Entry) -> Sequence[int]:
    return max((run.outcome.curve.step for run in entry.runs.values()), key=len)


def _faint(entry: Entry, look: Look, mean: np.ndarray) -> list[_Trace]:
    return [
        {
            "x": list(_steps(entry)),
            "y": _plain(mean),
            "mode": "lines",
            "line": {"color": look.colour, "width": 0.8},
            "opacity": 0.3,
            "legendgroup": entry.label,
            "showlegend": False,
            "hoverinfo": "skip",
        }
    ]


def _banded(entry: Entry, look: Look, values: np.ndarray) -> list[_Trace]:
    steps = list(_steps(entry))
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
            {**edge, "y": _plain(values.min(axis=0))},
            {
                **edge,
                "y": _plain(values.max(axis=0)),
                "fill": "tonexty",
                "fillcolor": _faded(look.colour),
            },
        ]
    label = entry.label if entry.lr is None else f"{entry.label}, lr {entry.lr:g}"
    line = {
        "x": steps,
        "y": _plain(values.mean(axis=0)),
        "mode": "lines+markers",
        "name": label,
        "legendgroup": entry.label,
        "line": _line(look),
        "marker": {"size": sizes, "symbol": _MARKERS[look.marker], "color": look.colour},
    }
    return [*band, line]


def _framed(
    traces: list[_Trace], layout: dict[str, Any], shown: list[np.ndarray], is_loss: bool
) -> tuple[list[_Trace], dict[str, Any]]:
    """Set the height where the good ones differ, with a mark at the edge for who ends beyond."""
    found = limits(shown, is_loss)
    if found is None:
        return traces, layout
    top = _limit(layout, found)
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


def _limit(layout: dict[str, Any], between: tuple[float, float]) -> float:
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


def _line(look: Look) -> dict[str, Any]:
    dash = ",".join(f"{length}px" for length in look.dash) if look.dash else "solid"
    return {"color": look.colour, "width": 2, "dash": dash}


def _line_at(value: float) -> dict[str, Any]:
    return {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": value,
        "y1": value,
        "line": {"color": "#777", "width": 1, "dash": "dot"},
    }


def _layout(x: str, y: str, is_log: bool) -> dict[str, Any]:
    return {
        "xaxis": {"title": {"text": x}, "gridcolor": "#e6e6e6", "zeroline": False},
        "yaxis": {
            "title": {"text": y},
            "gridcolor": "#e6e6e6",
            "zeroline": False,
            "automargin": True,
            **({"type": "log", "exponentformat": "power"} if is_log else {}),
        },
        "legend": {"orientation": "h", "y": -0.22, "x": 0},
        "margin": {"l": 10, "r": 16, "t": 10, "b": 40},
        "plot_bgcolor": "#fff",
        "paper_bgcolor": "#fff",
        "font": {"family": "system-ui, sans-serif", "size": 13},
        "hovermode": "closest",
    }


def _faded(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.15)"


def _plain(values: np.ndarray) -> list[float | None]:
    """As JSON can hold them, in digits enough for a picture."""
    return [float(f"{value:.5g}") if math.isfinite(value) else None for value in values.tolist()]


def title_of(task: Task) -> str:
    """What the page is called."""
    return f"thalweg compare: {task.name}"
