"""The picture of a training and what was measured during it."""

from collections.abc import Mapping
from typing import Protocol

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thalweg.pictures.style import COLOURS, frame

__all__ = ["History", "plot_history"]


class History(Protocol):
    """What is drawn of a training: `thalweg.mytorch.history` says what each number is."""

    @property
    def loss(self) -> np.ndarray: ...

    @property
    def batch_loss(self) -> np.ndarray: ...

    @property
    def steps(self) -> np.ndarray: ...

    @property
    def metrics(self) -> Mapping[str, np.ndarray]: ...

    @property
    def validation_loss(self) -> np.ndarray: ...

    @property
    def validation_metrics(self) -> Mapping[str, np.ndarray]: ...

    def __len__(self) -> int: ...


def plot_history(history: History, axes: Axes | None = None) -> Figure:
    """The losses, and beside them the metrics if there are any."""
    if axes is not None:
        _draw_losses(axes, history)
        figure = axes.get_figure(root=True)
        assert figure is not None
        return figure
    panels = 1 + bool(history.metrics)
    figure, panes = plt.subplots(
        1, panels, figsize=(6.5 * panels, 4), layout="constrained", squeeze=False
    )
    _draw_losses(panes[0, 0], history)
    if history.metrics:
        _draw_metrics(panes[0, 1], history)
    return figure


def _draw_losses(axes: Axes, history: History) -> None:
    epochs = np.arange(1, len(history) + 1)
    axes.plot(
        _epochs_of_batches(history),
        history.batch_loss,
        color=COLOURS[0],
        linewidth=0.5,
        alpha=0.4,
        label="one batch",
    )
    # the mean of an epoch belongs to its middle, what is measured after it to its end
    axes.plot(epochs - 0.5, history.loss, color=COLOURS[0], marker=".", label="training")
    if len(history.validation_loss):
        axes.plot(epochs, history.validation_loss, color=COLOURS[1], marker=".", label="validation")
    if (history.batch_loss > 0).all() and (history.validation_loss > 0).all():
        axes.set_yscale("log")
    _label(axes, "Loss")


def _epochs_of_batches(history: History) -> np.ndarray:
    """How many epochs were done at the end of each batch, in parts."""
    batches = np.arange(1, len(history.batch_loss) + 1)
    if not len(history):
        return batches / max(len(batches), 1)
    ends = np.concatenate([[0], history.steps])
    beyond = (batches - ends[-1]) / (ends[-1] - ends[-2])  # of an epoch that was not finished
    within = np.interp(batches, ends, np.arange(len(ends)))
    return np.where(batches > ends[-1], len(history) + beyond, within)


def _draw_metrics(axes: Axes, history: History) -> None:
    epochs = np.arange(1, len(history) + 1)
    for i, name in enumerate(history.metrics):
        colour = COLOURS[i % len(COLOURS)]
        is_only = name not in history.validation_metrics
        axes.plot(
            epochs - 0.5,
            history.metrics[name],
            color=colour,
            linestyle="-" if is_only else "--",
            marker=".",
            label=name if is_only else f"{name}, training",
        )
        if not is_only:
            values = history.validation_metrics[name]
            axes.plot(epochs, values, color=colour, marker=".", label=f"{name}, validation")
    _label(axes, "Metrics")


def _label(axes: Axes, title: str) -> None:
    frame(axes, title, along="epoch")
    axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    axes.legend(frameon=False)
