"""The curvature of the loss along a direction, from the gradients on both sides of the weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.text import Request

__all__ = ["differences"]

About = Sequence[tuple[Any, NDArray[Any]]]


def differences(
    asking: Callable[[Request, About], list[Any]], request: Request, about: About
) -> list[Any]:
    """The Hessian of the loss, times a direction for each parameter: half the difference of the
    gradients a little way ahead and behind, per way. Of float64 ten digits or so are right, of
    float32 four."""
    if not about:
        return []
    # all weights move at once: it is their length that says how far is a little way, and of many
    # weights none then goes as far as one alone would
    far = _length(along for _, along in about)
    size = 1 + _length(p.data for p, _ in about)
    eps = max(float(np.finfo(p.data.dtype).eps) for p, _ in about)
    h = np.cbrt(eps) * size / (far or 1.0)  # where rounding and the third derivative meet
    gradient = replace(request, kind="gradient", of="loss")
    ahead, behind = (
        asking(gradient, [(p, p.data + side * along) for p, along in about]) for side in (h, -h)
    )
    return [
        None if one is None or other is None else (one - other) / (2 * h)
        for one, other in zip(ahead, behind, strict=True)
    ]


def _length(arrays: Iterable[NDArray[Any]]) -> float:
    """The root of the sum of all squares, in double."""
    return math.sqrt(sum(float(np.square(one, dtype=np.float64).sum()) for one in arrays))
