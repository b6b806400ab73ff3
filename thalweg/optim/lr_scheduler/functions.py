"""Schedulers whose curve is the user's: a function, or a schedule of `thalweg.schedules`."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.optim import Optimizer, lr_scheduler

from thalweg.optim.lr_scheduler.saved import apart, as_list, as_mapping
from thalweg.optim.lr_scheduler.scheduler import Scheduler, check_optimizer, per_group_values
from thalweg.schedules import PerGroup, Schedule
from thalweg.schedules.preview import Metrics

__all__ = ["LambdaLR", "MultiplicativeLR", "ScheduleLR", "attributes", "check_attributes"]

Factor = Callable[[int], float]


def _check_function(where: str, function: Any) -> None:
    if not callable(function):
        raise TypeError(
            f"{where} must be a function of the step, got {function!r} "
            f"(lr_lambda should be a function, but got {type(function).__name__})"
        )


def attributes(function: Any) -> dict[str, Any] | None:
    """What is saved of a function: nothing, unless it is an object that carries some state."""
    if isinstance(function, types.FunctionType) or not hasattr(function, "__dict__"):
        return None
    result: dict[str, Any] | None = apart(vars(function))
    return result


def check_attributes(owner: str, name: str, function: Any, saved: Any) -> None:
    """Raise for saved attributes that a function cannot be given."""
    if saved is not None and not hasattr(function, "__dict__"):
        raise ValueError(
            f"{owner}: {name} must be an object with attributes, as the one that was saved, "
            f"got {function!r}"
        )
    if saved is not None:
        as_mapping(owner, name, saved)


class _OfFunctions(Scheduler):
    """What the two schedulers with `lr_lambdas` share: how these are kept and saved.

    The state of a callable object is saved; a function or a lambda is not, and has to be given
    again, as in torch.
    """

    lr_lambdas: list[Any]
    _unsaved = (*Scheduler._unsaved, "lr_lambdas")
    _given = ("lr_lambdas",)

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
            owner,
            "lr_lambda",
            optimizer,
            lr_lambda,
            _check_function,
            "Expected {count} lr_lambdas, but got {got}",
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

    def _next(self, values: Sequence[Any]) -> list[Any]:
        """These values times the functions of `last_epoch`."""
        t = self.last_epoch
        return [v * function(t) for v, function in zip(values, self.lr_lambdas, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """As torch's: of the functions, the attributes of those that are objects."""
        state = super().state_dict()
        state["lr_lambdas"] = [attributes(each) for each in self.lr_lambdas]
        return state

    def _functions_of(self, state_dict: Mapping[str, Any]) -> list[tuple[Any, Any]]:
        owner = type(self).__name__
        state = as_mapping(owner, "state_dict", state_dict)
        if "lr_lambdas" not in state:
            raise ValueError(f"{owner}: lr_lambdas must be in the state, got {list(state)}")
        saved = as_list(owner, "lr_lambdas", state["lr_lambdas"])
        pairs = list(zip(self.lr_lambdas, saved, strict=False))
        for i, (function, kept) in enumerate(pairs):
            check_attributes(owner, f"lr_lambdas[{i}]", function, kept)
        return pairs


class LambdaLR(_OfFunctions, lr_scheduler.LambdaLR):
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
        return self._next(self.base_lrs)

    def _following(self, values: list[float]) -> list[Any] | None:
        return self._next(self.base_lrs) if type(self).get_lr is LambdaLR.get_lr else None

    def _next_of(self, value: float, t: int, held: dict[str, Any]) -> Any:
        (function,) = held["lr_lambdas"]
        return held["base_lrs"][0] * function(t)


class MultiplicativeLR(_OfFunctions, lr_scheduler.MultiplicativeLR):
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
        return self._next(self._values())

    def _following(self, values: list[float]) -> list[Any] | None:
        return self._next(values) if type(self).get_lr is MultiplicativeLR.get_lr else None

    def _next_of(self, value: float, t: int, held: dict[str, Any]) -> Any:
        (function,) = held["lr_lambdas"]
        return value * function(t)

    def _caught_up(self, value: Any, i: int, t: float) -> Any:
        for step in range(1, int(t) + 1):
            value = value * self.lr_lambdas[i](step)
        return value

    def _moved(self, value: Any, i: int) -> Any:
        return value * self.lr_lambdas[i](self.last_epoch)

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
    _given = ("schedules",)

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

    def _following(self, values: list[float]) -> list[Any] | None:
        return self.lr_at(self.last_epoch) if type(self).get_lr is ScheduleLR.get_lr else None

    def _next_of(self, value: float, t: int, held: dict[str, Any]) -> Any:
        (schedule,) = held["schedules"]
        return held["base_lrs"][0] * schedule(t)

    def lr_at(self, t: float) -> list[Any]:
        """The value in each group at step t, without going there."""
        pairs = zip(self.schedules, self.base_lrs, strict=True)
        return [base * schedule(t) for schedule, base in pairs]

    def _played(self, steps: int, metric: Callable[[int], float]) -> NDArray[np.float64]:
        pairs = zip(self.schedules, self.base_lrs, strict=True)
        return np.stack([s.preview(steps, float(base)) for s, base in pairs], axis=-1)

    def plot(
        self, steps: int | None = None, axes: Any = None, metrics: Metrics | None = None
    ) -> Any:
        """Draw the first `steps` steps of each group, by default a little past the end."""
        for schedule, base in zip(self.schedules, self.base_lrs, strict=True):
            axes = schedule.plot(steps, float(base), axes)
        return axes


def _check_schedule(where: str, schedule: Any) -> None:
    if not isinstance(schedule, Schedule):
        raise TypeError(f"{where} must be a schedule of thalweg.schedules, got {schedule!r}")
