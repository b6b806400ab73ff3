"""An entry's seeds drawn together, and entries put in order."""

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from thalweg.lab.contest import Entry

__all__ = ["Spread", "Summary", "rank", "summarize", "winner"]

# Ahead by chance in so many seeds out of as many: 1 in 32.
_SEEDS_THAT_SHOW = 5


class Spread(NamedTuple):
    """Mean and sample standard deviation; a single value has no deviation."""

    mean: float
    std: float | None


class Summary(NamedTuple):
    """An entry's results over its seeds; times are medians over the seeds' medians."""

    test_accuracy: Spread
    test_loss: Spread
    steps_to_target: Spread | None
    reached_target: int
    diverged: int
    step_seconds: float | None
    iteration_seconds: float | None


def summarize(entry: Entry) -> Summary:
    """Draw together an entry with at least one finished run."""
    runs = entry.runs
    steps = [run.steps_to_target for run in runs if run.steps_to_target is not None]
    return Summary(
        test_accuracy=_spread([run.held_accuracy for run in runs]),
        test_loss=_spread([run.held_loss for run in runs]),
        steps_to_target=_spread(steps) if steps else None,
        reached_target=len(steps),
        diverged=sum(run.diverged_at is not None for run in runs),
        step_seconds=_median(run.step_seconds for run in runs),
        iteration_seconds=_median(run.iteration_seconds for run in runs),
    )


def rank(entries: Iterable[Entry]) -> list[tuple[Entry, Summary]]:
    """Summarize the entries that have finished runs, best test accuracy first, then lower loss."""
    summaries = [(entry, summarize(entry)) for entry in entries if entry.runs]
    return sorted(summaries, key=lambda pair: (-pair[1].test_accuracy.mean, pair[1].test_loss.mean))


def winner(entries: Iterable[Entry]) -> Entry | None:
    """The entry with a better test accuracy than every other in each of 5 seeds or more."""
    played = [entry for entry in entries if entry.runs]
    for entry in played:
        others = [other for other in played if other is not entry]
        if others and all(_is_ahead(entry, other) for other in others):
            return entry
    return None


def _is_ahead(entry: Entry, other: Entry) -> bool:
    theirs = {run.seed: run.held_accuracy for run in other.runs}
    leads = [run.held_accuracy > theirs[run.seed] for run in entry.runs if run.seed in theirs]
    return len(leads) >= _SEEDS_THAT_SHOW and all(leads)


def _spread(values: Sequence[float]) -> Spread:
    if not all(math.isfinite(value) for value in values):
        return Spread(math.inf, None)
    return Spread(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None)


def _median(values: Iterable[float | None]) -> float | None:
    measured = [value for value in values if value is not None]
    return statistics.median(measured) if measured else None
