"""The final table, the verdict, and in words how the settings were chosen."""

from __future__ import annotations

from collections.abc import Callable

from rich import box
from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from thalweg.either import OTHERS
from thalweg.lab.contest import Contest, Entry
from thalweg.lab.specification import shown
from thalweg.lab.summary import Spread, Summary, Target, rank, target_of, verdict_of
from thalweg.lab.tasks.task import Task
from thalweg.lab.training import WARM_UP
from thalweg.lab.verdict import listed
from thalweg.lab.whole_models import joined_by_adamw

__all__ = ["headings", "notes", "print_report", "row", "said_target"]

# The interval of two values is wider than anything that they say.
_SEEDS_WITH_INTERVAL = 3

_ANY_WIDTH = 1000


def print_report(console: Console, contest: Contest) -> None:
    """Print the table of finished runs, and everything that a reader of it must know."""
    ranked, target = rank(contest), target_of(contest)
    verdict = verdict_of(contest)
    spelled = _spelling(console)
    if ranked:
        heads = list(map(spelled, headings(contest.task, target)))
        rows = [
            (entry.label, list(map(spelled, row(entry, summary, contest.task))))
            for entry, summary in ranked
        ]
        table: RenderableType = _table(heads, rows, verdict.winner)
        anywhere = console.options.update(max_width=_ANY_WIDTH)
        if Measurement.get(console, anywhere, table).maximum > console.width:
            table = _records(heads, rows, verdict.winner)
        console.print(Group("", table, ""))
    for note in [verdict.sentence, *notes(contest, ranked, target)]:
        if note:
            console.print(Text(spelled(note)))


def _spelling(console: Console) -> Callable[[str], str]:
    """How a text is written where there is no ± and no µ."""
    try:
        "±µ".encode(console.encoding)
    except (LookupError, UnicodeEncodeError):
        return lambda text: text.replace("±", "+-").replace("µ", "u")
    return lambda text: text


Rows = list[tuple[str, list[str]]]


def _table(heads: list[str], rows: Rows, winner: str | None) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("\noptimizer", no_wrap=True)
    for heading in heads:
        over_two = heading if "\n" in heading else f"\n{heading}"
        table.add_column(over_two, justify="right", no_wrap=True)
    for label, cells in rows:
        table.add_row(Text(label), *cells, style="bold" if label == winner else "")
    return table


def _records(heads: list[str], rows: Rows, winner: str | None) -> Table:
    """The table on its side, for a window that is too narrow for it."""
    records = Table.grid(padding=(0, 1))
    for label, cells in rows:
        records.add_row(Text(label, overflow="fold"), style="bold" if label == winner else "")
        for heading, value in zip(heads, cells, strict=True):
            records.add_row(f"  {' '.join(heading.split())}", value)
    return records


def headings(task: Task, target: Target | None) -> list[str]:
    """What the columns behind the optimizer's name are called."""
    unit = "\n%" if task.is_share else ""
    metric = [] if task.metric is None else [f"test {task.metric}{unit}"]
    to = said_target(task, target)
    return [
        "lr",
        *metric,
        "test loss",
        f"steps to\n{to}",
        f"s to\n{to}",
        "µs per\nstep",
        "B per\nweight",
    ]


def said_target(task: Task, target: Target | None) -> str:
    """A target in a word."""
    if target is None:
        return "target"
    return (
        f"{target.value:.0%}"
        if task.is_share and target.is_given
        else (f"{target.value:.1%}" if task.is_share else f"{target.value:g}")
    )


def row(entry: Entry, summary: Summary, task: Task) -> list[str]:
    """The cells of an entry, in the order of the headings."""
    seeds, reached = len(entry.runs), summary.reached_target
    cells = ["-" if entry.lr is None else f"{entry.lr:g}"]
    if summary.test_metric is not None:
        scale, digits = (100, 2) if task.is_share else (1, 3)
        cells.append(_plus_minus(summary.test_metric, seeds, digits, scale))
    cells.append("diverged" if summary.diverged else _plus_minus(summary.test_loss, seeds, 3))
    steps = "-"
    if summary.steps_to_target is not None:
        steps = _plus_minus(summary.steps_to_target, reached, 0)
    if reached < seeds:
        steps += f" ({reached}/{seeds})"
    seconds = summary.seconds_to_target
    return [
        *cells,
        steps,
        "-" if seconds is None else f"{seconds.mean:.2g}",
        _microseconds(summary.step_seconds),
        f"{summary.bytes_per_weight:.3g}",
    ]


