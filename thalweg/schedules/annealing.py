"""Cosine annealing: once, for ever up and down, and with restarts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from thalweg.schedules.falls import cosine_fall
from thalweg.schedules.pointwise import minimum
from thalweg.schedules.ranges import COUNT, FRACTION, LENGTH, STEPS, argument
from thalweg.schedules.schedule import Schedule

__all__ = ["cosine", "cosine_restarts", "cosine_wave", "restart"]


@dataclass(frozen=True)
class cosine(Schedule):
    """From 1 to `floor` in `steps` steps along half a cosine, and `floor` from then on.

    The usual decay when the number of steps is known: it stays high while there is ground to
    cover, and ends so gently that the last steps settle.

        s(t) = floor + (1 - floor) (1 + cos(pi min(t, steps) / steps)) / 2

    Paper: Loshchilov and Hutter 2017, arXiv:1608.03983, equation 5, without its restarts.
    """

    steps: float = argument(STEPS)
    floor: float = argument(FRACTION, 0.0)

    @property
    def duration(self) -> float:
        return self.steps

    def factor(self, t: Any) -> Any:
        fall = cosine_fall(minimum(t, self.steps), self.steps) if self.steps else 0.0 * t
        return self.floor + (1 - self.floor) * fall


@dataclass(frozen=True)
class cosine_wave(Schedule):
    """A cosine between 1 and 0 that never ends: down in `half` steps, up again in as many.

    What torch's CosineAnnealingLR follows; the half of it that one mostly wants is `cosine`.

        s(t) = (1 + cos(pi t / half)) / 2
    """

    half: float = argument(LENGTH)

    def factor(self, t: Any) -> Any:
        return cosine_fall(t, self.half)


@dataclass(frozen=True)
class cosine_restarts(Schedule):
    """Half a cosine from 1 to `floor` again and again, each `growth` times as long as the last.

    Every restart gives the network a push out of the valley it was settling in; just before each
    of them the weights are worth keeping.

        s(t) = floor + (1 - floor) (1 + cos(pi (t - b_i) / n_i)) / 2
        n_i  = period growth^i,      b_i = n_0 + ... + n_(i-1) the last restart at or before t

    Paper: Loshchilov and Hutter 2017, arXiv:1608.03983, equation 5.
    """

    period: int = argument(COUNT)
    growth: int = argument(COUNT, 1)
    floor: float = argument(FRACTION, 0.0)

    def factor(self, t: Any) -> Any:
        since, length = restart(t, self.period, self.growth)
        return self.floor + (1 - self.floor) * cosine_fall(since, length)


def restart(t: Any, period: int, growth: int) -> tuple[Any, Any]:
    """The steps since the last restart at or before t, and until the next one after it."""
    if growth == 1:
        return t % period, period
    # The restarts up to the latest t, as whole numbers: a logarithm would put a step that is
    # one just before it, when the quotient of two logarithms falls short of a whole number.
    begins, lengths = [0], [period]
    while begins[-1] + lengths[-1] <= np.max(t, initial=0):
        begins.append(begins[-1] + lengths[-1])
        lengths.append(lengths[-1] * growth)
    if isinstance(t, np.ndarray):
        which = np.searchsorted(begins, t, side="right") - 1
        return t - np.array(begins)[which], np.array(lengths)[which]
    return t - begins[-1], lengths[-1]
