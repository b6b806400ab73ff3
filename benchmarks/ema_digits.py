"""Whether an average helps: Ranger on scikit-learn's digits, with EMA against without.

Every learning rate is shown and none is chosen, and the decay is one for all. Keeping an average
does not change a run, so each run gives both: its last weights and their average, and a difference
is a paired one.
"""

import argparse
import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import NamedTuple

import numpy as np
import torch
from flags import make_parser, positive
from report import Report, Target, make_table
from rich.console import Console

from thalweg import optim
from thalweg.averaging import EMA
from thalweg.lab.backends.torch import build
from thalweg.lab.bench.alternate import Estimate
from thalweg.lab.tasks.layers import first_layers
from thalweg.mytorch import data
from thalweg.optim.lr_scheduler import ScheduleLR
from thalweg.schedules import Schedule, constant, flat_cosine

BATCH = 32
RATES = (0.01, 0.03, 0.1)
DECAY = 0.99  # the last hundred steps or so, of some hundreds
SCHEDULES = ("flat, then cosine", "constant")
STANDARD_ERRORS = 1.96  # to either side, in an interval of 95 %

DIFFERENCE = "with EMA - without"
TARGETS = tuple(
    Target(f"{schedule}, lr {lr:g}: loss {DIFFERENCE}", "<=", 0.0)
    for schedule, lr in itertools.product(SCHEDULES, RATES)
)


class Task(NamedTuple):
    """Images and labels to train on, and held-out ones to score on."""

    images: torch.Tensor
    labels: torch.Tensor
    held_images: torch.Tensor
    held_labels: torch.Tensor


def load_task() -> Task:
    parts = (array for train in (True, False) for array in data.digits(train).arrays)
    return Task(*map(torch.from_numpy, parts))


class Score(NamedTuple):
    """What a network says of the test images: accuracy in per cent, and mean cross-entropy."""

    accuracy: float
    loss: float


class Run(NamedTuple):
    """The scores of one training's last weights, and of their average."""

    last: Score
    average: Score


def schedule_named(name: str, steps: int) -> Schedule:
    return flat_cosine(steps) if name == "flat, then cosine" else constant()


@torch.no_grad()
def score(classifier: torch.nn.Module, task: Task) -> Score:
    logits = classifier(task.held_images).double()
    labels = task.held_labels
    loss = torch.nn.functional.cross_entropy(logits, labels)
    return Score(100 * float((logits.argmax(1) == labels).double().mean()), float(loss))


def train(task: Task, schedule: str, lr: float, seed: int, epochs: int) -> Run:
    """One training of Ranger, which keeps an average inside its step."""
    classifier = build(first_layers("mlp", task.images.shape[1:], 10, seed))
    opt = optim.Ranger(classifier.parameters(), lr=lr, average=EMA(DECAY))
    count = len(task.labels)
    steps = epochs * math.ceil(count / BATCH)
    scheduler = ScheduleLR(opt, schedule_named(schedule, steps))
    random = np.random.default_rng([seed, 1])
    for _ in range(epochs):
        order = random.permutation(count)
        for start in range(0, count, BATCH):
            batch = order[start : start + BATCH]
            opt.zero_grad()
            output = classifier(task.images[batch])
            torch.nn.functional.cross_entropy(output, task.labels[batch]).backward()
            opt.step()
            scheduler.step()
    last = score(classifier, task)
    with opt.averaged_weights():
        return Run(last, score(classifier, task))


def mean(values: Sequence[float]) -> Estimate:
    """The mean, and its 95 % interval by the standard error."""
    centre = statistics.fmean(values)
    width = STANDARD_ERRORS * statistics.stdev(values) / math.sqrt(len(values))
    return Estimate(centre, centre - width, centre + width)


def summarized(runs: Sequence[Run]) -> dict[str, Estimate]:
    """Means over the seeds, by what they are of."""
    found = {}
    for what in Score._fields:
        last = [getattr(run.last, what) for run in runs]
        average = [getattr(run.average, what) for run in runs]
        found[what] = mean(last)
        found[f"{what} with EMA"] = mean(average)
        found[f"{what} {DIFFERENCE}"] = mean(np.subtract(average, last).tolist())
    return found


def print_tables(console: Console, found: Mapping[str, Mapping[str, Estimate]]) -> None:
    """One table of accuracies, one of losses, with standard errors."""
    for what, heading, digits in (("accuracy", "accuracy, %", 2), ("loss", "loss", 4)):
        table = make_table(heading, "without", "with EMA", "difference")
        for name, of_one in found.items():
            columns = (of_one[f"{what}{end}"] for end in ("", " with EMA", f" {DIFFERENCE}"))
            table.add_row(name, *(_with_error(one, digits) for one in columns))
        console.print(table)
        console.print()


def _with_error(found: Estimate, digits: int) -> str:
    error = (found.high - found.value) / STANDARD_ERRORS
    return f"{found.value:.{digits}f} ± {error:.{digits}f}"


def main() -> None:
    parser = make_parser(__doc__.partition("\n")[0])
    parser.set_defaults(threads=1)  # a network this small gains nothing from a second
    add = parser.add_argument
    add("--seeds", metavar="N", type=_several, default=10, help="runs of each (%(default)s)")
    add("--epochs", metavar="N", type=positive, default=20, help="of each run (%(default)s)")
    asked = parser.parse_args()
    report = Report(asked)
    torch.set_num_threads(asked.threads)
    task = load_task()
    found: dict[str, dict[str, Estimate]] = {}
    for schedule, lr in itertools.product(SCHEDULES, RATES):
        name = f"{schedule}, lr {lr:g}"
        with report.console.status(name):
            seeds = range(1, 1 + asked.seeds)
            found[name] = summarized([train(task, schedule, lr, s, asked.epochs) for s in seeds])
    print_tables(report.console, found)
    report.console.print(
        f"Ranger, {asked.epochs} epochs in batches of {BATCH}, decay {DECAY:g}; means of "
        f"{asked.seeds} seeds on {len(task.held_labels)} test images, ± one standard error."
    )
    results = {
        name: {what: asdict(one) for what, one in of_one.items()} for name, of_one in found.items()
    }
    flat = {
        f"{name}: {what}": one for name, of_one in found.items() for what, one in of_one.items()
    }
    report.close({"seeds": asked.seeds, "epochs": asked.epochs, "runs": results}, TARGETS, flat)


def _several(text: str) -> int:
    """A count that has a standard error."""
    if positive(text) < 2:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 2, got {text!r}")
    return int(text)


if __name__ == "__main__":
    main()
