"""StableAdamW: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.papers import Array, Path, ascending
from tests.subject import OF_ADAM, Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.99),
    eps: float = 1e-6,
    weight_decay: float = 1e-2,
    maximize: bool = False,
) -> Path:
    b1, b2 = betas
    m = v = np.zeros_like(p)
    for t, g in enumerate(ascending(gradients, maximize), 1):
        k1, k2 = (1 - b1) / (1 - b1**t), (1 - b2) / (1 - b2**t)
        m = (1 - k1) * m + k1 * g
        v = (1 - k2) * v + k2 * g**2
        rms = np.sqrt((g**2 / np.maximum(v, eps**2)).mean())
        rate = lr / max(1.0, rms)
        p = p - rate * weight_decay * p - rate * m / (np.sqrt(v) + eps)
        yield p


SUBJECT = Subject(
    "StableAdamW",
    paper,
    whole={"lr": 0.01, "betas": (0.9, 0.95)},
    changed=OF_ADAM,
    descends={"lr": 0.02},
    also=({}, {"betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.0, "maximize": True}),
)
