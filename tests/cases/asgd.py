"""ASGD: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

from tests.papers import Array, Path, ascending
from tests.subject import Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-2,
    lambd: float = 1e-4,
    alpha: float = 0.75,
    t0: float = 1e6,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> Path:
    eta = lr
    for t, g in enumerate(ascending(gradients, maximize), 1):
        g = g + weight_decay * p
        p = p - eta * lambd * p - eta * g
        eta = lr / (1 + lambd * lr * t) ** alpha
        yield p


SUBJECT = Subject(
    "ASGD",
    paper,
    whole={"lr": 0.01, "lambd": 0.01, "t0": 3.0},
    changed={"lambd": 0.1, "alpha": 0.5, "t0": 1.0},
    descends={"lr": 0.005},
    also=(
        {},
        {"lambd": 0.1, "alpha": 0.6, "t0": 5.0, "weight_decay": 0.1, "maximize": True},
    ),
    has_twin=True,
)
