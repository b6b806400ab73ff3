"""Who walks over a surface: an optimizer of the registry or a user's own, with its settings."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from thalweg.chain import Chain, chain
from thalweg.lab.errors import UserError
from thalweg.lab.landscape.user_file import load
from thalweg.lab.names import found
from thalweg.optimizers import OPTIMIZERS
from thalweg.rule import Rule

__all__ = ["CLASSIC", "Entrant", "entrant", "entrants"]

CLASSIC = ("SGD", "momentum", "RMSprop", "Adam", "RAdam", "Ranger")

_MOMENTUM = "momentum"
_LEFT_OUT = {
    "Adafactor": "it is there for torch alone",
    "LBFGS": "it asks for the value several times in a step",
    "Muon": "it moves matrices only, and a point is none",
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
    chosen = {one.label: one for one in map(entrant, specs or CLASSIC)}
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
    """One entrant out of a name in any case, FILE.py:Rule, or either with settings: "adam(eps=1)".

    `momentum` is SGD with a momentum of 0.9. Raises UserError.
    """
    name, settings = _taken_apart(spec)
    if name.lower() == _MOMENTUM:
        made, title = OPTIMIZERS["SGD"], _MOMENTUM
        settings = {"momentum": 0.9, **settings}
        shown = {key: value for key, value in settings.items() if (key, value) != ("momentum", 0.9)}
    else:
        made = _own(name) if ".py:" in name else OPTIMIZERS[_registered(name)]
        title, shown = made.name, settings
    lr = settings.pop("lr", None)
    shown = {key: value for key, value in shown.items() if key != "lr"}
    for key in settings:
        if key not in made.settings or key in made.fixed:
            known = ", ".join(one for one in made.signature.shown if one != "lr")
            raise UserError(f"{spec}: {made.name} has no setting {key!r}; there are {known}")
    if "lr" not in made.settings:
        raise UserError(f"{spec}: {made.name} has no setting lr, which is what is tuned here")
    try:
        made.check({**made.defaults, **settings})
    except (TypeError, ValueError) as error:
        raise UserError(f"{spec}: {error}") from None
    if shown:
        title += f"({', '.join(f'{key}={value!r}' for key, value in shown.items())})"
    return Entrant(title, made, settings, None if lr is None else _rate(spec, lr))


def _taken_apart(spec: str) -> tuple[str, dict[str, Any]]:
    """A name and the settings in brackets behind it."""
    name, bracket, rest = spec.strip().partition("(")
    if not bracket:
        return name.strip(), {}
    try:
        call = ast.parse(f"f({rest}", mode="eval").body
        assert isinstance(call, ast.Call)
        if call.args or any(one.arg is None for one in call.keywords):
            raise ValueError
        return name.strip(), {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
    except (SyntaxError, ValueError, AssertionError):
        raise UserError(
            f"settings must be NAME=VALUE in brackets, such as 'ranger(k=5)', got {spec!r}"
        ) from None


def _registered(typed: str) -> str:
    able = [name for name in OPTIMIZERS if name != "SparseAdam"]
    name = found(typed, [*OPTIMIZERS, *_LEFT_OUT], [_MOMENTUM, *able])
    reason = _LEFT_OUT.get(name)
    if name == "SparseAdam":
        reason = "it is for the sparse gradients of embeddings, and there are none here"
    if reason:
        raise UserError(f"{name} cannot take part: {reason}")
    return name


def _own(spec: str) -> Chain:
    """A user's rule or chain, out of a file."""
    value = load(spec, "a rule", "class Mine(Rule): ...")
    if isinstance(value, Chain):
        return value
    if not (isinstance(value, type) and issubclass(value, Rule)):
        kind = type(value).__name__
        raise UserError(f"{spec} must be a class made from thalweg.rule.Rule, or a chain: {kind}")
    try:
        return chain(value.__name__, value)
    except (TypeError, ValueError) as error:
        raise UserError(f"{spec}: {error}") from None


def _rate(where: str, value: Any) -> float:
    try:
        rate = float(value)
    except (TypeError, ValueError):
        rate = math.nan
    if not (math.isfinite(rate) and rate > 0):
        raise UserError(f"{where}: lr must be a number above 0, got {value!r}")
    return rate
