"""Schedule-Free AdamW: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.papers import Array, Path, ascending
from tests.subject import OF_ADAM, Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 2.5e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    warmup_steps: int = 0,
    r: float = 0.0,
    weight_lr_power: float = 2.0,
    maximize: bool = False,
) -> Path:
    """Keeps x, where thalweg keeps y, and yields y = (1 - b1) z + b1 x."""
    b1, b2 = betas
    x, z, v = p, p, np.zeros_like(p)
    total = peak = 0.0
    for t, g in enumerate(ascending(gradients, maximize), 1):
        y = (1 - b1) * z + b1 * x
        rate = lr * (t / warmup_steps if t < warmup_steps else 1.0)
        peak = max(peak, rate)
        weight = t**r * peak**weight_lr_power
        total += weight
        v = b2 * v + (1 - b2) * g**2
        z = z - rate * (g / (np.sqrt(v / (1 - b2**t)) + eps) + weight_decay * y)
        c = weight / total
        x = (1 - c) * x + c * z
        yield (1 - b1) * z + b1 * x


SUBJECT = Subject(
    "ScheduleFreeAdamW",
    paper,
    whole={"lr": 0.01, "weight_decay": 0.1, "warmup_steps": 3},
    changed=OF_ADAM,
    descends={"lr": 0.02},
    also=(
        {},
        {"betas": (0.8, 0.9), "eps": 1e-3, "maximize": True},
        {"lr": 0.01, "r": 1.0, "weight_lr_power": 1.0, "warmup_steps": 7},
    ),
)
