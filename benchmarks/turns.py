"""Short calls in turns, each with a time of its own."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

__all__ = ["WARM_UP", "Side", "take_turns"]

BLOCK = 0.004  # seconds that one turn of one side takes, about
WARM_UP = 14  # past RAdam's rectification, and two cycles of Ranger
LONGEST = 1.0  # seconds of warming up, where a call is slow

Side = tuple[Callable[[int], None], Callable[[], Any]]  # what is not timed, with the turn; a call


def take_turns(sides: Mapping[str, Side], rounds: int, cycle: int) -> dict[str, list[float]]:
    """Seconds of each step of each side, in blocks, in turns; of a cycle of steps their mean.

    Each step has a time of its own: one during which the machine did something else is one of many,
    and moves no median.
    """
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
            times = _block(*sides[name], inner[name], turn)
            found[name] += map(statistics.fmean, np.reshape(times, (-1, cycle)).tolist())
        turn += max(inner.values())
    return found


def _block(
    before: Callable[[int], None], step: Callable[[], Any], count: int, turn: int
) -> list[float]:
    found = []
    for i in range(count):
        before(turn + i)
        start = time.perf_counter()
        step()
        found.append(time.perf_counter() - start)
    return found


def _steps_of_a_block(before: Callable[[int], None], step: Callable[[], Any], cycle: int) -> int:
    seconds = statistics.median(_block(before, step, 3, WARM_UP))
    return cycle * max(1, int(BLOCK / cycle / seconds))
