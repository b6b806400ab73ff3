"""Which settings of an optimizer are tried: a grid of learning rates, or trials of `--tune`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from thalweg.lab.errors import UserError
from thalweg.lab.specification import Range, Specification, ranges

__all__ = ["GRID", "RATES", "Search", "Setting", "search_of"]

# What is tried: the value of each range, by name.
Setting = dict[str, float]

# Half-decades, wide enough that an optimizer's best rarely lies at either end.
GRID = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)

# Coarse first, so that a search which is cut short has seen all of the range.
_ORDER = (4, 2, 6, 0, 8, 1, 3, 5, 7)

# Where `--tune` looks for lr unless told; common to all.
RATES = Range(1e-5, 1.0, "log")

# A best within such a share of the range from its end lies at the edge.
_EDGE = 0.08

# How far a range is widened, and by how many half-decades of the grid.
_FURTHER = 10.0
_GRID_FURTHER = (3.0, 10.0)

# Optuna's own number of trials before any is pruned.
_LEAST_FIRST = 5

# Irrational, and no two of them alike: their multiples fill a cube evenly.
_STRIDES = (math.sqrt(5), math.sqrt(2), math.sqrt(3), math.sqrt(7), math.sqrt(11), math.sqrt(13))


@dataclass(frozen=True)
class Search:
    """What is searched, and how many trials that takes; `is_grid` without `--tune`.

    The first half of the trials is spread evenly, and is the same for all whose ranges are the
    same. The second half goes where the first did well, and its hopeless trials are pruned. What
    that is decided by is the first half alone, so that it does not matter who was done first.
    """

    space: Mapping[str, Range]
    count: int
    is_grid: bool

    @property
    def first(self) -> int:
        """How many trials are fixed beforehand."""
        return self.count if self.is_grid else min(self.count, max(_LEAST_FIRST, self.count // 2))

    def setting(self, number: int) -> Setting:
        """A trial of the first half."""
        if self.is_grid:
            return {"lr": GRID[_ORDER[number]]}
        return _spread(self.space, number)

    def edge(self, setting: Setting) -> str | None:
        """Which end of its range an lr lies at, if it does."""
        if "lr" not in self.space:
            return None
        share = self.space["lr"].share(setting["lr"])
        near = 1e-9 if self.is_grid else max(_EDGE, 0.5 / self.count)
        return "lowest" if share <= near else "highest" if share >= 1 - near else None

    def further(self, best: Setting) -> list[Setting]:
        """The trials beyond the edge that the best one lies at; its other settings stay."""
        edge = self.edge(best)
        if edge is None:
            return []
        lr, sign = self.space["lr"], -1 if edge == "lowest" else 1
        if self.is_grid:
            end = lr.low if edge == "lowest" else lr.high
            steps: Sequence[float] = [end * factor**sign for factor in _GRID_FURTHER]
            return [{**best, "lr": float(f"{rate:.1g}")} for rate in steps]
        beyond = (
            Range(lr.low / _FURTHER, lr.low, "log")
            if edge == "lowest"
            else Range(lr.high, lr.high * _FURTHER, "log")
        )
        count = max(2, self.count // 4)
        rates = [_rounded(beyond, beyond.at((i + 0.5) / count)) for i in range(count)]
        return [{**best, "lr": rate} for rate in rates]

    @property
    def widened(self) -> int:
        """How many trials a widening takes."""
        return len(_GRID_FURTHER) if self.is_grid else max(2, self.count // 4)


def search_of(specification: Specification, trials: int | None) -> Search | None:
    """What is searched of an optimizer; None if all is given."""
    space = ranges(specification.settings)
    if "lr" not in specification.settings:
        space = {"lr": RATES, **space}
    elif "lr" in space:
        space = {"lr": space["lr"], **space}
    if not space:
        return None
    if trials is not None:
        return Search(space, trials, is_grid=False)
    if given := ranges(specification.settings):
        raise UserError(
            f"{specification.label}: {next(iter(given))} is a range, which is searched with "
            "--tune N, N the number of trials for each optimizer"
        )
    return Search({"lr": replace(RATES, low=GRID[0], high=GRID[-1])}, len(GRID), is_grid=True)


def _spread(space: Mapping[str, Range], number: int) -> Setting:
    """A point of a sequence that fills the space evenly, however long it is."""
    strides = [*_STRIDES, *(math.sqrt(17 + i) + 1 / 3 for i in range(len(space)))]
    return {
        name: _rounded(one, one.at((0.5 + number * stride) % 1))
        for (name, one), stride in zip(space.items(), strides, strict=False)
    }


def _rounded(where: Range, value: float) -> float:
    """Four digits say it all, and are easily typed again."""
    return value if where.kind == "whole" else float(f"{value:.4g}")
