"""Short calls in turns, each with a time of its own, and what they take when nobody disturbs.

Neighbours make a call longer and never shorter. So of many the lower decile is compared: nine in
ten were slower. On one thread the time is its processor's, which runs while the thread does.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from thalweg.lab.bench.alternate import Estimate, summarize

__all__ = ["WARM_UP", "Side", "clock_of", "described", "quick", "ratio", "take_turns"]

BLOCK = 0.004  # seconds that one turn of one side takes, about
WARM_UP = 14  # past RAdam's rectification, and two cycles of Ranger
LONGEST = 1.0  # seconds of warming up, where a call is slow
RESAMPLES, MOST = 500, 1000  # of the bootstrap, and of the calls that each is drawn from

Side = tuple[Callable[[int], None], Callable[[], Any]]  # what is not timed, with the turn; a call


def clock_of(threads: int) -> Callable[[], float]:
    """What tells the time of work on so many threads."""
    return time.thread_time if threads == 1 else time.perf_counter


def take_turns(
    sides: Mapping[str, Side], rounds: int, cycle: int = 1, threads: int = 1
) -> dict[str, list[float]]:
    """Seconds of each call of each side, in blocks, in turns; of a cycle of calls their mean."""
    clock = clock_of(threads)
    for before, step in sides.values():
        start = time.perf_counter()
        for turn in range(WARM_UP):
            before(turn)
            step()
            if turn > 3 and time.perf_counter() - start > LONGEST:
                break
    inner = {name: _steps_of_a_block(*side, cycle) for name, side in sides.items()}
    found: dict[str, list[float]] = {name: [] for name in sides}
    names, turn = list(sides), WARM_UP
    for _ in range(rounds):
        names = names[1:] + names[:1]
        for name in names:
            times = _block(*sides[name], inner[name], turn, clock)
            found[name] += map(statistics.fmean, np.reshape(times, (-1, cycle)).tolist())
        turn += max(inner.values())
    return found


def _block(
    before: Callable[[int], None],
    step: Callable[[], Any],
    count: int,
    turn: int,
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    found = []
    for i in range(count):
        before(turn + i)
        start = clock()
        step()
        found.append(clock() - start)
    return found


def _steps_of_a_block(before: Callable[[int], None], step: Callable[[], Any], cycle: int) -> int:
    seconds = statistics.median(_block(before, step, 3, WARM_UP))
    return cycle * max(1, int(BLOCK / cycle / seconds))


def quick(times: Sequence[float]) -> float:
    """The lower decile."""
    return float(np.percentile(times, 10))


def ratio(over: Sequence[float], under: Sequence[float]) -> Estimate:
    """The ratio of two lower deciles, with its 95 % interval by bootstrap."""
    generator = np.random.default_rng(0)
    tops, bottoms = (
        np.percentile(generator.choice(times, (RESAMPLES, min(len(times), MOST))), 10, axis=1)
        for times in (over, under)
    )
    low, high = (float(q) for q in np.percentile(tops / bottoms, [2.5, 97.5]))
    return Estimate(quick(over) / quick(under), low, high)


def described(times: Sequence[float]) -> dict[str, float]:
    """The same list for a file."""
    return {"lower_decile": quick(times), **asdict(summarize(times))}
