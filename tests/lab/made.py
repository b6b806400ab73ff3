"""Contests that are over without any training, for tests of what is said and drawn of them."""

import math

from thalweg.lab.contest import Budget, Contest, Unit
from thalweg.lab.contestants import enter
from thalweg.lab.tasks.builtin import open_task
from thalweg.lab.training import Curve, Outcome


def outcome(
    metric: float | None = 0.9,
    loss: float = 0.1,
    diverged_at: int | None = None,
    reached: int | None = None,
) -> Outcome:
    """What came of a training of two looks, at steps 5 and 10; `reached` is of 95 %."""
    seen = [0.96 if reached is not None and step >= reached else 0.5 for step in (5, 10)]
    falling = [2 * loss, loss]
    curve = Curve([5, 10], [0.1, 0.2], [0.1, 0.1], falling, list(falling), seen)
    if metric is None:
        curve.validation_metric = []
    test = math.inf if diverged_at is not None else loss
    return Outcome(diverged_at, None, test, metric, 1e-4, 1e-3, 800, 100, curve)


def contest(**accuracies: list[float]) -> Contest:
    """One with these accuracies of each optimizer, by seed."""
    given = [f"{name}=0.1" for name in accuracies]
    seeds = max(map(len, accuracies.values()))
    made = Contest(enter(list(accuracies), given), Budget(seeds, 1), open_task())
    for entry, values in zip(made.entries, accuracies.values(), strict=True):
        fill(made, entry.label, [outcome(value) for value in values])
    return made


def fill(made: Contest, label: str, outcomes: list[Outcome]) -> None:
    """Let an entry have these runs and no others."""
    made.entry(label).runs.clear()
    for seed, one in enumerate(outcomes, made.seeds.start):
        made.take(Unit(label, "run", seed), one)
