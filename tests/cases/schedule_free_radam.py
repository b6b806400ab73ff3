"""ScheduleFreeRAdam: the lines of its paper, and what it is tried with."""

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
    r: float = 0.0,
    weight_lr_power: float = 2.0,
    silent_sgd_phase: bool = True,
    maximize: bool = False,
) -> Path:
    """Keeps x, where thalweg keeps y, and yields y = (1 - b1) z + b1 x."""
    b1, b2 = betas
    x, z, v = p, p, np.zeros_like(p)
    total = peak = 0.0
    longest = 2 / (1 - b2) - 1
    for t, g in enumerate(ascending(gradients, maximize), 1):
        y = (1 - b1) * z + b1 * x
        v = b2 * v + (1 - b2) * g**2
        rho = longest - 2 * t * b2**t / (1 - b2**t)
        if rho > 4:
            over = (longest - 4) * (longest - 2) * rho
            rate = lr * np.sqrt((rho - 4) * (rho - 2) * longest / over)
            d = g / (np.sqrt(v / (1 - b2**t)) + eps)
        else:
            rate, d = 0.0 if silent_sgd_phase else lr, g
        peak = max(peak, rate)
        weight = t**r * peak**weight_lr_power
        total += weight
        z = z - rate * (d + weight_decay * y)
        x = x + (weight / total if total else 0.0) * (z - x)
        yield (1 - b1) * z + b1 * x


SUBJECT = Subject(
    "ScheduleFreeRAdam",
    paper,
    whole={"lr": 0.01, "betas": (0.9, 0.95), "weight_decay": 0.1, "silent_sgd_phase": False},
    changed=OF_ADAM,
    descends={"lr": 0.05},
    also=(
        {},
        {"betas": (0.8, 0.9), "eps": 1e-3, "r": 0.5, "maximize": True},
        {"lr": 0.01, "weight_lr_power": 0.0, "weight_decay": 0.1},
    ),
)
