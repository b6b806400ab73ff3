"""AdamC: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.papers import Array, Path, ascending
from tests.subject import OF_ADAM, Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 1e-2,
    amsgrad: bool = False,
    corrected: bool = True,
    max_lr: float = 0.0,
    maximize: bool = False,
) -> Path:
    b1, b2 = betas
    m = v = vmax = np.zeros_like(p)
    strength = lr**2 / max(lr, max_lr) if corrected else lr
    for t, g in enumerate(ascending(gradients, maximize), 1):
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        vmax = np.maximum(vmax, v) if amsgrad else v
        step = lr * (m / (1 - b1**t)) / (np.sqrt(vmax / (1 - b2**t)) + eps)
        p = p - strength * weight_decay * p - step
        yield p


SUBJECT = Subject(
    "AdamC",
    paper,
    whole={"lr": 0.01, "amsgrad": True},
    changed=OF_ADAM,
    descends={"lr": 0.1},
    also=(
        {},
        {"weight_decay": 0.1, "max_lr": 0.01, "maximize": True},
        {"weight_decay": 0.1, "corrected": False},
    ),
)
