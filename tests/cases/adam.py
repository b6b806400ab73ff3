"""Adam: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.papers import Array, Path, ascending, decayed
from tests.subject import OF_ADAM, Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    amsgrad: bool = False,
    decoupled_weight_decay: bool = False,
    maximize: bool = False,
) -> Path:
    b1, b2 = betas
    m = v = peak = np.zeros_like(p)
    for t, g in enumerate(ascending(gradients, maximize), 1):
        p, g = decayed(p, g, lr, weight_decay, decoupled_weight_decay)
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        peak = np.maximum(peak, v)
        vhat = (peak if amsgrad else v) / (1 - b2**t)
        p = p - lr * (m / (1 - b1**t)) / (np.sqrt(vhat) + eps)
        yield p


SUBJECT = Subject(
    "Adam",
    paper,
    whole={"lr": 0.01, "amsgrad": True, "weight_decay": 0.01},
    changed=OF_ADAM,
    descends={"lr": 0.1},
    also=(
        {},
        {"lr": 0.01, "betas": (0.8, 0.99), "eps": 1e-3, "weight_decay": 0.1},
        {"amsgrad": True},
        {"weight_decay": 0.1, "amsgrad": True, "maximize": True},
        {"weight_decay": 0.1, "decoupled_weight_decay": True},
    ),
    has_twin=True,
)
