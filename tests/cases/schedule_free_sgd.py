"""ScheduleFreeSGD: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

from tests.papers import Array, Path, ascending
from tests.subject import Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1.0,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    warmup_steps: int = 0,
    r: float = 0.0,
    weight_lr_power: float = 2.0,
    maximize: bool = False,
) -> Path:
    """Keeps x, where thalweg keeps y, and yields y = (1 - momentum) z + momentum x."""
    x, z = p, p
    total = peak = 0.0
    for t, g in enumerate(ascending(gradients, maximize), 1):
        y = (1 - momentum) * z + momentum * x
        rate = lr * (t / warmup_steps if t < warmup_steps else 1.0)
        peak = max(peak, rate)
        weight = t**r * peak**weight_lr_power
        total += weight
        z = z - rate * (g + weight_decay * y)
        x = x + weight / total * (z - x)
        yield (1 - momentum) * z + momentum * x


SUBJECT = Subject(
    "ScheduleFreeSGD",
    paper,
    whole={"lr": 0.05, "weight_decay": 0.1, "warmup_steps": 3},
    changed={"momentum": 0.8},
    descends={"lr": 0.005},
    also=(
        {"lr": 0.1},  # at 1, z is so far off that its digits are not p's
        {"lr": 0.1, "momentum": 0.5, "r": 1.0, "weight_lr_power": 1.0, "maximize": True},
    ),
)
