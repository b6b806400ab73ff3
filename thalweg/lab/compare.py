"""`thalweg compare`: play the contest before the user's eyes, then report and save it."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.text import Text

from thalweg.lab.contest import THREADS, Contest
from thalweg.lab.contestants import Budget, Contestant
from thalweg.lab.digits import load_tasks
from thalweg.lab.errors import UserError
from thalweg.lab.interrupt import catch_interrupt
from thalweg.lab.network import SIZES, load_backend
from thalweg.lab.output import Output
from thalweg.lab.progress import make_view
from thalweg.lab.report import print_report
from thalweg.lab.results import CURVES, RESULTS, open_folder, write_results

__all__ = ["compare"]


def compare(
    contestants: list[Contestant],
    budget: Budget,
    backend: str,
    name: str | None,
    out: str | None,
) -> int:
    """Compare the contestants, leave the results in a folder, and give the exit code."""
    console = Console(highlight=False)
    begun = time.monotonic()
    with catch_interrupt() as interrupted:
        framework = load_backend(backend)
        framework.use_threads(THREADS)
        folder = open_folder("compare", name, out)
        contest = Contest(contestants, budget, framework, load_tasks())
        console.print(Text(_announce(contest, backend)))
        complete = _play(contest, console, interrupted)
        seconds = time.monotonic() - begun
        if not contest.finished:
            with suppress(OSError):  # it is not empty
                folder.rmdir()
            console.print("Interrupted before anything was finished; nothing is written.")
            return 128 + interrupted()
        try:  # first, for after Ctrl-C whatever shows our output may be gone too
            written = _write(folder, contest, backend, complete, seconds)
            if isinstance(console.file, Output):
                console.file.kept = folder
        finally:
            print_report(console, contest)
        _conclude(console, contest, complete, seconds, written)
    return 0 if complete else 128 + interrupted()


def _announce(contest: Contest, backend: str) -> str:
    final, budget = contest.final_task, contest.budget
    epochs = f"{budget.epochs} epoch{'s' * (budget.epochs != 1)}"
    return (
        f"Handwritten digits: {len(final.labels)} images to train on, {len(final.held_labels)} "
        f"to test; a {'-'.join(map(str, SIZES))} network in {backend}, {epochs} in batches of "
        f"{budget.batch_size}."
    )


def _play(contest: Contest, console: Console, interrupted: Callable[[], int]) -> bool:
    """Play until the end or until told to end, and say whether it was the end."""
    with make_view(console, contest) as view:
        for event in contest.play():
            if interrupted():
                return contest.finished == contest.total
            view.show(event)
    return True


def _write(
    folder: Path, contest: Contest, backend: str, complete: bool, seconds: float
) -> list[Path]:
    results, curves = folder / RESULTS, folder / CURVES
    try:
        write_results(results, contest, backend, complete, seconds)
        if not any(entry.runs for entry in contest.entries):
            curves.unlink(missing_ok=True)  # an earlier run's
            return [results]
        from thalweg.lab.picture import draw_curves

        draw_curves(curves, contest)
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}") from error
    return [results, curves]


def _conclude(
    console: Console, contest: Contest, complete: bool, seconds: float, written: list[Path]
) -> None:
    done = f"{contest.finished} of {contest.total} trainings"
    sentence = f"Finished after {seconds:.0f} s."
    if not complete:
        sentence = f"Interrupted after {seconds:.0f} s; kept are the {done} that were finished."
    console.print(Text(f"\n{sentence} Written:"))
    for path in written:
        console.print(Text(f"  {path}"), soft_wrap=True)
