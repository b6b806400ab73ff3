"""ADOPT: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.papers import Array, Path, ascending, decayed
from tests.subject import OF_ADAM, Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.9999),
    eps: float = 1e-6,
    weight_decay: float = 0.0,
    decoupled_weight_decay: bool = False,
    clip: bool = True,
    maximize: bool = False,
) -> Path:
    b1, b2 = betas
    m = np.zeros_like(p)
    v = None
    for t, g in enumerate(ascending(gradients, maximize)):  # the first gradient is number 0
        decoupled = decoupled_weight_decay and v is not None
        share = weight_decay if decoupled == decoupled_weight_decay else 0.0
        p, g = decayed(p, g, lr, share, decoupled)
        if v is None:
            v = g**2
            yield p
            continue
        d = g / np.maximum(np.sqrt(v), eps)
        m = b1 * m + (1 - b1) * (np.clip(d, -(t**0.25), t**0.25) if clip else d)
        p = p - lr * m
        v = b2 * v + (1 - b2) * g**2
        yield p


SUBJECT = Subject(
    "ADOPT",
    paper,
    whole={"lr": 0.01, "betas": (0.9, 0.99), "weight_decay": 0.01},
    changed=OF_ADAM,
    descends={"lr": 0.02, "betas": (0.9, 0.99)},
    also=(
        {},
        {"weight_decay": 0.1, "decoupled_weight_decay": True},
        {"betas": (0.8, 0.9), "eps": 1e-3, "clip": False, "maximize": True},
    ),
)
