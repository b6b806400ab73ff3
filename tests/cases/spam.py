"""SPAM: the lines of its paper, and what it is tried with."""

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
    eps: float = 1e-6,
    weight_decay: float = 0.0,
    threshold: float = 5000.0,
    clip_after: int = 20,
    reset_every: int = 500,
    warmup_steps: int = 150,
    maximize: bool = False,
) -> Path:
    b1, b2 = betas
    m = v = np.zeros_like(p)
    since = warmup_steps + 1
    for t, g in enumerate(ascending(gradients, maximize), 1):
        if t % reset_every == 0:
            m = v = np.zeros_like(p)
            since = 0
        if t >= clip_after and t % reset_every >= clip_after:
            spikes = g**2 > threshold * v
            g = np.where(spikes, np.sign(g) * np.sqrt(threshold * v), g)
        held_back = 0.0
        if since < warmup_steps:
            held_back = 0.99 * (1 + np.cos(np.pi * since / (warmup_steps + 1))) / 2
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        size = lr * np.sqrt(1 - b2**t) / (1 - b1**t)
        p = p - size * (1 - held_back) * m / (np.sqrt(v) + eps)
        p = p - lr * weight_decay * p
        since += 1
        yield p


SUBJECT = Subject(
    "SPAM",
    paper,
    whole={"lr": 0.01, "weight_decay": 0.1},
    changed=OF_ADAM,
    descends={"lr": 0.1},
    also=(
        {},
        {"betas": (0.8, 0.9), "threshold": 1.5, "clip_after": 5, "maximize": True},
        {"reset_every": 12, "warmup_steps": 7, "clip_after": 3, "threshold": 2.0},
        {"weight_decay": 0.1, "reset_every": 20, "warmup_steps": 40, "eps": 1e-3},
    ),
)
