"""SGDW: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

from tests.papers import Array, Path, ascending
from tests.subject import Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-3,
    momentum: float = 0.9,
    dampening: float = 0.0,
    weight_decay: float = 1e-4,
    nesterov: bool = False,
    maximize: bool = False,
) -> Path:
    b = None
    for g in ascending(gradients, maximize):
        d = g
        if momentum:
            b = g if b is None else momentum * b + (1 - dampening) * g
            d = g + momentum * b if nesterov else b
        p = p - lr * d - lr * weight_decay * p
        yield p


SUBJECT = Subject(
    "SGDW",
    paper,
    whole={"lr": 0.1, "nesterov": True, "weight_decay": 0.01},
    changed={"momentum": 0.5, "nesterov": False},
    descends={"lr": 0.002},
    also=(
        {},
        {"lr": 0.1, "momentum": 0.0, "weight_decay": 0.1},
        {"lr": 0.1, "momentum": 0.8, "dampening": 0.3, "maximize": True},
    ),
)
