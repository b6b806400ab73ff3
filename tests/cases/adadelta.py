"""Adadelta: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.papers import Array, Path, ascending
from tests.subject import Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1.0,
    rho: float = 0.9,
    eps: float = 1e-6,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> Path:
    of_g = of_x = np.zeros_like(p)
    for g in ascending(gradients, maximize):
        g = g + weight_decay * p
        of_g = rho * of_g + (1 - rho) * g**2
        x = np.sqrt(of_x + eps) / np.sqrt(of_g + eps) * g
        of_x = rho * of_x + (1 - rho) * x**2
        p = p - lr * x
        yield p


SUBJECT = Subject(
    "Adadelta",
    paper,
    whole={"lr": 0.5, "eps": 1e-3, "weight_decay": 0.01},
    changed={"rho": 0.7, "eps": 1e-3},
    descends={"lr": 1.0},
    also=(
        {},
        {"lr": 0.5, "rho": 0.8, "eps": 1e-3, "weight_decay": 0.1, "maximize": True},
    ),
    has_twin=True,
)
