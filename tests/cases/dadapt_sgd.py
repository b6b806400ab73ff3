"""DAdaptSGD: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.papers import Array, Path, ascending
from tests.subject import Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1.0,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    d0: float = 1e-6,
    growth_rate: float = float("inf"),
    maximize: bool = False,
) -> Path:
    start, s = p, np.zeros_like(p)
    d, numerator, first = d0, 0.0, None
    for g in ascending(gradients, maximize):
        g = g + weight_decay * p
        first = np.sqrt((g**2).sum()) if first is None else first
        rate = d * lr / first
        numerator += rate * (g * s).sum()
        s = s + rate * g
        d = max(d, min(2 * numerator / np.sqrt((s**2).sum()), d * growth_rate))
        p = momentum * p + (1 - momentum) * (start - s)
        yield p


SUBJECT = Subject(
    "DAdaptSGD",
    paper,
    whole={"lr": 0.5, "momentum": 0.5, "weight_decay": 0.1, "d0": 2**-6},
    changed={"momentum": 0.25},
    descends={"d0": 1e-3, "momentum": 0.9},
    also=(
        {},
        {"d0": 0.01, "momentum": 0.9, "maximize": True},
        {"d0": 0.01, "weight_decay": 0.1, "growth_rate": 1.02},
    ),
)
