"""What torch's chainable schedulers have in common: a step that follows the current value."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from thalweg.optim.lr_scheduler.scheduler import Scheduler
from thalweg.schedules import Schedule

__all__ = ["Chainable", "curve"]


@functools.lru_cache(maxsize=256)
def curve(kind: Callable[..., Schedule], *arguments: Any) -> Schedule:
    """A curve, made and checked once: the arguments may change at any step, but seldom do."""
    return kind(*arguments)


class Chainable(Scheduler):
    """A curve c, run in the two forms that torch's schedulers have.

    A step moves the current value, which may have been edited, or be another scheduler's too:

        value <- floor + (value - floor) c(t) / c(t - 1)
        value <- value + (base - floor) c(t)                where c rises from 0

    `step(epoch)` does not look at the current value:

        value <- floor + (base - floor) c(epoch)
    """

    _unsaved = (*Scheduler._unsaved, "_made")
    # torch's class takes every step to 0 for a start, not only the first of all
    _starts_at_zero = False

    @property
    def _curve(self) -> Schedule:
        """The curve, out of the attributes, which may have been edited or loaded."""
        raise NotImplementedError

    @property
    def _floor(self) -> float:
        return 0.0

    @property
    def _end(self) -> float:
        """The last step that moves the value."""
        return math.inf

    @property
    def _start(self) -> float:
        """The factor at the start."""
        value: float = self._curve.factor(0.0)
        return value

    def get_lr(self) -> list[Any]:
        """The next values, from those in the groups now."""
        self._warn_outside_of_step()
        t = self.last_epoch
        if self._is_initial and t > 0:
            return self._resumed()
        if self._is_initial or (t == 0 and self._starts_at_zero):
            start = self._start
            return [self._scaled(value, start) for value in self._values()]
        ratio = self._ratio
        return [self._followed(value, i, ratio) for i, value in enumerate(self._values())]

    def _next_of(self, value: float, t: int, held: dict[str, Any]) -> Any:
        asked, made = self._asked(held), held.get("_made")
        if made is None or made[0] != asked:
            made = held["_made"] = asked, self._curve, self._end, self._floor
        _, curve, end, floor = made
        if t > end:
            return value
        ratio = curve.ratio(float(t)) if t >= 1 else math.inf
        return None if ratio == math.inf else floor + (value - floor) * ratio

    def _asked(self, held: dict[str, Any]) -> Any:
        """The attributes that the curve is made of."""
        raise NotImplementedError

    def _following(self, values: list[float]) -> list[float] | None:
        t = self.last_epoch
        if t < 1 or type(self).get_lr is not Chainable.get_lr:
            return None
        ratio = 1.0 if t > self._end else self._curve.ratio(float(t))
        if ratio == math.inf:
            return None
        floor = self._floor
        return [floor + (value - floor) * ratio for value in values]

    @property
    def _ratio(self) -> float:
        """By how much the step to `last_epoch` moves a value: infinite where it rises from 0."""
        t = self.last_epoch
        return 1.0 if t > self._end else self._curve.ratio(float(t))

    def _followed(self, value: Any, i: int, ratio: float) -> Any:
        if ratio == math.inf:
            rise = self._curve.factor(float(self.last_epoch))
            return value + (self.base_lrs[i] - self._floor) * rise
        return self._scaled(value, ratio)

    def _moved(self, value: Any, i: int) -> Any:
        return self._followed(value, i, self._ratio)

    def _scaled(self, value: Any, ratio: float) -> Any:
        floor = self._floor
        return floor + (value - floor) * ratio

    def _caught_up(self, value: Any, i: int, t: float) -> Any:
        t = t if t <= self._end else math.floor(self._end)
        floor, begin, now = self._floor, self._curve.factor(0.0), self._curve.factor(float(t))
        value = self._scaled(value, self._start)
        if begin == 0:
            return value + (self.base_lrs[i] - floor) * now
        return self._scaled(value, now / begin)

    def _get_closed_form_lr(self) -> list[Any]:
        floor, now = self._floor, self._curve.factor(float(self.last_epoch))
        return [floor + (base - floor) * now for base in self.base_lrs]
