"""Whether an average helps: Ranger on scikit-learn's digits, with EMA against without.

Each side's settings are chosen on a part of the training images, by the loss there: the learning
rate without EMA, and the rate and the decay with it. Nothing that is chosen has seen a test image.
The runs of a seed begin at the same weights and see the same batches, so their differences are
paired ones.
"""

import argparse
import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
import torch
from alternate import Estimate
from flags import make_parser, positive
from report import Report, Target, make_table
from rich.console import Console

from thalweg import optim
from thalweg.averaging import EMA
from thalweg.lab.digits import Task, load_tasks
from thalweg.lab.network import initial_layers
from thalweg.optim.classifier import Classifier, make_classifier
from thalweg.optim.lr_scheduler import ScheduleLR
from thalweg.schedules import Schedule, constant, flat_cosine

BATCH = 32
RATES = (0.003, 0.01, 0.03, 0.1, 0.3)
DECAYS = (0.9, 0.97, 0.99, 0.995)
TUNING_SEEDS = (1001, 1002, 1003)  # those of the runs count from 1
WIDE = 1.96  # standard errors to either side

TARGETS = (
    Target("flat, then cosine: loss with EMA - without", "<=", 0.0),
    Target("constant: loss with EMA - without", "<=", 0.0),
)


@dataclass(frozen=True)
class Score:
    """What a network says of held-out images."""

    accuracy: float
    loss: float


@dataclass(frozen=True)
class Run:
    """The scores of one training's last weights, and of their average."""

    last: Score
    average: Score


class Settings(NamedTuple):
    lr: float
    decay: float


class Chosen(NamedTuple):
    """The settings of the runs without EMA, whose decay decides nothing, and of those with it."""

    without: Settings
    averaged: Settings


def schedules(steps: int) -> dict[str, Schedule]:
    return {"flat, then cosine": flat_cosine(steps), "constant": constant()}


def score(classifier: Classifier, task: Task) -> Score:
    logits = torch.from_numpy(classifier.logits(task.held_images)).double()
    labels = torch.from_numpy(task.held_labels)
    loss = torch.nn.functional.cross_entropy(logits, labels)
    return Score(float((logits.argmax(1) == labels).double().mean()), float(loss))


def train(task: Task, schedule: str, settings: Settings, seed: int, epochs: int) -> Run:
    """One training of Ranger, which keeps an average inside its step."""
    classifier = make_classifier(initial_layers(seed))
    opt = optim.Ranger(classifier.parameters(), lr=settings.lr, average=EMA(settings.decay))
    count = len(task.labels)
    scheduler = ScheduleLR(opt, schedules(epochs * math.ceil(count / BATCH))[schedule])
    random = np.random.default_rng([seed, 1])
    for _ in range(epochs):
        order = random.permutation(count)
        for start in range(0, count, BATCH):
            batch = order[start : start + BATCH]
            classifier.backward(task.images[batch], task.labels[batch])
            opt.step()
            scheduler.step()
    last = score(classifier, task)
    with opt.averaged_weights():
        return Run(last, score(classifier, task))


def choose(task: Task, schedule: str, epochs: int) -> Chosen:
    """The settings with the lowest loss of the last weights, and of their average."""
    last, average = {}, {}
    for lr, decay in itertools.product(RATES, DECAYS):
        settings = Settings(lr, decay)
        runs = [train(task, schedule, settings, seed, epochs) for seed in TUNING_SEEDS]
        last[settings] = statistics.fmean(run.last.loss for run in runs)
        average[settings] = statistics.fmean(run.average.loss for run in runs)
    return Chosen(min(last, key=last.__getitem__), min(average, key=average.__getitem__))


def mean(values: Sequence[float]) -> Estimate:
    """The mean, and its 95 % interval by the standard error."""
    centre = statistics.fmean(values)
    width = WIDE * statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return Estimate(centre, centre - width, centre + width)


def summaries(pairs: Sequence[tuple[Score, Score]]) -> dict[str, Estimate]:
    """Each column of the table, from pairs of scores: without and with."""
    return {
        "accuracy": mean([one.accuracy for one, _ in pairs]),
        "accuracy with EMA": mean([other.accuracy for _, other in pairs]),
        "accuracy with EMA - without": mean([b.accuracy - a.accuracy for a, b in pairs]),
        "loss": mean([one.loss for one, _ in pairs]),
        "loss with EMA": mean([other.loss for _, other in pairs]),
        "loss with EMA - without": mean([b.loss - a.loss for a, b in pairs]),
    }


def print_tables(
    console: Console, found: Mapping[str, Mapping[str, Estimate]], chosen: Mapping[str, Chosen]
) -> None:
    """Test accuracies in per cent and losses, with their standard errors; and the settings."""
    for what, shown, scale, digits in (("accuracy", "accuracy, %", 100, 2), ("loss", "loss", 1, 4)):
        table = make_table(shown, "without", "with EMA", "difference")
        for schedule, of_one in found.items():
            columns = (what, f"{what} with EMA", f"{what} with EMA - without")
            table.add_row(schedule, *(_with_error(of_one[c], scale, digits) for c in columns))
        console.print(table)
        console.print()
    for schedule, (without, averaged) in chosen.items():
        console.print(
            f"{schedule}: lr {without.lr:g} without, lr {averaged.lr:g} and decay "
            f"{averaged.decay:g} with EMA."
        )


def _with_error(found: Estimate, scale: float, digits: int) -> str:
    error = (found.high - found.value) / WIDE
    return f"{found.value * scale:.{digits}f} ± {error * scale:.{digits}f}"


def main() -> None:
    parser = make_parser(__doc__.partition("\n")[0])
    parser.set_defaults(threads=1)  # a network this small gains nothing from a second
    add = parser.add_argument
    add("--seeds", metavar="N", type=_several, default=20, help="runs of each (%(default)s)")
    add("--epochs", metavar="N", type=positive, default=10, help="of each run (%(default)s)")
    asked = parser.parse_args()
    report = Report(asked)
    torch.set_num_threads(asked.threads)
    tuning, final = load_tasks()
    found: dict[str, dict[str, Estimate]] = {}
    chosen: dict[str, Chosen] = {}
    for schedule in schedules(1):
        with report.console.status(schedule):
            without, averaged = chosen[schedule] = choose(tuning, schedule, asked.epochs)
            seeds = range(1, 1 + asked.seeds)
            pairs = [
                (
                    train(final, schedule, without, seed, asked.epochs).last,
                    train(final, schedule, averaged, seed, asked.epochs).average,
                )
                for seed in seeds
            ]
        found[schedule] = summaries(pairs)
    print_tables(report.console, found, chosen)
    report.console.print(
        f"{asked.seeds} seeds, {asked.epochs} epochs in batches of {BATCH}, "
        f"{len(final.held_labels)} test images; ± is one standard error, a difference's a paired one."
    )
    results = {
        schedule: {name: asdict(one) for name, one in of_one.items()}
        for schedule, of_one in found.items()
    }
    flat = {f"{s}: {name}": one for s, of_one in found.items() for name, one in of_one.items()}
    report.close(
        {"chosen": {s: [t._asdict() for t in c] for s, c in chosen.items()}, "results": results},
        TARGETS,
        flat,
    )


def _several(text: str) -> int:
    """A count with a standard error."""
    if positive(text) < 2:
        raise argparse.ArgumentTypeError(f"must be at least 2, got {text}")
    return int(text)


if __name__ == "__main__":
    main()
