"""AdaPNM: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from tests.papers import Array, over_lists
from tests.subject import Subject


@over_lists
def paper(
    p: list[Array],
    gradients: Iterable[list[Array]],
    lr: float = 1e-3,
    betas: tuple[float, float, float] = (0.9, 0.999, 1.0),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    amsgrad: bool = True,
    stable_decay: bool = False,
    softplus: float = 0.0,
    maximize: bool = False,
) -> Iterator[list[Array]]:
    """Of all tensors at once: the stable decay needs their common mean."""
    b1, b2, b0 = betas
    before = now = v = most = [np.zeros_like(one) for one in p]
    noise = np.sqrt((1 + b0) ** 2 + b0**2)
    for t, gs in enumerate(gradients, 1):
        gs = [-g if maximize else g for g in gs]
        before, now = now, [b1**2 * m + (1 - b1**2) * g for m, g in zip(before, gs, strict=True)]
        v = [b2 * each + (1 - b2) * g**2 for each, g in zip(v, gs, strict=True)]
        most = [np.maximum(*both) for both in zip(most, v, strict=True)] if amsgrad else v
        decay = weight_decay
        if stable_decay:
            every = np.concatenate([each.reshape(-1) for each in v]) / (1 - b2**t)
            decay = weight_decay / np.sqrt(every.mean())
        moved = []
        for x, m, other, each in zip(p, now, before, most, strict=True):
            d = ((1 + b0) * m - b0 * other) / (1 - b1**t) / noise
            under = np.sqrt(each / (1 - b2**t)) + eps
            under = np.logaddexp(0, softplus * under) / softplus if softplus else under
            moved.append(x - lr * decay * x - lr * d / under)
        p = moved
        yield p


SUBJECT = Subject(
    "AdaPNM",
    paper,
    whole={"lr": 0.01, "weight_decay": 0.1},
    changed={"betas": (0.7, 0.8, 0.5), "eps": 1e-3},
    descends={"lr": 0.05},
    also=(
        {},
        {"betas": (0.8, 0.9, 0.5), "amsgrad": False, "softplus": 5.0, "maximize": True},
        {"weight_decay": 0.1, "stable_decay": True, "eps": 1e-3},
    ),
)
