"""Every picture that the lab draws; no other file of it imports matplotlib."""

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import colormaps, ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thalweg.lab.contest import Contest, Entry
from thalweg.lab.summary import rank
from thalweg.lab.training import EVALUATE_EVERY, TARGET, Curve
from thalweg.whole_file import whole_file

__all__ = ["draw_curves", "plot_losses", "plot_schedule"]

# Okabe and Ito's colours, which colour-blind readers can tell apart; black and yellow left out.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")

# Solid and dashed in turn: of two curves that coincide, both show.
_LINES = ("-", (0, (4, 2)))

# How wide a legend is and what a line's sample takes of it, in letters of its font.
_LEGEND_LETTERS = 165
_HANDLE_LETTERS = 11


def draw_curves(path: Path, contest: Contest) -> None:
    """Draw training loss and test accuracy: the mean, in a band from lowest to highest."""
    plt.switch_backend("Agg")
    figure, (loss, accuracy) = plt.subplots(1, 2, figsize=(12, 5.6), layout="constrained")
    entries = [entry for entry in contest.entries if entry.runs]
    for number, (entry, colour) in enumerate(zip(entries, _colours(len(entries)), strict=True)):
        style = {"color": colour, "linestyle": _LINES[number % len(_LINES)]}
        _draw(loss, entry, style, lambda curve: curve.train_loss)
        _draw(accuracy, entry, style, lambda curve: curve.held_accuracy)
    _scale_losses(loss)
    _label(loss, f"Training loss (mean of {EVALUATE_EVERY} steps)")
    _label(accuracy, "Test accuracy")
    _frame_accuracy(accuracy, contest)
    figure.suptitle(_title(entries), fontsize=13)
    handles, labels = loss.get_legend_handles_labels()
    columns = _LEGEND_LETTERS // (_HANDLE_LETTERS + max(map(len, labels)))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)
    _save(figure, path)


def plot_schedule(values: np.ndarray, label: str, axes: Axes | None = None) -> Axes:
    """Plot one value for each step, into the axes given or into a new figure; return the axes.

    What is drawn is said above the axes, where no curve is.
    """
    if axes is None:
        _, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
        _label(axes, "")
    before = axes.get_lines()
    axes.plot(np.arange(len(values)), values, label=textwrap.fill(label, 80), linewidth=1.7)
    title = axes.get_title(loc="left")
    if not before and not title:
        axes.set_title(str(axes.get_lines()[0].get_label()), loc="left", fontsize=10)
    else:
        if before and title == before[0].get_label():  # the title that a single curve had
            axes.set_title("", loc="left")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False, fontsize=10)
    return axes


def plot_losses(path: Path, losses: Sequence[float], batches: int, title: str) -> None:
    """Draw the loss of every batch, and its mean over each epoch of so many batches."""
    plt.switch_backend("Agg")
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    epochs = np.arange(1, len(losses) + 1) / batches
    axes.plot(epochs, losses, color=_COLOURS[0], linewidth=0.5, alpha=0.4, label="one batch")
    means = np.reshape(losses[: len(losses) // batches * batches], (-1, batches)).mean(axis=1)
    middles = np.arange(len(means)) + 0.5
    axes.plot(middles, means, color=_COLOURS[1], marker=".", label="mean of an epoch")
    _scale_losses(axes)
    _label(axes, title)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    axes.set_ylabel("training loss")
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    """Write a picture whole, in the format that its name says."""
    try:
        with whole_file(path) as file:
            figure.savefig(file, format=path.suffix.removeprefix(".") or "png", dpi=150)
    finally:
        plt.close(figure)


def _title(entries: Sequence[Entry]) -> str:
    seeds = max(len(entry.runs) for entry in entries)
    many = f"mean of {seeds} seeds, in a band from lowest to highest"
    return f"Handwritten digits: {many if seeds > 1 else 'one seed'}"


def _draw(
    axes: Axes, entry: Entry, style: dict[str, Any], read: Callable[[Curve], Sequence[float]]
) -> None:
    """Draw one entry; where a seed has diverged, the mean has no value and the line ends."""
    longest = max((run.curve for run in entry.runs), key=lambda curve: len(curve.step))
    values = np.full((len(entry.runs), len(longest.step)), np.nan)
    for row, run in zip(values, entry.runs, strict=True):
        row[: len(run.curve.step)] = read(run.curve)
    values[~np.isfinite(values)] = np.nan
    diverged = sum(run.diverged_at is not None for run in entry.runs)
    label = f"{entry.name}, lr {entry.lr:g}"
    if diverged:
        label += f" ({diverged} of {len(entry.runs)} diverged)"
    marker = "o" if len(longest.step) == 1 else ""  # a line needs two points to be seen
    axes.plot(longest.step, values.mean(axis=0), marker=marker, label=label, linewidth=1.7, **style)
    lowest, highest = values.min(axis=0), values.max(axis=0)
    axes.fill_between(longest.step, lowest, highest, color=style["color"], alpha=0.15, linewidth=0)


def _scale_losses(axes: Axes) -> None:
    """In powers of ten, unless nothing drawn is above 0: all diverged, or all learned by heart."""
    drawn = np.concatenate([np.asarray(line.get_ydata(), float) for line in axes.lines])
    if (drawn > 0).any():
        axes.set_yscale("log")
    if not np.isfinite(drawn).any():
        axes.set(xticks=[], yticks=[])
        axes.annotate(
            "no finite loss", (0.5, 0.5), xycoords="axes fraction", ha="center", color="grey"
        )


def _label(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=12)
    axes.set_xlabel("step")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.01)


def _frame_accuracy(axes: Axes, contest: Contest) -> None:
    """Show where the good ones differ; a hopeless one may start, or stay, below the frame."""
    best = max(summary.test_accuracy.mean for _, summary in rank(contest.entries))
    if best > 0.9:
        axes.set_ylim(0.85, 1)
    axes.axhline(TARGET, color="grey", linewidth=1, linestyle=":")
    axes.yaxis.set_major_formatter(ticker.PercentFormatter(1, decimals=0))


def _colours(count: int) -> Sequence[object]:
    if count <= len(_COLOURS):
        return _COLOURS[:count]
    return [colormaps["turbo"](place) for place in np.linspace(0.05, 0.95, count)]
