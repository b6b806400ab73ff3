"""What `average=` takes: how the weights are averaged inside a step.

opt = AdamW(model.parameters(), average=EMA(0.999))
opt = SGD(model.parameters(), lr=0.1, average=SWA(start=8000, every=100))
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, MutableMapping, Set
from dataclasses import dataclass
from typing import Any, ClassVar

from thalweg.chain import Chain
from thalweg.rule import Stage
from thalweg.stages import EqualAverage, ExponentialAverage

__all__ = [
    "EMA",
    "SWA",
    "Average",
    "at_rest",
    "check_average",
    "count_rest",
    "kept_at_rest",
    "plain",
    "with_average",
]


class Average:
    """A way to average weights: the stage that does it, and its settings.

    It is no dataclass itself: of those, command lines take no subclass (`thalweg.averaging.EMA`).
    """

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
    suit runs of tens of thousands of steps; shorter ones want less. Of narrow weights
    (bfloat16, float16) the average needs `state_dtype="float32"`: in the weights' own type, small
    steps towards them would be rounded away. It then follows the weights as they are before that
    rounding.
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


_KINDS: dict[str, type[Average]] = {kind.kind: kind for kind in (EMA, SWA)}


def check_average(title: str, value: Any) -> None:
    """Raise for an `average=` that is none."""
    is_word = isinstance(value, str) and value in _KINDS  # as another optimizer's group has it
    if not (value is None or isinstance(value, Average) or is_word):
        raise TypeError(
            f"{title}: average must be None, EMA(...) or SWA(...) from thalweg.averaging, "
            f"got {value!r}"
        )


def plain(average: Average | str | None) -> dict[str, Any]:
    """An average as the keys of a parameter group: a state_dict holds no objects of ours."""
    if average is None:
        return {}
    if isinstance(average, str):
        average = _KINDS[average]()
    names = _names(type(average))
    settings = {names[name]: value for name, value in average.settings.items()}
    return {"average": average.kind, **settings}


@functools.cache
def _followed(chain: Chain, kind: str) -> Chain:
    return chain.followed_by(_KINDS[kind].stage, _names(_KINDS[kind]))


def with_average(chain: Chain, group: Mapping[str, Any]) -> Chain:
    """The chain that steps a group like this one: with an average behind it, if it wants one."""
    kind = group.get("average")
    return _followed(chain, kind) if kind else chain


@functools.cache
def at_rest(chain: Chain) -> Chain | None:
    """What of a chain moves for a parameter without a gradient: its averages; None without any."""
    kinds = tuple(kind.stage for kind in _KINDS.values())
    parts = [part for part in chain.parts if issubclass(part.declared, kinds)]
    return Chain(f"{chain.name} at rest", parts, {}) if parts else None


def kept_at_rest(chain: Chain, group: Mapping[str, Any]) -> Set[str]:
    """The keys that the state of a parameter in this group has before its first gradient."""
    resting = at_rest(with_average(chain, group))
    return set() if resting is None else {*resting.cells, *(slot.key for slot in resting.slots)}


def count_rest(chain: Chain, before: Mapping[str, Any], after: MutableMapping[str, Any]) -> None:
    """Put right the cells, by key, that follow a step of the optimizer without a gradient."""
    for key in before:
        if key == "step":
            after[key] = before[key]
        elif key in _missed(chain):
            after[key] = before[key] + 1


@functools.cache
def _missed(chain: Chain) -> list[str]:
    """The keys under which the steps without a gradient are counted."""
    name = "n_missed"
    found = [part for part in chain.parts if name in part.declared.declaration.cells]
    return [part.key(name, part.declared.declaration.cells[name].key) for part in found]


def _names(kind: type[Average]) -> dict[str, str]:
    """The keys of a group that hold the settings of an average."""
    return {name: f"average_{name}" for name in kind.stage.declaration.settings}
