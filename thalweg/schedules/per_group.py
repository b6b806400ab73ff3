"""One schedule for each parameter group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.schedules.schedule import Schedule

__all__ = ["PerGroup", "per_group"]


class PerGroup:
    """Schedules side by side, one for each parameter group, in the order of the groups.

        s = warmup(100) >> per_group(cosine(1000), constant())
        s(100)                            # (1.0, 1.0)
        s(np.arange(5)).shape             # (5, 2)

    What is done to it, `>>`, `*` or `lasting`, is done to each.
    """

    __array_ufunc__ = None  # as that of a schedule

    def __init__(self, *schedules: Schedule) -> None:
        for i, schedule in enumerate(schedules):
            if not isinstance(schedule, Schedule):
                raise TypeError(f"per_group: schedules[{i}] must be a schedule, got {schedule!r}")
        if not schedules:
            raise ValueError("per_group: schedules must be one or more, got none")
        self.schedules = schedules

    def __call__(self, t: Any) -> Any:
        """The factors at step t, one for each group; for an array, along a new last axis."""
        values = [schedule(t) for schedule in self.schedules]
        return tuple(values) if np.ndim(t) == 0 else np.stack(values, axis=-1)

    def lr_at(self, t: Any, lr: float = 1.0) -> Any:
        """The values at step t of a hyper-parameter whose base value is `lr` in every group."""
        values = [schedule.lr_at(t, lr) for schedule in self.schedules]
        return tuple(values) if np.ndim(t) == 0 else np.stack(values, axis=-1)

    def preview(self, steps: int, lr: float = 1.0) -> NDArray[np.float64]:
        """The values of the first `steps` steps, one column for each group."""
        return np.stack([schedule.preview(steps, lr) for schedule in self.schedules], axis=-1)

    def plot(self, steps: int | None = None, lr: float = 1.0, axes: Any = None) -> Any:
        """Draw them all into one picture; see `Schedule.plot`."""
        for schedule in self.schedules:
            axes = schedule.plot(steps, lr, axes)
        return axes

    def lasting(self, steps: int) -> PerGroup:
        """The same schedules with an end after `steps` steps, so that another can follow."""
        return self._each(lambda schedule: schedule.lasting(steps))

    def __rshift__(self, other: Schedule | PerGroup) -> PerGroup:
        return self._with(other, lambda mine, its: mine >> its)

    def __rrshift__(self, other: Schedule) -> PerGroup:
        return self._with(other, lambda mine, its: its >> mine)

    def __mul__(self, other: Schedule | PerGroup | float) -> PerGroup:
        return self._with(other, lambda mine, its: mine * its)

    __rmul__ = __mul__

    def _each(self, change: Callable[[Schedule], Schedule]) -> PerGroup:
        return PerGroup(*map(change, self.schedules))

    def _with(self, other: Any, join: Callable[[Any, Any], Schedule]) -> PerGroup:
        if not isinstance(other, PerGroup):
            return self._each(lambda mine: join(mine, other))
        if len(other.schedules) != len(self.schedules):
            raise ValueError(
                f"per_group: schedules must be as many on both sides, "
                f"got {len(self.schedules)} and {len(other.schedules)}"
            )
        return PerGroup(*map(join, self.schedules, other.schedules))

    def __repr__(self) -> str:
        return f"per_group({', '.join(map(repr, self.schedules))})"


def per_group(*schedules: Schedule) -> PerGroup:
    """Put schedules side by side, one for each parameter group in order."""
    return PerGroup(*schedules)
