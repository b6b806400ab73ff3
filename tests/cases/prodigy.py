"""Prodigy: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.papers import Array, Path, ascending
from tests.subject import Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1.0,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    d0: float = 1e-6,
    d_coef: float = 1.0,
    maximize: bool = False,
) -> Path:
    b1, b2 = betas
    b3 = np.sqrt(b2)
    m = v = s = np.zeros_like(p)
    p0, d, r = p, d0, 0.0
    for g in ascending(gradients, maximize):
        rate = d * lr
        r = b3 * r + d / d0 * rate * (g * (p0 - p)).sum()
        s = b3 * s + d / d0 * rate * g
        m = b1 * m + (1 - b1) * d * g
        v = b2 * v + (1 - b2) * (d * g) ** 2
        d = max(d, d_coef * r / np.abs(s).sum())
        p = p - rate * weight_decay * p - rate * m / (np.sqrt(v) + d * eps)
        yield p


SUBJECT = Subject(
    "Prodigy",
    paper,
    whole={"lr": 0.5, "weight_decay": 0.1, "d0": 2**-10},
    changed={"betas": (0.7, 0.8), "eps": 1e-3},
    descends={"d0": 1e-3},
    also=({}, {"betas": (0.8, 0.9), "d_coef": 2.0, "d0": 0.01, "maximize": True}),
)
