"""How a metric is watched: what counts as an improvement, and for how long none is waited for."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

from thalweg.schedules.ranges import AMOUNT, WHOLE
from thalweg.settings import Setting

__all__ = ["PLATEAU", "Plateau"]

PLATEAU: Mapping[str, Setting] = {
    "mode": Setting("min", choices=("min", "max")),
    "factor": Setting(0.1, low=0, below=1),
    "patience": WHOLE,
    "threshold": AMOUNT,
    "threshold_mode": Setting("rel", choices=("rel", "abs")),
    "cooldown": WHOLE,
    "eps": AMOUNT,
}


_LEAST = -math.inf


class Plateau:
    """What every border's `ReduceLROnPlateau` does with the metric; `PLATEAU` are its settings."""

    mode: Any
    factor: float
    patience: int
    threshold: float
    threshold_mode: Any
    cooldown: int
    eps: float
    best: float
    num_bad_epochs: int
    cooldown_counter: int
    _warned = False

    def _reset(self) -> None:
        self.best = math.inf if self.mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = 0

    def _as_number(self, metrics: Any) -> float:
        name = type(self).__name__
        try:
            metric = float(metrics)
        except (TypeError, ValueError, RuntimeError):
            raise TypeError(f"{name}: metrics must be a number, got {metrics!r}") from None
        if math.isnan(metric) and not self._warned:
            self._warned = True
            warnings.warn(
                f"{name}: metrics is nan, which counts as no improvement",
                UserWarning,
                stacklevel=3,
            )
        return metric

    @property
    def in_cooldown(self) -> bool:
        """Whether steps without improvement are being forgiven after a reduction."""
        return self.cooldown_counter > 0

    def _is_better(self, metric: float, best: float) -> bool:
        margin = self.threshold
        if self.threshold_mode == "rel":
            if best < 0 and best != _LEAST:
                # towards the better side as well, where torch goes to the worse
                margin = -margin
            if self.mode == "min":
                return metric < best * (1 - margin)
            return metric > best * (1 + margin)
        return metric < best - margin if self.mode == "min" else metric > best + margin

    def _is_due(self, metric: float) -> bool:
        """Take in the metric of a step; whether it is time for a reduction, which begins anew."""
        bad = 0 if self._is_better(metric, self.best) else self.num_bad_epochs + 1
        if not bad:
            self.best = metric
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            bad = 0
        self.num_bad_epochs = bad
        if bad <= self.patience:
            return False
        self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        return True

    def _reduced(self, now: float, least: Any) -> float:
        """The next value, no smaller than `least`; the same if that is hardly a change."""
        reduced = max(now * self.factor, float(least))
        return reduced if now - reduced > self.eps else now
