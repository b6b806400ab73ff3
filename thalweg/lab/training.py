"""One training, from first weights to its score: what is asked for, and what came of it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from thalweg.lab.errors import UserError
from thalweg.lab.frameworks import Backend, load_backend, seed_all
from thalweg.lab.state_file import same
from thalweg.lab.stepping import Stepping
from thalweg.lab.tasks.task import Material, Task
from thalweg.lab.typed_schedule import read_schedule
from thalweg.lab.unfinished import Unfinished

__all__ = ["LOOKS", "WARM_UP", "Curve", "Outcome", "Step", "rehearse", "train"]

# How often a training looks at the validation split.
LOOKS = 60

# Steps left out of the timing: kernels compile in them, RAdam's rectification
# sets in at step 6 and Ranger first synchronizes there.
WARM_UP = 12


@dataclass
class Curve:
    """What was seen at each look; train_loss is the mean since the one before.

    `seconds` are those of the steps alone, without the looks; `lr` is that of the last step.
    """

    step: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)
    train_loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    validation_metric: list[float] = field(default_factory=list)


@dataclass
class Outcome:
    """What came of one training: times are medians, `None` where there is nothing to say."""

    diverged_at: int | None
    pruned_at: int | None
    test_loss: float | None
    test_metric: float | None
    step_seconds: float | None
    iteration_seconds: float | None
    state_bytes: int
    weight_count: int
    curve: Curve

    @property
    def validation_loss(self) -> float:
        """The last one; infinite if the training has diverged."""
        return math.inf if self.diverged_at is not None else self.curve.validation_loss[-1]


class Step(NamedTuple):
    """How far a running training is."""

    step: int
    steps: int


def train(
    task: Task,
    optimizer: str,
    settings: Mapping[str, Any],
    seed: int,
    epochs: int,
    schedule: str | None = None,
    is_hopeless: Callable[[Curve], bool] | None = None,
    looks_at_test: bool = False,
    kept: Unfinished | None = None,
) -> Generator[Step, None, Outcome]:
    """Train, yielding at each look; a loss that is not finite ends the run, as does `is_hopeless`.

    `schedule` is one as it is typed, in which `steps` stands for their number. The test split is
    looked at once, at the end, if at all. What is `kept` of the same training is gone on with, and
    is kept now and then between two epochs. Raises UserError where the optimizer or the task
    cannot do it.
    """
    backend = load_backend(task.framework)
    fresh = partial(_Stepped.planned, task, optimizer, settings, seed, epochs, schedule)
    made, done = _taken_up(fresh, backend, kept, seed)
    material, steps, curve, losses = made.material, made.steps, done.curve, done.losses
    diverged_at, pruned_at = None, None
    for step, batch in enumerate(_batches(made, done, seed, epochs, kept), start=done.step + 1):
        losses.append(made.step(batch))
        if math.isfinite(losses[-1]) and not _is_look(step, steps):
            continue
        _note(curve, step, made, losses, material)
        if not math.isfinite(curve.train_loss[-1] + curve.validation_loss[-1]):
            diverged_at = step
            break
        losses.clear()
        yield Step(step, steps)
        if is_hopeless is not None and step < steps and is_hopeless(curve):
            pruned_at = step
            break
    if kept is not None:
        kept.drop()
    test = None
    if looks_at_test:
        parts = material.validation if material.test is None else material.test
        test = made.score(parts)
    return Outcome(
        diverged_at=diverged_at,
        pruned_at=pruned_at,
        test_loss=None if test is None else test.loss if diverged_at is None else math.inf,
        test_metric=None if test is None else test.metric,
        step_seconds=_median(made.step_seconds[WARM_UP:]),
        iteration_seconds=_median(made.iteration_seconds[WARM_UP:]),
        state_bytes=backend.bytes_of(made.optimizer),
        weight_count=sum(math.prod(one.shape) for one in material.model.parameters()),
        curve=curve,
    )


def rehearse(task: Task, optimizer: str, settings: Mapping[str, Any]) -> None:
    """Do one step, after which it is known that an optimizer and a task go together."""
    material = task.start(0)
    batch = next(iter(material.train), None)
    if batch is None:
        raise UserError(f"{task.name}: the train loader gives no batch")
    _Stepped(load_backend(task.framework), material, optimizer, settings, 0).step(batch)


def _is_look(step: int, steps: int) -> bool:
    """Whether one of `LOOKS` looks, spread evenly, falls on a step."""
    looks = min(LOOKS, steps)
    return step * looks // steps > (step - 1) * looks // steps


def _note(curve: Curve, step: int, made: _Stepped, losses: list[float], material: Material) -> None:
    seen = made.score(material.validation)
    curve.step.append(step)
    curve.seconds.append(math.fsum(made.iteration_seconds))
    curve.lr.append(made.lr)
    curve.train_loss.append(statistics.fmean(losses))
    curve.validation_loss.append(seen.loss)
    if seen.metric is not None:
        curve.validation_metric.append(seen.metric)


def _length(task: Task, material: Material) -> int:
    """How many batches an epoch has."""
    try:
        count = len(material.train)  # type: ignore[arg-type]
    except TypeError:
        count = sum(1 for _ in material.train)
    if not count:
        raise UserError(f"{task.name}: the train loader gives no batch")
    return count


@dataclass
class _Done:
    """What is behind a training: its whole epochs, their steps, and what was seen of it; `losses`
    are those since the last look."""

    epochs: int = 0
    step: int = 0
    curve: Curve = field(default_factory=Curve)
    losses: list[float] = field(default_factory=list)


def _batches(
    made: _Stepped, done: _Done, seed: int, epochs: int, kept: Unfinished | None
) -> Iterator[Any]:
    """The batches of all epochs to come, the same whatever random numbers an optimizer draws."""
    if kept is not None:
        kept.begin()
    for epoch in range(done.epochs, epochs):
        seed_all(seed, epoch)
        yield from made.material.train
        done.epochs, done.step = epoch + 1, len(made.step_seconds)
        if kept is not None and done.epochs < epochs:
            kept.write(made.backend, lambda: {**made.state(), "done": asdict(done)})


def _taken_up(
    fresh: Callable[[], _Stepped], backend: Backend, kept: Unfinished | None, seed: int
) -> tuple[_Stepped, _Done]:
    """A training where it was left, or at its beginning."""
    made, state = fresh(), None if kept is None else kept.read(backend)
    if state is None:
        return made, _Done()
    try:
        made.load(state)
        held = dict(state["done"])
        done = _Done(**{**held, "curve": Curve(**held["curve"])})
    except Exception:  # a user's own optimizer, say, that takes no state: it begins anew
        return fresh(), _Done()
    _walk_through(made, done, seed)
    return made, done


def _walk_through(made: _Stepped, done: _Done, seed: int) -> None:
    """Let the loaders draw what they drew in these epochs."""
    step, material = 0, made.material
    for epoch in range(done.epochs):
        seed_all(seed, epoch)
        for _ in material.train:
            step += 1
            if _is_look(step, made.steps):
                for _ in material.validation:
                    pass


class _Stepped:
    """An optimizer at work: it follows a schedule, is timed, and shows the weights to look at."""

    def __init__(
        self,
        backend: Backend,
        material: Material,
        name: str,
        settings: Mapping[str, Any],
        seed: int,
    ) -> None:
        self.backend, self.material, self.steps = backend, material, 0
        make = backend.optimizer_class(name)
        try:
            self.optimizer = make(material.model.parameters(), **settings)
        except (TypeError, ValueError, NotImplementedError, RuntimeError) as error:
            text = " ".join(str(error).split())
            raise UserError(f"{name} cannot take part: {text}") from error
        self._rates: list[Any] = []
        self._stepping = Stepping(self.optimizer, material, backend, seed)
        self._mode("train")
        self.step_seconds: list[float] = []
        self.iteration_seconds: list[float] = []

    @classmethod
    def planned(
        cls,
        task: Task,
        name: str,
        settings: Mapping[str, Any],
        seed: int,
        epochs: int,
        schedule: str | None,
    ) -> _Stepped:
        """One at the beginning of its training, whose steps are counted, and over which the
        learning rate of every group moves along a schedule."""
        made = cls(load_backend(task.framework), task.start(seed), name, settings, seed)
        made.steps = steps = epochs * _length(task, made.material)
        if schedule is not None:
            typed = read_schedule(schedule, steps=steps)
            made._rates = [typed.values(steps, group["lr"])[:, 0] for group in made._groups]
        return made

    def state(self) -> dict[str, Any]:
        """All that goes on from here goes on from."""
        return {
            "model": dict(self.material.model.state_dict()),
            "optimizer": self.optimizer.state_dict(),
            "step_seconds": self.step_seconds,
            "iteration_seconds": self.iteration_seconds,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Be as it was; raises ValueError where that cannot be, to the last bit."""
        self.material.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step_seconds = list(state["step_seconds"])
        self.iteration_seconds = list(state["iteration_seconds"])
        found = self.state()
        if not all(same(found[name], state[name]) for name in found):
            raise ValueError("what was loaded is not what was kept")

    @property
    def _groups(self) -> list[dict[str, Any]]:
        """Those of now: loading a state makes new ones."""
        found: list[dict[str, Any]] = getattr(self.optimizer, "param_groups", [])
        return found

    @property
    def lr(self) -> float:
        """The learning rate that the last step took."""
        return float(self._groups[0]["lr"]) if self._groups and "lr" in self._groups[0] else 0.0

    def step(self, batch: Any) -> float:
        """Do an iteration and give the loss before it."""
        for group, rates in zip(self._groups, self._rates, strict=False):
            group["lr"] = float(rates[len(self.step_seconds)])
        taken = self._stepping(batch, len(self.step_seconds))
        self.iteration_seconds.append(taken.seconds)
        self.step_seconds.append(taken.seconds - taken.inside)
        return taken.loss

    def score(self, batches: Any) -> Any:
        """Score the weights to look at."""
        with self._evaluation(), np.errstate(over="ignore", invalid="ignore"):
            return self.backend.score(self.material, batches)

    def _evaluation(self) -> AbstractContextManager[None]:
        if hasattr(self.optimizer, "evaluation"):
            shown: AbstractContextManager[None] = self.optimizer.evaluation()
            return shown
        return self._switched() if hasattr(self.optimizer, "eval") else nullcontext()

    @contextmanager
    def _switched(self) -> Iterator[None]:
        self._mode("eval")
        try:
            yield
        finally:
            self._mode("train")

    def _mode(self, name: str) -> None:
        """Tell an optimizer with two modes, as Schedule-Free's authors have it."""
        if not hasattr(self.optimizer, "evaluation"):
            getattr(self.optimizer, name, lambda: None)()


def _median(seconds: list[float]) -> float | None:
    return statistics.median(seconds) if seconds else None
