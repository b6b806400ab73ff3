"""AdamAtan2: the lines of its paper, and what it is tried with."""

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
    a: float = 1.27,
    b: float = 1.0,
    maximize: bool = False,
) -> Path:
    b1, b2 = betas
    m = v = np.zeros_like(p)
    for t, g in enumerate(ascending(gradients, maximize), 1):
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        angle = np.arctan2(m / (1 - b1**t), b * np.sqrt(v / (1 - b2**t)))
        p = p - lr * weight_decay * p - lr * a * angle
        yield p


SUBJECT = Subject(
    "AdamAtan2",
    paper,
    whole={"lr": 0.01, "weight_decay": 0.01},
    changed={"betas": (0.7, 0.8), "a": 1.0},
    descends={"lr": 0.02},
    also=({}, {"betas": (0.8, 0.9), "a": 2.0, "b": 0.5, "weight_decay": 0.1, "maximize": True}),
)
