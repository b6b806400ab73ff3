"""Range tests on a task, from several first weights, and what they suggest together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from thalweg.lab.bar import bar
from thalweg.lab.errors import UserError
from thalweg.lab.frameworks import load_backend, seed_all
from thalweg.lab.range_test.sweep import RangeTest, lr_find
from thalweg.lab.specification import Specification
from thalweg.lab.tasks.drawn import own_settings
from thalweg.lab.tasks.task import Task

__all__ = ["Found", "find_on_task"]


@dataclass(frozen=True)
class Found:
    """The range tests from several first weights, and the rate that they suggest together."""

    optimizer: str
    task: str
    tests: Sequence[RangeTest]

    @property
    def suggested(self) -> float | None:
        """The middle one of those that the tests suggest; None where most of them suggest none."""
        rates = sorted(self._rates)
        if 2 * len(rates) <= len(self.tests):
            return None
        low, high = rates[(len(rates) - 1) // 2], rates[len(rates) // 2]
        return low if low == high else math.sqrt(low * high)

    @property
    def _rates(self) -> list[float]:
        return [one.suggested for one in self.tests if one.suggested is not None]

    @property
    def reason(self) -> str:
        """Why, in the words of the test that is nearest to the middle."""
        rate = self.suggested
        if rate is None:
            return next(one.suggestion.reason for one in self.tests if one.suggested is None)
        told = [one for one in self.tests if one.suggested is not None]
        near = min(told, key=lambda one: abs(np.log((one.suggested or rate) / rate)))
        return near.suggestion.reason

    @property
    def spread(self) -> tuple[float, float] | None:
        """The lowest and the highest rate that a test suggests."""
        return (min(self._rates), max(self._rates)) if self._rates else None


def find_on_task(
    wanted: Specification, task: Task, low: float, high: float, steps: int, seeds: Sequence[int]
) -> Found:
    """The range tests of an optimizer on a task, one from the first weights of each seed."""
    made = load_backend(task.framework).optimizer_class(wanted.name)
    given = wanted.settings
    settings = {"lr": low, **own_settings(wanted.name, given, task), **given}
    tests = []
    with bar(f"{wanted.label}: range test", steps * len(seeds)) as tell:
        for i, seed in enumerate(seeds):
            material = task.start(seed)
            seed_all(seed)

            def progress(done: int, before: int = i * steps) -> None:
                tell(before + done, "")

            try:
                opt = made(material.model.parameters(), **settings)
                test = lr_find(
                    material.model,
                    material.loss,
                    material.train,
                    opt,
                    low=low,
                    high=high,
                    steps=steps,
                    progress=progress,
                )
            except (TypeError, ValueError, RuntimeError, NotImplementedError) as error:
                said = " ".join(str(error).split()).removeprefix("lr_find: ")
                raise UserError(f"{wanted.label} on {task.name}: {said}") from error
            tests.append(test)
    return Found(wanted.label, task.description, tests)
