"""A contest played to its end, by one process or several, through what a ledger keeps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from thalweg.lab.contest import Contest, Unit
from thalweg.lab.ledger import Ledger, Record
from thalweg.lab.training import Outcome, Step
from thalweg.lab.unfinished import Shelf
from thalweg.lab.work import Source, request
from thalweg.lab.workers import Workers, workers

__all__ = ["Clock", "Event", "play"]

# Of the time that is given, so much at most goes into the search.
_TUNING_SHARE = 0.5

_WAIT_SECONDS = 0.3


class Event(NamedTuple):
    """How far a training is, or what came of it."""

    unit: Unit
    news: Step | Outcome


@dataclass
class Clock:
    """The time that a comparison may take, in seconds; None for as long as it takes."""

    budget: float | None = None
    begun: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """How long it has been going on."""
        return time.monotonic() - self.begun

    def is_over(self, share: float = 1.0) -> bool:
        """Whether a share of the time is gone."""
        return self.budget is not None and self.seconds >= share * self.budget


def play(
    contest: Contest,
    source: Source,
    ledger: Ledger,
    jobs: int = 1,
    clock: Clock | None = None,
    is_stopped: Callable[[], object] = lambda: False,
    shelf: Shelf | None = None,
) -> Iterator[Event]:
    """Do the work, yielding what happens; what was finished is in the contest and the ledger, and
    what was begun, if it runs long, on the shelf.

    Ends when all is done, the clock's time is over or somebody has stopped it.
    """
    clock = clock or Clock()
    crew = workers(jobs)
    at_work: set[Unit] = set()
    try:
        while not is_stopped() and not clock.is_over():
            if crew.free:  # else nothing new could be begun, and asking costs
                for record in ledger.news():
                    _take(contest, record)
            if clock.is_over(_TUNING_SHARE):
                _close_tuning(contest, ledger)
            if contest.is_over:
                return
            _begin(contest, source, ledger, crew, at_work, shelf)
            if not at_work:  # others have what is left
                time.sleep(_WAIT_SECONDS)
                continue
            for unit, said in crew.events():
                if isinstance(said, Outcome):
                    at_work.discard(unit)
                    ledger.record(Record(unit, said))
                    contest.take(unit, said)
                yield Event(unit, said)
    finally:
        crew.end()


def _begin(
    contest: Contest,
    source: Source,
    ledger: Ledger,
    crew: Workers,
    at_work: set[Unit],
    shelf: Shelf | None,
) -> None:
    """Give work to whoever is free."""
    if not crew.free:
        return
    for unit in contest.ready():
        if unit not in at_work and ledger.claim(unit):
            asked = request(contest, source, unit)
            crew.begin(unit, asked, None if shelf is None else shelf.place(asked))
            at_work.add(unit)
            if not crew.free:
                return


def _take(contest: Contest, record: Record) -> None:
    if record.unit is not None and record.outcome is not None:
        contest.take(record.unit, record.outcome)
    elif record.closed is not None:
        contest.close_tuning(record.closed)


def _close_tuning(contest: Contest, ledger: Ledger) -> None:
    """Let the trials decide that there are."""
    if all(entry.is_tuned for entry in contest.entries):
        return
    count = contest.close_tuning()
    if count is not None:
        ledger.record(Record(None, None, count))
