"""QHAdam: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.papers import Array, Path, ascending, decayed
from tests.subject import OF_ADAM, Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.995, 0.999),
    nus: tuple[float, float] = (0.7, 1.0),
    weight_decay: float = 0.0,
    decoupled_weight_decay: bool = False,
    eps: float = 1e-8,
    maximize: bool = False,
) -> Path:
    (b1, b2), (n1, n2) = betas, nus
    m = v = np.zeros_like(p)
    for t, g in enumerate(ascending(gradients, maximize), 1):
        p, g = decayed(p, g, lr, weight_decay, decoupled_weight_decay)
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        first = (1 - n1) * g + n1 * m / (1 - b1**t)
        second = (1 - n2) * g**2 + n2 * v / (1 - b2**t)
        p = p - lr * first / (np.sqrt(second) + eps)
        yield p


SUBJECT = Subject(
    "QHAdam",
    paper,
    whole={"lr": 0.01, "nus": (0.7, 0.9), "weight_decay": 0.01},
    changed=OF_ADAM,
    descends={"lr": 0.02},
    also=(
        {},
        {"nus": (1.0, 1.0), "weight_decay": 0.1, "decoupled_weight_decay": True},
        {"betas": (0.8, 0.9), "nus": (0.8, 0.7), "eps": 1e-3, "maximize": True},
    ),
)
