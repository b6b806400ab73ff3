"""One training as a piece of work: plain data that any process can do, here or elsewhere."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from thalweg.lab.contest import Contest, Unit
from thalweg.lab.errors import UserError
from thalweg.lab.frameworks import load_backend
from thalweg.lab.tasks.builtin import open_task
from thalweg.lab.tasks.task import Task
from thalweg.lab.training import Outcome, Step, rehearse, train
from thalweg.lab.tuning import Tried, hopeless
from thalweg.lab.unfinished import Unfinished

__all__ = ["Request", "Source", "perform", "request", "try_once"]


@dataclass(frozen=True)
class Source:
    """What a task is opened by."""

    data: str | None
    model: str
    backend: str
    batch_size: int

    def open(self) -> Task:
        """Open it, once in a process."""
        return _opened(self)


@lru_cache(maxsize=1)
def _opened(source: Source) -> Task:
    return open_task(source.data, source.model, source.backend, source.batch_size)


@dataclass(frozen=True)
class Request:
    """Everything that a training's outcome depends on."""

    source: Source
    optimizer: str
    settings: Mapping[str, Any]
    seed: int
    epochs: int
    schedule: str | None
    judges: list[Tried] | None
    looks_at_test: bool
    threads: int


def request(contest: Contest, source: Source, unit: Unit) -> Request:
    """The work of a unit whose time has come."""
    budget = contest.budget
    is_run = unit.kind == "run"
    return Request(
        source=source,
        optimizer=contest.entry(unit.label).contestant.name,
        settings=contest.settings_of(unit),
        seed=unit.number if is_run else budget.seed,
        epochs=budget.epochs,
        schedule=budget.schedule,
        judges=contest.judges_of(unit),
        looks_at_test=is_run,
        threads=budget.threads,
    )


def perform(asked: Request, kept: Unfinished | None = None) -> Generator[Step, None, Outcome]:
    """Do it, yielding now and then how far it is, from where it is `kept`; raises UserError where a
    task cannot."""
    task = asked.source.open()
    _use_threads(task.framework, asked.threads)
    judged = None if asked.judges is None else hopeless(asked.judges)
    training = train(
        task,
        asked.optimizer,
        asked.settings,
        asked.seed,
        asked.epochs,
        asked.schedule,
        judged,
        asked.looks_at_test,
        kept,
    )
    with _said_as_a_sentence(task, asked):
        return (yield from training)


def try_once(asked: Request) -> None:
    """Do one step of it; raises UserError where the optimizer and the task do not go together."""
    task = asked.source.open()
    _use_threads(task.framework, asked.threads)
    with _said_as_a_sentence(task, asked):
        rehearse(task, asked.optimizer, asked.settings)


@cache
def _use_threads(framework: str, count: int) -> None:
    load_backend(framework).use_threads(count)


@contextmanager
def _said_as_a_sentence(task: Task, asked: Request) -> Iterator[None]:
    """What goes wrong within a user's model, loss or optimizer."""
    try:
        yield
    except (UserError, MemoryError):
        raise
    except Exception as error:
        given = ", ".join(f"{key}={value!r}" for key, value in asked.settings.items())
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(
            f"{task.name} with {asked.optimizer}({given}) fails in training: {text}"
        ) from error
