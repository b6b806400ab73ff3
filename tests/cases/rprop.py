"""Rprop: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.papers import Array, Path, ascending
from tests.subject import Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-2,
    etas: tuple[float, float] = (0.5, 1.2),
    step_sizes: tuple[float, float] = (1e-6, 50.0),
    maximize: bool = False,
) -> Path:
    size, before = np.full_like(p, lr), np.zeros_like(p)
    for g in ascending(gradients, maximize):
        turned, kept = g * before < 0, g * before > 0
        size = np.clip(size * np.select([kept, turned], [etas[1], etas[0]], 1.0), *step_sizes)
        g = np.where(turned, 0.0, g)
        p, before = p - size * np.sign(g), g
        yield p


SUBJECT = Subject(
    "Rprop",
    paper,
    whole={"lr": 0.015625, "step_sizes": (1e-4, 0.1)},
    changed={"etas": (0.4, 1.3), "step_sizes": (1e-3, 0.05)},
    descends={"lr": 0.01},
    also=(
        {},
        {"lr": 0.1, "etas": (0.4, 1.5), "step_sizes": (1e-3, 0.5), "maximize": True},
    ),
    has_twin=True,
)
