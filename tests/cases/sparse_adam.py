"""SparseAdam: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tests.papers import Array, Path, ascending
from tests.subject import OF_ADAM, Subject


def paper(p: Array, gradients: Iterable[Array], **settings: Any) -> Path:
    """The efficient order of the paper's section 2: eps before the correction."""
    lr, eps = settings.get("lr", 1e-3), settings.get("eps", 1e-8)
    b1, b2 = settings.get("betas", (0.9, 0.999))
    m = v = np.zeros_like(p)
    for t, g in enumerate(ascending(gradients, settings.get("maximize", False)), 1):
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        p = p - lr * np.sqrt(1 - b2**t) / (1 - b1**t) * m / (np.sqrt(v) + eps)
        yield p


SUBJECT = Subject(
    "SparseAdam",
    paper,
    whole={"lr": 0.01},
    changed=OF_ADAM,
    descends={"lr": 0.1},
    also=(
        {},
        {"lr": 0.01, "betas": (0.8, 0.9), "eps": 1e-3, "maximize": True},
    ),
    has_twin=True,
)
