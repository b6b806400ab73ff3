"""The picture of a schedule."""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from thalweg.pictures.style import frame

__all__ = ["plot_schedule"]


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
