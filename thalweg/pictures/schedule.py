"""The pictures of schedules: one, several over each other, and a plate of many."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from thalweg.pictures.style import COLOURS, colours, frame, save

__all__ = ["Named", "draw_overlaid", "draw_plate", "plot_schedule"]

Named = tuple[str, np.ndarray]


def plot_schedule(values: np.ndarray, label: str, axes: Axes | None = None) -> Axes:
    """Plot one value for each step, into the axes given or into a new figure; return the axes.

    What is drawn is said above the axes, where no curve is.
    """
    if axes is None:
        _, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
        frame(axes, "")
        axes.margins(x=0.01)
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


def draw_overlaid(path: Path, curves: Sequence[Named]) -> None:
    """Draw several curves into one picture; neighbours differ in dash as well as in colour."""
    plt.switch_backend("Agg")
    figure, axes = plt.subplots(figsize=(7, 3.6 + 0.22 * len(curves)), layout="constrained")
    frame(axes, "")
    axes.margins(x=0.01)
    dashes = ("-", "--", "-.", ":") if len(curves) > 1 else ("-",)
    for i, ((text, values), colour) in enumerate(zip(curves, colours(len(curves)), strict=True)):
        dash = dashes[i % len(dashes)]
        axes.plot(values, color=colour, linestyle=dash, linewidth=1.7, label=_folded(text))
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False, fontsize=10)
    save(figure, path)


def draw_plate(path: Path, curves: Sequence[Named], across: int = 4) -> None:
    """Draw each curve by itself, its text above it, in rows of four, all to one scale of steps."""
    plt.switch_backend("Agg")
    down = -(-len(curves) // across)
    figure, places = plt.subplots(
        down, across, figsize=(3.1 * across, 2.1 * down), sharex=True, layout="constrained"
    )
    for axes, (text, values) in zip(places.flat, curves, strict=False):
        axes.plot(values, color=COLOURS[0], linewidth=1.6)
        frame(axes, "", along="")
        axes.set_title(_folded(text, 44), loc="left", fontsize=7)
        axes.tick_params(labelsize=7)
        axes.set_ylim(bottom=min(0.0, float(np.min(values))) - 0.03 * float(np.max(values)))
    for axes in places.flat[len(curves) :]:
        axes.set_visible(False)
    for axes in places[-1]:
        axes.set_xlabel("step", fontsize=8)
    save(figure, path)


def _folded(text: str, width: int = 80) -> str:
    return textwrap.fill(text, width, subsequent_indent="  ", break_long_words=False)
