"""AdEMAMix: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.papers import Array, Path, ascending
from tests.subject import Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-3,
    betas: tuple[float, float, float] = (0.9, 0.999, 0.9999),
    alpha: float = 5.0,
    t_alpha: int = 0,
    t_beta3: int = 0,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> Path:
    b1, b2, b3 = betas
    fast = slow = v = np.zeros_like(p)
    for t, g in enumerate(ascending(gradients, maximize), 1):
        a_t, b3_t = alpha, b3
        if t_alpha:
            a_t = min(t * alpha / t_alpha, alpha)
        if t_beta3:
            x, ln1, ln3 = t / t_beta3, np.log(b1), np.log(b3)
            b3_t = min(np.exp(ln1 * ln3 / ((1 - x) * ln3 + x * ln1)), b3)
        fast = b1 * fast + (1 - b1) * g
        slow = b3_t * slow + (1 - b3_t) * g
        v = b2 * v + (1 - b2) * g**2
        d = (fast / (1 - b1**t) + a_t * slow) / (np.sqrt(v / (1 - b2**t)) + eps)
        p = p - lr * (d + weight_decay * p)
        yield p


SUBJECT = Subject(
    "AdEMAMix",
    paper,
    whole={"lr": 0.01, "betas": (0.9, 0.99, 0.999), "weight_decay": 0.01},
    changed={"betas": (0.7, 0.8, 0.9), "alpha": 2.0, "eps": 1e-3},
    descends={"lr": 0.02},
    also=(
        {},
        {"t_alpha": 30, "t_beta3": 40, "betas": (0.9, 0.99, 0.999), "weight_decay": 0.1},
        {"t_beta3": 20, "betas": (0.5, 0.9, 0.8), "alpha": 3.0, "eps": 1e-3, "maximize": True},
    ),
)
