"""A comparison from Python: the same work as `thalweg compare`, and plain data at its end."""

from __future__ import annotations

from collections.abc import Sequence

from thalweg.lab.contest import Budget, Contest, Unit
from thalweg.lab.contestants import enter
from thalweg.lab.ledger import Record
from thalweg.lab.playing import Clock, play
from thalweg.lab.work import Source

__all__ = ["compared"]


class _Nowhere:
    """A ledger that keeps nothing, for a comparison that nobody goes on with."""

    def news(self) -> list[Record]:
        """Nobody else is there."""
        return []

    def claim(self, unit: Unit) -> bool:
        """Nobody else is there."""
        return True

    def record(self, record: Record) -> None:
        """The contest has it."""

    def release(self) -> None:
        """Nothing is held."""


def compared(
    optimizers: Sequence[str] = (),
    *,
    data: str | None = None,
    model: str = "mlp",
    backend: str = "mytorch",
    lr: Sequence[str] = (),
    budget: Budget | None = None,
    jobs: int = 1,
    seconds: float | None = None,
) -> Contest:
    """Compare optimizers and give the contest, with every trial and run in its entries.

        contest = compared(["adam", "ranger(k=5)"], budget=Budget(seeds=5, epochs=10))
        print(verdict_of(contest).sentence)
        losses = [run.outcome.test_loss for run in contest.entry("Adam").runs.values()]

    The arguments are those of `thalweg compare`, as they are typed there; `seconds` is the time
    that it may take. `thalweg.lab.summary` draws a contest together, `thalweg.lab.page` and
    `thalweg.lab.picture` draw it. Raises UserError for what cannot be met.
    """
    budget = budget or Budget()
    source = Source(data, model, backend, budget.batch_size)
    contest = Contest(enter(optimizers, lr), budget, source.open())
    for _ in play(contest, source, _Nowhere(), jobs, Clock(seconds)):
        pass
    return contest
