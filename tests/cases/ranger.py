"""Ranger: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from tests.papers import Array, Path, ascending
from tests.subject import OF_ADAM, Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.95, 0.999),
    eps: float = 1e-5,
    weight_decay: float = 0.0,
    alpha: float = 0.5,
    k: int = 6,
    n_sma_threshold: float = 5.0,
    use_gc: bool = True,
    gc_conv_only: bool = False,
    gc_normalize: bool = False,
    warmup_mode: str = "sgd",
    maximize: bool = False,
) -> Path:
    centralizes = use_gc and p.ndim > (3 if gc_conv_only else 1)

    def centralized() -> Iterator[Array]:
        axes = tuple(range(1, p.ndim))
        for g in ascending(gradients, maximize):
            if centralizes:
                g = g - g.mean(axes, keepdims=True)
                if gc_normalize:
                    length = np.sqrt((g**2).sum(axes, keepdims=True))
                    g = g / np.where(length > 0, length, 1.0)
            yield g

    b1, b2 = betas
    slow, m, v = p, np.zeros_like(p), np.zeros_like(p)
    rho_inf = 2 / (1 - b2) - 1
    for t, g in enumerate(centralized(), 1):
        p = p - lr * weight_decay * p
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        rho = rho_inf - 2 * t * b2**t / (1 - b2**t)
        if rho > n_sma_threshold:
            over = (rho_inf - 4) * (rho_inf - 2) * rho
            r = np.sqrt((1 - b2**t) * (rho - 4) * (rho - 2) * rho_inf / over)
            p = p - lr * r / (1 - b1**t) * m / (np.sqrt(v) + eps)
        elif warmup_mode == "sgd":
            p = p - lr / (1 - b1**t) * m
        if t % k == 0:
            slow = slow + alpha * (p - slow)
            p = slow
        yield p


SUBJECT = Subject(
    "Ranger",
    paper,
    whole={"lr": 0.01, "betas": (0.9, 0.95), "k": 4, "weight_decay": 0.01},
    changed={**OF_ADAM, "alpha": 0.8},
    descends={"lr": 0.005},
    also=(
        {},
        {"gc_normalize": True, "k": 2, "alpha": 0.8},
        {"use_gc": False, "k": 1, "alpha": 0.0, "maximize": True},
        {"weight_decay": 0.1, "gc_conv_only": True, "warmup_mode": "skip"},
    ),
)
