"""FTRL: the lines of its paper, and what it is tried with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.papers import Array, Path, ascending
from tests.subject import Subject


def paper(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 0.1,
    beta: float = 0.0,
    lambda_1: float = 0.0,
    lambda_2: float = 0.0,
    initial_accumulator_value: float = 0.0,
    maximize: bool = False,
) -> Path:
    z, n = np.zeros_like(p), np.full_like(p, initial_accumulator_value)
    for g in ascending(gradients, maximize):
        sigma = (np.sqrt(n + g**2) - np.sqrt(n)) / lr
        z = z + g - sigma * p
        n = n + g**2
        rest = -(z - np.sign(z) * lambda_1) / ((beta + np.sqrt(n)) / lr + lambda_2)
        p = np.where(np.abs(z) <= lambda_1, 0.0, rest)
        yield p


SUBJECT = Subject(
    "FTRL",
    paper,
    whole={"lr": 0.25, "lambda_1": 0.015625, "lambda_2": 0.125, "initial_accumulator_value": 0.125},
    changed={"beta": 1.0, "lambda_1": 0.125},
    descends={"lr": 0.5},
    also=(
        {},
        {"beta": 1.0, "lambda_1": 0.5, "lambda_2": 0.5},
        {"lr": 0.5, "initial_accumulator_value": 0.1, "maximize": True},
    ),
)
