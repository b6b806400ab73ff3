"""LAMB: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.papers import Array, Path, ascending
from tests.subject import OF_ADAM, Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-6,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> Path:
    b1, b2 = betas
    m = v = np.zeros_like(p)
    for t, g in enumerate(ascending(gradients, maximize), 1):
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        r = (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps) + weight_decay * p
        weight, length = np.sqrt((p**2).sum()), np.sqrt((r**2).sum())
        p = p - lr * (weight / length if weight and length else 1.0) * r
        yield p


SUBJECT = Subject(
    "LAMB",
    paper,
    whole={"lr": 0.01, "weight_decay": 0.1},
    changed=OF_ADAM,
    descends={"lr": 0.005},
    also=({}, {"betas": (0.8, 0.9), "eps": 1e-3, "maximize": True}),
)
