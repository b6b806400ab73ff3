"""Which optimizers can be told apart from these seeds, and what may be said of the best."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["LEVEL", "Difference", "Verdict", "half_width", "judge", "listed", "needed"]

# A claim is made where chance alone would bring it about in one of so many comparisons: 1 in 50.
LEVEL = 0.02

# How often a lead is to be shown for which a number of seeds is named, and the most that are named.
_POWER = 0.8
_MOST = 1000

# Below this the scatter of the gaps is a guess itself.
_SEEDS_WITH_SCATTER = 3


@dataclass(frozen=True)
class Difference:
    """How far one is behind the first, seed by seed: the mean, its 95 % interval, and the chance
    of as large a one between equals, corrected for the number of comparisons."""

    label: str
    mean: float
    low: float
    high: float
    chance: float


@dataclass(frozen=True)
class Verdict:
    """`first` has the best mean; it is the `winner` if it is better than each of the others.

    Of those `beside` it no difference from it can be told; those `behind` are worse. `left_out`
    are not judged, because they diverged. `seeds` are those that all have; `needed` are those that
    would show the lead of the first over all beside it, if it is what it seems to be, four times
    in five: None where none are needed or the scatter is not known, infinite beyond a thousand.
    """

    first: str | None
    winner: str | None
    beside: list[str]
    behind: list[str]
    left_out: list[str]
    differences: list[Difference]
    seeds: int
    needed: float | None = None

    @property
    def sentence(self) -> str:
        """The same in words."""
        told = self._of_the_first()
        if self.left_out:
            one = len(self.left_out) == 1
            told += f" {listed(self.left_out)} diverged and {'is' if one else 'are'} not judged."
        return told.strip()

    def _of_the_first(self) -> str:
        if self.first is None or not self.differences:
            return ""
        seeds = f"{self.seeds} seed{'s' * (self.seeds != 1)}"
        if self.seeds < 2:
            return "One seed tells no difference; --seeds 10 would."
        if self.winner is not None:
            others = "the other" if len(self.differences) == 1 else "every other"
            return f"{self.winner} is better than {others}, as far as {seeds} of each can tell."
        among = [self.first, *self.beside]
        who = listed(among) if self.behind or len(among) < 4 else f"these {len(among)}"
        told = f"No difference between {who} can be told from these {seeds}."
        if self.behind:
            told += f" {listed(self.behind)} {'is' if len(self.behind) == 1 else 'are'} behind."
        return told + self._of_more_seeds()

    def _of_more_seeds(self) -> str:
        if self.needed is None:
            return ""
        one = len(self.beside) == 1
        lead, it = (f"{self.first}'s lead", "it") if one else (f"{self.first}'s leads", "them")
        if math.isinf(self.needed):
            what = "is so small" if one else "are so small"
            return f" {lead} {what} that {_MOST} seeds would not be sure to show {it}."
        seem = "is what it seems" if one else "are what they seem"
        return f" If {lead} {seem}, --seeds {self.needed:.0f} would show {it} four times in five."


def judge(scores: Mapping[str, Mapping[int, float]], is_higher_better: bool = True) -> Verdict:
    """Judge by the scores of each seed, by label; one that is not finite stands for divergence.

    The seeds are paired: in the same seed all start from the same weights and see the same
    batches. Each pair's difference is held to Student's t. To say that the first is better than
    each of the others, all those tests must agree, which needs no correction (Berger 1982,
    "Multiparameter hypothesis testing and acceptance sampling"); to say which are behind, each is a
    claim of its own, and the chances of all pairs are corrected together (Holm 1979).
    """
    kept = {label: own for label, own in scores.items() if _is_finite(own)}
    left_out = [label for label in scores if label not in kept and scores[label]]
    common = sorted(set.intersection(*(set(own) for own in kept.values()))) if kept else []
    if not common:
        return Verdict(None, None, [], [], left_out, [], 0)
    sign = 1 if is_higher_better else -1
    rows = {label: [sign * own[seed] for seed in common] for label, own in kept.items()}
    order = sorted(rows, key=lambda label: -statistics.fmean(rows[label]))
    first, *others = order
    chances = {
        (one, other): _chance(rows[one], rows[other])
        for place, one in enumerate(order)
        for other in order[place + 1 :]
    }
    corrected = _corrected(chances)
    behind = [other for other in others if corrected[first, other] <= LEVEL]
    is_winner = bool(others) and all(chances[first, other] <= LEVEL for other in others)
    beside = [] if is_winner else [other for other in others if other not in behind]
    return Verdict(
        first=first,
        winner=first if is_winner else None,
        beside=beside,
        behind=others if is_winner else behind,
        left_out=left_out,
        differences=[
            _difference(other, rows[first], rows[other], corrected[first, other])
            for other in others
        ],
        seeds=len(common),
        needed=_needed_for([_gaps(rows[first], rows[other]) for other in beside]),
    )


def needed(share: float) -> float:
    """So many seeds show a lead of this share of the gaps' deviation four times in five.

    By the power of the paired t-test at `LEVEL` (the noncentral t-distribution); infinite beyond a
    thousand.
    """
    from scipy.special import nctdtr, stdtrit

    def shows(count: int) -> bool:
        least = stdtrit(count - 1, 1 - LEVEL / 2)
        return bool(1 - nctdtr(count - 1, abs(share) * math.sqrt(count), least) >= _POWER)

    low, high = 1, 2  # seeds that do not show it, and seeds that may
    while not shows(high):
        low, high = high, 2 * high
        if high > 2 * _MOST:
            return math.inf
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if shows(middle) else (middle, high)
    return high if high <= _MOST else math.inf


def half_width(values: Sequence[float], level: float = 0.05) -> float:
    """Half of the interval in which the mean of all seeds lies, 95 % of the time."""
    from scipy.special import stdtrit

    if len(values) < 2:
        return math.inf
    error = statistics.stdev(values) / math.sqrt(len(values))
    return float(stdtrit(len(values) - 1, 1 - level / 2)) * error


def listed(names: Sequence[str]) -> str:
    """Names with commas, and an "and" before the last."""
    *front, last = names
    return f"{', '.join(front)} and {last}" if front else last


def _is_finite(own: Mapping[int, float]) -> bool:
    return bool(own) and all(map(math.isfinite, own.values()))


def _chance(one: Sequence[float], other: Sequence[float]) -> float:
    """How often equals would differ as much, in either direction."""
    from scipy.special import stdtr

    gaps = _gaps(one, other)
    count, mean = len(gaps), statistics.fmean(gaps)
    if count < 2 or mean == 0:
        return 1.0
    # All gaps alike, as of few test items, say no more than that their signs agree.
    least = 2.0 ** (1 - count)
    deviation = statistics.stdev(gaps)
    if _is_nothing(deviation, mean):
        return least
    return float(2 * stdtr(count - 1, -abs(mean) / deviation * math.sqrt(count)))


def _needed_for(leads: Sequence[Sequence[float]]) -> float | None:
    """The seeds that the smallest of some leads needs, by its gaps."""
    if not leads or len(leads[0]) < _SEEDS_WITH_SCATTER:
        return None
    return max(map(_needed_by, leads))


def _needed_by(gaps: Sequence[float]) -> float:
    mean, deviation = statistics.fmean(gaps), statistics.stdev(gaps)
    if mean == 0:
        return math.inf
    if _is_nothing(deviation, mean):
        return math.ceil(1 - math.log2(LEVEL))  # by their signs alone
    return needed(mean / deviation)


def _is_nothing(deviation: float, mean: float) -> bool:
    return deviation <= 1e-9 * abs(mean)


def _gaps(one: Sequence[float], other: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(one, other, strict=True)]


def _corrected(chances: Mapping[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """Holm's correction: the least of n times n, the next times n - 1, and never less than that."""
    found: dict[tuple[str, str], float] = {}
    largest = 0.0
    for place, pair in enumerate(sorted(chances, key=lambda pair: chances[pair])):
        largest = min(1.0, max(largest, chances[pair] * (len(chances) - place)))
        found[pair] = largest
    return found


def _difference(
    label: str, first: Sequence[float], other: Sequence[float], chance: float
) -> Difference:
    gaps = _gaps(first, other)
    mean, half = statistics.fmean(gaps), half_width(gaps)
    return Difference(label, mean, mean - half, mean + half, chance)
