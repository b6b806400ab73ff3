"""A task: everything that a training needs but the optimizer, made anew for each seed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["Material", "Task"]


class Material(NamedTuple):
    """A fresh model with what it learns from and is judged by.

    A batch is a tuple whose last part is the target; `loss` and `metric` are functions of
    (output, target). Of a `test` of None, `validation` is the only judge.
    """

    model: Any
    loss: Callable[[Any, Any], Any]
    train: Iterable[Any]
    validation: Iterable[Any]
    test: Iterable[Any] | None
    metric: Callable[[Any, Any], Any] | None


@dataclass(frozen=True)
class Task:
    """What is learnt, in some framework: `start(seed)` makes the same material each time.

    `metric` is the name of what is judged by besides the loss, None where that is all.
    """

    name: str
    description: str
    framework: str
    start: Callable[[int], Material]
    metric: str | None
    is_higher_better: bool
    target: float | None
    fingerprint: str

    @property
    def is_share(self) -> bool:
        """Whether the metric is shown in percent."""
        return self.metric is not None and self.metric.endswith("accuracy")
