"""Cosine annealing: in one stretch, and with warm restarts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from operator import itemgetter
from typing import Any, ClassVar

from torch.optim import Optimizer, lr_scheduler

from thalweg.optim.lr_scheduler.chainable import Chainable, curve
from thalweg.optim.lr_scheduler.scheduler import Scheduler
from thalweg.schedules import Schedule, cosine_wave
from thalweg.schedules.annealing import restart
from thalweg.schedules.falls import cosine_fall
from thalweg.schedules.ranges import AMOUNT, COUNT, LENGTH
from thalweg.schedules.whole import Before
from thalweg.settings import Setting

__all__ = ["CosineAnnealingLR", "CosineAnnealingWarmRestarts"]

_T_CUR = Setting(0.0, low=-1, below=math.inf)  # -1 before the first step


class CosineAnnealingLR(Chainable, lr_scheduler.CosineAnnealingLR):
    """Half a cosine from the base value to eta_min in T_max steps, and up again after them.

    The usual decay when the number of steps is known. Past T_max it rises, as in torch; for one
    that stays down take `ScheduleLR(optimizer, cosine(T_max))`.

        lr(t) = eta_min + (base - eta_min) (1 + cos(pi t / T_max)) / 2

    Paper: Loshchilov and Hutter 2017, arXiv:1608.03983, equation 5.
    Differs: a new group joins, and rebuilding with last_epoch=N catches up (see `Scheduler`).
    """

    _arguments: ClassVar = {"T_max": LENGTH, "eta_min": AMOUNT}

    _asked = itemgetter("T_max", "eta_min")  # type: ignore[assignment]

    def __init__(
        self,
        optimizer: Optimizer,
        T_max: int,
        eta_min: float = 0.0,
        last_epoch: int = -1,
        *,
        param: str = "lr",
    ) -> None:
        self._keep(T_max=T_max, eta_min=eta_min)
        super().__init__(optimizer, last_epoch, param)

    @property
    def _curve(self) -> Schedule:
        return curve(cosine_wave, self.T_max)

    @property
    def _floor(self) -> float:
        return self.eta_min


class CosineAnnealingWarmRestarts(Scheduler, lr_scheduler.CosineAnnealingWarmRestarts):
    """Half a cosine from the base value to eta_min, again and again; each T_mult times as long.

    Every restart gives the network a push out of the valley it was settling in. `step(epoch)` is
    no deprecated form here: with a fraction, `step(epoch + i / batches)`, it moves within epochs.

        lr = eta_min + (base - eta_min) (1 + cos(pi T_cur / T_i)) / 2

    Paper: Loshchilov and Hutter 2017, arXiv:1608.03983.
    Differs: a step given as `epoch` that is a restart is taken for one, where torch's logarithm
    sometimes puts it at the end of the cycle before; a new group joins, and rebuilding with
    last_epoch=N finds the right cycle, also with T_mult > 1.
    """

    _arguments: ClassVar = {"T_0": COUNT, "T_mult": COUNT, "T_i": COUNT, "eta_min": AMOUNT}
    _numbers: ClassVar = {**Scheduler._numbers, "T_cur": _T_CUR}
    _words: ClassVar = {
        "T_0": "Expected positive integer T_0, but got {}",
        "T_mult": "Expected integer T_mult >= 1, but got {}",
        "eta_min": "Expected float or int eta_min, but got {}",
    }

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
        *,
        param: str = "lr",
    ) -> None:
        owner = type(self).__name__
        for name, value in (("T_0", T_0), ("T_mult", T_mult)):
            if not isinstance(value, int) or value < 1:  # a ValueError for either, as torch
                raise ValueError(
                    f"{owner}: {name} must be an integer >= 1, got {value!r} "
                    f"({self._words[name].format(value)})"
                )
        if not isinstance(eta_min, float | int) or not 0 <= eta_min < math.inf:
            raise ValueError(
                f"{owner}: eta_min must be a number >= 0, got {eta_min!r} "
                f"({self._words['eta_min'].format(eta_min)} of type {type(eta_min)})"
            )
        self._keep(T_0=T_0, T_i=T_0, T_mult=T_mult, eta_min=eta_min)
        self.T_cur: float = last_epoch  # type: ignore[assignment]
        super().__init__(optimizer, last_epoch, param)

    def get_lr(self) -> list[Any]:
        """The values at `T_cur` of a cycle of length `T_i`."""
        self._warn_outside_of_step()
        fall = cosine_fall(float(self.T_cur), self.T_i)
        return [self.eta_min + (base - self.eta_min) * fall for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Go on by one step, or to `epoch`, which may be a fraction."""
        held = self.__dict__
        if epoch is None and held["last_epoch"] >= 0 and self._stepped_alone(held):
            return
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        elif epoch is None and self._is_initial:  # being rebuilt
            epoch = self.last_epoch + 1
        if epoch is not None and not epoch >= 0:
            raise ValueError(
                f"{type(self).__name__}: epoch must be >= 0, got {epoch!r} "
                f"(Expected non-negative epoch, but got {epoch})"
            )
        before = Before(self)
        try:
            self._go_to(epoch)
        except BaseException:
            before.return_to()
            raise

    def _next_of(self, value: float, t: int, held: dict[str, Any]) -> Any:
        since, length = self._moved_on(held)
        floor, (base,) = held["eta_min"], held["base_lrs"]
        found = floor + (base - floor) * cosine_fall(float(since), length)
        held["T_cur"], held["T_i"] = since, length
        return found

    @staticmethod
    def _moved_on(held: Mapping[str, Any]) -> tuple[float, int]:
        """`T_cur` and `T_i` a step later."""
        since, length = held["T_cur"] + 1, held["T_i"]
        return (since % length, length * held["T_mult"]) if since >= length else (since, length)

    def _go_to(self, epoch: float | None) -> None:
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur, self.T_i = self._moved_on(vars(self))
        else:
            self.T_cur, self.T_i = restart(epoch, self.T_0, self.T_mult)
        self._update_lr(math.floor(epoch))

    def _fast_forward(self, steps: int) -> None:
        self.step(steps)
