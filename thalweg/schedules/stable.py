"""Schedules that stay at the full rate for most of the training and come down at its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from thalweg.schedules.annealing import cosine
from thalweg.schedules.falls import FALLS
from thalweg.schedules.pointwise import minimum
from thalweg.schedules.ramp import warmup
from thalweg.schedules.ranges import FRACTION, STEPS, argument, check
from thalweg.schedules.schedule import Schedule, constant
from thalweg.settings import Setting

__all__ = ["cooldown", "flat_cosine", "warmup_stable_decay"]

_SHAPE = Setting("sqrt", choices=tuple(FALLS))


@dataclass(frozen=True)
class cooldown(Schedule):
    """From 1 to `floor` in `steps` steps, in one of the shapes "cos", "linear" and "sqrt".

    The end of a training at a constant rate: most of what a decay gains, in a fraction of it.

        s(t) = floor + (1 - floor) fall(min(t, steps)),     fall = 1 - sqrt(t / steps) for "sqrt"
    """

    steps: float = argument(STEPS)
    floor: float = argument(FRACTION, 0.0)
    shape: str = argument(_SHAPE, "sqrt")

    @property
    def duration(self) -> float:
        return self.steps

    def factor(self, t: Any) -> Any:
        t = minimum(t, self.steps)
        fall = FALLS[self.shape](t, self.steps) if self.steps else 0.0 * t
        return self.floor + (1 - self.floor) * fall


def warmup_stable_decay(
    warm: float, stable: float, decay: float, floor: float = 0.0, shape: str = "sqrt"
) -> Schedule:
    """Warm-up, a long stretch at the full rate, and a short decay: WSD, or the trapezoid.

    The length need not be known when the training starts: go on with the stable part for as long
    as there is something to learn, and take the decay, a tenth or a fifth of the whole, from any
    checkpoint of it.

    Paper: Hu et al. 2024, arXiv:2404.06395; the shape "sqrt": Hägele et al. 2024,
    arXiv:2405.18392.
    """
    check("warmup_stable_decay", warm=(STEPS, warm), stable=(STEPS, stable), decay=(STEPS, decay))
    check("warmup_stable_decay", floor=(FRACTION, floor), shape=(_SHAPE, shape))
    return warmup(warm) >> constant(steps=stable) >> cooldown(decay, floor, shape)


def flat_cosine(steps: int, flat: float = 0.72, floor: float = 0.0) -> Schedule:
    """The full rate for the part `flat` of the steps, then half a cosine down to `floor`.

    Ranger's usual partner: rectified moments need no warm-up, and Lookahead makes good use of a
    long stretch at one rate.

    Source: the training runs published with Ranger (Wright 2019), with flat = 0.72.
    """
    check("flat_cosine", steps=(STEPS, steps), flat=(FRACTION, flat), floor=(FRACTION, floor))
    level = round(flat * steps)
    return constant(steps=level) >> cosine(steps - level, floor)
