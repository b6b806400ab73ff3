"""The picture of one training's losses."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import ticker

from thalweg.pictures.style import COLOURS, frame, save, scale_losses

__all__ = ["plot_losses"]


def plot_losses(path: Path, losses: Sequence[float], batches: int, title: str) -> None:
    """Draw the loss of every batch, and its mean over each epoch of so many batches."""
    plt.switch_backend("Agg")
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    epochs = np.arange(1, len(losses) + 1) / batches
    axes.plot(epochs, losses, color=COLOURS[0], linewidth=0.5, alpha=0.4, label="one batch")
    means = np.reshape(losses[: len(losses) // batches * batches], (-1, batches)).mean(axis=1)
    middles = np.arange(len(means)) + 0.5
    axes.plot(middles, means, color=COLOURS[1], marker=".", label="mean of an epoch")
    scale_losses(axes)
    frame(axes, title, along="epoch")
    axes.margins(x=0.01)
    axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    axes.set_ylabel("training loss")
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    save(figure, path)
