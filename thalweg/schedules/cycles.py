"""Curves that rise and fall: triangular cycles, and one cycle for a whole training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from thalweg.schedules.falls import FALLS
from thalweg.schedules.pointwise import floor, minimum, where
from thalweg.schedules.ranges import COUNT, FRACTION, LENGTH, SHAPE, argument
from thalweg.schedules.schedule import Schedule

__all__ = [
    "Phase",
    "along",
    "anneal",
    "between",
    "cyclic",
    "one_cycle",
    "passed",
    "peak",
    "phases",
    "triangle",
    "within",
]


def triangle(t: Any, total: float, rise: float) -> tuple[Any, Any]:
    """The number of the cycle at t, from 1, and the height in it: from 0 to 1 and back to 0.

    A cycle takes `total` steps, of which the part `rise` goes up.
    """
    cycle = floor(1 + t / total)
    x = 1.0 + t / total - cycle
    return cycle, where(x <= rise, x / rise, (1 - x) / (1 - rise))


def peak(mode: str, gamma: float, x: float) -> float:
    """How high a cycle of a mode of `PEAKS` goes, by the number x of the cycle or of the step."""
    if mode == "exp_range":
        value: float = gamma**x
        return value
    return 0.5 ** (x - 1) if mode == "triangular2" else 1.0


@dataclass(frozen=True)
class cyclic(Schedule):
    """Up from `low` to 1 in `up` steps and back in `down`, in straight lines, again and again.

    To cross the whole range of good rates saves looking for the best of them.

        s(t) = low + (1 - low) height shrink^(number of the cycle, from 0)

    Paper: Smith 2017, arXiv:1506.01186; `shrink=0.5` is its triangular2.
    """

    up: float = argument(LENGTH)
    down: float | None = argument(LENGTH, None)
    low: float = argument(FRACTION, 0.1)
    shrink: float = argument(FRACTION, 1.0)

    def factor(self, t: Any) -> Any:
        total = self.up + (self.up if self.down is None else self.down)
        cycle, height = triangle(t, total, self.up / total)
        return self.low + (1 - self.low) * height * self.shrink ** (cycle - 1)


class Phase(NamedTuple):
    """A stretch of one cycle: until which step, and between which values."""

    end: float
    source: str
    target: str


def phases(steps: int, rise: float, three_phase: bool) -> list[Phase]:
    """The phases of one cycle: to the peak at the part `rise` of the steps, and down again."""
    up = Phase(float(rise * steps) - 1, "start", "peak")
    if not three_phase:
        return [up, Phase(steps - 1, "peak", "end")]
    down = Phase(float(2 * rise * steps) - 2, "peak", "start")
    return [up, down, Phase(steps - 1, "start", "end")]


def anneal(source: Any, target: Any, x: Any, fall: Callable[[Any, float], Any]) -> Any:
    """From source at x = 0 to target at x = 1, in the shape of `fall`."""
    return between(source, target, fall(x, 1.0))


def between(source: Any, target: Any, left: Any) -> Any:
    """A value of which this part of the way from target back to source is left."""
    return target + (source - target) * left


def passed(begin: float, end: float, t: Any) -> Any:
    """Which part of a stretch lies behind at t; all of it, where it has no length."""
    length = end - begin
    return (t - begin) / length if length else 1.0 + 0 * t


def within(
    begin: float, phase: Phase, values: Mapping[str, Any], t: Any, fall: Callable[..., Any]
) -> Any:
    """The value at t of a phase that begins there."""
    x = passed(begin, phase.end, t)
    return anneal(values[phase.source], values[phase.target], x, fall)


def along(
    stretches: Sequence[Phase], values: Mapping[str, Any], t: Any, fall: Callable[..., Any]
) -> Any:
    """The value at t: that of the first phase to end at t or later, or else of the last."""
    begins = [0.0, *(phase.end for phase in stretches[:-1])]
    if not isinstance(t, np.ndarray):
        pairs = zip(begins, stretches, strict=True)
        last = begins[-1], stretches[-1]
        begin, phase = next((pair for pair in pairs if t <= pair[1].end), last)
        return within(begin, phase, values, t, fall)
    reached: Any = None
    for begin, phase in reversed(list(zip(begins, stretches, strict=True))):
        here = within(begin, phase, values, t, fall)
        reached = here if reached is None else np.where(t <= phase.end, here, reached)
    return reached


@dataclass(frozen=True)
class one_cycle(Schedule):
    """From `start` up to 1, and down to `end`: one cycle for a whole training of `steps` steps.

    The large rates in the middle regularize and cover ground; the long descent after them
    settles. With `three_phase` the way down stops at `start` when it has taken as long as the
    way up, and the rest goes on to `end`.

    Paper: Smith and Topin 2018, arXiv:1708.07120; two phases and the cosine as in fastai.
    """

    steps: int = argument(COUNT)
    rise: float = argument(FRACTION, 0.3)
    start: float = argument(FRACTION, 1 / 25)
    end: float = argument(FRACTION, 1 / 25e4)
    shape: str = argument(SHAPE, "cos")
    three_phase: bool = False

    @property
    def duration(self) -> float:
        return self.steps - 1

    def factor(self, t: Any) -> Any:
        values = {"start": self.start, "peak": 1.0, "end": self.end}
        stretches = phases(self.steps, self.rise, self.three_phase)
        return along(stretches, values, minimum(t, self.steps - 1), FALLS[self.shape])
