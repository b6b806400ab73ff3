"""Paths over a surface: optimizers of either framework, stepped with a surface's gradients."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from thalweg.fuse.passes import passes
from thalweg.lab.frameworks import Backend, load_backend
from thalweg.lab.landscape.entrants import Entrant
from thalweg.lab.landscape.surface import Surface
from thalweg.lab.stepping import wants_closure

__all__ = ["Apart", "apart", "path", "walk"]

# a sum of rows that is asked for at all is asked for in the first steps
_LOOKED_AT = 12


def path(
    entrant: Entrant,
    surface: Surface,
    start: tuple[float, float],
    lr: float,
    steps: int,
    noise: np.ndarray | None = None,
) -> np.ndarray:
    """Where one walker is before its first step and after each: (steps + 1, 2)."""
    places = walk(entrant, surface, np.array([start]), np.array([lr]), steps, noise)
    return np.stack([place[0] for place in places])


def walk(
    entrant: Entrant,
    surface: Surface,
    starts: np.ndarray,
    rates: np.ndarray,
    steps: int,
    noise: np.ndarray | None = None,
) -> Iterator[np.ndarray]:
    """Where many walkers are, each with a start and a rate of its own, that know nothing of each
    other: (walkers, 2), first the starts and then once for each step. `noise`, (steps, 2), is added
    to the gradients, the same for each walker."""
    places = np.array(starts, float)
    yield places.copy()
    crews = _crews(entrant, places, rates)
    for step in range(steps):
        slope = _Slope(surface, np.zeros(2) if noise is None else noise[step])
        with np.errstate(all="ignore"):  # who diverges, diverges
            gradients = slope.gradient(places)
            for crew in crews:
                crew.step(places, gradients, slope)
        yield places.copy()


class _Slope(NamedTuple):
    """A surface as it is during a step: tilted by the noise of all its gradients."""

    surface: Surface
    tilt: np.ndarray

    def gradient(self, at: np.ndarray) -> np.ndarray:
        return np.asarray(self.surface.gradient(at) + self.tilt)

    def height(self, at: np.ndarray) -> float:
        return float((self.surface.height(at) + at @ self.tilt).sum())


@dataclass
class _Crew:
    """An optimizer, and which walkers each of its parameters holds."""

    optimizer: Any
    backend: Backend
    members: list[tuple[Any, np.ndarray]]
    wants_closure: bool

    def step(self, places: np.ndarray, gradients: np.ndarray, slope: _Slope) -> None:
        if self.wants_closure:
            self.optimizer.step(lambda: self._look(slope))
        else:
            for parameter, walkers in self.members:
                self.backend.put_gradient(parameter, gradients[walkers].ravel())
            self.optimizer.step()
        for parameter, walkers in self.members:
            places[walkers] = self.backend.numbers(parameter).reshape(-1, 2)

    def _look(self, slope: _Slope) -> float:
        """The height where the parameters are now, and the gradient there for each of them."""
        height = 0.0
        for parameter, _ in self.members:
            at = self.backend.numbers(parameter).reshape(-1, 2)
            self.backend.put_gradient(parameter, slope.gradient(at).ravel())
            height += slope.height(at)
        return height


class Apart(enum.Enum):
    """What tells walkers apart: a rule that adds nothing up takes all of them as one parameter, one
    that does wants a parameter for each, and one that adds up over all an optimizer for each."""

    NOTHING = "nothing"
    PARAMETERS = "parameters"
    OPTIMIZERS = "optimizers"


def apart(entrant: Entrant) -> Apart:
    """What walkers of an optimizer need to know nothing of each other."""
    made = entrant.chain
    if made is None:  # nobody knows what it adds up
        return Apart.OPTIMIZERS
    if made.shared or any(one.over == "all" for one in made.reductions.values()):
        return Apart.OPTIMIZERS
    if made.reductions or made.asked_of((2,)) != made.asked_of((4,)):
        return Apart.PARAMETERS
    if made.reduces_rows:
        seen = passes(made, dict(entrant.settings), (2,), _LOOKED_AT)
        if any(one.sums for stretch in seen for one in stretch.passes):
            return Apart.PARAMETERS
    return Apart.NOTHING


def _crews(entrant: Entrant, places: np.ndarray, rates: np.ndarray) -> list[_Crew]:
    each, needed = np.arange(len(places)), apart(entrant)
    if needed is Apart.OPTIMIZERS:
        return [_crew(entrant, places, rates, [each[i : i + 1]]) for i in each]
    if needed is Apart.PARAMETERS:
        return [_crew(entrant, places, rates, list(each[:, None]))]
    return [_crew(entrant, places, rates, [each[rates == rate] for rate in np.unique(rates)])]


def _crew(entrant: Entrant, places: np.ndarray, rates: np.ndarray, lots: list[np.ndarray]) -> _Crew:
    backend = load_backend(entrant.backend)
    members = [(backend.parameter(places[lot].ravel()), lot) for lot in lots]
    by_rate: dict[float, list[Any]] = {}
    for parameter, lot in members:
        by_rate.setdefault(float(rates[lot[0]]), []).append(parameter)
    made = entrant.make([{"params": held, "lr": rate} for rate, held in by_rate.items()])
    return _Crew(made, backend, members, wants_closure(made))
