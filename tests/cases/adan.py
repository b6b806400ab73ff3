"""Adan: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.papers import Array, Path, ascending
from tests.subject import Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-3,
    betas: tuple[float, float, float] = (0.98, 0.92, 0.99),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    no_prox: bool = False,
    maximize: bool = False,
) -> Path:
    b1, b2, b3 = betas
    m = v = n = np.zeros_like(p)
    before = None
    for t, g in enumerate(ascending(gradients, maximize), 1):
        d = np.zeros_like(g) if before is None else g - before
        before = g
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * d
        n = b3 * n + (1 - b3) * (g + b2 * d) ** 2
        u = (m / (1 - b1**t) + b2 * v / (1 - b2**t)) / (np.sqrt(n / (1 - b3**t)) + eps)
        if no_prox:
            p = p * (1 - lr * weight_decay) - lr * u
        else:
            p = (p - lr * u) / (1 + lr * weight_decay)
        yield p


SUBJECT = Subject(
    "Adan",
    paper,
    whole={"lr": 0.01, "weight_decay": 0.01},
    changed={"betas": (0.7, 0.8, 0.9), "eps": 1e-3},
    descends={"lr": 0.02},
    also=(
        {},
        {"weight_decay": 0.1, "no_prox": True},
        {"betas": (0.8, 0.9, 0.7), "eps": 1e-3, "weight_decay": 0.5, "maximize": True},
    ),
)
