"""The results.json of a landscape: everything that the pictures show, and how to have it again."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from thalweg.lab.landscape.race import Race, Run
from thalweg.lab.landscape.tuning import chosen, rates
from thalweg.lab.results import versions
from thalweg.whole_file import whole_file

__all__ = ["described", "write"]


def described(races: list[Race], complete: bool, seconds: float) -> dict[str, Any]:
    """All of some races as plain values; None stands for what is not finite."""
    backend = races[0].runs[0].entrant.backend
    whole = {
        "complete": complete,
        "finished_at": datetime.now().astimezone().isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "backend": backend,
        "versions": versions(backend),
        "races": [_race(race) for race in races],
    }
    plain: dict[str, Any] = _plain(whole)
    return plain


def write(path: Path, results: dict[str, Any]) -> None:
    """Write the file whole."""
    text = json.dumps(results, allow_nan=False)
    with whole_file(path) as file:
        file.write(f"{text}\n".encode())


def _race(race: Race) -> dict[str, Any]:
    surface, plan = race.surface, race.plan
    is_tuned = any(not run.tuned.given for run in race.runs)
    return {
        "surface": surface.name,
        "formula": None if surface.formula is None else str(surface.formula),
        "window": surface.window,
        "minima": surface.minima,
        "start": plan.start,
        "steps": plan.steps,
        "noise": plan.noise,
        "noise_deviation": plan.noise * race.ground.steepness,
        "seed": plan.seed,
        "budget": plan.budget,
        "rates": rates(plan.budget) if is_tuned else [],
        "lr_chosen": chosen(surface, plan.steps, plan.budget) if is_tuned else "lr: given",
        "optimizers": {run.label: _run(run) for run in race.runs},
    }


def _run(run: Run) -> dict[str, Any]:
    return {
        "rule": run.entrant.name,
        "settings": {**_defaults(run), **run.entrant.settings, "lr": run.tuned.lr},
        "lr": run.tuned.lr,
        "lr_given": run.tuned.given,
        "lr_at_grid_edge": run.tuned.edge,
        "scores": run.tuned.scores,
        "value": run.values[-1],
        "lowest_value": run.values.min(),
        "diverged": run.diverged,
        "places": run.places,
    }


def _defaults(run: Run) -> Mapping[str, Any]:
    """The settings that nobody gave, of an optimizer of which they are known."""
    return {} if run.entrant.chain is None else run.entrant.chain.defaults


def _plain(value: Any) -> Any:
    """Only what JSON has."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(part) for part in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value
