"""Decay by a constant factor: at every step, every few steps, at milestones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from operator import itemgetter
from typing import Any, ClassVar

from torch.optim import Optimizer, lr_scheduler

from thalweg.optim.lr_scheduler.chainable import Chainable, curve
from thalweg.optim.lr_scheduler.saved import as_counts
from thalweg.schedules import Schedule, exponential, multistep, step_decay
from thalweg.schedules.ranges import AMOUNT, COUNT

__all__ = ["ExponentialLR", "MultiStepLR", "StepLR"]


class StepLR(Chainable, lr_scheduler.StepLR):
    """Multiply by gamma once in step_size steps.

    The staircase that early image classifiers were trained with: simple to reason about when
    you want to see what each rate can do.

        lr(t) = base gamma^floor(t / step_size)

    Differs: a new group joins, and rebuilding with last_epoch=N catches up (see `Scheduler`);
    with the optimizer's state of step N + 1, it does not decay a second time on a boundary.
    """

    _arguments: ClassVar = {"step_size": COUNT, "gamma": AMOUNT}
    _starts_at_zero = _moves_when_made = True

    _asked = itemgetter("step_size", "gamma")  # type: ignore[assignment]

    def __init__(
        self,
        optimizer: Optimizer,
        step_size: int,
        gamma: float = 0.1,
        last_epoch: int = -1,
        *,
        param: str = "lr",
    ) -> None:
        self._keep(step_size=step_size, gamma=gamma)
        super().__init__(optimizer, last_epoch, param)

    @property
    def _curve(self) -> Schedule:
        return curve(step_decay, self.step_size, self.gamma)


class MultiStepLR(Chainable, lr_scheduler.MultiStepLR):
    """Multiply by gamma at each milestone; twice at one that is named twice.

    For a training whose plateaus you know: "at 60 % and 85 %".

        lr(t) = base gamma^(number of milestones <= t)

    Differs: a new group joins, and rebuilding with last_epoch=N catches up (see `Scheduler`);
    with the optimizer's state of step N + 1, it does not decay a second time on a milestone.
    """

    _arguments: ClassVar = {"gamma": AMOUNT}
    _starts_at_zero = _moves_when_made = True

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
        *,
        param: str = "lr",
    ) -> None:
        if isinstance(milestones, str) or not isinstance(milestones, Iterable):
            raise TypeError(f"MultiStepLR: milestones must be several integers, got {milestones!r}")
        self._keep(gamma=gamma)
        self.milestones = Counter(as_counts("MultiStepLR", "milestones", list(milestones)))
        super().__init__(optimizer, last_epoch, param)

    @property
    def _curve(self) -> Schedule:
        return curve(multistep, tuple(self.milestones.elements()), self.gamma)

    def _asked(self, held: dict[str, Any]) -> Any:
        return tuple(held["milestones"].items()), held["gamma"]

    def _usable(self, state_dict: Mapping[str, Any]) -> dict[str, Any]:
        state = super()._usable(state_dict)
        if "milestones" in state:
            counts = as_counts(type(self).__name__, "milestones", state["milestones"])
            state["milestones"] = Counter(counts)
        return state


class ExponentialLR(Chainable, lr_scheduler.ExponentialLR):
    """Multiply by gamma at every step.

    A decay with no end to plan for; gamma is what an epoch, or a batch, takes off.

        lr(t) = base gamma^t

    Differs: a new group joins, and rebuilding with last_epoch=N catches up (see `Scheduler`).
    """

    _arguments: ClassVar = {"gamma": AMOUNT}

    _asked = itemgetter("gamma")  # type: ignore[assignment]

    def __init__(
        self, optimizer: Optimizer, gamma: float, last_epoch: int = -1, *, param: str = "lr"
    ) -> None:
        self._keep(gamma=gamma)
        super().__init__(optimizer, last_epoch, param)

    @property
    def _curve(self) -> Schedule:
        return curve(exponential, self.gamma)
