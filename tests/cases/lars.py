"""LARS: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.papers import Array, Path, ascending
from tests.subject import Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1.0,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    trust: float = 1e-3,
    eps: float = 1e-8,
    maximize: bool = False,
) -> Path:
    b = np.zeros_like(p)
    for g in ascending(gradients, maximize):
        weight, length = np.sqrt((p**2).sum()), np.sqrt((g**2).sum())
        q = trust * weight / (length + weight_decay * weight + eps) if weight and length else 1.0
        b = momentum * b + q * (g + weight_decay * p)
        p = p - lr * b
        yield p


SUBJECT = Subject(
    "LARS",
    paper,
    whole={"lr": 0.5, "weight_decay": 0.1, "trust": 0.1},  # a step that half precision can see
    changed={"momentum": 0.7, "trust": 0.05},
    descends={"lr": 2.0},
    also=({}, {"momentum": 0.5, "eps": 1e-3, "maximize": True}),
)
