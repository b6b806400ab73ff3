"""Schedulers whose curve is the user's: a function, or a schedule of `thalweg.schedules`."""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.optim import Optimizer

from thalweg.optim.lr_scheduler.scheduler import Scheduler, check_optimizer, per_group_values
from thalweg.schedules import PerGroup, Schedule
from thalweg.schedules.ranges import WHOLE, check

__all__ = ["LambdaLR", "MultiplicativeLR", "ScheduleLR", "attributes"]

Factor = Callable[[int], float]


def _check_function(where: str, function: Any) -> None:
    if not callable(function):
        raise TypeError(f"{where} must be a function of the step, got {function!r}")


def attributes(function: Any) -> dict[str, Any] | None:
    """What is saved of a function: nothing, unless it is an object that carries some state."""
    if isinstance(function, types.FunctionType) or not hasattr(function, "__dict__"):
        return None
    return vars(function).copy()


class _OfFunctions(Scheduler):
    """What the two schedulers with `lr_lambdas` share: how these are kept and saved.

    The state of a callable object is saved; a function or a lambda is not, and has to be given
    again, as in torch.
    """

    lr_lambdas: list[Any]

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Factor | list[Factor],
        last_epoch: int = -1,
        *,
        param: str = "lr",
    ) -> None:
        owner = type(self).__name__
        check_optimizer(owner, optimizer)
        self.lr_lambdas = per_group_values(
            owner, "lr_lambda", optimizer, lr_lambda, _check_function
        )
        super().__init__(optimizer, last_epoch, param)

    def _prepare(self, group: dict[str, Any], i: int) -> None:
        if i < len(self.lr_lambdas):  # given by the user
            return
        if any(each is not self.lr_lambdas[0] for each in self.lr_lambdas):
            raise ValueError(
                f"{type(self).__name__}: lr_lambdas must have a function for each of the "
                f"{i + 1} parameter groups, got {len(self.lr_lambdas)}; append one"
            )
        self.lr_lambdas = [*self.lr_lambdas, self.lr_lambdas[0]]

    def state_dict(self) -> dict[str, Any]:
        """As torch's: of the functions, the attributes of those that are objects."""
        state = super().state_dict()
        state["lr_lambdas"] = [attributes(each) for each in self.lr_lambdas]
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up a state; the functions must be those it was saved with."""
        rest = {key: value for key, value in state_dict.items() if key != "lr_lambdas"}
        super().load_state_dict(rest)
        for function, saved in zip(self.lr_lambdas, state_dict["lr_lambdas"], strict=False):
            if saved is not None:
                vars(function).update(saved)


class LambdaLR(_OfFunctions):
    """Multiply the base value by what a function says of the step.

    For a curve that nothing else has. A schedule of `thalweg.schedules` is such a function;
    `ScheduleLR` runs it too and can show it.

        lr(t) = base lr_lambda(t)

    Differs: a new group joins with the function that all have; rebuilding with last_epoch=N needs
    no `initial_lr`.
    """

    def get_lr(self) -> list[Any]:
        """The base values times the functions of `last_epoch`."""
        self._warn_outside_of_step()
        pairs = zip(self.lr_lambdas, self.base_lrs, strict=True)
        return [base * function(self.last_epoch) for function, base in pairs]


class MultiplicativeLR(_OfFunctions):
    """Multiply the current value, at every step, by what a function says of the step.

    For a decay that depends on the step and is easier told as a change than as a curve.

        lr(t) = base lr_lambda(1) lr_lambda(2) ... lr_lambda(t)

    Differs: a new group joins with the function that all have; rebuilding with last_epoch=N
    catches up (see `Scheduler`).
    """

    def get_lr(self) -> list[Any]:
        """The current values times the functions of `last_epoch`."""
        self._warn_outside_of_step()
        if self._is_initial:
            return self._resumed()
        pairs = zip(self.lr_lambdas, self._values(), strict=True)
        return [value * function(self.last_epoch) for function, value in pairs]

    def _caught_up(self, value: Any, i: int) -> Any:
        for t in range(1, self.last_epoch + 1):
            value = value * self.lr_lambdas[i](t)
        return value

    def _fast_forward(self, steps: int) -> None:
        for _ in range(steps):
            self._update_lr()


class ScheduleLR(Scheduler):
    """Run a schedule of `thalweg.schedules` on an optimizer.

        schedule = warmup(500) >> cosine(10_000, floor=0.1)
        scheduler = ScheduleLR(optimizer, schedule)
        decay = ScheduleLR(optimizer, linear(10_000, 1.0, 0.1), param="weight_decay")

    One schedule for all groups, or a list of one for each, or `per_group(...)`. The value is the
    base value times the schedule and nothing else, so an edit of the current one lasts until the
    next step, and a rebuilt or loaded scheduler is right at once.

        lr(t) = base schedule(t)
    """

    # a schedule is no number and no tensor; like torch's lambdas it is given again
    _unsaved = (*Scheduler._unsaved, "schedules")

    def __init__(
        self,
        optimizer: Optimizer,
        schedule: Schedule | PerGroup | Sequence[Schedule],
        last_epoch: int = -1,
        *,
        param: str = "lr",
    ) -> None:
        check_optimizer("ScheduleLR", optimizer)
        if isinstance(schedule, PerGroup):
            schedule = schedule.schedules
        self.schedules: list[Schedule] = per_group_values(
            "ScheduleLR", "schedule", optimizer, schedule, _check_schedule
        )
        super().__init__(optimizer, last_epoch, param)

    def _prepare(self, group: dict[str, Any], i: int) -> None:
        if i < len(self.schedules):
            return
        if any(each != self.schedules[0] for each in self.schedules):
            raise ValueError(
                f"ScheduleLR: schedules must have one for each of the {i + 1} parameter groups, "
                f"got {len(self.schedules)}; append one"
            )
        self.schedules = [*self.schedules, self.schedules[0]]

    def get_lr(self) -> list[Any]:
        """The base values times the schedules at `last_epoch`."""
        self._warn_outside_of_step()
        return self.lr_at(self.last_epoch)

    def lr_at(self, t: float) -> list[Any]:
        """The value in each group at step t, without going there."""
        pairs = zip(self.schedules, self.base_lrs, strict=True)
        return [base * schedule(t) for schedule, base in pairs]

    def preview(self, steps: int) -> NDArray[np.float64]:
        """The values of the first `steps` steps: a row for each, a column for each group."""
        check("ScheduleLR", steps=(WHOLE, steps))
        pairs = zip(self.schedules, self.base_lrs, strict=True)
        return np.stack([s.preview(steps, float(base)) for s, base in pairs], axis=-1)

    def plot(self, steps: int | None = None, axes: Any = None) -> Any:
        """Draw the first `steps` steps of each group; see `Schedule.plot`."""
        for schedule, base in zip(self.schedules, self.base_lrs, strict=True):
            axes = schedule.plot(steps, float(base), axes)
        return axes


def _check_schedule(where: str, schedule: Any) -> None:
    if not isinstance(schedule, Schedule):
        raise TypeError(f"{where} must be a schedule of thalweg.schedules, got {schedule!r}")
