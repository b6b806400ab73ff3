"""Tiger: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.papers import Array, Path, ascending
from tests.subject import Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-3,
    beta: float = 0.965,
    weight_decay: float = 0.01,
    maximize: bool = False,
) -> Path:
    m = np.zeros_like(p)
    for g in ascending(gradients, maximize):
        m = beta * m + (1 - beta) * g
        p = p - lr * (np.sign(m) + weight_decay * p)
        yield p


SUBJECT = Subject(
    "Tiger",
    paper,
    whole={"lr": 0.03125, "weight_decay": 0.5},
    changed={"beta": 0.7},
    descends={"lr": 0.003},
    also=({}, {"lr": 0.01, "beta": 0.8, "weight_decay": 0.0, "maximize": True}),
)
