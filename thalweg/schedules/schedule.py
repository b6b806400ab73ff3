"""What a schedule is: a factor as a function of the step, and the ways to put several together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.number import as_float, is_number
from thalweg.schedules.pointwise import maximum, minimum, where
from thalweg.schedules.preview import plotted
from thalweg.schedules.ranges import AMOUNT, STEPS, WHOLE, argument, check, check_fields

__all__ = ["Schedule", "constant", "lasting", "product", "sequence"]


class Schedule:
    """A hyper-parameter as a function of the step: the factor by which its base value is taken.

        s = warmup(500) >> cosine(10_000, floor=0.1)
        s(0), s(500), s(10_500)           # 0.0, 1.0, 0.1
        s(np.arange(3))                   # array([0.   , 0.002, 0.004])

    `a >> b` is a until its end and then b from b's start; `a * b` is their product, `0.5 * a` one
    with a number. Past its end a schedule keeps its last value. It holds no state: to resume is
    to ask for another step.
    """

    __array_ufunc__ = None  # `np.float64(0.5) * schedule` is for the schedule to work out

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def duration(self) -> float:
        """The step from which the value does not change any more; infinity if there is none."""
        return math.inf

    def factor(self, t: Any) -> Any:
        """The factor at t: a float for a float, an array for an array of floats."""
        raise NotImplementedError

    def ratio(self, t: float) -> float:
        """`factor(t) / factor(t - 1)`: what moves a value along that somebody may have edited.

        1 where both are the same, 0 too; infinite where the schedule rises from 0.
        """
        before, now = self.factor(t - 1), self.factor(t)
        if now == before:
            return 1.0
        return now / before if before else math.inf

    def __call__(self, t: Any) -> Any:
        """The factor at step t, or at each step of an array."""
        if isinstance(t, int | float) and t >= 0:  # as a training asks for it, without NumPy
            return float(self.factor(float(t)))
        try:
            steps = np.asarray(t, dtype=np.float64)
        except (TypeError, ValueError):
            raise TypeError(f"{self}: t must be a number or an array, got {t!r}") from None
        if not (steps >= 0).all():
            raise ValueError(f"{self}: t must be >= 0, got {t!r}")
        if steps.ndim == 0:
            return float(self.factor(float(steps)))
        return np.broadcast_to(self.factor(steps), steps.shape).copy()

    def lr_at(self, t: Any, lr: float = 1.0) -> Any:
        """The value at step t of a hyper-parameter whose base value is `lr`."""
        return lr * self(t)

    def preview(self, steps: int, lr: float = 1.0) -> NDArray[np.float64]:
        """The values of the first `steps` steps."""
        check("preview", steps=(WHOLE, steps))
        result: NDArray[np.float64] = self.lr_at(np.arange(steps), lr)
        return result

    def plot(self, steps: int | None = None, lr: float = 1.0, axes: Any = None) -> Any:
        """Draw the first `steps` steps, by default a little past the end; needs matplotlib.

        Returns the axes that were drawn on: `axes`, if given, or those of a new figure, which
        `axes.figure.savefig("schedule.png")` saves.
        """
        if steps is None:
            if math.isinf(self.duration):
                raise ValueError(f"{self}: plot needs steps, since this schedule has no end")
            steps = math.ceil(1.05 * self.duration) + 1
        return plotted(self.preview(steps, lr), repr(self), axes)

    def lasting(self, steps: float) -> Schedule:
        """The same schedule with an end after `steps` steps, so that another can follow."""
        return lasting(self, steps)

    def __rshift__(self, other: Schedule) -> Schedule:
        return sequence(self, other) if isinstance(other, Schedule) else NotImplemented

    def __mul__(self, other: Schedule | float) -> Schedule:
        if is_number(other):
            other = constant(as_float(other))
        return product(self, other) if isinstance(other, Schedule) else NotImplemented

    __rmul__ = __mul__


@dataclass(frozen=True)
class constant(Schedule):
    """The same factor at every step, for `steps` steps or for ever."""

    value: float = argument(AMOUNT, 1.0)
    steps: float | None = argument(STEPS, None)

    @property
    def duration(self) -> float:
        return math.inf if self.steps is None else self.steps

    def factor(self, t: Any) -> Any:
        return self.value + 0 * t

    def ratio(self, t: float) -> float:
        return 1.0


@dataclass(frozen=True)
class lasting(Schedule):
    """A schedule with an end: `whole` for `steps` steps, and the value reached from then on."""

    whole: Schedule
    steps: float = argument(STEPS)

    @property
    def duration(self) -> float:
        return self.steps

    def factor(self, t: Any) -> Any:
        return self.whole.factor(minimum(t, self.steps))

    def __repr__(self) -> str:
        return f"({self.whole!r}).lasting({self.steps})"


@dataclass(frozen=True)
class sequence(Schedule):
    """`first` until its end, then `then` from its start: what `first >> then` makes."""

    first: Schedule
    then: Schedule

    def __post_init__(self) -> None:
        if math.isinf(self.first.duration):
            raise ValueError(
                f"sequence: first must be a schedule with an end, got {self.first!r}; "
                "give it one with .lasting(steps)"
            )

    @property
    def duration(self) -> float:
        return self.first.duration + self.then.duration

    def factor(self, t: Any) -> Any:
        end = self.first.duration
        # each is asked only for steps of its own, where the other's value is wanted too
        before = self.first.factor(minimum(t, end))
        after = self.then.factor(maximum(t - end, 0.0))
        return where(t < end, before, after)

    def ratio(self, t: float) -> float:
        end = self.first.duration
        if t < end:
            return self.first.ratio(t)
        return self.then.ratio(t - end) if t - 1 >= end else super().ratio(t)

    def __repr__(self) -> str:
        return f"{self.first!r} >> {self.then!r}"


@dataclass(frozen=True)
class product(Schedule):
    """Two schedules at once, multiplied: what `one * other` makes."""

    one: Schedule
    other: Schedule

    @property
    def duration(self) -> float:
        moving = [each for each in (self.one, self.other) if not _is_flat(each)]
        return max((each.duration for each in moving), default=math.inf)

    def factor(self, t: Any) -> Any:
        return self.one.factor(t) * self.other.factor(t)

    def __repr__(self) -> str:
        return " * ".join(
            f"({each!r})" if isinstance(each, sequence) else repr(each)
            for each in (self.one, self.other)
        )


def _is_flat(schedule: Schedule) -> bool:
    return isinstance(schedule, constant) and schedule.steps is None
