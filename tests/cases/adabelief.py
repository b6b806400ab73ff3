"""AdaBelief: the lines of its paper, and what it is tried with."""

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
    eps: float = 1e-16,
    weight_decay: float = 0.0,
    rectify: bool = True,
    maximize: bool = False,
) -> Path:
    b1, b2 = betas
    m = s = np.zeros_like(p)
    longest = 2 / (1 - b2) - 1
    for t, g in enumerate(ascending(gradients, maximize), 1):
        p = p - lr * weight_decay * p
        m = b1 * m + (1 - b1) * g
        s = b2 * s + (1 - b2) * (g - m) ** 2 + eps
        c1, c2 = 1 - b1**t, 1 - b2**t
        length = longest - 2 * t * b2**t / c2
        if not rectify:
            p = p - lr * (m / c1) / (np.sqrt(s / c2) + eps)
        elif length >= 5:
            over = (longest - 4) / (length - 4) * (longest - 2) / (length - 2)
            p = p - lr * np.sqrt(c2 * longest / length / over) / c1 * m / (np.sqrt(s) + eps)
        else:
            p = p - lr * m / c1
        yield p


SUBJECT = Subject(
    "AdaBelief",
    paper,
    whole={"lr": 0.01, "betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": 0.01},
    changed=OF_ADAM,
    descends={"lr": 0.005},
    also=(
        {},
        {"betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1, "maximize": True},
        {"rectify": False},
    ),
)
