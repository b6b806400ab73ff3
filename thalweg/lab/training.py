"""One training run, from initial weights to its score on held-out images."""

import math
import statistics
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from thalweg.lab.digits import Task
from thalweg.lab.network import Classifier, Optimizer

__all__ = ["EVALUATE_EVERY", "TARGET", "WARM_UP", "Curve", "Run", "Step", "train"]

EVALUATE_EVERY = 5
TARGET = 0.95

# Steps left out of the timing: kernels compile in them, RAdam's rectification
# sets in at step 6 and Ranger first synchronizes there.
WARM_UP = 12


@dataclass
class Curve:
    """What was seen every few steps; train_loss is the mean since the point before."""

    step: list[int] = field(default_factory=list)
    train_loss: list[float] = field(default_factory=list)
    held_loss: list[float] = field(default_factory=list)
    held_accuracy: list[float] = field(default_factory=list)


@dataclass
class Run:
    """What came of one training: times are medians, `None` where there is nothing to say."""

    seed: int
    held_accuracy: float
    held_loss: float
    steps_to_target: int | None
    diverged_at: int | None
    step_seconds: float | None
    iteration_seconds: float | None
    curve: Curve


class Step(NamedTuple):
    """How far a running training is."""

    step: int
    steps: int


def train(
    classifier: Classifier,
    optimizer: Optimizer,
    task: Task,
    seed: int,
    epochs: int,
    batch_size: int,
) -> Generator[Step, None, Run]:
    """Train, yielding at each evaluation; a loss that is not finite ends the run."""
    curve = Curve()
    clock = _Clock()
    losses: list[float] = []
    diverged_at = None
    steps = epochs * math.ceil(len(task.labels) / batch_size)
    for step, batch in enumerate(_batches(len(task.labels), seed, epochs, batch_size), start=1):
        losses.append(clock.time(classifier, optimizer, task.images[batch], task.labels[batch]))
        if not math.isfinite(losses[-1]) or step % EVALUATE_EVERY == 0 or step == steps:
            with optimizer.evaluation():
                accuracy, held_loss = _score(classifier, task)
            curve.step.append(step)
            curve.train_loss.append(statistics.fmean(losses))
            curve.held_loss.append(held_loss)
            curve.held_accuracy.append(accuracy)
            if not math.isfinite(curve.train_loss[-1] + held_loss):
                diverged_at = step
                break
            losses.clear()
            yield Step(step, steps)
    return _conclude(seed, curve, clock, diverged_at)


def _conclude(seed: int, curve: Curve, clock: "_Clock", diverged_at: int | None) -> Run:
    reached = (
        step
        for step, accuracy in zip(curve.step, curve.held_accuracy, strict=True)
        if accuracy >= TARGET
    )
    return Run(
        seed=seed,
        held_accuracy=curve.held_accuracy[-1],
        held_loss=curve.held_loss[-1] if diverged_at is None else math.inf,
        steps_to_target=next(reached, None),
        diverged_at=diverged_at,
        step_seconds=_median(clock.step_seconds[WARM_UP:]),
        iteration_seconds=_median(clock.iteration_seconds[WARM_UP:]),
        curve=curve,
    )


class _Clock:
    """Times iterations, and the optimizer's part in them."""

    def __init__(self) -> None:
        self.step_seconds: list[float] = []
        self.iteration_seconds: list[float] = []

    def time(
        self, classifier: Classifier, optimizer: Optimizer, images: np.ndarray, labels: np.ndarray
    ) -> float:
        start = time.perf_counter()
        loss = classifier.backward(images, labels)
        before_step = time.perf_counter()
        optimizer.step()
        end = time.perf_counter()
        self.step_seconds.append(end - before_step)
        self.iteration_seconds.append(end - start)
        return loss


def _batches(count: int, seed: int, epochs: int, batch_size: int) -> Iterator[np.ndarray]:
    random = np.random.default_rng([seed, 1])
    for _ in range(epochs):
        order = random.permutation(count)
        for start in range(0, count, batch_size):
            yield order[start : start + batch_size]


def _score(classifier: Classifier, task: Task) -> tuple[float, float]:
    """Give accuracy and mean cross-entropy on the held-out images."""
    logits = classifier.logits(task.held_images).astype(np.float64)
    accuracy = np.mean(logits.argmax(axis=1) == task.held_labels)
    with np.errstate(invalid="ignore", over="ignore"):
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_sums = np.log(np.exp(shifted).sum(axis=1))
        loss = np.mean(log_sums - shifted[np.arange(len(shifted)), task.held_labels])
    return float(accuracy), float(loss)


def _median(seconds: list[float]) -> float | None:
    return statistics.median(seconds) if seconds else None
