"""AggMo: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.papers import Array, Path, ascending, decayed
from tests.subject import Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-2,
    betas: tuple[float, float, float] = (0.0, 0.9, 0.99),
    weight_decay: float = 0.0,
    decoupled_weight_decay: bool = False,
    maximize: bool = False,
) -> Path:
    velocities = [np.zeros_like(p) for _ in betas]
    for g in ascending(gradients, maximize):
        p, g = decayed(p, g, lr, weight_decay, decoupled_weight_decay)
        velocities = [beta * v + g for beta, v in zip(betas, velocities, strict=True)]
        p = p - lr / len(betas) * sum(velocities)
        yield p


SUBJECT = Subject(
    "AggMo",
    paper,
    whole={"lr": 0.01, "betas": (0.5, 0.9, 0.95), "weight_decay": 0.01},
    changed={"betas": (0.3, 0.7, 0.8)},
    descends={"lr": 0.001},
    also=(
        {},
        {"betas": (0.0, 0.9, 0.999), "weight_decay": 0.1, "decoupled_weight_decay": True},
        {"betas": (0.1, 0.0, 0.8), "maximize": True},
    ),
)
