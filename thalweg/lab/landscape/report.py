"""What the terminal says of a race."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from thalweg.lab.landscape.making import Work
from thalweg.lab.landscape.race import Race, Run
from thalweg.lab.landscape.tuning import chosen

__all__ = ["print_report"]

_WITH_PLACES = 60  # columns


def print_report(console: Console, work: Work) -> None:
    """Print where each ended and how its rate was found."""
    race = work.race
    plan = race.plan
    x, y = plan.start
    begin = f"{race.surface.name}, {plan.steps} steps from ({x:g}, {y:g})"
    if plan.noise:
        begin += f", noise {plan.noise:g} with seed {plan.seed}"
    console.print(Text(f"{begin}:\n"))
    console.print(_table(race, console.width >= _WITH_PLACES))
    for note in [*_notes(race), *work.lacking]:
        console.print(Text(note))


def _table(race: Race, with_places: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("optimizer", overflow="fold")
    headings = ("lr", "value", *(("x", "y") if with_places else ()))
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for run in race.runs:
        places = [f"{one:.4g}" for one in run.places[-1]] if with_places else []
        table.add_row(run.label, f"{run.tuned.lr:.3g}", _value(run), *places)
    return table


def _value(run: Run) -> str:
    return "diverged" if run.diverged else f"{run.values[-1]:.3g}"


def _notes(race: Race) -> list[str]:
    plan, runs = race.plan, race.runs
    notes = [""]
    if any(not run.tuned.given for run in runs):
        notes.append(f"{chosen(race.surface, plan.steps, plan.budget)}.")
    given = ", ".join(run.label for run in runs if run.tuned.given)
    if given:
        notes.append(f"lr of {given}: given.")
    notes += [
        f"{run.label}: lr {run.tuned.lr:g} is the {run.tuned.edge} of those tried."
        for run in runs
        if run.tuned.edge
    ]
    return notes
