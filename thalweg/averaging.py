"""What `average=` takes: how the weights are averaged inside a step.

    opt = AdamW(model.parameters(), average=EMA(0.999))
    opt = SGD(model.parameters(), lr=0.1, average=SWA(start=8000, every=100))
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from thalweg.rule import Stage
from thalweg.stages import EqualAverage, ExponentialAverage

__all__ = ["EMA", "SWA", "Average"]


@dataclass(frozen=True)
class Average:
    """A way to average weights: the stage that does it, and its settings."""

    stage: ClassVar[type[Stage]]
    kind: ClassVar[str]

    def __post_init__(self) -> None:
        for name, setting in self.stage.declaration.settings.items():
            setting.check(f"{type(self).__name__}: {name}", getattr(self, name))

    @property
    def settings(self) -> Mapping[str, Any]:
        """The stage's settings by name."""
        return {name: getattr(self, name) for name in self.stage.declaration.settings}


@dataclass(frozen=True)
class EMA(Average):
    """Exponential moving average: about the last 1 / (1 - decay) steps count.

    For evaluation during training and at its end, with any schedule. Decays of 0.999 to 0.9999
    suit runs of tens of thousands of steps; shorter ones want less.
    """

    stage = ExponentialAverage
    kind = "ema"

    decay: float = ExponentialAverage.declaration.settings["decay"].default


@dataclass(frozen=True)
class SWA(Average):
    """The plain mean of the weights at steps `start`, `start + every`, ... (counted from 1).

    For the last quarter or so of a run, at a constant or cyclic rate. Batch norms want
    `update_bn` afterwards.
    """

    stage = EqualAverage
    kind = "swa"

    start: int = EqualAverage.declaration.settings["start"].default
    every: int = EqualAverage.declaration.settings["every"].default
