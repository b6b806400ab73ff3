"""StableSPAM: the lines of its paper, and what it is tried with."""

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
    weight_decay: float = 0.0,
    gamma1: float = 0.7,
    gamma2: float = 0.9,
    theta: float = 0.999,
    total_steps: int = 0,
    eta_min: float = 0.5,
    reset_every: int = 1000,
    maximize: bool = False,
) -> Path:
    m = v = np.zeros_like(p)
    bound = mean = square = 0.0
    n = 0
    for t, g in enumerate(ascending(gradients, maximize), 1):
        falls = 1.0
        if total_steps:
            place = min(t / (total_steps + 1), 1)
            falls = eta_min + (1 - eta_min) * (1 + np.cos(np.pi * place)) / 2
        p = p - lr * weight_decay * p
        largest = np.abs(g).max()
        bound = theta * bound + (1 - theta) * largest
        bound_hat = bound / (1 - theta**t)
        g = np.where(np.abs(g) > bound_hat, g / largest * bound_hat, g)
        length = np.sqrt((g**2).sum())
        mean = gamma1 * falls * mean + (1 - gamma1 * falls) * length
        square = gamma2 * square + (1 - gamma2) * length**2
        mean_hat, square_hat = mean / (1 - (gamma1 * falls) ** t), square / (1 - gamma2**t)
        g = g / length * mean_hat / (np.sqrt(square_hat) + eps)
        n += 1
        if t % reset_every == 0:
            m = v = np.zeros_like(p)
            n = 1
        b1, b2 = betas[0] * falls, betas[1]
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        p = p - lr / (1 - b1**n) * m / (np.sqrt(v) / np.sqrt(1 - b2**n) + eps)
        yield p


SUBJECT = Subject(
    "StableSPAM",
    paper,
    whole={"lr": 0.01, "weight_decay": 0.1},
    changed={**OF_ADAM, "gamma1": 0.5, "theta": 0.9},
    descends={"lr": 0.05},
    also=(
        {},
        {"betas": (0.8, 0.9), "theta": 0.5, "gamma1": 0.9, "eps": 1e-3, "maximize": True},
        {"total_steps": 30, "eta_min": 0.25, "reset_every": 12, "weight_decay": 0.1},
    ),
)
