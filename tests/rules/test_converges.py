"""Each optimizer goes down a curved valley, at the learning rate that its case states."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

from tests.cases import SUBJECTS, Subject
from tests.fuse.border import Border

STEPS = 1000
# of the height at the start. The floor of Rosenbrock's valley begins at 0.17, so that whoever
# rolls down its side and stops there has not arrived.
LOW = 0.1


class Valley(NamedTuple):
    """A function to go down, its gradient, and where to begin."""

    name: str
    height: Callable[[np.ndarray], float]
    slope: Callable[[np.ndarray], np.ndarray]
    start: np.ndarray


def bowl() -> Valley:
    """A quadratic with curvatures from 0.01 to 1, along other directions than the axes."""
    directions, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((10, 10)))
    a = directions @ np.diag(np.logspace(-2, 0, 10)) @ directions.T
    return Valley("bowl", lambda x: float(x @ a @ x) / 2, lambda x: a @ x, np.ones(10))


def rosenbrock() -> Valley:
    """The banana, from its usual start: down the side, then along the bend to (1, 1)."""

    def height(x: np.ndarray) -> float:
        return float((1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2)

    def slope(x: np.ndarray) -> np.ndarray:
        off = x[1] - x[0] ** 2
        return np.array([-2 * (1 - x[0]) - 400 * x[0] * off, 200 * off])

    return Valley("rosenbrock", height, slope, np.array([-1.2, 1.0]))


VALLEYS = [bowl(), rosenbrock()]


def shares_left(one: Subject, steps: int, **settings: object) -> dict[str, float]:
    """The height where an optimizer is after some steps, as a share of where it began."""
    start = [valley.start for valley in VALLEYS]
    border = Border(one.cases[0].chain, ({**one.descends, **settings}, start))
    for _ in range(steps):
        at = border.params
        border.step([valley.slope(x) for valley, x in zip(VALLEYS, at, strict=True)])
    return {
        valley.name: valley.height(x) / valley.height(valley.start)
        for valley, x in zip(VALLEYS, border.params, strict=True)
    }


@pytest.mark.parametrize("one", SUBJECTS, ids=lambda one: one.name)
def test_it_descends(one):
    assert [name for name, left in shares_left(one, STEPS).items() if not left < LOW] == []


@pytest.mark.parametrize("one", SUBJECTS, ids=lambda one: one.name)
def test_one_that_climbs_would_be_found(one):
    with np.errstate(over="ignore", invalid="ignore"):  # some pass the largest number
        shares = shares_left(one, 50, maximize=True)
    assert [name for name, left in shares.items() if left < 1] == []
