"""What every scheduler of every border shows of itself before it runs: its values, step by step."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.schedules.ranges import WHOLE, check
from thalweg.schedules.whole import Before

__all__ = ["Metrics", "Previewed", "plotted"]

Metrics = Sequence[float] | Callable[[int], float]


class Previewed:
    """`preview` and `plot` for a scheduler, which stays where it is.

    A border says how a scheduler begins anew (`_anew`); `_span` is how many steps `plot` draws.
    """

    optimizer: Any
    _span = 100
    _takes_metrics = False

    def _anew(self) -> None:
        """Go back to step 0 and the base values, as if just made."""
        raise NotImplementedError

    def preview(self, steps: int = 100, metrics: Metrics | None = None) -> NDArray[np.float64]:
        """The values of the first `steps` steps: a row for each, a column for each group.

        They are those of the scheduler's own steps from the base values (torch keeps none for a
        `ReduceLROnPlateau` by itself, which is shown from its value now); scheduler and groups are
        as they were afterwards. `metrics` is for those that look at a metric, one for each step or
        a function of the step; without it, none of them improves. Raises TypeError or ValueError
        for arguments out of range.
        """
        check(type(self).__name__, steps=(WHOLE, steps))
        metric = _metric(type(self).__name__, metrics, steps)
        before = Before(self)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of the order, of what is past an end
                return self._played(steps, metric)
        finally:
            before.return_to()

    def _played(self, steps: int, metric: Callable[[int], float]) -> NDArray[np.float64]:
        scheduler: Any = self
        rows = np.empty((steps, len(self.optimizer.param_groups)))
        for t in range(steps):
            if t == 0:
                self._anew()
            elif self._takes_metrics:
                scheduler.step(metric(t))
            else:
                scheduler.step()
            rows[t] = [float(value) for value in scheduler.get_last_lr()]
        return rows

    def plot(
        self, steps: int | None = None, axes: Any = None, metrics: Metrics | None = None
    ) -> Any:
        """Draw the first `steps` steps of each group, a hundred or to a little past the end.

        Returns the axes that were drawn on: `axes`, if given, or those of a new figure, which
        `axes.figure.savefig("schedule.png")` saves. Needs matplotlib.
        """
        values = self.preview(self._span if steps is None else steps, metrics)
        name = type(self).__name__
        several = (values != values[:, :1]).any()
        for i in range(values.shape[1] if several else 1):
            axes = plotted(values[:, i], f"{name}, group {i}" if several else name, axes)
        return axes


def _metric(owner: str, metrics: Any, steps: int) -> Callable[[int], float]:
    """The metric of each step; the first is looked at by step 1."""
    if metrics is None:
        return lambda t: 1.0
    if callable(metrics):
        return metrics  # type: ignore[no-any-return]
    if isinstance(metrics, str) or not hasattr(metrics, "__len__"):
        raise TypeError(
            f"{owner}: metrics must be one number for each step, or a function of the step, "
            f"got {metrics!r}"
        )
    if len(metrics) < steps - 1:
        raise ValueError(
            f"{owner}: metrics must have one number for each of the {steps - 1} steps that look at "
            f"one, got {len(metrics)}"
        )
    return lambda t: metrics[t - 1]


def plotted(values: NDArray[np.float64], label: str, axes: Any) -> Any:
    """Draw one curve, or say that matplotlib, which nothing else here needs, is missing."""
    try:
        from thalweg.pictures.schedule import plot_schedule
    except ModuleNotFoundError as error:
        if not str(error.name).startswith("matplotlib"):
            raise
        raise ModuleNotFoundError(
            f"{label}: plot needs matplotlib, which is not installed: pip install 'thalweg[lab]'",
            name=error.name,
        ) from None
    return plot_schedule(values, label, axes)
