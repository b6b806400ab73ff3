"""The picture of a contest: training loss and what is validated of every contestant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from thalweg.pictures.curves import limits, smoothed
from thalweg.pictures.style import frame, save, scale_losses

__all__ = ["Judged", "Runs", "draw_contest"]

# How wide a legend is and what a line's sample takes of it, in letters of its font.
_LEGEND_LETTERS = 165
_HANDLE_LETTERS = 11

# Marks on a curve, and how much of the frame's height stays free around the good ones.
_MARKS = 6
_MARGIN = 0.06


class Judged(NamedTuple):
    """What the right side shows: its title, whether in percent, and whether it is a loss."""

    title: str
    is_share: bool
    is_loss: bool


@dataclass(frozen=True)
class Runs:
    """One contestant's runs: a row for each seed, which ends in NaN where it has diverged.

    `look` has a `colour`, a `dash` (lengths of strokes and gaps) and a `marker`.
    """

    label: str
    steps: Sequence[int]
    losses: np.ndarray
    judged: np.ndarray
    look: Any


def draw_contest(
    path: Path, contestants: Sequence[Runs], title: str, judged: Judged, target: float | None
) -> None:
    """Draw every contestant's mean, in a band from lowest to highest.

    Training losses are smoothed, with what was seen faint behind.
    """
    plt.switch_backend("Agg")
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5.6), layout="constrained")
    for runs in contestants:
        left.plot(
            runs.steps, runs.losses.mean(axis=0), color=runs.look.colour, alpha=0.25, linewidth=0.8
        )
    for place, runs in enumerate(contestants):
        _draw(left, runs, smoothed(runs.losses), place)
        _draw(right, runs, runs.judged, place)
    for axes, what in ((left, "Training loss"), (right, judged.title)):
        frame(axes, what)
        axes.margins(x=0.01)
    scale_losses(left)
    if judged.is_loss:
        scale_losses(right)
    if target is not None:
        right.axhline(target, color="grey", linewidth=1, linestyle=":")
    if judged.is_share:
        right.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.4g}%")
    _limit(left, [smoothed(runs.losses) for runs in contestants], is_loss=True)
    _limit(right, [runs.judged for runs in contestants], judged.is_loss)
    figure.suptitle(title, fontsize=13)
    handles, labels = left.get_legend_handles_labels()
    columns = max(1, _LEGEND_LETTERS // (_HANDLE_LETTERS + max(map(len, labels))))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)
    save(figure, path)


def _draw(axes: Axes, runs: Runs, values: np.ndarray, place: int) -> None:
    """Draw one contestant; where a seed has diverged, the mean has no value and the line ends."""
    look, count = runs.look, len(runs.steps)
    stride = max(1, count // _MARKS)
    axes.plot(
        runs.steps,
        values.mean(axis=0),
        color=look.colour,
        linestyle=(0, look.dash) if look.dash else "-",
        marker=look.marker,
        markersize=5,
        markevery=1 if count == 1 else (place % stride, stride),
        label=runs.label,
        linewidth=1.7,
    )
    lowest, highest = values.min(axis=0), values.max(axis=0)
    axes.fill_between(runs.steps, lowest, highest, color=look.colour, alpha=0.15, linewidth=0)


def _limit(axes: Axes, values: Sequence[np.ndarray], is_loss: bool) -> None:
    """Leave those out of the frame's height that are hopeless beside the middle one.

    A mark at the edge says that there is somebody beyond.
    """
    found = limits(values, is_loss)
    if found is None:
        return
    low, high = found
    if axes.get_yscale() == "log":
        if low <= 0:
            return
        room = (high / low) ** _MARGIN
        axes.set_ylim(low / room, high * room)
    else:
        room = (high - low) * _MARGIN
        axes.set_ylim(low - room, high + room)
    low, high = axes.get_ylim()
    labelled = [line for line in axes.lines if not str(line.get_label()).startswith("_")]
    for line in labelled:
        last = np.asarray(line.get_ydata(), float)
        last = last[np.isfinite(last)]
        if last.size and not low <= last[-1] <= high:
            axes.plot(
                [0.985],
                [0.985 if last[-1] > high else 0.015],
                marker="^" if last[-1] > high else "v",
                color=line.get_color(),
                transform=axes.transAxes,
                clip_on=False,
            )
