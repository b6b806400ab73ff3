"""Padam: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.papers import Array, Path, ascending, decayed
from tests.subject import Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 0.1,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    amsgrad: bool = True,
    partial: float = 0.25,
    decoupled_weight_decay: bool = False,
    maximize: bool = False,
) -> Path:
    b1, b2 = betas
    m = v = vmax = np.zeros_like(p)
    for t, g in enumerate(ascending(gradients, maximize), 1):
        p, g = decayed(p, g, lr, weight_decay, decoupled_weight_decay)
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        vmax = np.maximum(vmax, v) if amsgrad else v
        step = lr * np.sqrt(1 - b2**t) / (1 - b1**t)
        p = p - step * m / (np.sqrt(vmax) + eps) ** (2 * partial)
        yield p


SUBJECT = Subject(
    "Padam",
    paper,
    whole={"lr": 0.01, "weight_decay": 0.01},
    changed={"betas": (0.7, 0.8), "eps": 1e-3, "partial": 0.125},
    descends={"lr": 0.02},
    also=(
        {},
        {"amsgrad": False, "weight_decay": 0.1, "decoupled_weight_decay": True},
        {"betas": (0.8, 0.9), "partial": 0.5, "eps": 1e-3, "maximize": True},
        {"partial": 0.0},
    ),
)
