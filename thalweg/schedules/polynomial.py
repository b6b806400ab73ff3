"""Decay to nothing as a power of the steps left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from thalweg.schedules.falls import linear_fall
from thalweg.schedules.pointwise import minimum
from thalweg.schedules.ranges import AMOUNT, FRACTION, STEPS, argument
from thalweg.schedules.schedule import Schedule

__all__ = ["polynomial"]


@dataclass(frozen=True)
class polynomial(Schedule):
    """From 1 to `floor` in `steps` steps as a power of the part that is left.

    Power 1 is a straight line; 0.9 is the usual one for semantic segmentation.

        s(t) = floor + (1 - floor) (1 - min(t, steps) / steps)^power
    """

    steps: float = argument(STEPS)
    power: float = argument(AMOUNT, 1.0)
    floor: float = argument(FRACTION, 0.0)

    @property
    def duration(self) -> float:
        return self.steps

    def factor(self, t: Any) -> Any:
        left = linear_fall(minimum(t, self.steps), self.steps) if self.steps else 0.0 * t
        return self.floor + (1 - self.floor) * left**self.power
