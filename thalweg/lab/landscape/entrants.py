"""Who walks over a surface: an optimizer of the registry or a user's own, with its settings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from thalweg.chain import Chain, chain
from thalweg.lab.errors import UserError
from thalweg.lab.loading import is_place, load
from thalweg.lab.specification import ranges, read
from thalweg.optimizers import OPTIMIZERS
from thalweg.rule import Rule
from thalweg.source import unknown

__all__ = ["CLASSIC", "MOMENTUM", "Entrant", "entrant", "entrants", "out_of_place"]

CLASSIC = ("SGD", "momentum", "RMSprop", "Adam", "RAdam", "Ranger")

MOMENTUM = "momentum"
_LEFT_OUT = {
    "Adafactor": "it is there for torch alone",
    "LBFGS": "it asks for the value several times in a step",
}


@dataclass(frozen=True)
class Entrant:
    """An optimizer under the label of the pictures; `lr` where it is given and not to be tuned."""

    label: str
    chain: Chain
    settings: Mapping[str, Any] = field(default_factory=dict)
    lr: float | None = None


def entrants(specs: Sequence[str], rates: Sequence[str] = ()) -> list[Entrant]:
    """The entrants that a command line names, with the learning rates that it gives.

    A rate is a number, which is for all, or NAME=VALUE. Raises UserError.
    """
    chosen: dict[str, Entrant] = {}
    for spec in specs or CLASSIC:
        one = entrant(spec)
        if one.label in chosen and chosen[one.label].chain is not one.chain:
            one = replace(one, label=spec.strip())  # of two files, say
        chosen[one.label] = one
    for option in rates:
        name, equals, value = option.rpartition("=")
        if not equals:
            rate = _rate("--lr", value)
            chosen = {label: replace(one, lr=one.lr or rate) for label, one in chosen.items()}
            continue
        label = entrant(name.strip()).label
        if label not in chosen:
            raise UserError(f"--lr {option}: {label} is not among {', '.join(chosen)}")
        chosen[label] = replace(chosen[label], lr=_rate(f"--lr {option}", value))
    return list(chosen.values())


def entrant(spec: str) -> Entrant:
    """One entrant out of a specification, such as adam, "ranger(k=5)" or FILE.py:Rule.

    `momentum` is SGD with a momentum of 0.9. Raises UserError.
    """
    name = spec.partition("(")[0].strip()
    is_momentum = name.lower() == MOMENTUM
    told = read(f"SGD{spec.strip()[len(name) :]}" if is_momentum else spec)
    if ranges(told.settings):
        raise UserError(f"{spec}: a setting is one value here; lr is tuned where it is not given")
    made = _own(told.name) if is_place(told.name) else _registered(told.name)
    settings = {key: value for key, value in told.settings.items() if key != "lr"}
    is_named_alike = made.name in OPTIMIZERS and made is not OPTIMIZERS[made.name]
    title = MOMENTUM if is_momentum else told.name if is_named_alike else made.name
    label = replace(told, name=title).label
    if is_momentum:
        settings = {"momentum": 0.9, **settings}
    _check(spec, made, settings)
    return Entrant(label, made, settings, told.settings.get("lr"))


def _registered(name: str) -> Chain:
    reason = _LEFT_OUT.get(name)
    if name in OPTIMIZERS and any(rule.rows_only for rule in OPTIMIZERS[name].rules):
        reason = "it is for the sparse gradients of embeddings, and there are none here"
    reason = reason or out_of_place(OPTIMIZERS[name])
    if reason:
        raise UserError(f"{name} cannot take part: {reason}")
    return OPTIMIZERS[name]


def out_of_place(made: Chain) -> str:
    """Why an optimizer has nothing to do on a surface; empty, if it has."""
    if made.choice.which((2,)) is None:
        return "it moves matrices only, and a point is none"
    if made.requests:
        return "it asks for a gradient at other weights, which a page cannot answer"
    return "it works on rows and columns, and a point has none" if made.on_matrices else ""


def _check(spec: str, made: Chain, settings: Mapping[str, Any]) -> None:
    """Settings go together, and a user's own optimizer has them, and a rate to be tuned."""
    for key in settings:
        if key not in made.settings or key in made.fixed:
            raise UserError(f"{spec}: {made.name}: {unknown(key, made.signature.shown)}")
    if "lr" not in made.settings:
        raise UserError(f"{spec}: {made.name} has no setting lr, which is what is tuned here")
    try:
        made.check({**made.defaults, **settings})
    except (TypeError, ValueError) as error:
        raise UserError(f"{spec}: {error}") from None


def _own(spec: str) -> Chain:
    """A user's rule or chain, out of a file."""
    value = load(spec, spec)
    if isinstance(value, Chain):
        return _in_place(spec, value)
    if not (isinstance(value, type) and issubclass(value, Rule)):
        raise UserError(
            f"{spec} must be a rule, such as `class Mine(Rule)` with thalweg.rule.Rule, or a "
            f"chain of thalweg.chain.chain, got {value!r}"
        )
    try:
        return _in_place(spec, chain(value.__name__, value))
    except (TypeError, ValueError) as error:
        raise UserError(f"{spec}: {error}") from None


def _in_place(spec: str, made: Chain) -> Chain:
    if reason := out_of_place(made):
        raise UserError(f"{spec} cannot take part: {reason}")
    return made


def _rate(where: str, value: Any) -> float:
    try:
        rate = float(value)
    except (TypeError, ValueError):
        rate = math.nan
    if not (math.isfinite(rate) and rate > 0):
        raise UserError(f"{where}: lr must be a number above 0, got {value!r}")
    return rate
