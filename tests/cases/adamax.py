"""Adamax: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.papers import Array, Path, ascending
from tests.subject import OF_ADAM, Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 2e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> Path:
    b1, b2 = betas
    m = peak = np.zeros_like(p)
    for t, g in enumerate(ascending(gradients, maximize), 1):
        g = g + weight_decay * p
        m = b1 * m + (1 - b1) * g
        peak = np.maximum(b2 * peak, np.abs(g) + eps)
        p = p - lr / (1 - b1**t) * m / peak
        yield p


SUBJECT = Subject(
    "Adamax",
    paper,
    whole={"lr": 0.01, "weight_decay": 0.01},
    changed=OF_ADAM,
    descends={"lr": 0.5},
    also=(
        {},
        {"betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1, "maximize": True},
    ),
    has_twin=True,
)
