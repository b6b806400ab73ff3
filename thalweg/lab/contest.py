"""The comparison itself: learning rates chosen by equal budget, then several seeds of each."""

import math
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from thalweg.lab.contestants import Budget, Contestant
from thalweg.lab.digits import Task
from thalweg.lab.network import Backend, initial_layers
from thalweg.lab.training import Run, Step, train

__all__ = ["GRID", "THREADS", "TUNING_SEED", "Contest", "Current", "Entry", "Trial"]

# Half-decades, wide enough that an optimizer's best rarely lies at either end.
GRID = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)

# A network this small gains nothing from a second (Adam, one batch: 626 µs on 1, 628 to 807 on 2).
THREADS = 1

# Evaluation seeds count from 1.
TUNING_SEED = 0


@dataclass(frozen=True)
class Trial:
    """One learning rate of the grid, scored on the validation images."""

    lr: float
    validation_accuracy: float
    validation_loss: float
    diverged_at: int | None


@dataclass
class Entry:
    """One contestant with everything that it has finished so far."""

    contestant: Contestant
    trials: list[Trial] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.contestant.name

    @property
    def tuned(self) -> bool:
        return self.contestant.lr is None

    @property
    def best_trial(self) -> Trial | None:
        """The trial with the lowest validation loss."""
        return min(self.trials, key=lambda trial: trial.validation_loss, default=None)

    @property
    def lr(self) -> float | None:
        """The learning rate of the runs: the given one, or the best once the grid is done."""
        if not self.tuned:
            return self.contestant.lr
        if self.best_trial is None or len(self.trials) < len(GRID):
            return None
        return self.best_trial.lr

    @property
    def edge(self) -> str | None:
        """Which end of the grid the chosen learning rate lies at, if it does."""
        if not self.tuned:
            return None
        return {GRID[0]: "lowest", GRID[-1]: "highest"}.get(self.lr or math.nan)


class Current(NamedTuple):
    """The training that is running."""

    entry: Entry
    lr: float
    seed: int


class Contest:
    """All entries, and the work between them and their results."""

    def __init__(
        self,
        contestants: Iterable[Contestant],
        budget: Budget,
        backend: Backend,
        tasks: tuple[Task, Task],
    ) -> None:
        self.entries = [Entry(contestant) for contestant in contestants]
        self.budget = budget
        self.tuning_task, self.final_task = tasks
        self.current: Current | None = None
        self._backend = backend

    @property
    def finished(self) -> int:
        """How many trainings are done."""
        return sum(len(entry.trials) + len(entry.runs) for entry in self.entries)

    @property
    def total(self) -> int:
        """How many trainings there are."""
        tuned = sum(entry.tuned for entry in self.entries)
        return tuned * len(GRID) + len(self.entries) * self.budget.seeds

    def play(self) -> Iterator[Step | Trial | Run]:
        """Do the work, yielding each step forward and each result; `current` says whose it is.

        Whoever stops listening keeps what finished until then. Seeds take turns
        across the optimizers, so that an early end and a slow moment of the
        machine hit them alike.
        """
        for entry in self.entries:
            if entry.tuned:
                yield from self._tune(entry)
        for seed in range(TUNING_SEED + 1, TUNING_SEED + 1 + self.budget.seeds):
            for entry in self.entries:
                yield from self._evaluate(entry, seed)

    def _tune(self, entry: Entry) -> Iterator[Step | Trial]:
        for lr in GRID:
            run = yield from self._train(Current(entry, lr, TUNING_SEED), self.tuning_task)
            entry.trials.append(Trial(lr, run.held_accuracy, run.held_loss, run.diverged_at))
            yield entry.trials[-1]

    def _evaluate(self, entry: Entry, seed: int) -> Iterator[Step | Run]:
        lr = entry.lr
        assert lr is not None, "evaluation comes after tuning"
        run = yield from self._train(Current(entry, lr, seed), self.final_task)
        entry.runs.append(run)
        yield run

    def _train(self, current: Current, task: Task) -> Generator[Step, None, Run]:
        self.current = current
        contestant = current.entry.contestant
        classifier = self._backend.make_classifier(initial_layers(current.seed))
        optimizer = self._backend.make_optimizer(
            contestant.name, classifier.parameters(), lr=current.lr, **contestant.overrides
        )
        epochs, batch_size = self.budget.epochs, self.budget.batch_size
        run = yield from train(classifier, optimizer, task, current.seed, epochs, batch_size)
        return run
