"""The picture of a contest: training loss and test accuracy of every contestant."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes

from thalweg.pictures.style import colours, frame, save, scale_losses

__all__ = ["Runs", "draw_contest"]

# Solid and dashed in turn: of two curves that coincide, both show.
_LINES = ("-", (0, (4, 2)))

# How wide a legend is and what a line's sample takes of it, in letters of its font.
_LEGEND_LETTERS = 165
_HANDLE_LETTERS = 11


@dataclass(frozen=True)
class Runs:
    """One contestant's runs: a row for each seed, which ends in NaN where it has diverged."""

    label: str
    steps: Sequence[int]
    losses: np.ndarray
    accuracies: np.ndarray


def draw_contest(
    path: Path, contestants: Sequence[Runs], title: str, loss: str, best: float, target: float
) -> None:
    """Draw every contestant's mean, in a band from lowest to highest.

    `loss` says what the losses are, `best` is the accuracy of the best, `target` the one wanted.
    """
    plt.switch_backend("Agg")
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5.6), layout="constrained")
    for number, (runs, colour) in enumerate(
        zip(contestants, colours(len(contestants)), strict=True)
    ):
        style = {"color": colour, "linestyle": _LINES[number % len(_LINES)]}
        _draw(left, runs, runs.losses, style)
        _draw(right, runs, runs.accuracies, style)
    scale_losses(left)
    for axes, what in ((left, loss), (right, "Test accuracy")):
        frame(axes, what)
        axes.margins(x=0.01)
    _frame_accuracy(right, best, target)
    figure.suptitle(title, fontsize=13)
    handles, labels = left.get_legend_handles_labels()
    columns = _LEGEND_LETTERS // (_HANDLE_LETTERS + max(map(len, labels)))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)
    save(figure, path)


def _draw(axes: Axes, runs: Runs, values: np.ndarray, style: dict[str, Any]) -> None:
    """Draw one contestant; where a seed has diverged, the mean has no value and the line ends."""
    marker = "o" if len(runs.steps) == 1 else ""  # a line needs two points to be seen
    axes.plot(
        runs.steps, values.mean(axis=0), marker=marker, label=runs.label, linewidth=1.7, **style
    )
    lowest, highest = values.min(axis=0), values.max(axis=0)
    axes.fill_between(runs.steps, lowest, highest, color=style["color"], alpha=0.15, linewidth=0)


def _frame_accuracy(axes: Axes, best: float, target: float) -> None:
    """Show where the good ones differ; a hopeless one may start, or stay, below the frame."""
    if best > 0.9:
        axes.set_ylim(0.85, 1)
    axes.axhline(target, color="grey", linewidth=1, linestyle=":")
    axes.yaxis.set_major_formatter(ticker.PercentFormatter(1, decimals=0))
