"""The picture of a range test: the loss over the learning rate, and the rate that is suggested."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from thalweg.pictures.style import COLOURS, frame, save

__all__ = ["Seen", "draw_range_test", "plot_range_test"]

# the rate of each step, its loss, and the smoothed loss
Seen = tuple[np.ndarray, np.ndarray, np.ndarray]


def plot_range_test(
    tests: Sequence[Seen], suggested: float | None, axes: Axes | None = None
) -> Axes:
    """Plot each test, its raw losses faint behind; return the axes.

    The loss is cut off a little above where it begins: what breaks out would flatten all else.
    """
    if axes is None:
        _, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for lr, loss, smooth in tests:
        axes.plot(lr, loss, color=COLOURS[0], linewidth=0.6, alpha=0.3)
        axes.plot(lr, smooth, color=COLOURS[0], linewidth=1.8)
    axes.set_xscale("log")
    starts = [smooth[0] for _, _, smooth in tests if np.isfinite(smooth[0])]
    lows = [np.nanmin(smooth) for _, _, smooth in tests if np.isfinite(smooth).any()]
    if starts and lows:
        bottom, top = min(lows), max(starts)
        room = (top - bottom) or abs(top) or 1.0
        axes.set_ylim(bottom - 0.1 * room, top + 0.5 * room)
    if suggested is not None:
        axes.axvline(suggested, color=COLOURS[1], linestyle="--", linewidth=1.5)
        axes.annotate(
            f"lr={suggested:.2g}",
            (suggested, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(-5, -5),
            textcoords="offset points",
            ha="right",
            va="top",
            color=COLOURS[1],
        )
    frame(axes, "", along="learning rate")
    axes.set_ylabel("loss of a batch")
    return axes


def draw_range_test(
    path: Path, tests: Sequence[Seen], suggested: float | None, optimizer: str
) -> None:
    """Draw the tests of one optimizer into a file."""
    plt.switch_backend("Agg")
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    plot_range_test(tests, suggested, axes)
    starts = f", {len(tests)} starts" if len(tests) > 1 else ""
    axes.set_title(f"{optimizer}: range test{starts}", loc="left", fontsize=12)
    save(figure, path)
