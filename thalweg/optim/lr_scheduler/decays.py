"""Decay by a constant factor: at every step, every few steps, at milestones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from torch.optim import Optimizer

from thalweg.optim.lr_scheduler.chainable import Chainable, curve
from thalweg.schedules import Schedule, exponential, multistep, step_decay
from thalweg.schedules.ranges import AMOUNT, COUNT, WHOLE, check

__all__ = ["ExponentialLR", "MultiStepLR", "StepLR"]


class StepLR(Chainable):
    """Multiply by gamma once in step_size steps.

    The staircase that early image classifiers were trained with: simple to reason about when
    you want to see what each rate can do.

        lr(t) = base gamma^floor(t / step_size)

    Differs: a new group joins, and rebuilding with last_epoch=N catches up (see `Scheduler`);
    rebuilt with the optimizer's state, the rate is not decayed a second time on a boundary.
    """

    _starts_at_zero = True

    def __init__(
        self,
        optimizer: Optimizer,
        step_size: int,
        gamma: float = 0.1,
        last_epoch: int = -1,
        *,
        param: str = "lr",
    ) -> None:
        check("StepLR", step_size=(COUNT, step_size), gamma=(AMOUNT, gamma))
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch, param)

    @property
    def _curve(self) -> Schedule:
        return curve(step_decay, self.step_size, self.gamma)


class MultiStepLR(Chainable):
    """Multiply by gamma at each milestone; twice at one that is named twice.

    For a training whose plateaus you know: "at 60 % and 85 %".

        lr(t) = base gamma^(number of milestones <= t)

    Differs: a new group joins, and rebuilding with last_epoch=N catches up (see `Scheduler`);
    rebuilt with the optimizer's state, the rate is not decayed a second time on a milestone.
    """

    _starts_at_zero = True

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
        milestones = list(milestones)
        for i, milestone in enumerate(milestones):
            WHOLE.check(f"MultiStepLR: milestones[{i}]", milestone)
        check("MultiStepLR", gamma=(AMOUNT, gamma))
        self.milestones = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch, param)

    @property
    def _curve(self) -> Schedule:
        return curve(multistep, tuple(self.milestones.elements()), self.gamma)


class ExponentialLR(Chainable):
    """Multiply by gamma at every step.

    A decay with no end to plan for; gamma is what an epoch, or a batch, takes off.

        lr(t) = base gamma^t

    Differs: a new group joins, and rebuilding with last_epoch=N catches up (see `Scheduler`).
    """

    def __init__(
        self, optimizer: Optimizer, gamma: float, last_epoch: int = -1, *, param: str = "lr"
    ) -> None:
        check("ExponentialLR", gamma=(AMOUNT, gamma))
        self.gamma = gamma
        super().__init__(optimizer, last_epoch, param)

    @property
    def _curve(self) -> Schedule:
        return curve(exponential, self.gamma)
