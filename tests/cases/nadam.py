"""NAdam: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.papers import Array, Path, ascending, decayed
from tests.subject import OF_ADAM, Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 2e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum_decay: float = 4e-3,
    decoupled_weight_decay: bool = False,
    maximize: bool = False,
) -> Path:
    b1, b2 = betas
    m = v = np.zeros_like(p)
    product = 1.0

    def mu(t: int) -> float:
        return b1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))

    for t, g in enumerate(ascending(gradients, maximize), 1):
        p, g = decayed(p, g, lr, weight_decay, decoupled_weight_decay)
        product = product * mu(t)
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        of_g = (1 - mu(t)) * g / (1 - product)
        of_m = mu(t + 1) * m / (1 - product * mu(t + 1))
        p = p - lr * (of_g + of_m) / (np.sqrt(v / (1 - b2**t)) + eps)
        yield p


SUBJECT = Subject(
    "NAdam",
    paper,
    whole={"lr": 0.01, "momentum_decay": 0.01},
    changed={**OF_ADAM, "momentum_decay": 0.1},
    descends={"lr": 0.05},
    also=(
        {},
        {"betas": (0.8, 0.9), "momentum_decay": 0.1, "weight_decay": 0.1, "maximize": True},
        {"weight_decay": 0.1, "decoupled_weight_decay": True},
    ),
    has_twin=True,
)
