"""The scheduler that leads to the constant rate of stochastic weight averaging."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from thalweg.mytorch.optim.lr_scheduler.base import LRScheduler
from thalweg.mytorch.optim.optimizer import Optimizer
from thalweg.schedules.falls import FALLS
from thalweg.schedules.place import for_each_group
from thalweg.schedules.ranges import AMOUNT, SHAPE, WHOLE, check

__all__ = ["SWALR"]


class SWALR(LRScheduler):
    """Anneal from the current value to swa_lr in anneal_epochs steps, and keep it there.

    For weight averaging: a constant rate, fairly high, lets the weights walk around the bottom of
    the valley, and their mean is near its middle. It starts from whatever rate another scheduler
    has left, at its own first step.

        lr <- swa_lr + (lr - swa_lr) c(k) / c(k - 1)        at its k-th step; c falls from 1 to 0
        lr <- swa_lr                                        past the last of them

    Paper: Izmailov et al. 2018, arXiv:1803.05407.
    Differs: torch has it in `swa_utils`; see `LRScheduler`.
    """

    _lists = ("swa_lrs",)

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        last_epoch: int = -1,
        *,
        param: str = "lr",
    ) -> None:
        self._attach(optimizer, last_epoch, param)
        check("SWALR", anneal_epochs=(WHOLE, anneal_epochs))
        check("SWALR", anneal_strategy=(SHAPE, anneal_strategy))
        count = len(optimizer.param_groups)
        self.swa_lrs = for_each_group("SWALR", "swa_lr", swa_lr, count, AMOUNT.check)
        self._steps, self._fall = max(1, anneal_epochs), FALLS[anneal_strategy]
        self._start = 0 if anneal_epochs else 1  # without steps to take, it is there at once
        super().__init__(optimizer, last_epoch, param=param)

    def _left(self, step: int) -> float:
        """The part of the way that is left after a number of steps."""
        step = max(0, step)
        value: float = self._fall(float(step), self._steps) if step < self._steps else 0.0
        return value

    def _first(self) -> Sequence[float]:
        return self._towards(self._values(), self._left(self._start))

    def _next(self, t: int) -> Sequence[float]:
        before = self._left(t - 1)
        return self._towards(self._values(), self._left(t) / before if before else 0.0)

    def _at(self, t: int) -> Sequence[float]:
        return self._towards(self.base_lrs, self._left(max(t, self._start)))

    def _towards(self, values: Sequence[float], part: float) -> list[float]:
        pairs = zip(values, self.swa_lrs, strict=True)
        return [goal + (value - goal) * part for value, goal in pairs]
