"""The curve of a schedule or a scheduler as it is typed, and the plate of all schedulers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thalweg.lab.errors import UserError
from thalweg.lab.typed_schedule import Typed, read_schedule

__all__ = ["PLATE", "Curve", "curve_of", "curves_of", "plate"]

# Every scheduler that torch's own pages show, at lr 0.1 as there, with what each is given there,
# or with what shows it best where nothing is said.
PLATE = (
    "LambdaLR(lambda t: 0.95**t)",
    "MultiplicativeLR(lambda t: 0.95)",
    "StepLR(step_size=30, gamma=0.1)",
    "MultiStepLR(milestones=[30, 80], gamma=0.1)",
    "ConstantLR(factor=0.5, total_iters=40)",
    "LinearLR(start_factor=0.1, total_iters=50)",
    "ExponentialLR(gamma=0.9)",
    "PolynomialLR(total_iters=100, power=2)",
    "CosineAnnealingLR(T_max=50)",
    "CosineAnnealingWarmRestarts(T_0=15, T_mult=2)",
    "CyclicLR(base_lr=0.01, max_lr=0.1, step_size_up=20)",
    "OneCycleLR(max_lr=0.1, total_steps=100)",
    "ReduceLROnPlateau(factor=0.5, patience=10)",
    "SWALR(anneal_strategy='linear', anneal_epochs=5, swa_lr=0.05)",
    "ChainedScheduler([ExponentialLR(gamma=0.9), MultiStepLR(milestones=[30, 80], gamma=0.1)])",
    "SequentialLR([LinearLR(start_factor=0.1, total_iters=20), ExponentialLR(gamma=0.97)], "
    "milestones=[20])",
)
_PLATE_STEPS = 121
_PLATE_LR = 0.1


@dataclass(frozen=True)
class Curve:
    """One curve: what it is called, and its value at each step from 0 on."""

    text: str
    values: NDArray[np.float64]


def curve_of(text: str, steps: int | None = None, lr: float = 1.0) -> list[Curve]:
    """The curve that a text says, one for each group that it tells apart; `lr` is the base value.

        curve_of("warmup(500) >> cosine(10000)", lr=3e-4)[0].values

    Without `steps` there are as many as show what it does. Raises UserError.
    """
    return curves_of([text], steps, lr)


def curves_of(texts: Sequence[str], steps: int | None = None, lr: float = 1.0) -> list[Curve]:
    """The curves of several texts, all of one length: without `steps`, the longest of theirs."""
    typed = [read_schedule(text) for text in texts]
    length = max(one.steps for one in typed) if steps is None else steps
    return [curve for one in typed for curve in _curves(one, length, lr)]


def _curves(typed: Typed, steps: int, lr: float) -> list[Curve]:
    try:
        values = typed.values(steps, lr)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise UserError(f"{typed.text}: {error}") from None
    if values.shape[1] == 1:
        return [Curve(typed.text, values[:, 0])]
    return [Curve(f"{typed.text}, group {i}", column) for i, column in enumerate(values.T)]


def plate() -> list[Curve]:
    """The curves of the plate: every scheduler of torch's, with its arguments."""
    return [curve for text in PLATE for curve in curve_of(text, _PLATE_STEPS, _PLATE_LR)]
