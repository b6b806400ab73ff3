"""Who takes part in a comparison, with which settings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from thalweg.lab.errors import UserError
from thalweg.lab.loading import is_place
from thalweg.lab.names import found
from thalweg.lab.specification import Specification, filled, read, split
from thalweg.lab.tasks.drawn import own_settings
from thalweg.lab.tasks.task import Task
from thalweg.naming import BESIDE
from thalweg.optimizers import OPTIMIZERS

__all__ = ["DEFAULT_NAMES", "Contestant", "enter"]

DEFAULT_NAMES = ("SGD", "Adam", "AdamW", "RAdam", "Ranger")

# Where an optimizer's own default would be a poor showing.
_OVERRIDES: Mapping[str, Mapping[str, Any]] = {"SGD": {"momentum": 0.9}}


@dataclass(frozen=True)
class Contestant:
    """An optimizer as it takes part: what was given, and what is set where nothing was."""

    specification: Specification
    label: str
    overrides: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.specification.name

    @property
    def lr(self) -> float | None:
        """The learning rate, where one was given."""
        lr = self.specification.settings.get("lr")
        return float(lr) if isinstance(lr, int | float) else None

    def on(self, task: Task) -> Contestant:
        """The same with what a task itself says to its optimizer."""
        own = own_settings(self.name, self.specification.settings, task)
        return replace(self, overrides={**self.overrides, **own}) if own else self

    def settings(self, setting: Mapping[str, float]) -> dict[str, Any]:
        """What its constructor is given, with a trial's values in the place of ranges."""
        given = filled(self.specification.settings, setting)
        lr = {"lr": setting["lr"]} if "lr" in setting else {}
        return {**self.overrides, **given, **lr}

    @property
    def defaults(self) -> dict[str, Any]:
        """The settings that its class has, as far as that is known, without lr."""
        if not self.specification.is_own:
            return {}
        known = OPTIMIZERS[self.name].settings
        return {key: one.default for key, one in known.items() if key != "lr"}


def enter(texts: Sequence[str], rates: Sequence[str]) -> list[Contestant]:
    """Turn what was typed, and `--lr` of all or of one, into contestants, in the order named."""
    read_ones = [_read(text) for text in (split(texts) if texts else DEFAULT_NAMES)]
    unique = list({repr(one): one for one in read_ones}.values())
    specifications = _with_rates(unique, rates)
    labels = [one.label for one in specifications]
    return [
        Contestant(
            one,
            one.label if labels.count(one.label) == 1 else _with_its_rate(one),
            {k: v for k, v in _OVERRIDES.get(one.name, {}).items() if k not in one.settings},
        )
        for one in specifications
    ]


def _read(text: str) -> Specification:
    specification = read(text)
    name = specification.name
    if name in OPTIMIZERS and any(rule.rows_only for rule in OPTIMIZERS[name].rules):
        raise UserError(
            f"{name} cannot take part: it is for the sparse gradients of embeddings, and there "
            "are none here"
        )
    return specification


def _with_its_rate(specification: Specification) -> str:
    """A label of one that differs from another in nothing but lr."""
    lr = specification.settings.get("lr")
    told = f"lr={lr:g}" if isinstance(lr, int | float) else f"lr={lr or 'searched'}"
    label = specification.label
    return f"{label[:-1]}, {told})" if label.endswith(")") else f"{label}({told})"


def _with_rates(chosen: list[Specification], options: Sequence[str]) -> list[Specification]:
    rates: dict[str, float] = {}
    everybody: float | None = None
    for option in options:
        typed, equals, value = option.rpartition("=")
        if not equals:
            if everybody is not None:
                raise UserError(f"--lr {option}: all already have the learning rate {everybody:g}")
            everybody = _rate("--lr", value)
            continue
        name = _name(typed.strip())
        if name not in [one.name for one in chosen]:
            names = ", ".join(one.name for one in chosen)
            raise UserError(f"--lr {option}: {name} is not in this comparison of {names}")
        if name in rates:
            raise UserError(f"--lr {option}: {name} already has the learning rate {rates[name]:g}")
        rates[name] = _rate(f"{name}: lr", value)
    return [_with_rate(one, rates.get(one.name, everybody)) for one in chosen]


def _with_rate(specification: Specification, rate: float | None) -> Specification:
    """What is written in the optimizer's own brackets comes first."""
    if rate is None or "lr" in specification.settings:
        return specification
    return specification.with_lr(rate)


def _name(typed: str) -> str:
    if is_place(typed):
        return typed
    return found(typed, [*OPTIMIZERS, *BESIDE], list(OPTIMIZERS))


def _rate(what: str, value: str) -> float:
    try:
        rate = float(value)
    except ValueError:
        rate = math.nan
    if not (math.isfinite(rate) and rate > 0):
        raise UserError(f"{what} must be a number above 0, got {value!r}")
    return rate
