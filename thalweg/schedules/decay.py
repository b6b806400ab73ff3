"""Decay by a constant factor, at every step or at some of them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from thalweg.schedules.ranges import AMOUNT, COUNT, WHOLE, argument
from thalweg.schedules.schedule import Schedule

__all__ = ["Decay", "exponential", "multistep", "step_decay"]


class Decay(Schedule):
    """gamma to the number of decays so far: what the curves of this file share."""

    gamma: float

    def decays(self, t: Any) -> Any:
        """How many decays there have been at step t."""
        raise NotImplementedError

    def factor(self, t: Any) -> Any:
        return self.gamma ** self.decays(t)

    def ratio(self, t: float) -> float:
        # from the counts: after some thousand decays the factors themselves are 0 / 0
        value: float = self.gamma ** (self.decays(t) - self.decays(t - 1))
        return value


@dataclass(frozen=True)
class exponential(Decay):
    """Decay at every step: no end to plan for, and the same part taken off each time.

    `0.5 ** (1 / n)` halves the value every n steps.

        s(t) = gamma^t
    """

    gamma: float = argument(AMOUNT)

    def decays(self, t: Any) -> Any:
        return t


@dataclass(frozen=True)
class step_decay(Decay):
    """Decay once in `every` steps: a staircase.

    What early image classifiers were trained with; it shows plainly what each value can do.

        s(t) = gamma^floor(t / every)
    """

    every: int = argument(COUNT)
    gamma: float = argument(AMOUNT, 0.1)

    def decays(self, t: Any) -> Any:
        return t // self.every


@dataclass(frozen=True)
class multistep(Decay):
    """Decay at each milestone; twice at one that is named twice.

    For a training whose plateaus are known beforehand.

        s(t) = gamma^(number of milestones <= t)
    """

    milestones: Sequence[int]
    gamma: float = argument(AMOUNT, 0.1)

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            milestones = tuple(self.milestones)
        except TypeError:
            raise TypeError(
                f"multistep: milestones must be several numbers, got {self.milestones!r}"
            ) from None
        for i, milestone in enumerate(milestones):
            WHOLE.check(f"multistep: milestones[{i}]", milestone)
        object.__setattr__(self, "milestones", tuple(sorted(milestones)))

    def decays(self, t: Any) -> Any:
        if isinstance(t, np.ndarray):
            return np.searchsorted(np.array(self.milestones, dtype=float), t, side="right")
        return bisect_right(self.milestones, t)
