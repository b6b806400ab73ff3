"""MADGRAD: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.papers import Array, Path, ascending, decayed
from tests.subject import Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-2,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    eps: float = 1e-6,
    decoupled_weight_decay: bool = False,
    maximize: bool = False,
) -> Path:
    x0, s, v = p, np.zeros_like(p), np.zeros_like(p)
    for k, g in enumerate(ascending(gradients, maximize)):
        p, g = decayed(p, g, lr, weight_decay, decoupled_weight_decay)
        start = x0 if momentum else p + s / (np.cbrt(v) + eps)
        weight = (lr + eps) * np.sqrt(k + 1)
        s = s + weight * g
        v = v + weight * g**2
        z = start - s / (np.cbrt(v) + eps)
        p = momentum * p + (1 - momentum) * z
        yield p


SUBJECT = Subject(
    "MADGRAD",
    paper,
    whole={"lr": 0.05, "weight_decay": 0.01},
    changed={"momentum": 0.7, "eps": 1e-3},
    descends={"lr": 0.02},
    also=(
        {},
        {"lr": 0.1, "momentum": 0.0, "weight_decay": 0.1, "decoupled_weight_decay": True},
        {"momentum": 0.5, "eps": 1e-3, "maximize": True},
    ),
)
