"""Who takes part in a comparison, with which settings and how much of everything each gets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from thalweg.lab.errors import UserError
from thalweg.lab.names import found

if TYPE_CHECKING:
    from thalweg.optimizers import Registry

__all__ = ["DEFAULT_NAMES", "Budget", "Contestant", "enter"]

DEFAULT_NAMES = ("SGD", "Adam", "AdamW", "RAdam", "Ranger")

# Where an optimizer's own default would be a poor showing.
_OVERRIDES: Mapping[str, Mapping[str, Any]] = {"SGD": {"momentum": 0.9}}

# What thalweg has for torch alone.
_LEFT_OUT = {
    "Adafactor": "it is there for torch alone, and the comparison's default is not torch",
    "LBFGS": "it asks for the loss several times in a step, on one and the same batch, and here "
    "every step has one gradient of a new batch",
    "Muon": "it moves matrices only, and this network has biases too",
}


class Budget(NamedTuple):
    """How much every optimizer gets."""

    seeds: int = 5
    epochs: int = 30
    batch_size: int = 64


@dataclass(frozen=True)
class Contestant:
    """An optimizer by name, its settings but for lr, and lr where the user gave one."""

    name: str
    settings: dict[str, Any]
    overrides: dict[str, Any] = field(default_factory=dict)
    lr: float | None = None


def enter(names: Sequence[str], lr_options: Sequence[str]) -> list[Contestant]:
    """Turn names and `NAME=VALUE` learning rates into contestants, in the order named."""
    chosen = list(dict.fromkeys(_find(name) for name in names or DEFAULT_NAMES))
    rates = _read_rates(lr_options, chosen)
    return [_contestant(name, rates.get(name)) for name in chosen]


def _registered() -> Registry:
    """Give thalweg's list, which the command line reads where it needs one."""
    from thalweg.optimizers import OPTIMIZERS

    return OPTIMIZERS


def _why_left_out(name: str) -> str | None:
    """Say why an optimizer cannot take part."""
    known = _registered()
    if name in known and any(rule.rows_only for rule in known[name].rules):
        return "it is for the sparse gradients of embeddings, and there are none here"
    return _LEFT_OUT.get(name)


def _find(typed: str) -> str:
    known = _registered()
    taking_part = [each for each in known if not _why_left_out(each)]
    name = found(typed, [*known, *_LEFT_OUT], taking_part)
    if reason := _why_left_out(name):
        raise UserError(f"{name} cannot take part: {reason}")
    return name


def _read_rates(options: Sequence[str], chosen: Sequence[str]) -> dict[str, float]:
    rates: dict[str, float] = {}
    for option in options:
        typed, equals, value = option.partition("=")
        if not equals:
            raise UserError(f"--lr must be NAME=VALUE, such as Adam=0.003, got {option!r}")
        name = _find(typed.strip())
        if name not in chosen:
            raise UserError(
                f"--lr {option}: {name} is not in this comparison of {', '.join(chosen)}"
            )
        if name in rates:
            raise UserError(f"--lr {option}: {name} already has the learning rate {rates[name]:g}")
        rates[name] = _read_rate(name, value)
    return rates


def _read_rate(name: str, value: str) -> float:
    try:
        rate = float(value)
    except ValueError:
        rate = math.nan
    if not (math.isfinite(rate) and rate > 0):
        raise UserError(f"{name}: lr must be a number above 0, got {value!r}")
    return rate


def _contestant(name: str, lr: float | None) -> Contestant:
    overrides = dict(_OVERRIDES.get(name, {}))
    defaults = {key: one.default for key, one in _registered()[name].settings.items()}
    settings = {**defaults, **overrides}
    settings.pop("lr", None)
    return Contestant(name, settings, overrides, lr)
