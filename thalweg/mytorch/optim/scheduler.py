"""Runs a schedule of `thalweg.schedules` on an optimizer of NumPy parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.mytorch.optim.base import BaseOptimizer
from thalweg.mytorch.optim.saved import check_state, saved_values
from thalweg.schedules import PerGroup, Schedule
from thalweg.schedules.place import Place, check_param
from thalweg.schedules.preview import Metrics, Previewed

__all__ = ["Scheduler"]


class Scheduler(Previewed):
    """Set a hyper-parameter to its base value times a schedule, step by step.

        scheduler = Scheduler(opt, warmup(100) >> cosine(2000))
        for images, labels in batches:
            ...
            opt.step()
            scheduler.step()

    `schedule` is one for all groups, or a list or `per_group(...)` with one for each; `param` is
    "lr", "weight_decay", "momentum", "betas[0]" or whatever else the groups hold. The base values
    are those at the time it is made; a group added later joins at the next step. Call `step` after
    the optimizer's.

        value(t) = base schedule(t)
    """

    def __init__(
        self,
        optimizer: BaseOptimizer,
        schedule: Schedule | PerGroup | Sequence[Schedule],
        param: str = "lr",
    ) -> None:
        if not isinstance(optimizer, BaseOptimizer):
            raise TypeError(f"Scheduler: optimizer must be an Optimizer, got {optimizer!r}")
        check_param("Scheduler", optimizer.param_groups, param)
        self.optimizer, self.param, self._place = optimizer, param, Place.parse(param)
        self.schedules = _one_each(schedule, len(optimizer.param_groups))
        self.base_values = self.get_last_lr()
        self.last_epoch = 0
        self._apply()

    def step(self) -> None:
        """Go on to the next step's value."""
        self._adopt()
        self.last_epoch += 1
        self._apply()

    def get_last_lr(self) -> list[float]:
        """The value in each group now."""
        return [float(self._place.read(group)) for group in self.optimizer.param_groups]

    def _played(self, steps: int, metric: Callable[[int], float]) -> NDArray[np.float64]:
        self._adopt()
        pairs = zip(self.schedules, self.base_values, strict=True)
        return np.stack([one.preview(steps, base) for one, base in pairs], axis=-1)

    def plot(
        self, steps: int | None = None, axes: Any = None, metrics: Metrics | None = None
    ) -> Any:
        """Draw the first `steps` steps of each group, by default a little past the end."""
        for schedule, base in zip(self.schedules, self.base_values, strict=True):
            axes = schedule.plot(steps, base, axes)
        return axes

    def state_dict(self) -> dict[str, Any]:
        """Where it stands; the schedule itself has to be given again."""
        return {
            "last_epoch": self.last_epoch,
            "base_values": list(self.base_values),
            "param": self.param,
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from where another one stood; if the state does not fit, nothing changes."""
        check_state("Scheduler", state_dict, self.state_dict(), self.param)
        values = state_dict["base_values"]
        base = saved_values("Scheduler", "base_values", values, len(self.optimizer.param_groups))
        self._adopt()
        self.last_epoch, self.base_values = state_dict["last_epoch"], base
        self._apply()

    def _adopt(self) -> None:
        """Take in the groups that the optimizer has been given since."""
        late = self.optimizer.param_groups[len(self.base_values) :]
        if late and any(each != self.schedules[0] for each in self.schedules):
            raise ValueError(
                f"Scheduler: the schedules differ, so that the {len(late)} groups added to the "
                "optimizer have none; make another Scheduler"
            )
        check_param("Scheduler", late, self.param)
        self.schedules = [*self.schedules, *self.schedules[:1] * len(late)]
        self.base_values = [*self.base_values, *(float(self._place.read(g)) for g in late)]

    def _apply(self) -> None:
        groups = zip(self.optimizer.param_groups, self.schedules, self.base_values, strict=True)
        for group, schedule, base in groups:
            self._place.write(group, base * schedule(self.last_epoch))


def _one_each(schedule: Any, count: int) -> list[Schedule]:
    """A schedule for each group, out of what a user hands in."""
    if isinstance(schedule, Schedule):
        return [schedule] * count
    several = schedule.schedules if isinstance(schedule, PerGroup) else schedule
    if isinstance(several, str) or not isinstance(several, Iterable):
        raise TypeError(
            f"Scheduler: schedule must be one of thalweg.schedules, or one for each group, "
            f"got {schedule!r}"
        )
    found = list(several)
    for i, each in enumerate(found):
        if not isinstance(each, Schedule):
            raise TypeError(f"Scheduler: schedule[{i}] must be a schedule, got {each!r}")
    if len(found) != count:
        raise ValueError(
            f"Scheduler: schedule must have one for each of the {count} groups, got {len(found)}"
        )
    return found
