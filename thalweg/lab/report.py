"""The final table, and in words how its learning rates were chosen."""

from rich import box
from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from thalweg.lab.contest import GRID, THREADS, TUNING_SEED, Contest, Entry
from thalweg.lab.summary import Spread, Summary, rank, winner
from thalweg.lab.training import TARGET, WARM_UP

__all__ = ["print_report"]

# The standard deviation of two values says next to nothing of that of all seeds.
_SEEDS_WITH_SPREAD = 3

_ANY_WIDTH = 1000

_HEADINGS = (
    "lr",
    "test accuracy\n%",
    "test loss",
    f"steps to\n{TARGET:.0%}",
    "µs per\nstep",
    "µs per\nbatch",
)


def print_report(console: Console, contest: Contest) -> None:
    """Print the table of finished runs, and everything that a reader of it must know."""
    ranked = rank(contest.entries)
    best = winner(contest.entries)
    if ranked:
        table: RenderableType = _table(ranked, best)
        anywhere = console.options.update(max_width=_ANY_WIDTH)
        if Measurement.get(console, anywhere, table).maximum > console.width:
            table = _records(ranked, best)
        console.print(Group("", table, ""))
    for note in _notes(contest, ranked, best):
        console.print(Text(note))


def _table(ranked: list[tuple[Entry, Summary]], best: Entry | None) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("\noptimizer", no_wrap=True)
    for heading in _HEADINGS:
        over_two = heading if "\n" in heading else f"\n{heading}"
        table.add_column(over_two, justify="right", no_wrap=True)
    for entry, summary in ranked:
        style = "bold" if entry is best else ""
        table.add_row(entry.name, *_row(entry, summary), style=style)
    return table


def _records(ranked: list[tuple[Entry, Summary]], best: Entry | None) -> Table:
    """The table on its side, for a window that is too narrow for it."""
    records = Table.grid(padding=(0, 1))
    for entry, summary in ranked:
        records.add_row(entry.name, style="bold" if entry is best else "")
        for heading, value in zip(_HEADINGS, _row(entry, summary), strict=True):
            records.add_row(f"  {' '.join(heading.split())}", value)
    return records


def _row(entry: Entry, summary: Summary) -> list[str]:
    seeds, reached = len(entry.runs), summary.reached_target
    steps = "-"
    if summary.steps_to_target is not None:
        steps = _plus_minus(summary.steps_to_target, reached, 0)
    if reached < seeds:
        steps += f" ({reached}/{seeds})"
    loss = _plus_minus(summary.test_loss, seeds, 3)
    return [
        f"{entry.lr:g}",
        _plus_minus(summary.test_accuracy, seeds, 2, scale=100),
        "diverged" if summary.diverged else loss,
        steps,
        _microseconds(summary.step_seconds),
        _microseconds(summary.iteration_seconds),
    ]


def _plus_minus(spread: Spread, values: int, digits: int, scale: float = 1) -> str:
    """The mean, with the deviation where there are values enough, and digits, to show one."""
    mean = f"{scale * spread.mean:.{digits}f}"
    deviation = f"{scale * (spread.std or 0):.{digits}f}"
    if values < _SEEDS_WITH_SPREAD or not float(deviation):
        return mean
    return f"{mean} ± {deviation}"


def _microseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1e6:.0f}"


def _notes(contest: Contest, ranked: list[tuple[Entry, Summary]], best: Entry | None) -> list[str]:
    notes = [_seeds_note(contest)] if ranked else []
    if best is not None:
        notes.append(f"{best.name} was more accurate than every other in each seed.")
    elif len(ranked) > 1:
        notes.append("None was more accurate than every other in each of 5 seeds or more.")
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
    what = "Mean ± standard deviation" if counts[-1] >= _SEEDS_WITH_SPREAD else "Mean"
    over = f"{what} over {_seeds(counts[-1])}"
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
