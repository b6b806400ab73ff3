"""LaProp: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.papers import Array, Path, ascending
from tests.subject import OF_ADAM, Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 4e-4,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-15,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> Path:
    b1, b2 = betas
    m = v = np.zeros_like(p)
    for t, g in enumerate(ascending(gradients, maximize), 1):
        v = b2 * v + (1 - b2) * g**2
        m = b1 * m + (1 - b1) * g / (np.sqrt(v / (1 - b2**t)) + eps)
        p = p - lr * m / (1 - b1**t)
        p = p - lr * weight_decay * p
        yield p


SUBJECT = Subject(
    "LaProp",
    paper,
    whole={"lr": 0.01, "weight_decay": 0.01},
    changed=OF_ADAM,
    descends={"lr": 0.02},
    also=({}, {"betas": (0.8, 0.5), "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
)
