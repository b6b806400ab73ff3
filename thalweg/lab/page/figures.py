"""The figures of the page, as the plain data that plotly draws."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from thalweg.lab.colours import Look, looks
from thalweg.lab.contest import Contest, Entry
from thalweg.lab.page.axes import Trace, framed, limit, line_at, make_layout, narrowed
from thalweg.lab.page.traces import MARKERS, banded, faint, line_of, plain, steps_of
from thalweg.lab.picture import rows, seen
from thalweg.lab.summary import score, summarize, target_of
from thalweg.pictures.curves import smoothed

__all__ = ["Figure", "figures"]


class Figure(NamedTuple):
    """A figure with its title and what is to be known about it."""

    id: str
    title: str
    about: str
    traces: list[Trace]
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
    traces: list[Trace] = []
    shown = []
    for entry in _played(contest):
        curves = rows(entry, len(steps_of(entry)), lambda curve: curve.train_loss)
        smooth = smoothed(curves)
        traces += faint(entry, found[entry.label], curves.mean(axis=0))
        traces += banded(entry, found[entry.label], smooth)
        shown.append(smooth)
    layout = make_layout("step", "training loss", is_log=True)
    return Figure(
        "training",
        "Training loss",
        "The mean of the seeds in a band from lowest to highest, smoothed over five looks; faint "
        "is what was seen.",
        *framed(traces, layout, shown, True),
    )


def _validated(contest: Contest, found: dict[str, Look]) -> Figure:
    task, target = contest.task, target_of(contest)
    traces: list[Trace] = []
    shown = []
    for entry in _played(contest):
        curves = rows(entry, len(steps_of(entry)), seen(contest))
        traces += banded(entry, found[entry.label], curves)
        shown.append(curves)
    what = f"validation {task.metric or 'loss'}"
    layout = make_layout("step", what, is_log=task.metric is None)
    if task.is_share:
        layout["yaxis"]["tickformat"] = ".1%"
    if target is not None:
        layout["shapes"] = [line_at(target.value)]
    about = "Of the weights to look at, as the training went on; dotted is the target."
    return Figure(
        "validation",
        what.capitalize(),
        about,
        *framed(traces, layout, shown, task.metric is None),
    )


def _scores(contest: Contest, found: dict[str, Look]) -> Figure:
    task = contest.task
    traces: list[Trace] = []
    for entry in _played(contest):
        look = found[entry.label]
        values = [score(run.outcome, task) for run in entry.runs.values()]
        finite = [value for value in values if math.isfinite(value)]
        marker = {"color": look.colour, "symbol": MARKERS[look.marker], "size": 7, "opacity": 0.45}
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
    layout = make_layout(f"test {task.metric or 'loss'}", "", is_log=False)
    layout["yaxis"] |= {"type": "category", "autorange": "reversed", "automargin": True}
    layout["showlegend"] = False
    layout["xaxis"]["automargin"] = True
    if task.is_share:
        layout["xaxis"]["tickformat"] = ".1%"
    narrowed(layout, traces, task)
    about = "Each seed, and the mean with its 95 % interval. The test split was looked at once."
    return Figure("scores", f"Test {task.metric or 'loss'}", about, traces, layout)


def _sensitivity(contest: Contest, found: dict[str, Look]) -> Figure | None:
    traces: list[Trace] = []
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
                "mode": "lines+markers" if _only_lr(entry) else "markers",
                "name": f"{entry.label}{_good_band(entry)}",
                "legendgroup": entry.label,
                "line": line_of(look),
                "marker": {"color": look.colour, "symbol": MARKERS[look.marker], "size": 8},
            }
        )
    if not traces:
        return None
    layout = make_layout("lr", "final validation loss", is_log=True)
    layout["xaxis"]["type"] = "log"
    losses = np.concatenate([one.ravel() for one in shown])
    low, best = float(losses.min()), sorted(float(one.min()) for one in shown)
    high = min(float(losses.max()), 30 * best[len(best) // 2])
    top = limit(layout, (low, high))
    traces += _beyond(contest, found, top)
    return Figure(
        "sensitivity",
        "How much the learning rate matters",
        "The loss at the end over the rate, of one seed: a wide valley forgives a rate that is "
        "off. In brackets is where the loss is within a fifth of the optimizer's best. A hollow "
        "mark at the edge has diverged or lies beyond; trials that were ended early are left out, "
        "and where more than the rate was searched no line joins them.",
        traces,
        layout,
    )


def _only_lr(entry: Entry) -> bool:
    """Whether a line may join the trials: they differ in nothing else."""
    return entry.search is not None and set(entry.search.space) == {"lr"}


def _beyond(contest: Contest, found: dict[str, Look], top: float) -> list[Trace]:
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


def _good_band(entry: Entry) -> str:
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
                "y": plain(np.array(curve.lr) / entry.lr),
                "mode": "lines",
                "name": entry.label,
                "legendgroup": entry.label,
                "line": line_of(found[entry.label]),
            }
        )
    if not traces:
        return None
    about = f"{contest.budget.schedule}: the same share of each one's own learning rate."
    layout = make_layout("step", "share of lr", is_log=False)
    return Figure("schedule", "Schedule", about, traces, layout)


def _played(contest: Contest) -> list[Entry]:
    return [entry for entry in contest.entries if entry.runs]
