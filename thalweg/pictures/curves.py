"""Curves made readable: noise is smoothed, and one that is hopeless does not flatten the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["limits", "smoothed"]

# Of a curve, the part that is its beginning: it comes from far away and may leave the frame.
_BEGINNING = 0.15

# So many times the middle one's distance from the best, and an end is hopeless.
_HOPELESS = 4.0


# A look is smoothed over so many on either side.
_NEIGHBOURS = 2


def smoothed(values: np.ndarray) -> np.ndarray:
    """The median over the neighbouring looks, of each row; fewer of them near the ends."""
    rows = np.atleast_2d(np.asarray(values, float))
    count = rows.shape[1]
    columns = [
        np.median(rows[:, max(0, i - reach) : i + reach + 1], axis=1)
        for i in range(count)
        for reach in [min(_NEIGHBOURS, i, count - 1 - i)]
    ]
    made: np.ndarray = np.stack(columns, axis=1).reshape(np.shape(values))
    return made


def limits(curves: Sequence[np.ndarray], is_loss: bool) -> tuple[float, float] | None:
    """The lowest and highest value to be shown; each array has a row for each seed, and a column
    for each look, NaN where there is nothing. None if there is nothing to show at all."""
    means = [_mean(rows) for rows in curves]
    ends = np.array([mean[-1] for mean in means if mean.size])
    if not ends.size:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = np.log(ends) if is_loss and (ends > 0).all() else ends
    best = scaled.min() if is_loss else scaled.max()
    distance = np.abs(scaled - best)
    allowed = max(_HOPELESS * float(np.median(distance)), 0.0)
    kept = [
        mean
        for mean, away in zip([mean for mean in means if mean.size], distance, strict=True)
        if away <= allowed or len(ends) < 3
    ]
    shown = np.concatenate([mean[int(_BEGINNING * mean.size) :] for mean in kept])
    low, high = float(shown.min()), float(shown.max())
    return (low, high) if low < high else None


def _mean(rows: np.ndarray) -> np.ndarray:
    """The mean over seeds as far as all of them go, and of one that diverged at once nothing."""
    mean: np.ndarray = np.asarray(rows, float).mean(axis=0) if len(rows) else np.array([])
    found: np.ndarray = mean[np.isfinite(mean)]
    return found
