"""SGDP: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

from tests.cases.adam_p import projected
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
    delta: float = 0.1,
    wd_ratio: float = 0.1,
    norm_eps: float = 1e-8,
    maximize: bool = False,
) -> Path:
    b = None
    for g in ascending(gradients, maximize):
        b = g if b is None else momentum * b + (1 - dampening) * g
        d = g + momentum * b if nesterov else b
        d, ratio = projected(p, g, d, delta, wd_ratio, norm_eps)
        p = p * (1 - lr * weight_decay * ratio) - lr * d
        yield p


SUBJECT = Subject(
    "SGDP",
    paper,
    whole={"lr": 0.01, "momentum": 0.9, "weight_decay": 0.1, "delta": 1.2},
    changed={"momentum": 0.5},
    descends={"lr": 0.001, "momentum": 0.9},
    also=(
        {},
        {"momentum": 0.5, "dampening": 0.1, "weight_decay": 0.1, "maximize": True},
        {"momentum": 0.9, "nesterov": True, "delta": 0.6, "wd_ratio": 0.5, "weight_decay": 0.1},
    ),
)
