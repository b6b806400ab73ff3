"""DAdaptAdam: the lines of its paper, and what it is tried with."""

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
    decouple: bool = False,
    use_bias_correction: bool = False,
    d0: float = 1e-6,
    growth_rate: float = float("inf"),
    maximize: bool = False,
) -> Path:
    b1, b2 = betas
    root = np.sqrt(b2)
    m = v = s = np.zeros_like(p)
    d, numerator = d0, 0.0
    for t, g in enumerate(ascending(gradients, maximize), 1):
        correction = np.sqrt(1 - b2**t) / (1 - b1**t) if use_bias_correction else 1.0
        rate = d * lr * correction
        g = g if decouple else g + weight_decay * p
        gained = rate * (g * s / (np.sqrt(v) + eps)).sum()
        m = b1 * m + (1 - b1) * rate * g
        v = b2 * v + (1 - b2) * g**2
        s = root * s + (1 - root) * rate * g
        numerator = root * numerator + (1 - root) * gained
        estimate = numerator / ((1 - root) * np.abs(s).sum())
        d = max(d, min(estimate, d * growth_rate))
        p = p - rate * weight_decay * p if decouple else p
        p = p - m / (np.sqrt(v) + eps)
        yield p


SUBJECT = Subject(
    "DAdaptAdam",
    paper,
    whole={"lr": 0.5, "weight_decay": 0.1, "d0": 2**-10},
    changed={"betas": (0.7, 0.8), "eps": 1e-3},
    descends={"d0": 1e-3},
    also=(
        {},
        {"betas": (0.8, 0.9), "d0": 0.01, "use_bias_correction": True, "maximize": True},
        {"weight_decay": 0.1, "decouple": True, "d0": 0.01, "growth_rate": 1.02},
    ),
)
