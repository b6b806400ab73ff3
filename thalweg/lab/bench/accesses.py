"""How often a step reads and writes each element, counted from the passes that it takes."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from thalweg.chain import Chain
from thalweg.fuse.passes import passes

__all__ = ["counted"]

_SKIPPED = 12  # first steps, which may be others
_LONGEST = 64  # steps, after which the work of an optimizer repeats at the latest


def counted(
    chain: Chain, settings: Mapping[str, Any], shapes: Sequence[tuple[int, ...]]
) -> tuple[float, int]:
    """Loads and stores per element and step, on average, and after how many steps its work
    repeats."""
    given = {name: value for name, value in settings.items() if name in chain.settings}
    seen: list[list[int]] = []
    weights: list[int] = []
    for ndim in sorted({len(shape) for shape in shapes}):
        alike = [shape for shape in shapes if len(shape) == ndim]
        largest = max(alike, key=math.prod)
        seen.append(_by_step(chain, tuple(given.items()), largest))
        weights.append(sum(map(math.prod, alike)))
    cycle = next(n for n in range(1, _LONGEST + 1) if all(_repeats(one, n) for one in seen))
    means = [sum(one[:cycle]) / cycle for one in seen]
    whole = sum(weights) or 1
    return sum(m * w for m, w in zip(means, weights, strict=True)) / whole, cycle


@functools.lru_cache(maxsize=64)
def _by_step(chain: Chain, settings: Any, shape: tuple[int, ...]) -> list[int]:
    """The accesses of each step, from the first that is like the later ones."""
    last = _SKIPPED + 2 * _LONGEST
    found = [0] * (last + 1)
    for stretch in passes(chain, dict(settings), shape, last):
        accesses = sum(len(one.reads) + len(one.writes) for one in stretch.passes)
        for t in stretch.steps:
            found[t] = accesses
    return found[_SKIPPED + 1 :]


def _repeats(accesses: Sequence[int], cycle: int) -> bool:
    pairs = zip(accesses, accesses[cycle:], strict=False)
    return cycle == _LONGEST or all(a == b for a, b in pairs)
