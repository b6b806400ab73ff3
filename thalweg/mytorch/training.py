"""A training loop in one call."""

import contextlib
import math
import time
import warnings
from collections.abc import Iterable, Sized
from inspect import Parameter as Argument
from inspect import signature
from typing import Any

import numpy as np

from thalweg.border.asking import AskingSteps
from thalweg.mytorch.checks import check_positive
from thalweg.mytorch.evaluation import Loss, Means, Metrics, Reading, Unpack
from thalweg.mytorch.history import History
from thalweg.mytorch.nn.clipping import clip_grad_norm_
from thalweg.mytorch.nn.module import Module
from thalweg.mytorch.progress import Silent, progress_for

__all__ = ["fit"]


def fit(
    model: Module,
    loss: Loss,
    optimizer: Any,
    loader: Iterable[Any],
    epochs: int,
    *,
    validation: Iterable[Any] | None = None,
    schedule: Any = None,
    schedule_every: str | None = None,
    metrics: Metrics = (),
    clip_norm: float | None = None,
    unpack: Unpack | None = None,
    progress: bool | None = None,
) -> History:
    """Train a model for some epochs and tell how it went.

        history = fit(model, nn.CrossEntropyLoss(), optim.AdamW(model), batches, 10,
                      validation=others, metrics=[accuracy], schedule=cosine(10 * len(batches)))
        history.plot()

    It does what the loop written by hand does: for each batch `optimizer.zero_grad()`, the loss of
    `loss(model(inputs), target)`, `backward()`, `optimizer.step()`.

    A batch is a tuple whose last part is the target; `unpack` makes (inputs, target) of any other,
    with a tuple of inputs where the model takes several. After each epoch the model is evaluated on
    `validation`. `metrics` are functions of (output, target), in a dict or under their own names.
    `clip_norm` is the largest norm of all gradients, as `clip_grad_norm_` takes it.

    `schedule` is one of thalweg.schedules, which goes by batches, or a scheduler that is made
    already: Scheduler, OneCycleLR and CyclicLR go by batches and any other by epochs, unless
    `schedule_every` says "batch" or "epoch". One whose `step` takes a metric gets the validation
    loss, or else the training loss, of the epoch.

    Progress is shown on a terminal and not in a pipe; `progress=True` writes a line for each epoch
    there, too, and False none anywhere. Where the loss stops being a finite number the training
    ends with one warning, and the weights stay as they were before that batch.
    """
    check_positive("fit", "epochs", epochs)
    reading = Reading("fit", model, loss, metrics, unpack)
    turns = _Turns(optimizer, schedule, schedule_every)
    training = _Training(reading, optimizer, turns, clip_norm)
    batches = len(loader) * epochs if isinstance(loader, Sized) else None
    with progress_for(progress, batches) as shown:
        for epoch in range(1, epochs + 1):
            start = time.perf_counter()
            means = training.epoch(loader, epoch, shown)
            if means is None:
                break
            held = {} if validation is None else reading.over(validation)
            turns.after_epoch(held.get("loss", means["loss"]))
            seconds = time.perf_counter() - start
            training.note(means, held, seconds)
            shown.epoch(_line(epoch, epochs, means, held, seconds))
    if training.stopped:
        warnings.warn(
            f"fit: {training.stopped}: the training has diverged and ends here; try a smaller lr, "
            "or clip_norm",
            RuntimeWarning,
            stacklevel=2,
        )
    return training.history()


class _NotFinite(Exception):
    """Nothing is to move from where the loss is no number."""


