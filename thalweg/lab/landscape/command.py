"""`thalweg landscape`: see optimizers move over a surface."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from thalweg.lab.errors import UserError
from thalweg.lab.interrupt import catch_interrupt
from thalweg.lab.landscape.choosing import DEFAULT, chosen_surface, numbers
from thalweg.lab.landscape.entrants import Entrant, entrants
from thalweg.lab.landscape.making import CONTOUR, FILES, Work
from thalweg.lab.landscape.race import Plan
from thalweg.lab.landscape.report import print_report
from thalweg.lab.landscape.results import described, write
from thalweg.lab.landscape.surface import Surface
from thalweg.lab.landscape.surfaces import SURFACES
from thalweg.lab.output import Output
from thalweg.lab.results import RESULTS, open_folder

__all__ = ["landscape"]

_Optimizers = typer.Argument(metavar="OPTIMIZER", hidden=True)


def landscape(
    optimizers: Annotated[list[str] | None, _Optimizers] = None,
    surface: Annotated[
        str, typer.Option(metavar="NAME", help=f"{', '.join(SURFACES)}, or FILE.py:function.")
    ] = DEFAULT,
    backend: Annotated[
        str, typer.Option(metavar="NAME", help="Where they are stepped: mytorch or torch.")
    ] = "mytorch",
    lr: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]VALUE",
            help="Learning rate of all, or of one optimizer, not to be tuned; repeatable.",
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=10, max=5000, metavar="N", help="Steps (200; 250 on a saddle)."),
    ] = None,
    budget: Annotated[
        int, typer.Option(min=2, max=500, metavar="N", help="Learning rates that each may try.")
    ] = Plan.budget,
    start: Annotated[str | None, typer.Option(metavar="X,Y", help="Where to start.")] = None,
    window: Annotated[str | None, typer.Option(metavar="X,X,Y,Y", help="What to look at.")] = None,
    noise: Annotated[
        float,
        typer.Option(min=0, metavar="SHARE", help="Gradient noise, of the median gradient."),
    ] = 0.0,
    condition: Annotated[
        float | None, typer.Option(metavar="N", help="How narrow the valley is (100).")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed of the noise.")] = 0,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Write to runs/NAME; else named by the time.")
    ] = None,
    out: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Write to this folder instead.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """See optimizers move over a surface.

    OPTIMIZER is a name, in any case, with settings if you like: adam "ranger(k=5)"; your own,
    FILE.py:Rule; or, with --backend torch, torch.optim:AdamW. momentum is SGD with one of 0.9.
    Without any there are SGD, momentum, RMSprop, Adam, RAdam and Ranger.

    Each tries the same learning rates from the same start, unless --lr is given.

    Writes contour.png, contour.gif, saddle.gif, basins.png, results.json and landscape.html, a page
    that is alive and needs nothing else. Ctrl-C keeps what is finished.
    """
    if not math.isfinite(noise):
        raise UserError(f"--noise must be a finite number, got {noise}")
    at = numbers("--start", start, 2)
    seen = numbers("--window", window, 4)
    chosen = chosen_surface(surface, condition, seen, at)  # type: ignore[arg-type]
    taking_part = entrants(optimizers or [], lr or [], backend)
    plan = Plan(chosen.start, steps or chosen.steps, budget, noise, seed)
    raise typer.Exit(_run(chosen, taking_part, plan, open_folder("landscape", name, out), as_json))


def _run(
    surface: Surface, taking_part: list[Entrant], plan: Plan, folder: Path, as_json: bool
) -> int:
    console, begun = Console(highlight=False), time.monotonic()
    with catch_interrupt() as interrupted:
        work = Work(surface, taking_part, plan)
        try:
            with _progress() as tell:
                complete = _play(work, folder, tell, interrupted)
            if not work.race.runs:
                with suppress(OSError):  # it is not empty
                    folder.rmdir()
                console.print("Interrupted before anything was finished; nothing is written.")
                return 128 + interrupted()
            seconds = time.monotonic() - begun
            results = described(work.races, complete, seconds)
            _finish(work, folder, results)
        except OSError as error:
            raise UserError(f"cannot write to {folder}: {error.strerror}") from error
        if isinstance(console.file, Output):
            console.file.kept = folder
        if as_json:
            print(json.dumps(results))
        else:
            print_report(console, work)
            _conclude(console, folder, [RESULTS, *work.written], complete, seconds)
    return 0 if complete else 128 + interrupted()


def _play(
    work: Work, folder: Path, tell: Callable[[float, str], None], interrupted: Callable[[], int]
) -> bool:
    """Work until the end or until told to end, and say whether it was the end."""
    parts = work.parts(folder)
    done, whole = 0.0, sum(part.weight for part in parts)
    for part in parts:
        if interrupted():
            return False
        tell(done / whole, part.title)
        for _ in part.run():
            if interrupted():
                return False
        done += part.weight
    return True


def _finish(work: Work, folder: Path, results: dict[str, Any]) -> None:
    """Write what there is, and leave nothing of an earlier run beside it."""
    if CONTOUR not in work.written:
        for _ in work.draw_contour(folder):
            pass
    write(folder / RESULTS, results)
    for old in set(FILES) - set(work.written):
        (folder / old).unlink(missing_ok=True)


@contextmanager
def _progress() -> Iterator[Callable[[float, str], None]]:
    """A bar on a terminal, where it is no part of the output."""
    console = Console(stderr=True)
    columns = (BarColumn(20), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda share, title: bar.update(task, completed=share, description=title)


def _conclude(
    console: Console, folder: Path, written: list[str], complete: bool, seconds: float
) -> None:
    begin = "Finished" if complete else "Interrupted"
    kept = "" if complete else "; what was finished is kept"
    console.print(Text(f"\n{begin} after {seconds:.0f} s{kept}. Written:"))
    for name in written:
        console.print(Text(f"  {folder / name}"), soft_wrap=True)
