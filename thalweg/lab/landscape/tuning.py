"""Learning rates chosen by equal budget: the same rates, steps, start and noise for each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from thalweg.lab.landscape.entrants import Entrant
from thalweg.lab.landscape.surface import Surface
from thalweg.lab.landscape.walking import walk

__all__ = [
    "AWAY",
    "HIGHEST",
    "LOWEST",
    "ROOM",
    "WHEN",
    "Tuned",
    "chosen",
    "describe",
    "rates",
    "score",
    "tune",
]

LOWEST, HIGHEST = 1e-4, 10.0

# On a saddle: half the ridge's length from the start, by this share of the steps.
AWAY, WHEN = 0.5, 0.12

# how far outside of the window a path may come, in windows
ROOM = 0.05


@dataclass(frozen=True)
class Tuned:
    """The learning rate of an entrant; `scores` are those of all rates tried, none if given."""

    lr: float
    scores: tuple[float, ...] = ()

    @property
    def given(self) -> bool:
        """Whether nothing was tuned."""
        return not self.scores

    @property
    def edge(self) -> str | None:
        """At which end of the rates tried the best one lies, if it does."""
        if self.given:
            return None
        at = int(np.argmin(self.scores))
        return {0: "lowest", len(self.scores) - 1: "highest"}.get(at)


def rates(budget: int) -> np.ndarray:
    """So many rates, evenly spread between the lowest and the highest on a logarithmic scale."""
    return np.asarray(np.geomspace(LOWEST, HIGHEST, budget))


def tune(
    entrant: Entrant,
    surface: Surface,
    start: tuple[float, float],
    steps: int,
    budget: int,
    noise: np.ndarray | None = None,
) -> Tuned:
    """The rate that is given, or of so many rates the one with the lowest score."""
    if entrant.lr is not None:
        return Tuned(entrant.lr)
    tried = rates(budget)
    places = np.stack(
        list(walk(entrant, surface, np.tile(start, (budget, 1)), tried, steps, noise))
    )
    scores = score(surface, places)
    return Tuned(float(tried[np.argmin(scores)]), tuple(scores.tolist()))


def score(surface: Surface, places: np.ndarray) -> np.ndarray:
    """How good paths are, (steps + 1, walkers, 2) to (walkers): lower is better.

    Where there is something to reach, the mean value over the last tenth of the steps. On a saddle
    there is nothing to reach, and the fastest rate is always the best; there all are brought to the
    same pace, and it is by how many steps a path misses the time to be half the ridge's length from
    its start. A path that leaves the picture, or shoots far over the middle of the saddle, is worse
    than every one that does not.
    """
    if surface.saddle is not None:
        found, stays = _along_the_ridge(surface.saddle, places)
    else:
        with np.errstate(all="ignore"):
            found = surface.height(places[-max((len(places) - 1) // 10, 1) :]).mean(axis=0)
        stays = _stays(surface, places)
    found = np.where(np.isfinite(found), found, np.inf)
    return np.where(stays, found, np.inf) if np.isfinite(found[stays]).any() else found


def _along_the_ridge(
    middle: tuple[float, float], places: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How many steps too early or too late, and which do not shoot far over the middle."""
    start, length = places[0], places[0, :, 0] - middle[0]
    arrived = np.abs(places - start).max(axis=-1) >= AWAY * np.abs(length)
    first = np.where(arrived.any(axis=0), arrived.argmax(axis=0), np.inf)
    missed = np.abs(first - np.round(WHEN * (len(places) - 1)))
    left = (places[..., 0] - middle[0]) / length
    return missed, np.asarray((left >= -AWAY).all(axis=0))


def _stays(surface: Surface, places: np.ndarray) -> np.ndarray:
    """Which paths stay inside the window, or near it."""
    low, high = np.array(surface.window).reshape(2, 2).T
    room = ROOM * (high - low)
    return np.asarray(((places >= low - room) & (places <= high + room)).all(axis=(0, 2)))


def describe(surface: Surface, steps: object, when: object, budget: int) -> str:
    """How a rate is chosen, as a picture says it."""
    of = f"lr: of {budget} from {LOWEST:g} to {HIGHEST:g}, log-uniform, the one with"
    if surface.saddle is not None:
        return f"{of} which half the ridge's length is gone nearest to step {when}"
    return f"{of} the lowest value over the last tenth of {steps} steps, inside the window"


def chosen(surface: Surface, steps: int, budget: int) -> str:
    """The same for so many steps."""
    return describe(surface, steps, round(WHEN * steps), budget)
