"""The page's text: its own files joined, the rules and surfaces as JavaScript, and what was run."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import numpy as np

from thalweg import __version__
from thalweg.chain import Chain
from thalweg.fuse.engines import javascript
from thalweg.lab.colours import Look, looks
from thalweg.lab.landscape import tuning
from thalweg.lab.landscape.entrants import CLASSIC, Entrant, entrant, out_of_place
from thalweg.lab.landscape.race import Race
from thalweg.lab.landscape.surface import Surface, ground
from thalweg.lab.landscape.surfaces import SURFACES
from thalweg.optimizers import OPTIMIZERS

__all__ = ["page_text"]

# in the order in which they are joined
_SCRIPTS = ("walk.js", "drawing.js", "contours.js", "relief.js", "inside.js", "main.js")


def page_text(race: Race) -> tuple[str, list[str]]:
    """The page of a race, and in sentences what it lacks; no page is the empty text."""
    if race.surface.formula is None:
        return "", [
            f"no landscape.html: {race.surface.name} is not an expression in x and y that the page "
            "could compute"
        ]
    taking_part = {run.label: run.entrant for run in race.runs}
    others = {one.label: one for one in map(entrant, _able())}
    every = {**taking_part, **{k: one for k, one in others.items() if k not in taking_part}}
    look = looks(every)
    rules, lacking = {}, []
    for label, one in every.items():
        try:
            rules[label] = _rule(one, look[label])
        except TypeError as error:
            if label in taking_part:
                lacking.append(f"landscape.html is without {label}: {error}")
    surfaces = {**SURFACES, race.surface.name: race.surface}
    parts = [
        "'use strict';",
        f"const TUNING = {_data(_tuning(race.plan.budget))};",
        f"const RULES = {{{','.join(f'{_data(k)}: {text}' for k, text in rules.items())}}};",
        f"const SURFACES = {{{','.join(_surface(one, race) for one in surfaces.values())}}};",
        f"const PLAN = {_data(_plan(race, rules))};",
        *(_own(name) for name in _SCRIPTS),
    ]
    fillings = {"style": _own("page.css"), "version": __version__, "script": "\n".join(parts)}
    # in one go: what is put in may look like another's place
    text = re.sub(r"\{(style|version|script)\}", lambda at: fillings[at[1]], _own("page.html"))
    return text, lacking


def _able() -> list[str]:
    """The optimizers that a reader of the page may add."""
    return [
        *CLASSIC,
        *(name for name, made in OPTIMIZERS.items() if not (out_of_place(made) or made.requests)),
    ]


def _rule(one: Entrant, look: Look) -> str:
    """A rule as the page runs it: its step, its settings but for lr, its states."""
    if one.chain is None:
        raise TypeError(f"{one.name} is no rule, which could be written as JavaScript")
    if one.chain.requests:
        raise TypeError(f"{one.name} asks for a gradient at other weights, and the page gives none")
    about = {
        "settings": {k: v for k, v in one.settings.items() if v is not None},
        "look": {"colour": look.colour, "dash": look.dash, "marker": look.marker},
        "states": _states(one.chain),
    }
    step = f"(() => {{\n{javascript(one.chain)}return step; }})()"
    return f"{{...{_data(about)}, step: {step}}}"


def _states(made: Chain) -> list[dict[str, Any]]:
    """What a rule keeps, by key: its letter, and whether its root is what is to be seen."""
    letters = {slot.key: slot.name for slot in made.slots}
    for part in made.parts:
        cells = part.declared.declaration.cells
        letters |= {part.key(name, one.key): name for name, one in cells.items() if name != "step"}
    return [
        {"key": key, "letter": letter, "root": letter == "v"}
        for key, letter in letters.items()
        if key != "step"
    ]


def _surface(surface: Surface, race: Race) -> str:
    assert surface.formula is not None
    seen = race.ground if surface is race.surface else ground(surface, across=101)
    about = {
        "title": surface.title,
        "formula": str(surface.formula),
        "window": surface.window,
        "start": race.plan.start if surface is race.surface else surface.start,
        "steps": race.plan.steps if surface is race.surface else surface.steps,
        "minima": surface.minima,
        "saddle": surface.saddle,
        "base": seen.base,
        "scale": seen.scale,
        "relief": seen.scale_in_relief,
        "steepness": seen.steepness,
        "tuned": tuning.describe(surface, "STEPS", "WHEN", race.plan.budget),
    }
    return f"{_data(surface.name)}: {{...{_data(about)}, ...{surface.formula.javascript}}}"


def _tuning(budget: int) -> dict[str, Any]:
    return {
        "rates": tuning.rates(budget).tolist(),
        "away": tuning.AWAY,
        "when": tuning.WHEN,
        "room": tuning.ROOM,
    }


def _plan(race: Race, rules: Mapping[str, str]) -> dict[str, Any]:
    plan = race.plan
    return {
        "surface": race.surface.name,
        "start": plan.start,
        "steps": plan.steps,
        "noise": plan.noise,
        "seed": plan.seed,
        "entrants": [
            {"label": run.label, "lr": run.tuned.lr, "given": run.tuned.given}
            for run in race.runs
            if run.label in rules
        ],
    }


def _own(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _data(value: Any) -> str:
    """A value as JavaScript that no text in it can end: "</script>" has its bracket spelled out."""
    return json.dumps(value, default=_plain).replace("<", "\\u003c")


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"a setting of a page must be a number or text, got {value!r}")
