"""The comparison itself: which trainings there are, in which order, and what they have shown."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from thalweg.lab.contestants import Contestant
from thalweg.lab.search import Search, Setting, search_of
from thalweg.lab.tasks.task import Task
from thalweg.lab.training import Outcome
from thalweg.lab.tuning import Tried, next_setting

__all__ = ["Budget", "Contest", "Entry", "Run", "Trial", "Unit"]


class Budget(NamedTuple):
    """How much every optimizer gets: `trials` of `--tune`, or None for the grid.

    `seed` is that of the trials; the seeds of the runs count on from it.
    """

    seeds: int = 10
    epochs: int = 30
    batch_size: int = 64
    trials: int | None = None
    seed: int = 0
    schedule: str | None = None
    threads: int = 1


class Unit(NamedTuple):
    """One training: trial `number` of an optimizer, or its run with seed `number`."""

    label: str
    kind: str
    number: int

    @property
    def key(self) -> str:
        return f"{self.kind} {self.number} of {self.label}"


@dataclass(frozen=True)
class Trial:
    """A setting, tried with the trials' seed and judged on the validation split."""

    number: int
    setting: Setting
    outcome: Outcome

    @property
    def lr(self) -> float:
        return self.setting.get("lr", math.nan)

    @property
    def validation_loss(self) -> float:
        return self.outcome.validation_loss


@dataclass(frozen=True)
class Run:
    """The chosen setting with one seed, judged on the test split."""

    seed: int
    outcome: Outcome


@dataclass
class Entry:
    """One contestant with everything that it has finished so far."""

    contestant: Contestant
    search: Search | None
    seed: int = 0
    trials: dict[int, Trial] = field(default_factory=dict)
    runs: dict[int, Run] = field(default_factory=dict)
    closed: int | None = None  # so many trials decide, for time ran out
    _settings: dict[int, Setting] = field(default_factory=dict)

    @property
    def label(self) -> str:
        return self.contestant.label

    @property
    def best_trial(self) -> Trial | None:
        """The finished trial with the lowest validation loss, of those that may decide."""
        judged = [
            trial
            for number, trial in self.trials.items()
            if trial.outcome.pruned_at is None and (self.closed is None or number < self.closed)
        ]
        return min(judged, key=lambda one: (one.validation_loss, one.lr, one.number), default=None)

    @property
    def trial_count(self) -> int:
        """How many trials it has, as far as that is known yet."""
        if self.search is None:
            return 0
        if self.closed is not None:
            return self.closed
        return self.search.count + len(self.further())

    def further(self) -> list[Setting]:
        """The trials beyond the edge that the best of all the others lies at."""
        if self.search is None or not self._has(self.search.count):
            return []
        within = [self.trials[number] for number in range(self.search.count)]
        judged = [one for one in within if one.outcome.pruned_at is None]
        best = min(judged, key=lambda one: (one.validation_loss, one.lr, one.number))
        if not math.isfinite(best.validation_loss):
            return []
        return self.search.further(best.setting)

    def _has(self, count: int) -> bool:
        return all(number in self.trials for number in range(count))

    @property
    def is_tuned(self) -> bool:
        """Whether its setting is chosen."""
        return self.search is None or self._has(self.trial_count)

    @property
    def setting(self) -> Setting | None:
        """The values of what was searched, once they are chosen."""
        if self.search is None:
            return {}
        best = self.best_trial
        return best.setting if best is not None and self.is_tuned else None

    @property
    def lr(self) -> float | None:
        """The learning rate of the runs: the given one, or the best once it is chosen."""
        if self.contestant.lr is not None:
            return self.contestant.lr
        return None if self.setting is None else self.setting.get("lr")

    @property
    def edge(self) -> str | None:
        """Which end of its range the chosen lr lies at, also after that was widened."""
        if self.search is None or not self.setting or "lr" not in self.setting:
            return None
        tried = sorted(trial.lr for trial in self.trials.values())
        if self.further():
            end = self.setting["lr"]
            return "lowest" if end == tried[0] else "highest" if end == tried[-1] else None
        return self.search.edge(self.setting)

    def ready_trials(self) -> Iterator[int]:
        """The trials that may begin: the second half is decided by the first."""
        if self.search is None or self.closed is not None:
            return
        first, count = self.search.first, self.search.count
        may = first if not self._has(first) else count if not self._has(count) else self.trial_count
        yield from (number for number in range(may) if number not in self.trials)

    def trial_setting(self, number: int) -> Setting:
        """What a trial tries."""
        assert self.search is not None, "who has nothing to search has no trials"
        if number not in self._settings:
            self._settings[number] = self._find(self.search, number)
        return self._settings[number]

    def _find(self, search: Search, number: int) -> Setting:
        if number < search.first:
            return search.setting(number)
        if number < search.count:
            return next_setting(search.space, self.first_half(), self.seed, number)
        return self.further()[number - search.count]

    def first_half(self) -> list[Tried]:
        """What decides where the second half goes, and what of it is pruned."""
        assert self.search is not None
        found = (self.trials[number] for number in range(self.search.first))
        return [(trial.setting, trial.outcome.curve) for trial in found]

    def is_prunable(self, number: int) -> bool:
        """Whether a trial ends early where it is hopeless."""
        return self.search is not None and self.search.first <= number < self.search.count


