"""Every optimizer and every flag set that the tests loop over: one line each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from thalweg.chain import Chain
from thalweg.optimizers import OPTIMIZERS
from thalweg.stages import Maximize

__all__ = ["CASES", "Case", "at_torch"]


@dataclass(frozen=True)
class Case:
    """An optimizer under some settings, and what torch calls it (None if torch has none)."""

    name: str
    settings: Mapping[str, Any]
    torch: str | None
    torch_settings: Mapping[str, Any]

    @property
    def chain(self) -> Chain:
        """What a border runs for this optimizer."""
        return _WITH_MAXIMIZE[self.name]

    def __str__(self) -> str:
        return "-".join([self.name, *(f"{k}={v}" for k, v in self.settings.items())])


def case(name: str, torch: str | None = "", **settings: Any) -> Case:
    """One line of the list: the torch class has the same name and settings, or is None."""
    return Case(name, settings, name if torch == "" else torch, settings)


_WITH_MAXIMIZE = {name: made.preceded_by(Maximize) for name, made in OPTIMIZERS.items()}

CASES = [
    case("SGD", lr=0.1),
    case("SGD", lr=0.1, weight_decay=0.01),
    case("SGD", lr=0.1, momentum=0.9),
    case("SGD", lr=0.1, momentum=0.9, dampening=0.3, weight_decay=0.01, maximize=True),
    case("SGD", lr=0.1, momentum=0.9, nesterov=True),
    case("Adam"),
    case("Adam", lr=0.01, betas=(0.8, 0.99), eps=1e-3, weight_decay=0.1),
    case("Adam", amsgrad=True),
    case("Adam", weight_decay=0.1, amsgrad=True, maximize=True),
    case("Adam", weight_decay=0.1, decoupled_weight_decay=True),
    case("AdamW"),
    case("AdamW", weight_decay=0.0, maximize=True),
    case("AdamW", weight_decay=0.1, amsgrad=True),
    case("Adadelta"),
    case("Adadelta", lr=0.5, rho=0.8, eps=1e-3, weight_decay=0.1, maximize=True),
    case("Adagrad"),
    case("Adagrad", lr_decay=0.1, initial_accumulator_value=0.3, weight_decay=0.1, eps=1e-3),
    case("Adagrad", maximize=True),
    case("Adamax"),
    case("Adamax", betas=(0.8, 0.9), eps=1e-3, weight_decay=0.1, maximize=True),
    case("ASGD"),
    case("ASGD", lambd=0.1, alpha=0.6, t0=5.0, weight_decay=0.1, maximize=True),
    case("NAdam"),
    case("NAdam", betas=(0.8, 0.9), momentum_decay=0.1, weight_decay=0.1, maximize=True),
    case("NAdam", weight_decay=0.1, decoupled_weight_decay=True),
    case("RMSprop"),
    case("RMSprop", alpha=0.9, eps=1e-3, momentum=0.9, weight_decay=0.1),
    case("RMSprop", centered=True, maximize=True),
    case("RMSprop", alpha=0.9, momentum=0.9, centered=True),
    case("Rprop"),
    case("Rprop", lr=0.1, etas=(0.4, 1.5), step_sizes=(1e-3, 0.5), maximize=True),
    case("SparseAdam", torch=None),
    case("SparseAdam", torch=None, lr=0.01, betas=(0.8, 0.9), eps=1e-3, maximize=True),
    case("RAdam"),
    case("RAdam", weight_decay=0.1, maximize=True),
    case("RAdam", betas=(0.8, 0.9), weight_decay=0.1, decoupled_weight_decay=True),
    case("Ranger", torch=None),
    case("Ranger", torch=None, gc_normalize=True, k=2, alpha=0.8),
    case("Ranger", torch=None, use_gc=False, k=1, alpha=0.0, maximize=True),
    case("Ranger", torch=None, weight_decay=0.1, gc_conv_only=True, warmup_mode="skip"),
]


def at_torch() -> list[Case]:
    """The cases that torch has a class for."""
    return [one for one in CASES if one.torch]
