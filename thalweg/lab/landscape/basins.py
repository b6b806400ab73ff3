"""Where each start of a window leads, and how soon: robustness at a glance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from thalweg.lab.landscape.entrants import Entrant
from thalweg.lab.landscape.surface import Surface
from thalweg.lab.landscape.walking import Apart, apart, walk

__all__ = ["DIVERGED", "FACTORS", "NOWHERE", "Basin", "basin"]

# of the tuned rate, or the given one
FACTORS = (0.1, 0.3, 1.0, 3.0, 10.0)

NOWHERE, DIVERGED = -1, -2

# in diagonals of the window: how near a minimum is reached, and from where nothing comes back
_NEAR, _LOST = 0.02, 10.0

# so many starts along each axis, by what a step of one of them costs
_ACROSS = {Apart.NOTHING: 60, Apart.PARAMETERS: 24, Apart.OPTIMIZERS: 6}


@dataclass(frozen=True)
class Basin:
    """For each start of a grid, [y, x]: the number of the minimum that is reached, or `NOWHERE` or
    `DIVERGED`, and the step from which it is never left again.

    On a surface without minima 0 stands for every start from which the window is left.
    """

    lr: float
    reached: np.ndarray
    steps: np.ndarray


def basin(entrant: Entrant, surface: Surface, lr: float, steps: int) -> Basin:
    """Walk from every start at once."""
    across = _ACROSS[apart(entrant)]
    x_low, x_high, y_low, y_high = surface.window
    axes = np.linspace(x_low, x_high, across), np.linspace(y_low, y_high, across)
    starts = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    reached = np.full(len(starts), NOWHERE)
    since = np.zeros(len(starts), int)
    for step, places in enumerate(walk(entrant, surface, starts, np.full(len(starts), lr), steps)):
        now = _where(surface, places)
        since[now != reached] = step
        reached = now
    return Basin(lr, reached.reshape(across, across), since.reshape(across, across))


def _where(surface: Surface, places: np.ndarray) -> np.ndarray:
    """At which minimum each walker is."""
    x_low, x_high, y_low, y_high = surface.window
    with np.errstate(all="ignore"):
        middle = np.array([x_low + x_high, y_low + y_high]) / 2
        far = np.linalg.norm(places - middle, axis=-1)
        if not surface.minima:
            x, y = places.T
            inside = (x >= x_low) & (x <= x_high) & (y >= y_low) & (y <= y_high)
            return np.where(inside, NOWHERE, 0)
        away = np.linalg.norm(places[:, None] - np.array(surface.minima), axis=-1)
        near = np.where(away.min(axis=1) < _NEAR * surface.diagonal, away.argmin(axis=1), NOWHERE)
        return np.where(far < _LOST * surface.diagonal, near, DIVERGED)
