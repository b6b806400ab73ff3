"""What an optimizer's file in `tests/cases/` says of it, and the cases that come of that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.papers import Paper
from thalweg.chain import Chain
from thalweg.optimizers import OPTIMIZERS
from thalweg.stages import Maximize

Settings = Mapping[str, Any]

# other values of the settings that every relative of Adam has
OF_ADAM: Settings = {"betas": (0.7, 0.8), "eps": 1e-3}


@dataclass(frozen=True)
class Case:
    """An optimizer under some settings, what torch calls it (None if torch has none that takes
    dense gradients), and its paper's lines."""

    name: str
    settings: Settings
    torch: str | None
    reference: Paper

    @property
    def chain(self) -> Chain:
        """What a border runs for this optimizer."""
        return with_maximize(self.name)

    def __str__(self) -> str:
        return "-".join([self.name, *(f"{k}={v}" for k, v in self.settings.items())])


@dataclass(frozen=True)
class Subject:
    """One optimizer and its paper's lines.

    `whole` are settings that leave none of its states out; where one is what a state starts as, it
    is a power of two, which no type rounds. `changed` are other values, good in mid-run; `also` are
    more sets to hold it to, and under `descends` it goes down a curved valley. `has_twin` says that
    torch has a class of this name.
    """

    name: str
    reference: Paper
    whole: Settings
    changed: Settings
    descends: Settings
    also: tuple[Settings, ...] = ({},)
    has_twin: bool = False

    @property
    def is_for_sparse(self) -> bool:
        """Whether torch has it for sparse gradients alone."""
        return any(rule.rows_only for rule in OPTIMIZERS[self.name].rules)

    @property
    def cases(self) -> list[Case]:
        """The optimizer under each set of settings."""
        twin = self.name if self.has_twin and not self.is_for_sparse else None
        return [Case(self.name, h, twin, self.reference) for h in (self.whole, *self.also)]


@cache
def with_maximize(name: str) -> Chain:
    """An optimizer's chain with the stage that every border puts in front of it."""
    return OPTIMIZERS[name].preceded_by(Maximize)
