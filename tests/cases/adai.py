"""Adai: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.papers import Array, Path, ascending, decayed
from tests.subject import Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 0.1,
    betas: tuple[float, float] = (0.1, 0.99),
    eps: float = 1e-3,
    weight_decay: float = 0.0,
    decoupled_weight_decay: bool = False,
    maximize: bool = False,
) -> Path:
    b0, b2 = betas
    m = v = np.zeros_like(p)
    product = np.ones_like(p)
    for t, g in enumerate(ascending(gradients, maximize), 1):
        p, g = decayed(p, g, lr, weight_decay, decoupled_weight_decay)
        v = b2 * v + (1 - b2) * g**2
        vhat = v / (1 - b2**t)
        b1 = np.clip(1 - b0 * vhat / vhat.mean(), 0, 1 - eps)
        product = product * b1
        m = b1 * m + (1 - b1) * g
        p = p - lr * m / (1 - product)
        yield p


SUBJECT = Subject(
    "Adai",
    paper,
    whole={"lr": 0.1, "weight_decay": 0.1},
    changed={"betas": (0.2, 0.9), "eps": 1e-2},
    descends={"lr": 0.003},
    also=(
        {},
        {"lr": 0.1, "betas": (0.5, 0.9), "eps": 0.1, "maximize": True},
        {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True},
    ),
)
