"""A scheduler that watches a metric instead of the step."""

from __future__ import annotations

import math
import warnings
from typing import Any, Literal, SupportsFloat

from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import EPOCH_DEPRECATION_WARNING

from thalweg.optim.lr_scheduler.scheduler import check_optimizer, check_saved, per_group_values
from thalweg.schedules.ranges import AMOUNT, WHOLE, check
from thalweg.schedules.slot import Slot, check_param, copied
from thalweg.settings import Setting

__all__ = ["ReduceLROnPlateau"]

_MODES = Setting("min", choices=("min", "max"))
_THRESHOLD_MODES = Setting("rel", choices=("rel", "abs"))
_FACTOR = Setting(0.1, low=0, below=1)


# torch's class is the base in name only: everything is overridden. Trainers ask
# `isinstance(scheduler, ReduceLROnPlateau)` to know whether `step` takes a metric.
class ReduceLROnPlateau(lr_scheduler.ReduceLROnPlateau):
    """Multiply by factor when a metric has not improved for more than patience steps.

    For a validation loss whose plateaus nobody can foresee; step it once per validation, with the
    metric.

    Differs: it may stand inside `SequentialLR` and `ChainedScheduler`, whose `step` hands the
    metric on. A metric that is NaN counts as no improvement, as in torch, and warns once.
    """

    param: str = "lr"
    _unsaved = ("optimizer", "_warned")
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
        name = type(self).__name__
        check_optimizer(name, optimizer)
        check_param(name, optimizer.param_groups, param)
        check(name, mode=(_MODES, mode), factor=(_FACTOR, factor), patience=(WHOLE, patience))
        check(
            name, threshold=(AMOUNT, threshold), threshold_mode=(_THRESHOLD_MODES, threshold_mode)
        )
        check(name, cooldown=(WHOLE, cooldown), eps=(AMOUNT, eps))
        self.min_lrs = per_group_values(name, "min_lr", optimizer, min_lr, AMOUNT.check)
        self.default_min_lr = None if isinstance(min_lr, list | tuple) else min_lr
        self.optimizer = optimizer
        if param != "lr":
            self.param = param
        self.mode = mode
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.cooldown = cooldown
        self.eps = eps
        self.mode_worse = math.inf if mode == "min" else -math.inf
        self.last_epoch = 0
        self._reset()
        self._remember()

    def _reset(self) -> None:
        self.best = self.mode_worse
        self.cooldown_counter = 0
        self.num_bad_epochs = 0

    def _remember(self) -> None:
        slot = Slot.parse(self.param)
        self._last_lr = [copied(slot.read(group)) for group in self.optimizer.param_groups]

    def step(self, metrics: SupportsFloat, epoch: int | None = None) -> None:  # type: ignore[override]
        """Look at the metric of the steps since the last call."""
        metric = self._as_number(metrics)
        if epoch is not None:
            warnings.warn(EPOCH_DEPRECATION_WARNING, UserWarning, stacklevel=2)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self._is_better(metric, self.best):
            self.best = metric
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce_lr(self.last_epoch)
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._remember()

    def _as_number(self, metrics: Any) -> float:
        try:
            metric = float(metrics)
        except (TypeError, ValueError, RuntimeError):
            raise TypeError(
                f"{type(self).__name__}: metrics must be a number, got {metrics!r}"
            ) from None
        if math.isnan(metric) and not self._warned:
            self._warned = True
            warnings.warn(
                f"{type(self).__name__}: metrics is nan, which counts as no improvement",
                UserWarning,
                stacklevel=3,
            )
        return metric

    @property
    def in_cooldown(self) -> bool:
        """Whether steps without improvement are being forgiven after a reduction."""
        return self.cooldown_counter > 0

    def _is_better(self, metric: float, best: float) -> bool:
        sign = 1 if self.mode == "min" else -1
        if self.threshold_mode == "rel":
            return sign * metric < sign * (best * (1 - sign * self.threshold))
        return sign * metric < sign * (best - sign * self.threshold)

    def _reduce_lr(self, epoch: int) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.min_lrs):
            if self.default_min_lr is None:
                raise RuntimeError(
                    f"{type(self).__name__}: min_lrs must have a value for each of the "
                    f"{len(groups)} parameter groups, got {self.min_lrs!r}"
                )
            self.min_lrs = [self.default_min_lr] * len(groups)
        slot = Slot.parse(self.param)
        for group, least in zip(groups, self.min_lrs, strict=True):
            now = float(slot.read(group))
            reduced = max(now * self.factor, float(least))
            if now - reduced > self.eps:
                slot.write(group, reduced)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer, under the keys that torch's class has."""
        return {key: value for key, value in vars(self).items() if key not in self._unsaved}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up a state of this class or of torch's."""
        check_saved(self, state_dict)
        vars(self).update(state_dict)
