"""What the picture of a contest shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from thalweg.lab.colours import looks
from thalweg.lab.contest import Contest, Entry
from thalweg.lab.summary import target_of
from thalweg.lab.training import Curve
from thalweg.pictures.contest import Judged, Runs, draw_contest

__all__ = ["draw_curves", "rows", "seen"]


def draw_curves(path: Path, contest: Contest) -> None:
    """Draw training loss and what is validated: the mean, in a band from lowest to highest."""
    entries = [entry for entry in contest.entries if entry.runs]
    found = looks(entry.label for entry in contest.entries)
    task, target = contest.task, target_of(contest)
    judged = Judged(f"Validation {task.metric or 'loss'}", task.is_share, task.metric is None)
    draw_contest(
        path,
        [_runs(entry, contest, found[entry.label]) for entry in entries],
        _title(contest, entries),
        judged,
        None if target is None else target.value,
    )


def _title(contest: Contest, entries: Sequence[Entry]) -> str:
    seeds = max(len(entry.runs) for entry in entries)
    many = f"mean of {seeds} seeds, in a band from lowest to highest"
    return f"{contest.task.name}: {many if seeds > 1 else 'one seed'}"


def _runs(entry: Entry, contest: Contest, look: object) -> Runs:
    outcomes = [run.outcome for run in entry.runs.values()]
    diverged = sum(one.diverged_at is not None for one in outcomes)
    label = entry.label if entry.lr is None else f"{entry.label}, lr {entry.lr:g}"
    if diverged:
        label += f" ({diverged} of {len(outcomes)} diverged)"
    steps = max((one.curve.step for one in outcomes), key=len)
    return Runs(
        label,
        steps,
        rows(entry, len(steps), lambda curve: curve.train_loss),
        rows(entry, len(steps), seen(contest)),
        look,
    )


def seen(contest: Contest) -> Callable[[Curve], Sequence[float]]:
    """What of a curve the validation split was judged by."""
    if contest.task.metric is None:
        return lambda curve: curve.validation_loss
    return lambda curve: curve.validation_metric


def rows(entry: Entry, steps: int, read: Callable[[Curve], Sequence[float]]) -> np.ndarray:
    """A row for each seed, NaN from where it has diverged."""
    values = np.full((len(entry.runs), steps), np.nan)
    for row, run in zip(values, entry.runs.values(), strict=True):
        found = read(run.outcome.curve)
        row[: len(found)] = found
    values[~np.isfinite(values)] = np.nan
    return values
