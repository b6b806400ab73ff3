"""QHM: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.papers import Array, Path, ascending, decayed
from tests.subject import Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1.0,
    momentum: float = 0.999,
    nu: float = 0.7,
    weight_decay: float = 0.0,
    decoupled_weight_decay: bool = False,
    maximize: bool = False,
) -> Path:
    m = np.zeros_like(p)
    for g in ascending(gradients, maximize):
        p, g = decayed(p, g, lr, weight_decay, decoupled_weight_decay)
        m = momentum * m + (1 - momentum) * g
        p = p - lr * ((1 - nu) * g + nu * m)
        yield p


SUBJECT = Subject(
    "QHM",
    paper,
    whole={"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01},
    changed={"momentum": 0.5, "nu": 0.9},
    descends={"lr": 0.01, "momentum": 0.95},
    also=(
        {"lr": 0.1},
        {"lr": 0.1, "nu": 1.0, "weight_decay": 0.1, "decoupled_weight_decay": True},
        {"lr": 0.1, "momentum": 0.9, "nu": 0.0, "maximize": True},
    ),
)
