"""What is measured together: an optimizer of ours, torch's forms of it, and its floor."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from thalweg import optim
from thalweg.lab.bench.floors import EVERY, FLOORS
from thalweg.lab.bench.on_torch.parameters import rivals

__all__ = ["FAMILIES", "OPTIMIZERS", "Family", "Make", "named"]

Make = Callable[[Sequence[torch.nn.Parameter]], torch.optim.Optimizer]


@dataclass(frozen=True)
class Family:
    """One optimizer under one choice of settings."""

    name: str
    optimizer: str
    streams: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    cycle: int = 1  # steps after which its work repeats

    @property
    def accesses(self) -> float:
        """Loads and stores per element and step."""
        return FLOORS[self.streams]

    @property
    def ours(self) -> Make:
        return functools.partial(getattr(optim, self.optimizer), **self.settings)

    @property
    def torch_forms(self) -> dict[str, Make]:
        """The forms in which torch has this optimizer; none, if it does not have it."""
        return rivals(self.optimizer, self.settings)


# decay is on wherever a user would have it on, so that both sides do the same work
FAMILIES = (
    Family("SGD", "SGD", "p g"),
    Family("SGD momentum", "SGD", "p g m", {"momentum": 0.9}),
    Family("Adagrad", "Adagrad", "p g m"),
    Family("ASGD", "ASGD", "p g, m stored"),
    Family("RMSprop", "RMSprop", "p g m"),
    Family("RMSprop full", "RMSprop", "p g m v vmax", {"momentum": 0.9, "centered": True}),
    Family("Adam", "Adam", "p g m v"),
    Family("AdamW", "AdamW", "p g m v"),
    Family("AdamW amsgrad", "AdamW", "p g m v vmax", {"amsgrad": True}),
    Family("Adadelta", "Adadelta", "p g m v"),
    Family("Adamax", "Adamax", "p g m v"),
    Family("NAdam", "NAdam", "p g m v"),
    Family("RAdam", "RAdam", "p g m v"),
    Family("Rprop", "Rprop", "p g m v"),
    Family("Lion", "Lion", "p g m"),
    Family("LAMB", "LAMB", "p g m v, twice"),
    Family("StableAdamW", "StableAdamW", "p g m v, twice"),
    Family("ScheduleFreeAdamW", "ScheduleFreeAdamW", "p g m v"),
    Family("Ranger", "Ranger", "p g m v, slow at times", {"k": EVERY}, cycle=EVERY),
)

# one family for each class of ours
OPTIMIZERS = tuple(f for f in FAMILIES if f.name == f.optimizer)


def named(name: str) -> Family:
    """The family of this name."""
    return next(family for family in FAMILIES if family.name == name)
