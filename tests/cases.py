"""Every optimizer that the tests loop over: one entry each, and every test file sees it.

An entry has the optimizer's lines from its paper (`tests/papers.py`), settings that leave none of
its states out, other values that are good in mid-run, and more sets of settings to hold it to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests import papers
from thalweg.chain import Chain
from thalweg.optimizers import OPTIMIZERS
from thalweg.stages import Maximize

__all__ = ["CASES", "SUBJECTS", "Case", "Subject", "at_torch"]

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """An optimizer under some settings, what torch calls it (None if torch has none that takes
    dense gradients), and its paper's lines."""

    name: str
    settings: Settings
    torch: str | None
    reference: papers.Paper

    @property
    def chain(self) -> Chain:
        """What a border runs for this optimizer."""
        return with_maximize(self.name)

    def __str__(self) -> str:
        return "-".join([self.name, *(f"{k}={v}" for k, v in self.settings.items())])


@dataclass(frozen=True)
class Subject:
    """One optimizer: `whole` settings keep every state there is, `changed` are good in mid-run."""

    name: str
    reference: papers.Paper
    whole: Settings
    changed: Settings
    also: tuple[Settings, ...]
    has_twin: bool
    is_for_sparse: bool

    @property
    def cases(self) -> list[Case]:
        """The optimizer under each set of settings."""
        twin = self.name if self.has_twin and not self.is_for_sparse else None
        return [Case(self.name, h, twin, self.reference) for h in (self.whole, *self.also)]


def subject(
    name: str,
    reference: papers.Paper,
    *also: Settings,
    whole: Settings,
    changed: Settings,
    has_twin: bool = False,
    is_for_sparse: bool = False,
) -> Subject:
    """An entry; `has_twin` says that torch has a class of this name."""
    return Subject(name, reference, whole, changed, also, has_twin, is_for_sparse)


def with_maximize(name: str) -> Chain:
    """An optimizer's chain with the stage that every border puts in front of it."""
    if name not in _WITH_MAXIMIZE:
        _WITH_MAXIMIZE[name] = OPTIMIZERS[name].preceded_by(Maximize)
    return _WITH_MAXIMIZE[name]


_WITH_MAXIMIZE: dict[str, Chain] = {}

# other values of the settings that every relative of Adam has
OF_ADAM: Settings = {"betas": (0.7, 0.8), "eps": 1e-3}

