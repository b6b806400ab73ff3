"""What a person sees while a comparison runs: a live table, or lines where there is no terminal."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Protocol

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from thalweg.lab.contest import Contest, Entry, Unit
from thalweg.lab.playing import Event
from thalweg.lab.tasks.task import Task
from thalweg.lab.training import Outcome, Step

__all__ = ["View", "make_view"]

# Below this a live table leaves out its last column.
_WIDE = 60


class View(Protocol):
    """Shows a contest while it is played."""

    def __enter__(self) -> View: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def show(self, event: Event) -> None: ...


def make_view(console: Console, contest: Contest) -> View:
    """Choose by what the output is: only a terminal can be redrawn."""
    if console.file.isatty() and not console.is_dumb_terminal:
        return LiveTable(console, contest)
    return Lines(console, contest)


class Lines:
    """One line for each chosen setting and each finished run."""

    def __init__(self, console: Console, contest: Contest) -> None:
        self._console = console
        self._contest = contest
        self._told = {entry.label for entry in contest.entries if entry.is_tuned}

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, event: Event) -> None:
        """Say what has come to an end."""
        if not isinstance(event.news, Outcome):
            return
        entry = self._contest.entry(event.unit.label)
        if entry.is_tuned and entry.label not in self._told:
            self._told.add(entry.label)
            self._say(f"{entry.label}: {_best(entry)}")
        if event.unit.kind == "run":
            seeds = self._contest.seeds
            seed = f"seed {event.unit.number - seeds.start + 1} of {len(seeds)}"
            self._say(f"{entry.label}: {seed}, {_described(event.news, self._contest.task)}")

    def _say(self, line: str) -> None:
        done = f"[{self._contest.finished}/{self._contest.total}]"
        self._console.print(Text(f"{done} {line}"), soft_wrap=True)


class LiveTable:
    """A table that is redrawn in place and gone when the contest is over."""

    def __init__(self, console: Console, contest: Contest) -> None:
        self._console, self._contest = console, contest
        self._steps: dict[Unit, Step] = {}
        self._begun, self._done_before = time.monotonic(), contest.finished
        self._live = Live(
            console=console, get_renderable=self._render, refresh_per_second=8, transient=True
        )

    def __enter__(self) -> LiveTable:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, event: Event) -> None:
        """Take in how far a training is."""
        if isinstance(event.news, Step):
            self._steps[event.unit] = event.news
        else:
            self._steps.pop(event.unit, None)

    def _render(self) -> RenderableType:
        table = Table(box=box.SIMPLE_HEAD, show_edge=False)
        is_wide = self._console.width >= _WIDE
        for heading in ("", "optimizer", "lr", "tried", "seeds"):
            table.add_column(heading, no_wrap=True)
        if is_wide:
            table.add_column("best so far", no_wrap=True)
        at_work = {unit.label for unit in self._steps}
        for entry in self._contest.entries:
            here = entry.label in at_work
            cells = self._row(entry, here)[: 6 if is_wide else 5]
            table.add_row(*map(Text, cells), style="bold" if here else "")
        doing = [self._doing(unit, step) for unit, step in list(self._steps.items())[:4]]
        return Group("", table, "", self._bar(), *(doing or [Text("starting")]))

    def _row(self, entry: Entry, here: bool) -> list[str]:
        tried = f"{len(entry.trials)}/{entry.trial_count}" if entry.search else "given"
        seeds = f"{len(entry.runs)}/{self._contest.budget.seeds}"
        lr = "" if entry.lr is None else f"{entry.lr:g}"
        best = _best(entry)
        if entry.runs:
            best = _described(next(reversed(entry.runs.values())).outcome, self._contest.task)
        return [">" if here else "", entry.label, lr, tried, seeds, best]

    def _bar(self) -> RenderableType:
        parts = sum(step.step / step.steps for step in self._steps.values())
        done, total = self._contest.finished + parts, self._contest.total
        elapsed = time.monotonic() - self._begun
        text = f" {self._contest.finished} of {total} trainings, {elapsed:.0f} s"
        here = done - self._done_before
        if here >= 1:
            text += f", about {elapsed / here * (total - done):.0f} s left"
        grid = Table.grid()
        width = max(10, min(30, self._console.width - len(text) - 1))
        grid.add_row(ProgressBar(total=total, completed=min(done, total), width=width), Text(text))
        return grid

    def _doing(self, unit: Unit, step: Step) -> Text:
        purpose = "choosing its setting" if unit.kind == "trial" else f"seed {unit.number}"
        return Text(f"{unit.label}: {purpose}, step {step.step} of {step.steps}")


def _best(entry: Entry) -> str:
    best = entry.best_trial
    if best is None:
        return ""
    setting = ", ".join(f"{name} {value:g}" for name, value in best.setting.items())
    return f"{setting} with validation loss {best.validation_loss:.3f}"


def _described(outcome: Outcome, task: Task) -> str:
    if outcome.diverged_at is not None:
        return f"diverged at step {outcome.diverged_at}"
    loss = f"loss {outcome.test_loss:.3f}"
    if outcome.test_metric is None:
        return f"test {loss}"
    metric = f"{outcome.test_metric:.1%}" if task.is_share else f"{outcome.test_metric:.4g}"
    return f"test {task.metric} {metric}, {loss}"
