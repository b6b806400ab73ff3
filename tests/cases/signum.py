"""Signum: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.papers import Array, Path, ascending
from tests.subject import Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-3,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> Path:
    m = np.zeros_like(p)
    for g in ascending(gradients, maximize):
        m = momentum * m + (1 - momentum) * g
        p = p - lr * (np.sign(m) + weight_decay * p)
        yield p


SUBJECT = Subject(
    "Signum",
    paper,
    whole={"lr": 0.03125, "weight_decay": 0.5},
    changed={"momentum": 0.7},
    descends={"lr": 0.005},
    also=(
        {},
        {"momentum": 0.0},
        {"lr": 0.01, "momentum": 0.8, "weight_decay": 0.1, "maximize": True},
    ),
)
