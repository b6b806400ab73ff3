"""Timing in alternation: everything compared takes one turn per round, in one process.

A machine's speed drifts with heat, neighbours and memory layout; what is timed minutes apart
cannot be compared, what is timed in turns mostly can.
"""

import gc
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Estimate", "Summary", "alternate", "ratio", "summarize"]

# A call of more than SLOW seconds takes part in every SLOW_EVERY-th round only.
SLOW = 0.25
SLOW_EVERY = 4

RESAMPLES = 1000


@dataclass(frozen=True)
class Summary:
    """The median of a list of times, in seconds, and how wide the list is."""

    median: float
    lower_quartile: float
    upper_quartile: float
    samples: int


@dataclass(frozen=True)
class Estimate:
    """A number, and the interval that repetitions of it fall into."""

    value: float
    low: float
    high: float


def alternate(
    calls: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    warm_up: int,
    seconds: float = 0.0,
    cycle: int = 1,
) -> dict[str, list[float]]:
    """Time each call once per round, in an order drawn anew for every round.

    At least `rounds` rounds, at least `seconds` in all, and whole cycles: each list holds the mean
    of `cycle` consecutive calls.
    """
    strides = {name: _stride(call, warm_up) for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    names, order = list(calls), random.Random(0)
    gc.collect()
    gc.freeze()  # the collector would visit every tensor of every call in whichever call it runs
    try:
        done, start = 0, time.perf_counter()
        while done < rounds or done % cycle or time.perf_counter() - start < seconds:
            order.shuffle(names)
            for name in names:
                if done % strides[name] == 0:
                    times[name].append(_timed(calls[name]))
            done += 1
    finally:
        gc.unfreeze()
    return {name: _means(values, cycle) for name, values in times.items()}


def _stride(call: Callable[[], object], warm_up: int) -> int:
    last = 0.0
    for _ in range(warm_up):
        last = _timed(call)
    return SLOW_EVERY if last > SLOW else 1


def _timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _means(values: Sequence[float], size: int) -> list[float]:
    """The means of consecutive groups of `size`; an incomplete last group is left out."""
    whole = len(values) // size * size
    return [statistics.fmean(values[i : i + size]) for i in range(0, whole, size)]


def summarize(times: Sequence[float]) -> Summary:
    """The median and the quartiles."""
    lower, median, upper = (float(q) for q in np.percentile(times, [25, 50, 75]))
    return Summary(median, lower, upper, len(times))


def ratio(over: Sequence[float], under: Sequence[float]) -> Estimate:
    """The ratio of two medians, with its 95 % interval by bootstrap over the rounds.

    It covers the scatter within this run. How two runs differ, only two runs can say.
    """
    generator = np.random.default_rng(0)
    tops, bottoms = (
        np.median(generator.choice(values, (RESAMPLES, len(values))), axis=1)
        for values in (over, under)
    )
    low, high = (float(q) for q in np.percentile(tops / bottoms, [2.5, 97.5]))
    return Estimate(statistics.median(over) / statistics.median(under), low, high)
