"""AdamP: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.papers import Array, Path, ascending
from tests.subject import OF_ADAM, Subject


def angle(x: Array, y: Array, eps: float) -> float:
    sizes = max(np.linalg.norm(x), eps) * max(np.linalg.norm(y), eps)
    return abs((x * y).sum()) / sizes


def projected(
    p: Array, g: Array, d: Array, delta: float, wd_ratio: float, eps: float
) -> tuple[Array, float]:
    """A step without its part along the weights, row by row or as a whole, and the decay's share:
    rows of rows first."""
    if p.ndim < 2:
        return d, 1.0
    for shape in ((p.shape[0], -1), (1, -1)):
        x, y, z = p.reshape(shape), g.reshape(shape), d.reshape(shape)
        cosines = [angle(a, b, eps) for a, b in zip(x, y, strict=True)]
        if max(cosines) < delta / np.sqrt(x.shape[1]):
            units = [a / (np.linalg.norm(a) + eps) for a in x]
            rows = [c - a * (a * c).sum() for a, c in zip(units, z, strict=True)]
            return np.stack(rows).reshape(p.shape), wd_ratio
    return d, 1.0


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    delta: float = 0.1,
    wd_ratio: float = 0.1,
    norm_eps: float = 1e-8,
    maximize: bool = False,
) -> Path:
    b1, b2 = betas
    m = v = np.zeros_like(p)
    for t, g in enumerate(ascending(gradients, maximize), 1):
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        d = m / (np.sqrt(v) / np.sqrt(1 - b2**t) + eps)
        d, ratio = projected(p, g, d, delta, wd_ratio, norm_eps)
        p = p * (1 - lr * weight_decay * ratio) - lr / (1 - b1**t) * d
        yield p


SUBJECT = Subject(
    "AdamP",
    paper,
    whole={"lr": 0.01, "weight_decay": 0.1, "delta": 1.2},
    changed=OF_ADAM,
    descends={"lr": 0.1},
    also=(
        {},
        {"betas": (0.8, 0.9), "eps": 1e-3, "norm_eps": 1e-3, "maximize": True},
        {"weight_decay": 0.1, "delta": 0.6, "wd_ratio": 0.5},
    ),
)
