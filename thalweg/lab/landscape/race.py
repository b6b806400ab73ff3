"""Some optimizers on one surface from one start: rates chosen, paths walked; plain data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from thalweg.lab.landscape.entrants import Entrant
from thalweg.lab.landscape.noise import normal
from thalweg.lab.landscape.surface import Ground, Surface, ground
from thalweg.lab.landscape.tuning import Tuned, tune
from thalweg.lab.landscape.walking import path

__all__ = ["Plan", "Race", "Run", "race", "run_each"]


@dataclass(frozen=True)
class Plan:
    """What is the same for all: `budget` is how many rates each may try, `noise` a share of the
    median gradient's length in the window, which is the standard deviation of what is added to
    each gradient."""

    start: tuple[float, float]
    steps: int = 200
    budget: int = 31
    noise: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Run:
    """One optimizer's rate and path: places (steps + 1, 2) and the values there."""

    entrant: Entrant
    tuned: Tuned
    places: np.ndarray
    values: np.ndarray

    @property
    def label(self) -> str:
        """The name in the pictures."""
        return self.entrant.label

    @property
    def diverged(self) -> bool:
        """Whether it ended where no number is."""
        return not bool(np.isfinite(self.places[-1]).all())


@dataclass
class Race:
    """All runs that are finished."""

    surface: Surface
    plan: Plan
    ground: Ground
    runs: list[Run] = field(default_factory=list)


def race(surface: Surface, entrants: Sequence[Entrant], plan: Plan | None = None) -> Race:
    """Tune and walk every optimizer.

    race(SURFACES["beale"], entrants(["adam", "ranger(k=5)"])).runs[0].places
    """
    plan = plan or Plan(surface.start, surface.steps)
    found = Race(surface, plan, ground(surface))
    for _ in run_each(found, entrants):
        pass
    return found


def run_each(race: Race, entrants: Sequence[Entrant]) -> Iterator[Run]:
    """The same one by one, for who wants to show how far it is or to end early."""
    plan, surface = race.plan, race.surface
    noise = None
    if plan.noise:
        noise = plan.noise * race.ground.steepness * normal(plan.seed, plan.steps)
    for entrant in entrants:
        tuned = tune(entrant, surface, plan.start, plan.steps, plan.budget, noise)
        places = path(entrant, surface, plan.start, tuned.lr, plan.steps, noise)
        race.runs.append(Run(entrant, tuned, places, surface.height(places)))
        yield race.runs[-1]
