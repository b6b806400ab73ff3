"""Decay as one over the square root of the step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from thalweg.schedules.pointwise import sqrt
from thalweg.schedules.ranges import LENGTH, argument
from thalweg.schedules.schedule import Schedule

__all__ = ["inverse_sqrt"]


@dataclass(frozen=True)
class inverse_sqrt(Schedule):
    """1 over the square root of the step, which never reaches nothing.

    For training whose length nobody knows beforehand. Behind a warm-up of as many steps,
    `warmup(n) >> inverse_sqrt(n)`, it is the schedule of the Transformer, divided by its peak.

        s(t) = sqrt(timescale / (t + timescale))

    Paper: Vaswani et al. 2017, arXiv:1706.03762, equation 3.
    """

    timescale: float = argument(LENGTH)

    def factor(self, t: Any) -> Any:
        return sqrt(self.timescale / (t + self.timescale))
