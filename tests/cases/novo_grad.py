"""NovoGrad: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.papers import Array, Path, ascending
from tests.subject import OF_ADAM, Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-2,
    betas: tuple[float, float] = (0.95, 0.98),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> Path:
    b1, b2 = betas
    m, v = np.zeros_like(p), 0.0
    for t, g in enumerate(ascending(gradients, maximize), 1):
        square = (g**2).sum()
        v = square if t == 1 else b2 * v + (1 - b2) * square
        m = b1 * m + g / (np.sqrt(v) + eps) + weight_decay * p
        p = p - lr * m
        yield p


SUBJECT = Subject(
    "NovoGrad",
    paper,
    whole={"lr": 0.01, "weight_decay": 0.1},
    changed=OF_ADAM,
    descends={"lr": 0.002, "betas": (0.5, 0.98)},
    also=({}, {"betas": (0.8, 0.9), "eps": 1e-3, "maximize": True}),
)
