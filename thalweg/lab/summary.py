"""An entry's seeds drawn together, and entries put in order and judged."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from thalweg.lab.contest import Contest, Entry
from thalweg.lab.tasks.task import Task
from thalweg.lab.training import Curve, Outcome
from thalweg.lab.verdict import Verdict, half_width, judge

__all__ = ["Spread", "Summary", "Target", "rank", "score", "summarize", "target_of", "verdict_of"]


class Spread(NamedTuple):
    """Mean, half of its 95 % interval and sample deviation; a single value has but the mean."""

    mean: float
    half: float | None
    std: float | None


class Target(NamedTuple):
    """What of the validation split is to be reached, and whether somebody said so."""

    value: float
    is_given: bool


class Summary(NamedTuple):
    """An entry's results over its seeds; times are medians over the seeds' medians."""

    test_metric: Spread | None
    test_loss: Spread
    steps_to_target: Spread | None
    seconds_to_target: Spread | None
    reached_target: int
    diverged: int
    step_seconds: float | None
    iteration_seconds: float | None
    state_bytes: int
    bytes_per_weight: float


def summarize(entry: Entry, task: Task, target: Target | None) -> Summary:
    """Draw together an entry with at least one finished run."""
    outcomes = [run.outcome for run in entry.runs.values()]
    looks = [_look_at_target(one.curve, task, target) for one in outcomes]
    places = [
        (one.curve, look) for one, look in zip(outcomes, looks, strict=True) if look is not None
    ]
    metrics = [one.test_metric for one in outcomes if one.test_metric is not None]
    return Summary(
        test_metric=_spread(metrics) if metrics else None,
        test_loss=_spread([one.test_loss for one in outcomes if one.test_loss is not None]),
        steps_to_target=_spread([curve.step[look] for curve, look in places]) if places else None,
        seconds_to_target=(
            _spread([curve.seconds[look] for curve, look in places]) if places else None
        ),
        reached_target=len(places),
        diverged=sum(one.diverged_at is not None for one in outcomes),
        step_seconds=_median(one.step_seconds for one in outcomes),
        iteration_seconds=_median(one.iteration_seconds for one in outcomes),
        state_bytes=outcomes[0].state_bytes,
        bytes_per_weight=outcomes[0].state_bytes / max(1, outcomes[0].weight_count),
    )


def rank(contest: Contest) -> list[tuple[Entry, Summary]]:
    """Summarize the entries that have finished runs, the best of the test first."""
    target = target_of(contest)
    pairs = [(one, summarize(one, contest.task, target)) for one in contest.entries if one.runs]
    return sorted(pairs, key=lambda pair: _place(pair[1], contest.task))


def _place(summary: Summary, task: Task) -> tuple[float, float]:
    """What is sorted by: the metric if there is one, then the loss; the diverged come last."""
    loss = summary.test_loss.mean
    metric = 0.0 if summary.test_metric is None else summary.test_metric.mean
    if not math.isfinite(metric):
        return math.inf, loss
    return (-metric if task.is_higher_better else metric), loss


def score(outcome: Outcome, task: Task) -> float:
    """What a run is judged by; NaN if it has diverged."""
    if outcome.diverged_at is not None:
        return math.nan
    found = outcome.test_loss if task.metric is None else outcome.test_metric
    return math.nan if found is None else found


def verdict_of(contest: Contest) -> Verdict:
    """Judge the runs that there are."""
    task = contest.task
    scores = {
        entry.label: {seed: score(run.outcome, task) for seed, run in entry.runs.items()}
        for entry in contest.entries
        if entry.runs
    }
    return judge(scores, task.is_higher_better)


def target_of(contest: Contest) -> Target | None:
    """The task's target, or else where the middle one of the optimizers ends on average."""
    task = contest.task
    if task.target is not None:
        return Target(task.target, True)
    ends = []
    for entry in contest.entries:
        last = [seen[-1] for run in entry.runs.values() if (seen := _seen(run.outcome.curve, task))]
        if last and all(map(math.isfinite, last)):
            ends.append(statistics.fmean(last))
    if not ends:
        return None
    return Target(float(f"{statistics.median(ends):.3g}"), False)


def _seen(curve: Curve, task: Task) -> list[float]:
    """What a target is reached in."""
    return curve.validation_loss if task.metric is None else curve.validation_metric


def _look_at_target(curve: Curve, task: Task, target: Target | None) -> int | None:
    """The first look at which the target is reached."""
    if target is None:
        return None
    sign = 1 if task.is_higher_better else -1
    reached = (
        i for i, value in enumerate(_seen(curve, task)) if sign * value >= sign * target.value
    )
    return next(reached, None)


def _spread(values: Sequence[float]) -> Spread:
    if not values or not all(math.isfinite(value) for value in values):
        return Spread(math.inf, None, None)
    if len(values) == 1:
        return Spread(float(values[0]), None, None)
    return Spread(statistics.fmean(values), half_width(values), statistics.stdev(values))


def _median(values: Iterable[float | None]) -> float | None:
    measured = [value for value in values if value is not None]
    return statistics.median(measured) if measured else None
