"""SimplifiedAdEMAMix: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.papers import Array, Path, ascending
from tests.subject import Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-4,
    betas: tuple[float, float] = (0.99, 0.95),
    alpha: float = 0.0,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    beta1_warmup: int = 0,
    min_beta1: float = 0.9,
    maximize: bool = False,
) -> Path:
    b1, b2 = betas
    m = v = np.zeros_like(p)
    for t, g in enumerate(ascending(gradients, maximize), 1):
        b1_t = b1
        if t < beta1_warmup:
            x = t / beta1_warmup
            half_lives = np.log(0.5) / np.log(min_beta1), np.log(0.5) / np.log(b1)
            b1_t = 0.5 ** (1 / ((1 - x) * half_lives[0] + x * half_lives[1]))
        m = b1_t * m + g
        v = b2 * v + (1 - b2) * g**2
        d = (m + alpha * g) / (np.sqrt(v / (1 - b2**t)) + eps)
        p = p - lr * (d + weight_decay * p)
        yield p


SUBJECT = Subject(
    "SimplifiedAdEMAMix",
    paper,
    whole={"lr": 0.01, "betas": (0.9, 0.95), "alpha": 2.0, "weight_decay": 0.01},
    changed={"betas": (0.7, 0.8), "alpha": 1.0, "eps": 1e-3},
    descends={"lr": 0.0005},
    also=(
        {},
        {"beta1_warmup": 30, "alpha": 5.0, "weight_decay": 0.1},
        {"beta1_warmup": 60, "min_beta1": 0.5, "betas": (0.8, 0.9), "eps": 1e-3, "maximize": True},
    ),
)