class Contest:
    """All entries, and the work between them and their results."""

    def __init__(self, contestants: Sequence[Contestant], budget: Budget, task: Task) -> None:
        self.entries = [
            Entry(one.on(task), search_of(one.specification, budget.trials), budget.seed)
            for one in contestants
        ]
        self.budget, self.task = budget, task
        self._by_label = {entry.label: entry for entry in self.entries}

    @property
    def seeds(self) -> range:
        """The seeds of the runs, which leave out that of the trials."""
        return range(self.budget.seed + 1, self.budget.seed + 1 + self.budget.seeds)

    @property
    def finished(self) -> int:
        """How many trainings are done."""
        return sum(
            min(len(entry.trials), entry.trial_count)
            + sum(seed in entry.runs for seed in self.seeds)
            for entry in self.entries
        )

    @property
    def total(self) -> int:
        """How many trainings there are, as far as that is known."""
        runs = len(self.entries) * self.budget.seeds
        return runs + sum(entry.trial_count for entry in self.entries)

    @property
    def is_over(self) -> bool:
        return all(entry.is_tuned for entry in self.entries) and self.finished == self.total

    def entry(self, label: str) -> Entry:
        return self._by_label[label]

    def ready(self) -> Iterator[Unit]:
        """Every training that may begin now, the most urgent first.

        Trials and seeds take turns across the optimizers, so that an early end
        and a slow moment of the machine hit all alike.
        """
        trials = [
            (number, place, entry)
            for place, entry in enumerate(self.entries)
            for number in entry.ready_trials()
        ]
        for number, _, entry in sorted(trials, key=lambda one: one[:2]):
            yield Unit(entry.label, "trial", number)
        for seed in self.seeds:
            for entry in self.entries:
                if entry.is_tuned and seed not in entry.runs:
                    yield Unit(entry.label, "run", seed)

    def settings_of(self, unit: Unit) -> dict[str, Any]:
        """What the optimizer of a training is given."""
        entry = self.entry(unit.label)
        found = entry.trial_setting(unit.number) if unit.kind == "trial" else entry.setting
        assert found is not None, "a run comes after the trials"
        return entry.contestant.settings(found)

    def judges_of(self, unit: Unit) -> list[Tried] | None:
        """Those by which a training may be given up early."""
        entry = self.entry(unit.label)
        prunable = unit.kind == "trial" and entry.is_prunable(unit.number)
        return entry.first_half() if prunable else None

    def take(self, unit: Unit, outcome: Outcome) -> None:
        """Take a training in as finished."""
        entry = self._by_label.get(unit.label)
        if entry is None:
            return
        if unit.kind == "run":
            entry.runs[unit.number] = Run(unit.number, outcome)
        else:
            entry.trials[unit.number] = Trial(
                unit.number, entry.trial_setting(unit.number), outcome
            )

    def close_tuning(self, count: int | None = None) -> int | None:
        """End the search where it is, after as many trials of each; None if some have none.

        Give the count, by which the search is closed in the same place once more.
        """
        if count is None:
            searched = [entry for entry in self.entries if entry.search is not None]
            count = min((_leading(entry.trials) for entry in searched), default=0)
        if not count:
            return None
        for entry in self.entries:
            if entry.search is not None:
                entry.closed = min(count, entry.search.count)
        return count


def _leading(trials: Mapping[int, Trial]) -> int:
    """How many trials there are from the first on without a gap."""
    return next(number for number in range(len(trials) + 1) if number not in trials)
