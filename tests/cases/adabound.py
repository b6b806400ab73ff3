"""AdaBound: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.papers import Array, Path, ascending, decayed
from tests.subject import Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    final_lr: float = 0.1,
    gamma: float = 1e-3,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    amsbound: bool = False,
    decoupled_weight_decay: bool = False,
    maximize: bool = False,
) -> Path:
    b1, b2 = betas
    m = v = vmax = np.zeros_like(p)
    for t, g in enumerate(ascending(gradients, maximize), 1):
        p, g = decayed(p, g, lr, weight_decay, decoupled_weight_decay)
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        vmax = np.maximum(vmax, v) if amsbound else v
        lower = final_lr * (1 - 1 / (gamma * t + 1))
        upper = final_lr * (1 + 1 / (gamma * t))
        rate = lr / (np.sqrt(vmax) + eps) * np.sqrt(1 - b2**t) / (1 - b1**t)
        p = p - np.clip(rate, lower, upper) * m
        yield p


SUBJECT = Subject(
    "AdaBound",
    paper,
    whole={"lr": 0.01, "gamma": 0.5, "amsbound": True, "weight_decay": 0.01},
    changed={"betas": (0.7, 0.8), "eps": 1e-3, "gamma": 0.1, "final_lr": 0.05},
    descends={"lr": 0.02, "final_lr": 0.001, "gamma": 1e-3},
    also=(
        {},
        {"gamma": 0.01, "final_lr": 0.5, "weight_decay": 0.1, "decoupled_weight_decay": True},
        {"betas": (0.8, 0.9), "gamma": 1.0, "eps": 1e-3, "maximize": True},
    ),
)
