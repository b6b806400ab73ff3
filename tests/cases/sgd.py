"""SGD: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

from tests.papers import Array, Path, ascending
from tests.subject import Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-3,
    momentum: float = 0.0,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
    maximize: bool = False,
) -> Path:
    b = None
    for g in ascending(gradients, maximize):
        g = g + weight_decay * p
        if momentum:
            b = g if b is None else momentum * b + (1 - dampening) * g
            g = g + momentum * b if nesterov else b
        p = p - lr * g
        yield p


SUBJECT = Subject(
    "SGD",
    paper,
    whole={"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    changed={"momentum": 0.5, "nesterov": False},
    descends={"lr": 0.002, "momentum": 0.9},
    also=(
        {"lr": 0.1},
        {"lr": 0.1, "weight_decay": 0.01},
        {"lr": 0.1, "momentum": 0.9},
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01, "maximize": True},
    ),
    has_twin=True,
)
