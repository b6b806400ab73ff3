"""The shapes by which a value falls from 1 at t = 0 to 0 at t = steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from thalweg.schedules.pointwise import cos, sqrt

__all__ = ["FALLS", "cosine_fall", "linear_fall", "sqrt_fall"]


def cosine_fall(t: Any, steps: float) -> Any:
    """Half a cosine: level at both ends. Beyond `steps` it rises again, as a cosine does."""
    # At its lowest point the value for a float is exactly 0, which a schedule that follows the
    # current value has to know.
    return (1 + cos(math.pi * t / steps)) / 2


def linear_fall(t: Any, steps: float) -> Any:
    """A straight line."""
    return 1 - t / steps


def sqrt_fall(t: Any, steps: float) -> Any:
    """1 minus a square root: fast at first, then slow (Hägele et al. 2024, arXiv:2405.18392)."""
    return 1 - sqrt(t / steps)


FALLS: dict[str, Callable[[Any, float], Any]] = {
    "cos": cosine_fall,
    "linear": linear_fall,
    "sqrt": sqrt_fall,
}
