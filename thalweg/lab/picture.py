"""What the picture of a contest shows."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from thalweg.lab.contest import Contest, Entry
from thalweg.lab.summary import rank
from thalweg.lab.training import EVALUATE_EVERY, TARGET, Curve
from thalweg.pictures.contest import Runs, draw_contest

__all__ = ["draw_curves"]


def draw_curves(path: Path, contest: Contest) -> None:
    """Draw training loss and test accuracy: the mean, in a band from lowest to highest."""
    entries = [entry for entry in contest.entries if entry.runs]
    best = max(summary.test_accuracy.mean for _, summary in rank(contest.entries))
    loss = f"Training loss (mean of {EVALUATE_EVERY} steps)"
    draw_contest(path, list(map(_runs, entries)), _title(entries), loss, best, TARGET)


def _title(entries: Sequence[Entry]) -> str:
    seeds = max(len(entry.runs) for entry in entries)
    many = f"mean of {seeds} seeds, in a band from lowest to highest"
    return f"Handwritten digits: {many if seeds > 1 else 'one seed'}"


def _runs(entry: Entry) -> Runs:
    diverged = sum(run.diverged_at is not None for run in entry.runs)
    label = f"{entry.name}, lr {entry.lr:g}"
    if diverged:
        label += f" ({diverged} of {len(entry.runs)} diverged)"
    steps = max((run.curve.step for run in entry.runs), key=len)
    losses = _rows(entry, len(steps), lambda curve: curve.train_loss)
    accuracies = _rows(entry, len(steps), lambda curve: curve.held_accuracy)
    return Runs(label, steps, losses, accuracies)


def _rows(entry: Entry, steps: int, read: Callable[[Curve], Sequence[float]]) -> np.ndarray:
    """A row for each seed, NaN from where it has diverged."""
    values = np.full((len(entry.runs), steps), np.nan)
    for row, run in zip(values, entry.runs, strict=True):
        row[: len(run.curve.step)] = read(run.curve)
    values[~np.isfinite(values)] = np.nan
    return values
