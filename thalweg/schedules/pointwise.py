"""Functions of a step or of an array of steps: a Python float for a float, an array for an array.

As in `thalweg.elementwise`, for floats alone and so without the care for other types: a scheduler
asks for one number at every step of a training, and that should take no time worth mentioning.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["cos", "floor", "maximum", "minimum", "sqrt", "where"]


def cos(x: Any) -> Any:
    """Cosine. That of a float is the C library's, for which cos(pi) is -1 exactly."""
    return np.cos(x) if isinstance(x, np.ndarray) else math.cos(x)


def floor(x: Any) -> Any:
    """The largest whole number that is no larger."""
    return np.floor(x) if isinstance(x, np.ndarray) else math.floor(x)


def maximum(x: Any, bound: float) -> Any:
    """x, or bound where x is below."""
    if isinstance(x, np.ndarray):
        return np.maximum(x, bound)
    return bound if x < bound else x


def minimum(x: Any, bound: float) -> Any:
    """x, or bound where x is above."""
    if isinstance(x, np.ndarray):
        return np.minimum(x, bound)
    return bound if x > bound else x


def sqrt(x: Any) -> Any:
    """Square root."""
    return np.sqrt(x) if isinstance(x, np.ndarray) else math.sqrt(x)


def where(condition: Any, yes: Any, no: Any) -> Any:
    """`yes` where the condition holds, `no` elsewhere."""
    if isinstance(condition, np.ndarray):
        return np.where(condition, yes, no)
    return yes if condition else no
