"""Processes that train at the same time, each told what to do through a pipe of its own."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from thalweg.lab.errors import UserError
from thalweg.lab.training import Outcome, Step
from thalweg.lab.unfinished import Unfinished
from thalweg.lab.work import Request, perform

__all__ = ["Here", "Processes", "Workers", "workers"]

_POLL_SECONDS = 0.2


class Workers(Protocol):
    """Who does the work: each piece goes by a key."""

    @property
    def free(self) -> int:
        """How many more trainings may begin."""
        ...

    def begin(self, key: Any, asked: Request, kept: Unfinished | None = None) -> None: ...

    def events(self) -> Iterator[tuple[Any, Step | Outcome]]:
        """What happens next; comes back now and then even if nothing does."""
        ...

    def end(self) -> None:
        """Drop what is not finished."""
        ...


def workers(jobs: int) -> Workers:
    """This process alone, or so many others."""
    return Here() if jobs == 1 else Processes(jobs)


class Here:
    """This process, one training at a time."""

    def __init__(self) -> None:
        self._is_free = True
        self._key: Any = None
        self._training: Any = None

    @property
    def free(self) -> int:
        """One, or none."""
        return int(self._is_free)

    def begin(self, key: Any, asked: Request, kept: Unfinished | None = None) -> None:
        """Take on a training."""
        self._key, self._training, self._is_free = key, perform(asked, kept), False

    def events(self) -> Iterator[tuple[Any, Step | Outcome]]:
        """Do it until its next look."""
        try:
            step = next(self._training)
        except StopIteration as end:
            self._is_free = True
            yield self._key, end.value
        else:
            yield self._key, step

    def end(self) -> None:
        """Drop what is not finished."""


class Processes:
    """As many processes as jobs; one that is lost is said, and ends the comparison."""

    def __init__(self, jobs: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._at_work: dict[Connection, Any] = {}
        self._idle: list[Connection] = []
        self._processes = []
        for _ in range(jobs):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs,), daemon=True)
            process.start()
            theirs.close()
            self._processes.append(process)
            self._idle.append(ours)

    @property
    def free(self) -> int:
        """How many have nothing to do."""
        return len(self._idle)

    def begin(self, key: Any, asked: Request, kept: Unfinished | None = None) -> None:
        """Give a training to one of them."""
        connection = self._idle.pop()
        connection.send((asked, kept))
        self._at_work[connection] = key

    def events(self) -> Iterator[tuple[Any, Step | Outcome]]:
        """What they send meanwhile."""
        for connection in wait(list(self._at_work), _POLL_SECONDS):
            assert isinstance(connection, Connection)
            try:
                said = connection.recv()
            except (EOFError, OSError):
                raise UserError(
                    "a process of --jobs was lost: it was killed, perhaps for want of memory; "
                    "--resume goes on from what is finished"
                ) from None
            key = self._at_work[connection]
            if isinstance(said, UserError):
                raise said
            if isinstance(said, Outcome):
                del self._at_work[connection]
                self._idle.append(connection)
            yield key, said

    def end(self) -> None:
        """Drop what is not finished."""
        for process in self._processes:
            process.kill()
            process.join()


def _work(connection: Connection) -> None:
    """Do what comes through the pipe until its other end is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who gives the work
    with suppress(EOFError, OSError):
        while True:
            _answer(connection, *connection.recv())


def _answer(connection: Connection, asked: Request, kept: Unfinished | None) -> None:
    training = perform(asked, kept)
    while True:
        try:
            connection.send(next(training))
        except StopIteration as end:
            connection.send(end.value)
            return
        except UserError as error:
            connection.send(error)
            return
