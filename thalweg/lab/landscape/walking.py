"""Paths over a surface: the optimizers of `thalweg.mytorch`, stepped with a surface's gradients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from thalweg.fuse.passes import passes
from thalweg.lab.landscape.entrants import Entrant
from thalweg.lab.landscape.surface import Surface
from thalweg.mytorch import nn
from thalweg.mytorch.optim import optimizer

__all__ = ["path", "walk"]

# of rows: steps, and with a vector there is one
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
        gradients = surface.gradient(places)
        if noise is not None:
            gradients = gradients + noise[step]
        with np.errstate(all="ignore"):  # who diverges, diverges
            for crew in crews:
                crew.step(places, gradients)
        yield places.copy()


@dataclass
class _Crew:
    """An optimizer, and which walkers each of its parameters holds."""

    optimizer: object
    members: list[tuple[nn.Parameter, np.ndarray]]

    def step(self, places: np.ndarray, gradients: np.ndarray) -> None:
        for parameter, walkers in self.members:
            parameter.grad = gradients[walkers].ravel()
        self.optimizer.step()  # type: ignore[attr-defined]
        for parameter, walkers in self.members:
            places[walkers] = parameter.data.reshape(-1, 2)


def _crews(entrant: Entrant, places: np.ndarray, rates: np.ndarray) -> list[_Crew]:
    """As few parameters as tell the walkers apart: a rule that adds nothing up takes one for all
    of a rate, one that does takes one for each walker, and one that adds up over all tensors an
    optimizer for each."""
    each = np.arange(len(places))
    if _adds_over_all(entrant):
        return [_crew(entrant, places, rates, [each[i : i + 1]]) for i in each]
    if _adds_up(entrant):
        return [_crew(entrant, places, rates, list(each[:, None]))]
    return [_crew(entrant, places, rates, [each[rates == rate] for rate in np.unique(rates)])]


def _crew(
    entrant: Entrant, places: np.ndarray, rates: np.ndarray, lots: list[np.ndarray]
) -> _Crew:
    members = [(nn.Parameter(places[lot].ravel()), lot) for lot in lots]
    groups = [{"params": [p], "lr": float(rates[lot[0]])} for p, lot in members]
    return _Crew(optimizer(entrant.chain)(groups, **entrant.settings), members)


def _adds_up(entrant: Entrant) -> bool:
    """Whether a step of one element depends on another's, or on how many there are."""
    made = entrant.chain
    if made.reductions or made.asked_of((2,)) != made.asked_of((4,)):
        return True
    if not made.reduces_rows:
        return False
    seen = passes(made, dict(entrant.settings), (2,), _LOOKED_AT)
    return any(one.sums for stretch in seen for one in stretch.passes)


def _adds_over_all(entrant: Entrant) -> bool:
    made = entrant.chain
    return bool(made.shared) or any(one.over == "all" for one in made.reductions.values())