class _Training:
    """The steps of all epochs, and the numbers that a History is made of."""

    def __init__(
        self, reading: Reading, optimizer: Any, turns: "_Turns", clip_norm: float | None
    ) -> None:
        self.reading, self.optimizer, self.turns = reading, optimizer, turns
        self.clip_norm = clip_norm
        self.stopped = ""
        self.batch_losses: list[float] = []
        self.rates: list[float] = []
        self.steps: list[int] = []
        self.seconds: list[float] = []
        self.epochs: list[dict[str, float]] = []
        self.held: list[dict[str, float]] = []

    def epoch(self, loader: Iterable[Any], number: int, shown: Silent) -> dict[str, float] | None:
        """One walk through the batches: the means of loss and metrics, or None if it diverged."""
        means = Means()
        self.reading.model.train()
        for place, batch in enumerate(loader, 1):
            rate = float(self.optimizer.param_groups[0]["lr"])
            values, count = self._step(batch)
            if not math.isfinite(values["loss"]):
                self.stopped = f"the loss is {values['loss']} in epoch {number}, batch {place}"
                return None
            self.turns.after_batch()
            means.add(values, count)
            self.batch_losses.append(values["loss"])
            self.rates.append(rate)
            shown.batch(values["loss"])
        if not means.count:
            raise ValueError(
                f"fit: the loader gave no batch in epoch {number}: there is nothing to learn "
                "from (a generator gives its batches once)"
            )
        return means.now()

    def _step(self, batch: Any) -> tuple[dict[str, float], int]:
        if getattr(self.optimizer, "needs_closure", False):
            return self._search(batch)
        self.optimizer.zero_grad()
        with np.errstate(over="ignore", invalid="ignore"):  # said once, when the loss shows it
            loss, values, count = self.reading.of(batch)
            number = loss.item()
            if math.isfinite(number):
                loss.backward()
                if self.clip_norm is not None:
                    clip_grad_norm_(self.reading.model.parameters(), self.clip_norm)
                self._move(batch)
        return {"loss": number, **values}, count

    def _search(self, batch: Any) -> tuple[dict[str, float], int]:
        """A step that evaluates the batch as often as it has to; what it finds at first."""
        found: list[tuple[dict[str, float], int]] = []

        def closure() -> Any:
            self.optimizer.zero_grad()
            loss, values, count = self.reading.of(batch)
            found.append(({"loss": loss.item(), **values}, count))
            if not found[1:] and not math.isfinite(loss.item()):
                raise _NotFinite
            loss.backward()
            if self.clip_norm is not None:
                clip_grad_norm_(self.reading.model.parameters(), self.clip_norm)
            return loss

        with np.errstate(over="ignore", invalid="ignore"), contextlib.suppress(_NotFinite):
            self.optimizer.step(closure)
        return found[0]

    def _move(self, batch: Any) -> None:
        """Take a step; where the rule asks for another gradient, with that of the same batch."""
        if not isinstance(self.optimizer, AskingSteps):
            self.optimizer.step()
            return
        self.optimizer.first_step()
        self.reading.of(batch)[0].backward()
        self.optimizer.second_step()

    def note(self, means: dict[str, float], held: dict[str, float], seconds: float) -> None:
        self.epochs.append(means)
        self.held += [held] if held else []
        self.steps.append(len(self.batch_losses))
        self.seconds.append(seconds)

    def history(self) -> History:
        return History(
            loss=_column(self.epochs, "loss"),
            batch_loss=np.array(self.batch_losses),
            lr=np.array(self.rates),
            steps=np.array(self.steps, int),
            seconds=np.array(self.seconds),
            metrics={name: _column(self.epochs, name) for name in self.reading.metrics},
            validation_loss=_column(self.held, "loss"),
            validation_metrics={
                name: _column(self.held, name) for name in self.reading.metrics if self.held
            },
            stopped=self.stopped,
        )


class _Turns:
    """When a schedule moves on."""

    def __init__(self, optimizer: Any, schedule: Any, every: str | None) -> None:
        if every not in (None, "batch", "epoch"):
            raise ValueError(f"fit: schedule_every must be 'batch' or 'epoch', got {every!r}")
        self.scheduler, by_itself = _scheduler(optimizer, schedule)
        self.takes_metric, needs_metric = _metric_of(self.scheduler)
        if needs_metric and every == "batch":
            raise ValueError(
                f"fit: {type(schedule).__name__} wants a metric, which there is after an epoch: "
                "schedule_every must be 'epoch'"
            )
        self.every = every or by_itself

    def after_batch(self) -> None:
        if self.scheduler is not None and self.every == "batch":
            self.scheduler.step()

    def after_epoch(self, loss: float) -> None:
        if self.scheduler is not None and self.every == "epoch":
            self.scheduler.step(*[loss] * self.takes_metric)


# what goes by batches wherever it is used; the rest is made for epochs
_BY_BATCH = ("Scheduler", "OneCycleLR", "CyclicLR")


def _scheduler(optimizer: Any, schedule: Any) -> tuple[Any, str]:
    """What has a `step`, and by what it goes unless told."""
    if schedule is None:
        return None, "batch"
    if callable(getattr(schedule, "step", None)):
        return schedule, "batch" if type(schedule).__name__ in _BY_BATCH else "epoch"
    from thalweg.mytorch.optim.scheduler import Scheduler  # which brings the engine along

    return Scheduler(optimizer, schedule), "batch"


def _metric_of(scheduler: Any) -> tuple[bool, bool]:
    """Whether a scheduler's `step` takes a metric, and whether it cannot do without."""
    given = [] if scheduler is None else list(signature(scheduler.step).parameters.values())
    positional = [
        one
        for one in given
        if one.kind in (Argument.POSITIONAL_ONLY, Argument.POSITIONAL_OR_KEYWORD)
    ]
    needs = any(one.default is Argument.empty for one in positional)
    return needs or any(one.name == "metrics" for one in positional[:1]), needs


def _column(rows: list[dict[str, float]], name: str) -> np.ndarray:
    return np.array([row[name] for row in rows], np.float64)


def _line(
    epoch: int, epochs: int, means: dict[str, float], held: dict[str, float], seconds: float
) -> str:
    width = len(str(epochs))
    said = ", ".join(f"{name} {value:.4g}" for name, value in means.items())
    if held:
        said += "; validation " + ", ".join(f"{name} {value:.4g}" for name, value in held.items())
    return f"epoch {epoch:{width}}/{epochs}: {said} ({seconds:.1f} s)"
