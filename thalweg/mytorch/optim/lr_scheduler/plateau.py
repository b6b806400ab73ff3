"""A scheduler that watches a metric instead of the step."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any, Literal, SupportsFloat

from thalweg.mytorch.optim.lr_scheduler.base import LRScheduler, for_each_group
from thalweg.mytorch.optim.optimizer import Optimizer
from thalweg.schedules.ranges import AMOUNT, WHOLE, check
from thalweg.settings import Setting

__all__ = ["ReduceLROnPlateau"]

_MODES = Setting("min", choices=("min", "max"))
_THRESHOLD_MODES = Setting("rel", choices=("rel", "abs"))
_FACTOR = Setting(0.1, low=0, below=1)


class ReduceLROnPlateau(LRScheduler):
    """Multiply by factor when a metric has not improved for more than patience steps.

    For a validation loss whose plateaus nobody can foresee; step it once per validation, with the
    metric.

    Differs: a relative threshold is a share of the best metric's size, also of a negative one,
    for which torch's never finds a plateau. It may stand inside `SequentialLR` and
    `ChainedScheduler`, whose `step` hands the metric on. A metric that is NaN counts as no
    improvement, as in torch, and warns once. For the state see `LRScheduler`.
    """

    _lists = ("min_lrs",)
    _counts = ("num_bad_epochs", "cooldown_counter")
    _warned = False

    def __init__(
        self,
        optimizer: Optimizer,
        mode: Literal["min", "max"] = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: Literal["rel", "abs"] = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0,
        eps: float = 1e-8,
        *,
        param: str = "lr",
    ) -> None:
        name = "ReduceLROnPlateau"
        self._attach(optimizer, -1, param)
        check(name, mode=(_MODES, mode), factor=(_FACTOR, factor), patience=(WHOLE, patience))
        check(name, threshold=(AMOUNT, threshold))
        check(name, threshold_mode=(_THRESHOLD_MODES, threshold_mode))
        check(name, cooldown=(WHOLE, cooldown), eps=(AMOUNT, eps))
        count = len(optimizer.param_groups)
        self.min_lrs = for_each_group(name, "min_lr", min_lr, count, AMOUNT.check)
        self.mode, self.factor, self.patience = mode, factor, patience
        self.threshold, self.threshold_mode = threshold, threshold_mode
        self.cooldown, self.eps = cooldown, eps
        self._reset()
        super().__init__(optimizer, param=param)

    def _reset(self) -> None:
        self.best = math.inf if self.mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = 0

    def _begin(self) -> None:
        self._reset()
        super()._begin()

    def _at(self, t: int) -> list[float]:
        return self._values()

    def step(self, metrics: SupportsFloat) -> None:  # type: ignore[override]
        """Look at the metric of the steps since the last call."""
        metric = self._as_number(metrics)
        self._adopt()
        self.last_epoch += 1
        if self._is_better(metric):
            self.best, self.num_bad_epochs = metric, 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._write(self._reduced())
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = self._values()

    def _as_number(self, metrics: Any) -> float:
        try:
            metric = float(metrics)
        except (TypeError, ValueError, RuntimeError):
            raise TypeError(
                f"ReduceLROnPlateau: metrics must be a number, got {metrics!r}"
            ) from None
        if math.isnan(metric) and not self._warned:
            self._warned = True
            warnings.warn(
                "ReduceLROnPlateau: metrics is nan, which counts as no improvement",
                UserWarning,
                stacklevel=3,
            )
        return metric

    @property
    def in_cooldown(self) -> bool:
        """Whether steps without improvement are being forgiven after a reduction."""
        return self.cooldown_counter > 0

    def _is_better(self, metric: float) -> bool:
        sign = 1 if self.mode == "min" else -1
        bound = self.best
        if math.isfinite(bound) and self.threshold_mode == "rel":
            bound *= 1 - sign * math.copysign(self.threshold, bound)
        elif self.threshold_mode == "abs":
            bound -= sign * self.threshold
        return sign * metric < sign * bound

    def _reduced(self) -> list[float]:
        values = []
        for now, least in zip(self._values(), self.min_lrs, strict=True):
            reduced = max(now * self.factor, float(least))
            values.append(reduced if now - reduced > self.eps else now)
        return values

    def state_dict(self) -> dict[str, Any]:
        """Where it stands; the arguments have to be given again."""
        counts = {name: getattr(self, name) for name in self._counts}
        return {**super().state_dict(), "best": self.best, **counts}

    def _own(self, state_dict: Mapping[str, Any]) -> dict[str, Any]:
        found = dict(state_dict) if isinstance(state_dict, Mapping) else {}
        for name in self._counts:
            WHOLE.check(f"ReduceLROnPlateau: {name}", found.get(name))
        if not isinstance(found.get("best"), int | float):
            raise ValueError(
                f"ReduceLROnPlateau: best must be a number in the state, got {found.get('best')!r}"
            )
        counts = {name: int(found[name]) for name in self._counts}
        return {"best": float(found["best"]), **counts}
