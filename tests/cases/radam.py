"""RAdam: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.papers import Array, Path, ascending, decayed
from tests.subject import OF_ADAM, Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled_weight_decay: bool = False,
    maximize: bool = False,
    threshold: float = 5.0,
    warmup_mode: str = "sgd",
) -> Path:
    b1, b2 = betas
    m = v = np.zeros_like(p)
    rho_inf = 2 / (1 - b2) - 1
    for t, g in enumerate(ascending(gradients, maximize), 1):
        p, g = decayed(p, g, lr, weight_decay, decoupled_weight_decay)
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        mhat = m / (1 - b1**t)
        rho = rho_inf - 2 * t * b2**t / (1 - b2**t)
        if rho > threshold:
            over = (rho_inf - 4) * (rho_inf - 2) * rho
            r = np.sqrt((rho - 4) * (rho - 2) * rho_inf / over)
            p = p - lr * r * mhat * np.sqrt(1 - b2**t) / (np.sqrt(v) + eps)
        elif warmup_mode == "sgd":
            p = p - lr * mhat
        yield p


SUBJECT = Subject(
    "RAdam",
    paper,
    whole={"lr": 0.01, "betas": (0.9, 0.95)},
    changed=OF_ADAM,
    descends={"lr": 0.005},
    also=(
        {},
        {"weight_decay": 0.1, "maximize": True},
        {"betas": (0.8, 0.9), "weight_decay": 0.1, "decoupled_weight_decay": True},
    ),
    has_twin=True,
)
