"""Amos: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.papers import Array, Path, ascending
from tests.subject import Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-3,
    beta: float = 0.999,
    momentum: float = 0.0,
    eta: float = 0.0,
    zeta: float = 0.25,
    eps: float = 1e-30,
    maximize: bool = False,
) -> Path:
    scale = eta
    if eta == 0:
        scale = 0.5 if p.ndim < 2 else (p.size / p.shape[0]) ** -0.5
    m, v, b = np.zeros_like(p), 0.0, 0.0
    for t, g in enumerate(ascending(gradients, maximize), 1):
        square = (g**2).mean()
        v = beta * v + (1 - beta) * square
        inverse = (1 - beta**t) / max(v, eps)
        gamma = (1 + zeta * np.sqrt(lr) * b) ** -0.5 * lr**2 * inverse * square
        d = lr * scale * np.sqrt(inverse) * g + gamma / 2 * p
        d = d / (1 + zeta * np.sqrt(lr * scale) * b)
        b = b + gamma * (1 + b)
        m = momentum * m + (1 - momentum) * d
        p = p - m
        yield p


SUBJECT = Subject(
    "Amos",
    paper,
    whole={"lr": 0.02, "momentum": 0.5},
    changed={"beta": 0.9, "momentum": 0.7, "zeta": 0.5},
    descends={"lr": 0.02},
    also=(
        {},
        {"lr": 0.1, "beta": 0.9, "eta": 0.7, "maximize": True},
        {"lr": 0.5, "zeta": 2.0, "momentum": 0.9},
    ),
)
