"""The final table, and in words how its learning rates were chosen."""

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from thalweg.lab.contest import GRID, THREADS, TUNING_SEED, Contest, Entry
from thalweg.lab.summary import Spread, Summary, rank
from thalweg.lab.training import TARGET, WARM_UP

__all__ = ["print_report"]


def print_report(console: Console, contest: Contest) -> None:
    """Print the table of finished runs, and everything that a reader of it must know."""
    ranked = rank(contest.entries)
    if ranked:
        console.print(Group("", _table(ranked), ""))
    for note in _notes(contest, ranked):
        console.print(Text(note))


def _table(ranked: list[tuple[Entry, Summary]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("\noptimizer", no_wrap=True)
    for heading in (
        "\nlr",
        "test accuracy\n%",
        "\ntest loss",
        f"steps to\n{TARGET:.0%}",
        "µs per\nstep",
        "µs per\nbatch",
    ):
        table.add_column(heading, justify="right", overflow="fold")
    for place, (entry, summary) in enumerate(ranked):
        table.add_row(*_row(entry, summary), style="bold" if place == 0 else "")
    return table


def _row(entry: Entry, summary: Summary) -> list[str]:
    reached = summary.reached_target
    steps = "-" if summary.steps_to_target is None else _plus_minus(summary.steps_to_target, 0)
    if reached < len(entry.runs):
        steps += f" ({reached}/{len(entry.runs)})"
    return [
        entry.name,
        f"{entry.lr:g}",
        _plus_minus(summary.test_accuracy, 2, scale=100),
        _plus_minus(summary.test_loss, 3),
        steps,
        _microseconds(summary.step_seconds),
        _microseconds(summary.iteration_seconds),
    ]


def _plus_minus(spread: Spread, digits: int, scale: float = 1) -> str:
    parts = [part for part in spread if part is not None]
    return " ± ".join(f"{scale * part:.{digits}f}" for part in parts)


def _microseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1e6:.0f}"


def _notes(contest: Contest, ranked: list[tuple[Entry, Summary]]) -> list[str]:
    notes = [_seeds_note(contest)] if ranked else []
    notes += _rates_notes(contest)
    for entry in contest.entries:
        if entry.contestant.overrides:
            pairs = entry.contestant.overrides.items()
            settings = ", ".join(f"{key} {value:g}" for key, value in pairs)
            notes.append(f"{entry.name} runs with {settings}.")
        if entry.edge:
            notes.append(
                f"{entry.name}: lr {entry.lr:g} is the {entry.edge} of the grid and a better one "
                f"may lie beyond it; try --lr {entry.name}=VALUE."
            )
    for entry, summary in ranked:
        if summary.diverged:
            notes.append(
                f"{entry.name}: {summary.diverged} of {_seeds(len(entry.runs))} diverged, which "
                "means that the loss was no longer a finite number."
            )
    return notes


def _seeds_note(contest: Contest) -> str:
    counts = sorted({len(entry.runs) for entry in contest.entries})
    over = f"Mean ± standard deviation over {_seeds(counts[-1])}"
    if len(counts) > 1:
        over += f", or {counts[0]} where the end came too early"
    return (
        f"{over}. Times are medians on {THREADS} thread{'s' * (THREADS != 1)}, from step "
        f"{WARM_UP + 1} on: the optimizer's step, and the whole batch with forward and backward "
        "pass."
    )


def _seeds(count: int) -> str:
    return f"{count} seed{'s' * (count != 1)}"


def _rates_notes(contest: Contest) -> list[str]:
    tuned = ", ".join(entry.name for entry in contest.entries if entry.tuned and entry.lr)
    given = ", ".join(entry.name for entry in contest.entries if not entry.tuned)
    notes = []
    if tuned:
        validation = len(contest.tuning_task.held_labels)
        notes.append(
            f"lr of {tuned}: from {len(GRID)} between {GRID[0]:g} and {GRID[-1]:g}, the one with "
            f"the lowest loss on {validation} validation images, kept apart from the training "
            f"images (seed {TUNING_SEED})."
        )
    if given:
        notes.append(f"lr of {given}: given with --lr.")
    return notes
