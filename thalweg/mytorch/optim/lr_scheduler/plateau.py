"""A scheduler that watches a metric instead of the step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, SupportsFloat

from thalweg.mytorch.optim.lr_scheduler.base import LRScheduler
from thalweg.mytorch.optim.optimizer import Optimizer
from thalweg.schedules.place import for_each_group
from thalweg.schedules.plateau import PLATEAU, Plateau
from thalweg.schedules.ranges import AMOUNT, WHOLE, check

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau(Plateau, LRScheduler):
    """Multiply by factor when a metric has not improved for more than patience steps.

    For a validation loss whose plateaus nobody can foresee; step it once per validation, with the
    metric.

    Differs: a relative threshold is a share of the best metric's size, also of a negative one,
    for which torch's never finds a plateau; the first metric is an improvement also with a
    threshold of 1, where torch's finds none in mode "min". It may stand inside `SequentialLR` and
    `ChainedScheduler`, whose `step` hands the metric on. A metric that is NaN counts as no
    improvement, as in torch, and warns once. For the state see `LRScheduler`.
    """

    _lists = ("min_lrs",)
    _takes_metrics = True
    _counts = ("num_bad_epochs", "cooldown_counter")

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
        given: dict[str, Any] = {"mode": mode, "factor": factor, "patience": patience}
        given |= {"threshold": threshold, "threshold_mode": threshold_mode}
        given |= {"cooldown": cooldown, "eps": eps}
        check(name, **{key: (PLATEAU[key], value) for key, value in given.items()})
        count = len(optimizer.param_groups)
        self.min_lrs = for_each_group(name, "min_lr", min_lr, count, AMOUNT.check)
        vars(self).update(given)
        self._reset()
        super().__init__(optimizer, param=param)

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
        if self._is_due(metric):
            pairs = zip(self._values(), self.min_lrs, strict=True)
            self._write([self._reduced(now, least) for now, least in pairs])
        self._last_lr = self._values()

    def _is_better(self, metric: float, best: float) -> bool:
        if math.isinf(best):  # none yet, of which a threshold could be a share
            return metric < best if self.mode == "min" else metric > best
        return super()._is_better(metric, best)

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
