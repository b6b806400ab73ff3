"""Ten training scripts under torch.optim and under thalweg.optim: are the losses the same numbers?

    python -m scripts.public_scripts                         all of them
    python -m scripts.public_scripts --only digits_cnn       one
    python -m scripts.public_scripts --json benchmarks/results/public_scripts.json

The scripts are those of `scripts/public/`. Both runs begin with the same seed, and every loss is
compared with all its digits. Where sums are rounded in another order, losses part in the last
digit, and a network lets that grow; so torch is compared with itself, too, begun with weights that
are other in one last digit. Iterations are timed in turns.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import thalweg.optim
from scripts.public import SCRIPTS
from thalweg.lab.bench.machine import environment
from thalweg.lab.bench.neighbours import Neighbours
from thalweg.whole_file import whole_file

__all__ = ["Comparison", "Nudged", "Run", "agreement", "compared"]

ITERATIONS, WARM_UP = 100, 20

Train = Callable[[Any], Iterator[float]]


class Nudged:
    """`torch.optim`, whose classes first move one number of each parameter by its last digit:
    how far such a difference grows is the script's doing. `asked` are the classes it has made."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name == "lr_scheduler":
            return torch.optim.lr_scheduler
        if name not in self.asked:
            self.asked.append(name)
        return functools.partial(_made_of_nudged, getattr(torch.optim, name))


@torch.no_grad()
def _made_of_nudged(cls: Any, params: Any, **settings: Any) -> Any:
    made = cls(params, **settings)
    for p in (p for group in made.param_groups for p in group["params"]):
        largest = p.view(-1)[p.abs().argmax()]
        largest.copy_(torch.nextafter(largest, 2 * largest))
    return made


class Run:
    """A script under one library, an iteration at a time; torch's random numbers are its own."""

    def __init__(self, train: Train, optim: Any) -> None:
        self._iterations = train(optim)
        self._state = torch.get_rng_state()
        self.losses: list[float] = []
        self.seconds: list[float] = []

    def go_on(self) -> None:
        """One iteration."""
        torch.set_rng_state(self._state)
        start = time.thread_time()
        loss = next(self._iterations)
        self.seconds.append(time.thread_time() - start)
        self._state = torch.get_rng_state()
        self.losses.append(loss)


@dataclass(frozen=True)
class Agreement:
    """How far two lists of losses are one: `first` is the number of the first iteration with
    another loss, None where all are the same, and `digits` are the fewest that agree."""

    first: int | None
    ours: float
    theirs: float
    digits: float


def agreement(ours: Sequence[float], theirs: Sequence[float]) -> Agreement:
    """Compare losses digit by digit."""
    pairs = list(zip(ours, theirs, strict=True))
    first = next((i for i, (a, b) in enumerate(pairs) if a != b), None)
    apart = max(abs(a - b) / max(abs(b), 1e-300) for a, b in pairs)
    digits = -math.log10(apart) if apart else math.inf
    return Agreement(first, *(pairs[first] if first is not None else pairs[-1]), digits)


@dataclass(frozen=True)
class Comparison:
    """What came of one script; times are lower deciles of an iteration, in seconds."""

    optimizers: str
    iterations: int
    start: float
    end: float
    with_torch: Agreement
    torch_nudged: Agreement
    ours: float
    torch: float
    ratio: float


def compared(train: Train, iterations: int) -> Comparison:
    """Run a script in turns under torch's class, ours, and torch's from nudged weights."""
    nudged = Nudged()
    makers = {"ours": thalweg.optim, "torch": torch.optim, "nudged": nudged}
    runs = {side: Run(train, optim) for side, optim in makers.items()}
    order = list(runs)
    for _ in range(iterations):
        order = order[1:] + order[:1]
        for side in order:
            runs[side].go_on()
    ours, theirs = runs["ours"], runs["torch"]
    skipped = min(WARM_UP, iterations // 2)
    own, its = (float(np.percentile(run.seconds[skipped:], 10)) for run in (ours, theirs))
    few = max(iterations // 20, 1)
    return Comparison(
        " and ".join(nudged.asked),
        iterations,
        statistics.fmean(ours.losses[:few]),
        statistics.fmean(ours.losses[-few:]),
        agreement(ours.losses, theirs.losses),
        agreement(runs["nudged"].losses, theirs.losses),
        own,
        its,
        own / its,
    )


def _row(name: str, one: Comparison) -> list[str]:
    def digits(found: Agreement) -> str:
        return "all" if found.first is None else f"{found.digits:.1f}"

    first = one.with_torch.first
    return [
        name,
        one.optimizers,
        f"{one.start:.3g} to {one.end:.3g}",
        "none" if first is None else str(first),
        digits(one.with_torch),
        digits(one.torch_nudged),
        f"{one.ratio:.2f}",
    ]


HEADINGS = (
    "script",
    "optimizer",
    "loss",
    "first other loss",
    "digits that agree",
    "torch, nudged",
    "time / torch's",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=SCRIPTS, help="one script")
    parser.add_argument("--iterations", type=int, default=ITERATIONS, help="default: %(default)s")
    parser.add_argument("--json", type=Path, help="write every number there, too")
    asked = parser.parse_args()
    if asked.iterations < 1:
        parser.error(f"--iterations must be 1 or more, got {asked.iterations}")
    torch.set_num_threads(1)  # so that a thread's own time is that of the work
    neighbours, console = Neighbours(), Console()
    table, found = Table(*HEADINGS, box=None), {}
    for name in [asked.only] if asked.only else SCRIPTS:
        with console.status(name):
            found[name] = compared(SCRIPTS[name], asked.iterations)
        table.add_row(*_row(name, found[name]))
        first = found[name].with_torch
        if first.first is not None:
            console.print(f"{name}: loss {first.first} is {first.ours!r}, torch's {first.theirs!r}")
    console.print(table)
    if asked.json is not None:
        content = {
            **environment(1, neighbours),
            "iterations": asked.iterations,
            "scripts": {name: asdict(one) for name, one in found.items()},
        }
        with whole_file(asked.json) as file:
            file.write((json.dumps(content, indent=2) + "\n").encode())


if __name__ == "__main__":
    main()
