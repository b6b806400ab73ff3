"""Adagrad: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.papers import Array, Path, ascending
from tests.subject import Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-2,
    lr_decay: float = 0.0,
    weight_decay: float = 0.0,
    initial_accumulator_value: float = 0.0,
    eps: float = 1e-10,
    maximize: bool = False,
) -> Path:
    total = np.full_like(p, initial_accumulator_value)
    for t, g in enumerate(ascending(gradients, maximize)):
        g = g + weight_decay * p
        total = total + g**2
        p = p - lr / (1 + t * lr_decay) * g / (np.sqrt(total) + eps)
        yield p


SUBJECT = Subject(
    "Adagrad",
    paper,
    whole={"lr": 0.01, "lr_decay": 0.1, "initial_accumulator_value": 0.125},
    changed={"lr_decay": 0.3, "eps": 1e-3},
    descends={"lr": 1.0},
    also=(
        {},
        {"lr_decay": 0.1, "initial_accumulator_value": 0.3, "weight_decay": 0.1, "eps": 1e-3},
        {"maximize": True},
    ),
    has_twin=True,
)
