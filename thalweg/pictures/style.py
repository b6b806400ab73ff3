"""What the pictures share: their colours, the frame around a curve, and how one is saved."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thalweg.whole_file import whole_file

__all__ = ["COLOURS", "colours", "frame", "save", "scale_losses"]

# Okabe and Ito's colours, which colour-blind readers can tell apart; black and yellow left out.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")


def colours(count: int) -> Sequence[object]:
    """So many colours that can be told apart, as far as that goes."""
    if count <= len(COLOURS):
        return COLOURS[:count]
    return [colormaps["turbo"](place) for place in np.linspace(0.05, 0.95, count)]


def frame(axes: Axes, title: str, along: str = "step") -> None:
    """A title over the left end, the name of the axis along the bottom, and a faint grid."""
    axes.set_title(title, loc="left", fontsize=12)
    axes.set_xlabel(along)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def scale_losses(axes: Axes) -> None:
    """In powers of ten, unless nothing drawn is above 0: all diverged, or all learned by heart."""
    drawn = np.concatenate([np.asarray(line.get_ydata(), float) for line in axes.lines])
    if (drawn > 0).any():
        axes.set_yscale("log")
    if not np.isfinite(drawn).any():
        axes.set(xticks=[], yticks=[])
        axes.annotate(
            "no finite loss", (0.5, 0.5), xycoords="axes fraction", ha="center", color="grey"
        )


def save(figure: Figure, path: Path) -> None:
    """Write a picture whole, in the format that its name says."""
    try:
        with whole_file(path) as file:
            figure.savefig(file, format=path.suffix.removeprefix(".") or "png", dpi=150)
    finally:
        plt.close(figure)
