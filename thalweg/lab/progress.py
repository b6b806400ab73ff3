"""What a person sees while a comparison runs: a live table, or lines where there is no terminal."""

import time
from types import TracebackType
from typing import Protocol

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from thalweg.lab.contest import GRID, TUNING_SEED, Contest, Current, Entry, Trial
from thalweg.lab.training import Run, Step

__all__ = ["View", "make_view"]


class View(Protocol):
    """Shows a contest while it is played."""

    def __enter__(self) -> "View": ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def show(self, event: Step | Trial | Run) -> None: ...


def make_view(console: Console, contest: Contest) -> View:
    """Choose by what stdout is: only a terminal can be redrawn."""
    if console.file.isatty() and not console.is_dumb_terminal:
        return LiveTable(console, contest)
    return Lines(console, contest)


class Lines:
    """One line for each chosen learning rate and each finished run."""

    def __init__(self, console: Console, contest: Contest) -> None:
        self._console = console
        self._contest = contest

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, event: Step | Trial | Run) -> None:
        current = self._contest.current
        assert current is not None
        entry = current.entry
        if isinstance(event, Trial) and entry.lr is not None:
            self._say(f"{entry.name}: {_describe_best(entry)}")
        if isinstance(event, Run):
            seed = f"seed {event.seed} of {self._contest.budget.seeds}"
            self._say(f"{entry.name}: {seed}, {_describe_run(event)}")

    def _say(self, line: str) -> None:
        done = f"[{self._contest.finished}/{self._contest.total}]"
        self._console.print(Text(f"{done} {line}"), soft_wrap=True)


class LiveTable:
    """A table that is redrawn in place and gone when the contest is over."""

    def __init__(self, console: Console, contest: Contest) -> None:
        self._contest = contest
        self._step = Step(0, 1)
        self._begun = time.monotonic()
        self._live = Live(
            console=console, get_renderable=self._render, refresh_per_second=8, transient=True
        )

    def __enter__(self) -> "LiveTable":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, event: Step | Trial | Run) -> None:
        self._step = event if isinstance(event, Step) else Step(0, self._step.steps)

    def _render(self) -> RenderableType:
        table = Table(box=box.SIMPLE_HEAD, show_edge=False)
        for heading in ("", "optimizer", "lr", "tried", "seeds"):
            table.add_column(heading, no_wrap=True)
        table.add_column("best so far")
        current = self._contest.current
        for entry in self._contest.entries:
            here = current is not None and current.entry is entry
            table.add_row(*self._row(entry, here), style="bold" if here else "")
        return Group("", table, "", self._bar(), self._doing(current))

    def _row(self, entry: Entry, here: bool) -> list[str]:
        tried = f"{len(entry.trials)}/{len(GRID)}" if entry.tuned else "given"
        seeds = f"{len(entry.runs)}/{self._contest.budget.seeds}"
        lr = "" if entry.lr is None else f"{entry.lr:g}"
        return ["▸" if here else "", entry.name, lr, tried, seeds, _describe_entry(entry)]

    def _bar(self) -> RenderableType:
        done = self._contest.finished + self._step.step / self._step.steps
        total = self._contest.total
        elapsed = time.monotonic() - self._begun
        text = f" {self._contest.finished} of {total} trainings, {elapsed:.0f} s"
        if self._contest.finished:
            text += f", about {elapsed / done * (total - done):.0f} s left"
        grid = Table.grid()
        grid.add_row(ProgressBar(total=total, completed=done, width=30), Text(text))
        return grid

    def _doing(self, current: Current | None) -> Text:
        if current is None:
            return Text("starting")
        purpose = "choosing lr" if current.seed == TUNING_SEED else f"seed {current.seed}"
        return Text(
            f"{current.entry.name}: {purpose}, lr {current.lr:g}, "
            f"step {self._step.step} of {self._step.steps}"
        )


def _describe_entry(entry: Entry) -> str:
    if entry.runs:
        return _describe_run(max(entry.runs, key=lambda run: run.held_accuracy))
    return _describe_best(entry)


def _describe_best(entry: Entry) -> str:
    best = entry.best_trial
    if best is None:
        return ""
    return f"lr {best.lr:g} with validation loss {best.validation_loss:.3f}"


def _describe_run(run: Run) -> str:
    if run.diverged_at is not None:
        return f"diverged at step {run.diverged_at}"
    return f"test accuracy {run.held_accuracy:.1%}, loss {run.held_loss:.3f}"
