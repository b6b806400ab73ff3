"""What every benchmark writes: tables of 80 columns, verdicts on targets, and a JSON file."""

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from thalweg.lab.bench.alternate import Estimate
from thalweg.lab.bench.machine import environment
from thalweg.lab.bench.neighbours import Neighbours
from thalweg.whole_file import whole_file

__all__ = ["Report", "Target", "make_table"]


@dataclass(frozen=True)
class Target:
    """A number to reach; `what` is the name under which a run files what it measured."""

    what: str
    sign: str  # "<=" or ">="
    limit: float
    unit: str = ""

    def holds(self, value: float) -> bool:
        return value <= self.limit if self.sign == "<=" else value >= self.limit

    def judge(self, found: Estimate) -> str:
        """In words, whether it is met, and whether this run's own scatter could undo that."""
        verdict = "met" if self.holds(found.value) else "not met"
        is_close = self.holds(found.low) != self.holds(found.high)
        return verdict + ("?" if is_close else "")


class Report:
    """One run: what the user asked for, how busy the machine was, and where the results go."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.threads, self.path = asked.threads, asked.json
        self.console = Console()
        if self.path is not None:
            _prove_writable(self.path)
        self._neighbours = Neighbours()

    def close(
        self, results: Mapping[str, Any], targets: Sequence[Target], found: Mapping[str, Estimate]
    ) -> None:
        """Print a verdict on each target that was measured, and write the JSON file."""
        self.console.print()
        self._print_verdicts(targets, found)
        remark = self._neighbours.remark()
        if remark:
            self.console.print(remark)
        if self.path is not None:
            verdicts = [
                {**asdict(target), **asdict(one), "verdict": target.judge(one)}
                for target in targets
                for one in [found.get(target.what)]
                if one is not None
            ]
            self._write(
                {**environment(self.threads, self._neighbours), **results, "targets": verdicts}
            )

    def _print_verdicts(self, targets: Sequence[Target], found: Mapping[str, Estimate]) -> None:
        table = make_table("target", "", "limit", "measured", "interval", "verdict")
        measured = [(target, found[target.what]) for target in targets if target.what in found]
        for target, one in measured:
            interval = f"{one.low:.3f} - {one.high:.3f}" if one.low < one.high else ""
            limit, value = f"{target.limit:g}{target.unit}", f"{one.value:.3f}{target.unit}"
            table.add_row(target.what, target.sign, limit, value, interval, target.judge(one))
        if measured:
            self.console.print(table)
        if any(target.judge(one).endswith("?") for target, one in measured):
            self.console.print("A question mark: the limit lies within the interval.")
        missing = len(targets) - len(measured)
        if missing:
            self.console.print(f"{missing} of {len(targets)} targets were not measured this time.")

    def _write(self, content: Mapping[str, Any]) -> None:
        """Write the file so that readers see the whole of it or none."""
        with whole_file(self.path) as file:
            file.write((json.dumps(content, indent=2) + "\n").encode())


def make_table(first: str, *headings: str) -> Table:
    """An empty table: one column of names, the others of numbers."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column(first, min_width=13)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _prove_writable(path: Path) -> None:
    """End the program with one sentence, before any work, if results could not be written."""
    if path.is_dir():
        raise SystemExit(f"cannot write to {path}: it is a folder")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise SystemExit(f"cannot write to {path}: {error.strerror}") from None
