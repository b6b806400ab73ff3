"""Runs a schedule of `thalweg.schedules` on an optimizer of NumPy parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from thalweg.mytorch.optim.optimizer import Optimizer
from thalweg.schedules import PerGroup, Schedule
from thalweg.schedules.slot import Slot, check_param

__all__ = ["Scheduler"]


class Scheduler:
    """Set a hyper-parameter to its base value times a schedule, step by step.

        scheduler = Scheduler(opt, warmup(100) >> cosine(2000))
        for images, labels in batches:
            ...
            opt.step()
            scheduler.step()

    `schedule` is one for all groups, or a list or `per_group(...)` with one for each; `param` is
    "lr", "weight_decay", "momentum", "betas[0]" or whatever else the groups hold. The base values
    are those at the time it is made. Call `step` after the optimizer's.

        value(t) = base schedule(t)
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedule: Schedule | PerGroup | Sequence[Schedule],
        param: str = "lr",
    ) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"Scheduler: optimizer must be an Optimizer, got {optimizer!r}")
        check_param("Scheduler", optimizer.param_groups, param)
        self.optimizer, self.param, self._slot = optimizer, param, Slot.parse(param)
        count = len(optimizer.param_groups)
        if isinstance(schedule, Schedule):
            self.schedules = [schedule] * count
        else:
            several = schedule.schedules if isinstance(schedule, PerGroup) else schedule
            self.schedules = list(several)
        for i, each in enumerate(self.schedules):
            if not isinstance(each, Schedule):
                raise TypeError(f"Scheduler: schedule[{i}] must be a schedule, got {each!r}")
        if len(self.schedules) != count:
            raise ValueError(
                f"Scheduler: schedule must have one for each of the {count} groups, "
                f"got {len(self.schedules)}"
            )
        self.base_values = [float(self._slot.read(group)) for group in optimizer.param_groups]
        self.last_epoch = 0
        self._apply()

    def step(self) -> None:
        """Go on to the next step's value."""
        self.last_epoch += 1
        self._apply()

    def get_last_lr(self) -> list[float]:
        """The value in each group now."""
        return [float(self._slot.read(group)) for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Where it stands; the schedule itself has to be given again."""
        return {
            "last_epoch": self.last_epoch,
            "base_values": list(self.base_values),
            "param": self.param,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from where another one stood."""
        if state_dict["param"] != self.param:
            raise ValueError(
                f"Scheduler: param must be {self.param!r} in the state, got {state_dict['param']!r}"
            )
        if len(state_dict["base_values"]) != len(self.base_values):
            raise ValueError(
                f"Scheduler: the state must have {len(self.base_values)} base values, one for each "
                f"group, got {len(state_dict['base_values'])}"
            )
        self.last_epoch = state_dict["last_epoch"]
        self.base_values = list(state_dict["base_values"])
        self._apply()

    def _apply(self) -> None:
        groups = zip(self.optimizer.param_groups, self.schedules, self.base_values, strict=True)
        for group, schedule, base in groups:
            self._slot.write(group, base * schedule(self.last_epoch))
