"""What the pictures of a race show; the drawing itself is in `thalweg.pictures.landscape`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from thalweg.lab.colours import looks
from thalweg.lab.landscape.basins import Basin
from thalweg.lab.landscape.race import Race, Run
from thalweg.lab.landscape.tuning import chosen
from thalweg.pictures.landscape.basins import Pane, draw_basins
from thalweg.pictures.landscape.contour import draw_contour
from thalweg.pictures.landscape.film import film_contour, film_saddle
from thalweg.pictures.landscape.trails import Field, Trail

__all__ = ["basins", "contour", "moving", "moving_saddle"]

_MARKS = 10


def contour(path: Path, race: Race) -> None:
    """Paths over contours, with marks to see how fast they are."""
    every = max(1, round(race.plan.steps / _MARKS / 5) * 5)
    text = f"{_made_how(race)} A mark every {every} step{'s' * (every != 1)}."
    draw_contour(path, _field(race), _trails(race), every, _title(race), text)


def moving(path: Path, race: Race) -> None:
    """The same as it happens."""
    film_contour(path, _field(race), _trails(race), _title(race), _made_how(race))


def moving_saddle(path: Path, race: Race) -> None:
    """The same in three dimensions."""
    field = Field(race.ground.x, race.ground.y, race.ground.values, ())
    trails, heights = _trails(race), race.surface.height
    film_saddle(path, field, trails, heights, _title(race), _made_how(race))


def basins(path: Path, race: Race, found: Mapping[str, Sequence[Basin]]) -> None:
    """Where each start leads."""
    surface, steps = race.surface, race.plan.steps
    rows = [
        (label, [Pane(one.lr, one.reached, one.steps) for one in panes])
        for label, panes in found.items()
    ]
    several = len(surface.minima) > 1
    what = "the minimum that it leads to, lighter the later" if several else "how soon it is there"
    if not surface.minima:
        what = "how soon it is out of the window"
    text = (
        f"Each pixel is a start; its colour is {what}. Grey: not in {steps} steps. Black: "
        "diverged. In the middle the rate of contour.png, beside it 0.1, 0.3, 3 and 10 times it."
    )
    text += " Without noise." * (race.plan.noise > 0)
    draw_basins(path, rows, surface.window, surface.minima, steps, surface.title, text)


def _made_how(race: Race) -> str:
    """In words, how the paths came about."""
    plan, runs = race.plan, race.runs
    x, y = plan.start
    parts = [f"{plan.steps} steps from ({x:g}, {y:g})."]
    if any(not run.tuned.given for run in runs):
        parts.append(f"{chosen(race.surface, plan.steps, plan.budget)}.")
    if all(run.tuned.given for run in runs):
        parts.append("lr: given.")
    if plan.noise:
        parts.append(f"Gradient noise {plan.noise:g} of the median gradient, seed {plan.seed}.")
    return " ".join(parts)


def _title(race: Race) -> str:
    formula = race.surface.formula
    said = f": {formula}" if formula is not None and len(str(formula)) < 60 else ""
    return f"{race.surface.title}{said}"


def _field(race: Race) -> Field:
    return Field(race.ground.x, race.ground.y, race.ground.shown, race.surface.minima)


def _trails(race: Race) -> list[Trail]:
    look = looks(run.label for run in race.runs)
    return [
        Trail(_label(run), _cut(run.places), one.colour, one.dash, one.marker)
        for run, one in zip(race.runs, (look[run.label] for run in race.runs), strict=True)
    ]


def _label(run: Run) -> str:
    said = " given" if run.tuned.given else ""
    return f"{run.label}, lr{said} {run.tuned.lr:.3g}{' (diverged)' if run.diverged else ''}"


def _cut(places: np.ndarray) -> np.ndarray:
    """Up to where they are numbers."""
    good = np.isfinite(places).all(axis=1)
    return places if good.all() else places[: int(good.argmin())]