def _plus_minus(spread: Spread, values: int, digits: int, scale: float = 1) -> str:
    """The mean, with its interval where there are values enough, and digits, to show one."""
    mean = f"{scale * spread.mean:.{digits}f}"
    half = f"{scale * (spread.half or 0):.{digits}f}"
    if values < _SEEDS_WITH_INTERVAL or not float(half):
        return mean
    return f"{mean} ± {half}"


def _microseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1e6:.0f}"


def notes(
    contest: Contest, ranked: list[tuple[Entry, Summary]], target: Target | None
) -> list[str]:
    """What a reader of the table must know, a sentence or two each."""
    told = [_seeds_note(contest)] if ranked else []
    if ranked and target is not None:
        told.append(_target_note(contest.task, target))
    told += _search_notes(contest)
    for entry in contest.entries:
        told += _entry_notes(entry)
    for entry, summary in ranked:
        if summary.diverged:
            told.append(
                f"{entry.label}: {summary.diverged} of {_seeds(len(entry.runs))} diverged, which "
                "means that the loss was no longer a finite number."
            )
    return told


def _seeds_note(contest: Contest) -> str:
    counts = sorted({len(entry.runs) for entry in contest.entries})
    what = "Mean ± its 95 % interval" if counts[-1] >= _SEEDS_WITH_INTERVAL else "Mean"
    over = f"{what} over {_seeds(counts[-1])}"
    if len(counts) > 1:
        over += f", or {counts[0]} where the end came too early"
    threads = contest.budget.threads
    return (
        f"{over}. A step's time is the median on {threads} thread{'s' * (threads != 1)}, from step "
        f"{WARM_UP + 1} on; B per weight is the optimizer's memory, in bytes."
    )


def _target_note(task: Task, target: Target) -> str:
    what = f"{said_target(task, target)} is the validation {task.metric or 'loss'} to be reached"
    if target.is_given:
        return f"{what}; s are the seconds of the steps until then."
    return f"{what}, where the middle one of these ends; s are the seconds of the steps until then."


def _seeds(count: int) -> str:
    return f"{count} seed{'s' * (count != 1)}"


def _search_notes(contest: Contest) -> list[str]:
    told = []
    searched = [one for one in contest.entries if one.search is not None and one.setting]
    spaces = {repr(one.search): [] for one in searched}  # type: dict[str, list[Entry]]
    for entry in searched:
        spaces[repr(entry.search)].append(entry)
    for entries in spaces.values():
        told.append(_search_note(contest, entries))
    given = ", ".join(entry.label for entry in contest.entries if entry.search is None)
    if given:
        told.append(f"lr of {given}: given.")
    return told


def _search_note(contest: Contest, entries: list[Entry]) -> str:
    search = entries[0].search
    assert search is not None
    names, space = ", ".join(entry.label for entry in entries), search.space
    count = search.count if entries[0].closed is None else entries[0].closed
    chosen = f"the one with the lowest loss on the validation split (seed {contest.budget.seed})"
    if search.is_grid:
        low, high = space["lr"].low, space["lr"].high
        return f"lr of {names}: from {count} between {low:g} and {high:g}, {chosen}."
    where = ", ".join(f"{name} in {one}" for name, one in space.items())
    pruned = sum(t.outcome.pruned_at is not None for one in entries for t in one.trials.values())
    return (
        f"{names}: {count} trials each of {where}, half of them spread evenly and half by Optuna's "
        f"TPE, {pruned} of those ended early by the median; {chosen}."
    )


def _entry_notes(entry: Entry) -> list[str]:
    told = []
    search, setting = entry.search, entry.setting or {}
    values = {**entry.contestant.overrides, **{k: v for k, v in setting.items() if k != "lr"}}
    if joined_by_adamw(entry.contestant.name) is not None and OTHERS not in values:
        told.append(f"{entry.label} moves the matrices, and AdamW the rest at the same lr.")
    if values:
        pairs = ", ".join(f"{key} {shown(value)}" for key, value in values.items())
        told.append(f"{entry.label} runs with {pairs}.")
    further = [one["lr"] for one in entry.further()]
    if search is not None and further and "lr" in search.space:
        told.append(
            f"{entry.label}: the best lr lay at the edge of {search.space['lr']}, so that "
            f"{listed([f'{rate:g}' for rate in further])} were tried too."
        )
    if entry.edge:
        told.append(
            f"{entry.label}: lr {entry.lr:g} is the {entry.edge} that was tried and a better one "
            f"may lie beyond it; try --lr {entry.contestant.name}=VALUE."
        )
    return told
