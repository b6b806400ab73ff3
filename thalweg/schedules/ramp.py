"""Straight lines: the warm-up, and the decay that is drawn with a ruler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from thalweg.schedules.pointwise import minimum
from thalweg.schedules.ranges import AMOUNT, STEPS, argument, check
from thalweg.schedules.schedule import Schedule

__all__ = ["linear", "warmup"]


@dataclass(frozen=True)
class linear(Schedule):
    """A straight line from `start` to `end` in `steps` steps, and `end` from then on.

    Down to 0 it does about as well as a cosine, and is easier to reason about.

        s(t) = start (1 - x) + end x,       x = min(t, steps) / steps
    """

    steps: float = argument(STEPS)
    start: float = argument(AMOUNT, 1.0)
    end: float = argument(AMOUNT, 0.0)

    @property
    def duration(self) -> float:
        return self.steps

    def factor(self, t: Any) -> Any:
        x = minimum(t, self.steps) / self.steps if self.steps else 1.0 + 0 * t
        # in this form, and not as start + (end - start) x, both ends are exact
        return self.start * (1 - x) + self.end * x


def warmup(steps: float, start: float = 0.0) -> linear:
    """Rise in a straight line from `start` to 1 in `steps` steps, in front of another schedule.

    The first gradients of a network are large and of little use, and adaptive methods have not
    seen enough of them to scale a step; a small learning rate keeps both from doing harm. With
    `start=0` the first step moves nothing, as in most libraries; `start=1 / steps` wastes none.

    Paper: Goyal et al. 2017, arXiv:1706.02677, section 2.2.
    """
    check("warmup", steps=(STEPS, steps), start=(AMOUNT, start))
    return linear(steps, start, 1.0)
