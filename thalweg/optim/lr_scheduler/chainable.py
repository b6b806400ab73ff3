"""What torch's chainable schedulers have in common: a step that follows the current value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from thalweg.optim.lr_scheduler.scheduler import Scheduler
from thalweg.optim.lr_scheduler.slots import Number
from thalweg.schedules import Schedule

__all__ = ["Chainable"]


class Chainable(Scheduler):
    """A curve c, run in two forms of which torch's schedulers have both.

    A step moves the current value, so that it may be edited, and several schedulers may share it:

        value <- floor + (value - floor) c(t) / c(t - 1)
        value <- value + (base - floor) c(t)              where c(t - 1) = 0

    `step(epoch)` ignores the current value:

        value <- floor + (base - floor) c(epoch)
    """

    # torch's class takes a step to 0 for a fresh start, even if it is not the first
    _starts_at_zero = False

    @property
    def _curve(self) -> Schedule:
        """The curve, out of the attributes: they may have been edited, or loaded."""
        raise NotImplementedError

    @property
    def _floor(self) -> float:
        return 0.0

    def _first(self) -> float:
        """The factor that the very first step applies."""
        return self._curve.factor(0.0)

    def get_lr(self) -> list[Number]:
        """The next values, from those in the groups now."""
        self._warn_outside_of_step()
        t = self.last_epoch
        if self._is_initial and t > 0:
            return self._resumed()
        if self._is_initial or (t == 0 and self._starts_at_zero):
            return [self._scaled(value, self._first()) for value in self._copies()]
        return self._moved(t)

    def _resumed(self) -> list[Number]:
        return [
            self._caught_up(value, i) if pending else value
            for i, (value, pending) in enumerate(zip(self._copies(), self._pending, strict=True))
        ]

    def _moved(self, t: float) -> list[Number]:
        curve = self._curve
        before, now = curve.factor(t - 1.0), curve.factor(t + 0.0)
        if before == 0 and now != 0:
            rise: Sequence[Any] = [(base - self._floor) * now for base in self.base_lrs]
            return [value + up for value, up in zip(self._values(), rise, strict=True)]
        ratio = 1.0 if 
