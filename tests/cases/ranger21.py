"""Ranger21: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from tests.papers import Array, over_lists
from tests.subject import Subject


def rows(x: Array) -> Array:
    """The length of each row, or of a whole vector."""
    axes = tuple(range(1, x.ndim)) if x.ndim > 1 else None
    return np.sqrt((x**2).sum(axes, keepdims=True))


@over_lists
def paper(
    p: list[Array],
    gradients: Iterable[list[Array]],
    lr: float = 1e-3,
    betas: tuple[float, float, float] = (0.9, 0.999, 1.0),
    eps: float = 1e-8,
    weight_decay: float = 1e-4,
    alpha: float = 0.5,
    k: int = 5,
    clip_factor: float = 0.01,
    clip_eps: float = 1e-3,
    use_gc: bool = True,
    use_gcnorm: bool = True,
    norm_loss: float = 1e-4,
    softplus: float = 50.0,
    amsgrad: bool = True,
    maximize: bool = False,
) -> Iterator[list[Array]]:
    """Of all tensors at once: the stable decay needs their common mean."""

    def prepared(x: Array, g: Array) -> Array:
        g = -g if maximize else g
        most, size = clip_factor * np.maximum(rows(x), clip_eps), rows(g)
        g = np.where(size > most, g * most / np.maximum(size, 1e-6), g)
        if use_gc and g.ndim > 1:
            g = g - g.mean(tuple(range(1, g.ndim)), keepdims=True)
        return g / (g.std(ddof=1) + 1e-8) if use_gcnorm and g.size > 2 else g

    b1, b2, b0 = betas
    slow = p
    before = now = v = most = [np.zeros_like(x) for x in p]
    noise = np.sqrt((1 + b0) ** 2 + b0**2)
    for t, gs in enumerate(gradients, 1):
        gs = [prepared(x, g) for x, g in zip(p, gs, strict=True)]
        before, now = now, [b1**2 * m + (1 - b1**2) * g for m, g in zip(before, gs, strict=True)]
        v = [b2 * each + (1 - b2) * g**2 for each, g in zip(v, gs, strict=True)]
        most = [np.maximum(*both) for both in zip(most, v, strict=True)] if amsgrad else v
        every = np.concatenate([each.reshape(-1) for each in v]) / (1 - b2**t)
        moved = []
        for x, m, other, each in zip(p, now, before, most, strict=True):
            x = x * (1 - lr * 2 * norm_loss * (1 - 1 / (rows(x) + 1e-8)))
            d = ((1 + b0) * m - b0 * other) / (1 - b1**t) / noise
            under = np.logaddexp(0, softplus * (np.sqrt(each / (1 - b2**t)) + eps)) / softplus
            moved.append(x - lr * weight_decay / np.sqrt(every.mean()) * x - lr * d / under)
        p = moved
        if t % k == 0:
            slow = p = [s + alpha * (x - s) for s, x in zip(slow, p, strict=True)]
        yield p


SUBJECT = Subject(
    "Ranger21",
    paper,
    whole={"lr": 0.01, "weight_decay": 0.1, "k": 4},
    changed={"betas": (0.7, 0.8, 0.5), "eps": 1e-3, "alpha": 0.8},
    descends={"lr": 0.02},
    also=(
        {},
        {"clip_factor": 0.5, "norm_loss": 0.1, "softplus": 5.0, "maximize": True},
        {"use_gc": False, "use_gcnorm": False, "amsgrad": False, "clip_factor": 100.0},
    ),
)
