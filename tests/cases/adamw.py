"""AdamW: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.cases import adam
from tests.papers import Array, Path
from tests.subject import OF_ADAM, Subject


def paper(
    p: Array, gradients: Iterable[Array], weight_decay: float = 1e-2, **settings: Any
) -> Path:
    return adam.paper(
        p, gradients, weight_decay=weight_decay, decoupled_weight_decay=True, **settings
    )


SUBJECT = Subject(
    "AdamW",
    paper,
    whole={"lr": 0.01},
    changed=OF_ADAM,
    descends={"lr": 0.1},
    also=(
        {},
        {"weight_decay": 0.0, "maximize": True},
        {"weight_decay": 0.1, "amsgrad": True},
    ),
    has_twin=True,
)