# what a state starts as is a power of two where it is a setting, since no type rounds those
SUBJECTS = [
    subject(
        "SGD",
        papers.sgd,
        {"lr": 0.1},
        {"lr": 0.1, "weight_decay": 0.01},
        {"lr": 0.1, "momentum": 0.9},
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01, "maximize": True},
        whole={"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
        changed={"momentum": 0.5, "nesterov": False},
        has_twin=True,
    ),
    subject(
        "Adam",
        papers.adam,
        {},
        {"lr": 0.01, "betas": (0.8, 0.99), "eps": 1e-3, "weight_decay": 0.1},
        {"amsgrad": True},
        {"weight_decay": 0.1, "amsgrad": True, "maximize": True},
        {"weight_decay": 0.1, "decoupled_weight_decay": True},
        whole={"lr": 0.01, "amsgrad": True, "weight_decay": 0.01},
        changed=OF_ADAM,
        has_twin=True,
    ),
    subject(
        "AdamW",
        papers.adamw,
        {},
        {"weight_decay": 0.0, "maximize": True},
        {"weight_decay": 0.1, "amsgrad": True},
        whole={"lr": 0.01},
        changed=OF_ADAM,
        has_twin=True,
    ),
    subject(
        "Adadelta",
        papers.adadelta,
        {},
        {"lr": 0.5, "rho": 0.8, "eps": 1e-3, "weight_decay": 0.1, "maximize": True},
        whole={"lr": 0.5, "eps": 1e-3, "weight_decay": 0.01},
        changed={"rho": 0.7, "eps": 1e-3},
        has_twin=True,
    ),
    subject(
        "Adagrad",
        papers.adagrad,
        {},
        {"lr_decay": 0.1, "initial_accumulator_value": 0.3, "weight_decay": 0.1, "eps": 1e-3},
        {"maximize": True},
        whole={"lr": 0.01, "lr_decay": 0.1, "initial_accumulator_value": 0.125},
        changed={"lr_decay": 0.3, "eps": 1e-3},
        has_twin=True,
    ),
    subject(
        "Adamax",
        papers.adamax,
        {},
        {"betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1, "maximize": True},
        whole={"lr": 0.01, "weight_decay": 0.01},
        changed=OF_ADAM,
        has_twin=True,
    ),
    subject(
        "ASGD",
        papers.asgd,
        {},
        {"lambd": 0.1, "alpha": 0.6, "t0": 5.0, "weight_decay": 0.1, "maximize": True},
        whole={"lr": 0.01, "lambd": 0.01, "t0": 3.0},
        changed={"lambd": 0.1, "alpha": 0.5, "t0": 1.0},
        has_twin=True,
    ),
    subject(
        "NAdam",
        papers.nadam,
        {},
        {"betas": (0.8, 0.9), "momentum_decay": 0.1, "weight_decay": 0.1, "maximize": True},
        {"weight_decay": 0.1, "decoupled_weight_decay": True},
        whole={"lr": 0.01, "momentum_decay": 0.01},
        changed={**OF_ADAM, "momentum_decay": 0.1},
        has_twin=True,
    ),
    subject(
        "RMSprop",
        papers.rmsprop,
        {},
        {"alpha": 0.9, "eps": 1e-3, "momentum": 0.9, "weight_decay": 0.1},
        {"centered": True, "maximize": True},
        {"alpha": 0.9, "momentum": 0.9, "centered": True},
        whole={"lr": 0.01, "momentum": 0.9, "centered": True, "eps": 1e-3},
        changed={"alpha": 0.8, "momentum": 0.5},
        has_twin=True,
    ),
    subject(
        "Rprop",
        papers.rprop,
        {},
        {"lr": 0.1, "etas": (0.4, 1.5), "step_sizes": (1e-3, 0.5), "maximize": True},
        whole={"lr": 0.015625, "step_sizes": (1e-4, 0.1)},
        changed={"etas": (0.4, 1.3), "step_sizes": (1e-3, 0.05)},
        has_twin=True,
    ),
    subject(
        "SparseAdam",
        papers.sparse_adam,
        {},
        {"lr": 0.01, "betas": (0.8, 0.9), "eps": 1e-3, "maximize": True},
        whole={"lr": 0.01},
        changed=OF_ADAM,
        has_twin=True,
        is_for_sparse=True,
    ),
    subject(
        "RAdam",
        papers.radam,
        {},
        {"weight_decay": 0.1, "maximize": True},
        {"betas": (0.8, 0.9), "weight_decay": 0.1, "decoupled_weight_decay": True},
        whole={"lr": 0.01, "betas": (0.9, 0.95)},
        changed=OF_ADAM,
        has_twin=True,
    ),
    subject(
        "Ranger",
        papers.ranger,
        {},
        {"gc_normalize": True, "k": 2, "alpha": 0.8},
        {"use_gc": False, "k": 1, "alpha": 0.0, "maximize": True},
        {"weight_decay": 0.1, "gc_conv_only": True, "warmup_mode": "skip"},
        whole={"lr": 0.01, "betas": (0.9, 0.95), "k": 4, "weight_decay": 0.01},
        changed={**OF_ADAM, "alpha": 0.8},
    ),
    subject(
        "Lion",
        papers.lion,
        {},
        {"lr": 0.01, "betas": (0.8, 0.9), "weight_decay": 0.1, "maximize": True},
        whole={"lr": 0.03125, "weight_decay": 0.5},
        changed={"betas": (0.7, 0.8)},
    ),
    subject(
        "AdaBelief",
        papers.adabelief,
        {},
        {"betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1, "maximize": True},
        {"rectify": False},
        whole={"lr": 0.01, "betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": 0.01},
        changed=OF_ADAM,
    ),
]

CASES = [case for each in SUBJECTS for case in each.cases]


def at_torch() -> list[Case]:
    """The cases that torch has a class for."""
    return [one for one in CASES if one.torch]
