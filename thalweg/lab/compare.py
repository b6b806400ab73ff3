"""`thalweg compare`: play the contest before the user's eyes, then report and save it."""

from __future__ import annotations

import hashlib
import json
import math
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from thalweg.lab.contest import Budget, Contest
from thalweg.lab.contestants import Contestant
from thalweg.lab.errors import UserError
from thalweg.lab.interrupt import catch_interrupt
from thalweg.lab.ledger import JOURNAL, Ledger, open_journal
from thalweg.lab.output import Output
from thalweg.lab.playing import Clock, play
from thalweg.lab.progress import make_view
from thalweg.lab.report import print_report
from thalweg.lab.results import (
    CURVES,
    REPORT,
    RESULTS,
    RUNS,
    About,
    open_folder,
    write_results,
    write_runs,
)
from thalweg.lab.typed_schedule import read_schedule
from thalweg.lab.unfinished import SECONDS, Shelf
from thalweg.lab.work import Source, request, try_once

__all__ = ["Options", "compare", "read_time"]

UNFINISHED = "unfinished"


@dataclass(frozen=True)
class Options:
    """How a comparison is run and where it is kept; its numbers do not depend on it."""

    name: str | None = None
    out: str | None = None
    resume: bool = False
    storage: str | None = None
    join: bool = False
    jobs: int = 1
    time: float | None = None
    keep: float = SECONDS
    as_json: bool = False
    command: str = "thalweg compare"


def compare(contestants: list[Contestant], budget: Budget, source: Source, options: Options) -> int:
    """Compare the contestants, leave the results in a folder, and give the exit code."""
    _check(budget, options)
    console = Console(highlight=False, stderr=options.as_json)
    clock = Clock(options.time)
    with catch_interrupt() as interrupted:
        task = source.open()
        contest = Contest(contestants, budget, task)
        _rehearse(contest, source)
        gone_on = options.resume and options.storage is None
        folder = open_folder("compare", options.name, options.out, gone_on)
        shelf = Shelf(folder / UNFINISHED, options.keep)
        if not (options.resume or options.join):
            shelf.clear()
        with _ledger(folder, contest, options) as ledger:
            console.print(Text(_announce(contest)))
            complete = _play(contest, source, ledger, console, options, clock, interrupted, shelf)
        if complete:
            shelf.clear()
        if not contest.finished:
            console.print(Text(_of_nothing(folder, shelf, bool(interrupted()))))
            return 128 + interrupted() if interrupted() else 0
        about = About(source.backend, complete, clock.seconds, options.command)
        found: dict[str, Any] = {}
        try:  # first, for after Ctrl-C whatever shows our output may be gone too
            written = _write(folder, contest, about, found)
            if isinstance(sys.stdout, Output):
                sys.stdout.kept = folder
        finally:
            if options.as_json and found:
                print(json.dumps(found))
            print_report(console, contest)
        _conclude(console, contest, about, written, by_signal=bool(interrupted()))
    return 0 if complete or not interrupted() else 128 + interrupted()


def read_time(text: str, option: str = "--budget", least: float = math.ulp(0)) -> float:
    """Seconds out of 90s, 10m, 1.5h, or a plain number of seconds."""
    match = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*([smh]?)\s*", text)
    seconds = float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]] if match else -1.0
    if seconds < least:
        raise UserError(f"{option} must be a time such as 90s, 10m or 1.5h, got {text!r}")
    return seconds


def _check(budget: Budget, options: Options) -> None:
    if budget.schedule is not None:
        read_schedule(budget.schedule, steps=1000)
    if options.join and options.storage is None:
        raise UserError("--join shares the work of a --storage, which must be given")
    if options.name is not None and options.out is not None:
        raise UserError("--name and --out both say where to write: give one of them")


def _rehearse(contest: Contest, source: Source) -> None:
    """One step of each, before any long work: whoever cannot take part is told at once."""
    for entry in contest.entries:
        unit = next(one for one in contest.ready() if one.label == entry.label)
        try_once(request(contest, source, unit))


def _ledger(folder: Path, contest: Contest, options: Options) -> AbstractContextManager[Ledger]:
    header = _header(contest)
    if options.storage is None and contest.budget.trials is None:
        return open_journal(folder, header, options.resume)
    from thalweg.lab.storage import default_storage, open_storage

    url = options.storage or default_storage(folder, options.resume)
    digest = hashlib.sha256(json.dumps(header).encode()).hexdigest()[:8]
    name = f"compare {options.name or digest}"
    return open_storage(url, name, contest, header, options.resume, options.join)


def _header(contest: Contest) -> dict[str, Any]:
    """What decides the numbers of every training: whoever goes on must have said the same."""
    budget = contest.budget._asdict()
    del budget["seeds"]  # more of them may be asked for later
    return {
        "task": contest.task.name,
        "data": contest.task.fingerprint,
        "backend": contest.task.framework,
        **budget,
        "optimizers": {
            entry.label: {
                "name": entry.contestant.name,
                "settings": repr(dict(entry.contestant.specification.settings)),
            }
            for entry in contest.entries
        },
    }


def _announce(contest: Contest) -> str:
    budget = contest.budget
    epochs = f"{budget.epochs} epoch{'s' * (budget.epochs != 1)}"
    return f"{contest.task.description}, {epochs} in batches of {budget.batch_size}."


def _play(
    contest: Contest,
    source: Source,
    ledger: Ledger,
    console: Console,
    options: Options,
    clock: Clock,
    interrupted: Callable[[], int],
    shelf: Shelf,
) -> bool:
    """Play until the end, or until told to end or the time is over; say whether all is done."""
    with make_view(console, contest) as view:
        for event in play(contest, source, ledger, options.jobs, clock, interrupted, shelf):
            view.show(event)
    return contest.is_over


def _of_nothing(folder: Path, shelf: Shelf, by_signal: bool) -> str:
    """What to say where nothing was finished, and no folder is left in which there is nothing."""
    begin = f"{'Interrupted' if by_signal else 'The time was over'} before anything was finished; "
    if not shelf.is_empty:
        return f"{begin}the same command goes on with what was begun with --resume."
    with suppress(OSError):
        (folder / JOURNAL).unlink(missing_ok=True)
        folder.rmdir()
    return f"{begin}nothing is written."


@contextmanager
def _said(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}") from error


def _write(folder: Path, contest: Contest, about: About, found: dict[str, Any]) -> list[Path]:
    paths = [folder / name for name in (RESULTS, RUNS, CURVES, REPORT)]
    with _said(folder):
        found |= write_results(paths[0], contest, about)
        if not any(entry.runs for entry in contest.entries):
            for path in paths[1:]:
                path.unlink(missing_ok=True)  # an earlier run's
            return paths[:1]
        write_runs(paths[1], contest)
        from thalweg.lab.page import write_page
        from thalweg.lab.picture import draw_curves

        draw_curves(paths[2], contest)
        write_page(paths[3], contest, about)
    return paths


def _conclude(
    console: Console, contest: Contest, about: About, written: list[Path], by_signal: bool
) -> None:
    done = f"{contest.finished} of {contest.total} trainings"
    sentence = f"Finished after {about.seconds:.0f} s."
    if not about.complete:
        what = "Interrupted" if by_signal else "The time is over"
        sentence = (
            f"{what} after {about.seconds:.0f} s; kept are the {done} that were finished, and "
            "the same command goes on from there with --resume."
        )
    console.print(Text(f"\n{sentence} Written:"))
    for path in written:
        console.print(Text(f"  {path}"), soft_wrap=True)
