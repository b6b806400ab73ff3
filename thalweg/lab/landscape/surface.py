"""A surface: a function of x and y, its slopes, its minima, and the window to look at it in."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from thalweg.lab.landscape.formula import Formula

__all__ = ["Ground", "Surface", "Window", "ground", "minima_in"]

Window = tuple[float, float, float, float]

# of a window, along each axis
_ACROSS = 201

# where the median height stands between the lowest and the highest, from above and in relief
_MIDDLE, _MIDDLE_IN_RELIEF = 0.7, 0.5


@dataclass(frozen=True)
class Surface:
    """A function of two numbers with what is known of it.

    `window` is (lowest x, highest x, lowest y, highest y), `steps` are enough to see something. A
    surface with a `saddle` has no minimum: its start lies on the ridge that leads down to that
    point along x.
    """

    name: str
    title: str
    value: Callable[..., Any]
    window: Window
    start: tuple[float, float]
    minima: tuple[tuple[float, float], ...] = ()
    saddle: tuple[float, float] | None = None
    steps: int = 200

    @cached_property
    def formula(self) -> Formula | None:
        """Its text, if that can be read; None where it cannot."""
        try:
            return Formula.of(getattr(self.value, "pyfunc", self.value))  # of np.vectorize
        except TypeError:
            return None

    def height(self, points: np.ndarray) -> np.ndarray:
        """Its values at points: (..., 2) to (...)."""
        with np.errstate(all="ignore"):
            found = self.value(points[..., 0], points[..., 1])
        return np.broadcast_to(np.asarray(found, float), points.shape[:-1])

    def gradient(self, points: np.ndarray) -> np.ndarray:
        """Its slopes at points: (..., 2) to (..., 2)."""
        found = np.empty(points.shape)
        with np.errstate(all="ignore"):
            if self.formula is not None:
                pair = self.formula.gradient(points[..., 0], points[..., 1])
                found[..., 0], found[..., 1] = pair
                return found
        for i in (0, 1):
            aside = np.zeros(2)
            aside[i] = 1e-6 * (self.window[2 * i + 1] - self.window[2 * i])
            rise = self.height(points + aside) - self.height(points - aside)
            found[..., i] = rise / (2 * aside[i])
        return found

    @property
    def diagonal(self) -> float:
        """How far it is from corner to corner of the window."""
        x_low, x_high, y_low, y_high = self.window
        return float(np.hypot(x_high - x_low, y_high - y_low))


@dataclass(frozen=True)
class Ground:
    """A window of a surface as a picture shows it.

    A picture shows `asinh((value - base) / scale)`: logarithmic far above the base, and at a saddle
    far below it too. Each scale puts the median where it can be seen. `steepness` is the median
    length of the gradient.
    """

    x: np.ndarray
    y: np.ndarray
    values: np.ndarray
    base: float
    scale: float
    scale_in_relief: float
    steepness: float

    @property
    def shown(self) -> np.ndarray:
        """The heights as they are drawn."""
        return np.asarray(np.arcsinh((self.values - self.base) / self.scale))


def ground(surface: Surface, across: int = _ACROSS) -> Ground:
    """The values of a surface over its window."""
    x_low, x_high, y_low, y_high = surface.window
    x, y = np.linspace(x_low, x_high, across), np.linspace(y_low, y_high, across)
    points = np.stack(np.meshgrid(x, y), axis=-1)
    values = surface.height(points)
    finite = values[np.isfinite(values)]
    low = finite.min() if len(finite) else 0.0
    if surface.minima:
        low = min(low, surface.height(np.array(surface.minima)).min())
    base = float(low) if surface.saddle is None else _at(surface, surface.saddle)
    above = np.abs(finite - base)
    lengths = np.linalg.norm(surface.gradient(points), axis=-1)
    steepness = float(np.median(lengths[np.isfinite(lengths)])) if len(finite) else 1.0
    scales = _scale(above, _MIDDLE), _scale(above, _MIDDLE_IN_RELIEF)
    return Ground(x, y, values, base, *scales, steepness)


def _scale(above: np.ndarray, wanted: float) -> float:
    """The scale by which the median stands at a share of the highest."""
    middle, most = (np.median(above), above.max()) if len(above) else (0.0, 0.0)
    if most == 0:
        return 1.0
    low, high = -6.0, 1.0  # in powers of ten of the highest
    for _ in range(40):
        power = (low + high) / 2
        share = np.arcsinh(middle / most / 10**power) / np.arcsinh(1 / 10**power)
        low, high = (power, high) if share > wanted else (low, power)
    return float(most * 10**high)


def minima_in(surface: Surface, across: int = 101) -> tuple[tuple[float, float], ...]:
    """The minima inside a window, of a surface of which none is known."""
    seen = ground(surface, across)
    values = np.where(np.isfinite(seen.values), seen.values, np.inf)
    found: list[tuple[float, float]] = []
    for i, j in itertools.product(range(1, across - 1), repeat=2):
        around = values[i - 1 : i + 2, j - 1 : j + 2].copy()
        around[1, 1] = np.inf
        if values[i, j] < around.min():
            at = _refined(surface, seen.x[j], seen.y[i], seen.x[1] - seen.x[0])
            slope = np.linalg.norm(surface.gradient(np.array(at)))
            is_new = all(np.hypot(at[0] - x, at[1] - y) > 0.01 * surface.diagonal for x, y in found)
            if is_new and slope < 1e-4 * seen.steepness:  # not a bend of a narrow valley
                found.append(at)
    return tuple(found)


def _refined(surface: Surface, x: float, y: float, width: float) -> tuple[float, float]:
    """The lowest point near one, by looking around it in ever smaller squares."""
    at, offsets = np.array([x, y]), np.linspace(-1, 1, 5)
    while width > 1e-9 * surface.diagonal:
        points = at + width * np.stack(np.meshgrid(offsets, offsets), axis=-1).reshape(-1, 2)
        at = points[np.nanargmin(surface.height(points))]
        width *= 0.6
    return float(at[0]), float(at[1])


def _at(surface: Surface, point: tuple[float, float]) -> float:
    return float(surface.height(np.array(point)))
