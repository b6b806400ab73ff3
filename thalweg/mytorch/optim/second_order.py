"""The curvature of the loss along a direction, from the gradients on both sides of the weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    gradients a little way ahead and behind, per way. Of float64 ten digits or so are right."""
    if not about:
        return []
    far = max(float(np.abs(along).max(initial=0.0)) for _, along in about)
    size = 1 + max(float(np.abs(p.data).max(initial=0.0)) for p, _ in about)
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
