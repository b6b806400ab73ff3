"""CautiousLion: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.papers import Array, Path, ascending
from tests.subject import Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-4,
    betas: tuple[float, float] = (0.9, 0.99),
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> Path:
    b1, b2 = betas
    m = np.zeros_like(p)
    for g in ascending(gradients, maximize):
        p = p - lr * weight_decay * p
        u = np.sign(b1 * m + (1 - b1) * g)
        agrees = u * g > 0
        p = p - lr * u * agrees / max(agrees.mean(), 1e-3)
        m = b2 * m + (1 - b2) * g
        yield p


SUBJECT = Subject(
    "CautiousLion",
    paper,
    whole={"lr": 0.03125, "weight_decay": 0.5},
    changed={"betas": (0.7, 0.8)},
    descends={"lr": 0.005},
    also=({}, {"lr": 0.01, "betas": (0.8, 0.9), "weight_decay": 0.1, "maximize": True}),
)
