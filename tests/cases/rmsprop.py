"""RMSprop: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.papers import Array, Path, ascending
from tests.subject import Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-2,
    alpha: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    centered: bool = False,
    maximize: bool = False,
) -> Path:
    v = mean = b = np.zeros_like(p)
    for g in ascending(gradients, maximize):
        g = g + weight_decay * p
        v = alpha * v + (1 - alpha) * g**2
        mean = alpha * mean + (1 - alpha) * g
        spread = np.maximum(v - mean**2, 0) if centered else v
        b = momentum * b + g / (np.sqrt(spread) + eps)
        p = p - lr * b
        yield p


SUBJECT = Subject(
    "RMSprop",
    paper,
    whole={"lr": 0.01, "momentum": 0.9, "centered": True, "eps": 1e-3},
    changed={"alpha": 0.8, "momentum": 0.5},
    descends={"lr": 0.01},
    also=(
        {},
        {"alpha": 0.9, "eps": 1e-3, "momentum": 0.9, "weight_decay": 0.1},
        {"centered": True, "maximize": True},
        {"alpha": 0.9, "momentum": 0.9, "centered": True},
    ),
    has_twin=True,
)
