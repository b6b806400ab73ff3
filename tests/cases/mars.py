"""MARS: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.papers import Array, Path, ascending
from tests.subject import OF_ADAM, Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 3e-3,
    betas: tuple[float, float] = (0.95, 0.99),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    amsgrad: bool = False,
    gamma: float = 0.025,
    optimize_1d: bool = False,
    lr_1d: float = 1.0,
    betas_1d: tuple[float, float] = (0.9, 0.95),
    weight_decay_1d: float = 0.1,
    maximize: bool = False,
) -> Path:
    reduces = optimize_1d or p.ndim == 2
    b1, b2 = betas if reduces else betas_1d
    if not reduces:
        lr, weight_decay = lr * lr_1d, weight_decay_1d
    m = v = vmax = before = np.zeros_like(p)
    for t, g in enumerate(ascending(gradients, maximize), 1):
        c = g
        if reduces:
            c = g + gamma * (b1 / (1 - b1)) * (g - before)
            length = np.sqrt((c**2).sum())
            c = c / length if length > 1 else c
        before = g
        m = b1 * m + (1 - b1) * c
        v = b2 * v + (1 - b2) * c**2
        vmax = np.maximum(vmax, v) if amsgrad else v
        mhat, vhat = m / (1 - b1**t), vmax / (1 - b2**t)
        p = p - lr * (mhat / (np.sqrt(vhat) + eps) + weight_decay * p)
        yield p


SUBJECT = Subject(
    "MARS",
    paper,
    whole={"lr": 0.01, "weight_decay": 0.1, "amsgrad": True, "optimize_1d": True},
    changed={**OF_ADAM, "gamma": 0.1},
    descends={"lr": 0.05},
    also=(
        {},
        {"betas": (0.8, 0.9), "eps": 1e-3, "gamma": 0.5, "maximize": True},
        {"weight_decay": 0.1, "amsgrad": True, "lr_1d": 2.0, "betas_1d": (0.8, 0.9)},
        {"weight_decay": 0.1, "optimize_1d": True},
    ),
)
