"""What a step must know before it may move anything: reductions, lines on matrices, answers.

Each batch of tensors goes through the legs of its plan; where all tensors are asked at once, it
waits for the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from thalweg.chain import Chain, Decided
from thalweg.fuse import reference
from thalweg.fuse.batch import Batch
from thalweg.fuse.desk import Desk
from thalweg.fuse.legs import Leg, MatrixWork, Pass, Question, with_values
from thalweg.fuse.scratch import Scratch
from thalweg.fuse.totals import Totals
from thalweg.settings import as_double

__all__ = ["Context", "Errand", "Odd", "Processes", "as_written"]


class Odd(Protocol):
    """A tensor that the fused pass cannot take, as the reference engine meets it."""

    @property
    def lot(self) -> int:
        """The number of its lot: of parameters of one group that are treated alike."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape, which a text may ask for."""

    @property
    def cells(self) -> Mapping[str, float]:
        """Its numbers as the last step left them."""

    @property
    def first(self) -> Mapping[str, bool]:
        """The parts whose states were created for this step."""

    def arrays(self) -> dict[str, Any]:
        """Copies of its arrays, in the computation type, by qualified name."""

    def keep(self, arrays: Mapping[str, Any], names: Sequence[str]) -> None:
        """Store the named ones back."""


class Processes(Protocol):
    """The processes that share tensors out: of some each has a part, and has reduced its part."""

    def together(
        self, found: Sequence[tuple[Pass, NDArray[np.int64], NDArray[np.float64]]]
    ) -> None:
        """Put together what the processes have reduced, in place: of each pass its tensors, by
        their places, and the results [tensor, result]. All of them come to it in the same order."""


@dataclass
class Context:
    """What tensors of the same lot, step and cells have in common; of the same shape, too, where
    the text asks for it."""

    given: reference.Given
    decided: Decided
    answers: dict[str, Any] = field(default_factory=dict)
    """To the questions of an odd tensor, by name."""


def as_written(
    chain: Chain, one: Odd, context: Context, totals: Totals, wanted: str = ""
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The step of an odd tensor by the reference engine, as far as what is wanted."""
    known = {**totals.of_all, **context.answers}
    return reference.update(chain, one.arrays(), context.given, known, wanted)


class Errand:
    """The legs before the main pass, of all tensors of one step."""

    def __init__(
        self,
        chain: Chain,
        batches: Sequence[Batch],
        numbers: Sequence[Mapping[str, Any]],
        context_of: NDArray[np.int64],
        pointers: NDArray[np.int64],
        odd: Sequence[tuple[Odd, Context]],
        threads: int,
        desk: Desk | None,
        processes: Processes | None = None,
    ) -> None:
        self._processes = processes
        self._found: list[tuple[int, Pass, NDArray[np.float64]]] = []  # and not filed yet
        self.chain, self.batches, self.odd, self.desk = chain, batches, odd, desk
        self._numbers, self._context_of = numbers, context_of
        self._pointers, self._threads = pointers, threads
        self.totals = Totals(chain.reductions, [batch.sizes for batch in batches])

    def run(self) -> Totals:
        """Do all of it; nothing moves. Returns the reductions."""
        waiting = {i: list(batch.plan.ahead) for i, batch in enumerate(self.batches)}
        if not self.chain.is_asking and not any(waiting.values()):
            return self.totals
        for batch in self.batches:
            batch.scratch = self._scratch(batch)
        of_all = list(self.chain.asked_of_all)
        while any(waiting.values()) or of_all:
            before = sum(map(len, waiting.values())) + len(of_all)
            for i, legs in waiting.items():
                while legs and self._can(i, legs[0]):
                    self._do(i, legs.pop(0))
                    if not legs:
                        self.batches[i].forget()
            self._file()
            while of_all and self._is_due(of_all[0], waiting):
                name = of_all.pop(0)
                if name in self.chain.requests:
                    self._ask(name, waiting)
                else:
                    self.totals.settle(name, self._parts_of_odd(name))
            assert sum(map(len, waiting.values())) + len(of_all) < before, "legs wait in a ring"
        return self.totals

    def _is_due(self, name: str, waiting: Mapping[int, list[Leg]]) -> bool:
        """Whether every tensor has come to what all are asked for, or will not come to it."""
        if name not in self.chain.requests:
            legs = [one for of_one in waiting.values() for one in of_one]
            return not any(
                isinstance(one, Pass) and any(result.name == name for result in one.results)
                for one in legs
            )
        behind = [one for of_one in waiting.values() for one in of_one[1:]]
        return not any(isinstance(one, Question) and one.name == name for one in behind)

    def kept(self) -> list[Callable[[], None]]:
        """What is to be done to store the matrices that are states; lets go of the scratch."""
        found: list[Callable[[], None]] = []
        for batch in self.batches:
            if batch.scratch is not None:
                # the launches know addresses only: it is let go of last
                found += [batch.scratch.keep, batch.scratch.let_go]
                batch.scratch = None
        return found

    def _scratch(self, batch: Batch) -> Scratch | None:
        if batch.plan.is_plain:
            return None
        assert self.desk is not None
        return Scratch(batch.plan, batch.members.tolist(), batch.tensor_shapes, self.desk)

    def _can(self, i: int, leg: Leg) -> bool:
        """Whether all that a leg of a batch takes is known."""
        return not isinstance(leg, Question) and self.totals.suffice(i, leg.numbers)

    def _do(self, i: int, leg: Leg) -> None:
        batch, known = self.batches[i], self.totals.of_batches[i]
        if isinstance(leg, MatrixWork):
            assert batch.scratch is not None
            contexts = self._context_of[batch.members].tolist()
            wanted = {name: np.asarray(known[name]) for name in leg.numbers if name in known}
            lots = batch.scratch.alike(leg, self._numbers, contexts, wanted)
            batch.scratch.work(leg, lots)
            return
        assert isinstance(leg, Pass)
        given = self._numbers, self._context_of, known, self._pointers, self._threads
        if leg.vectors and batch.engine.sums_vectors and self._processes is None:
            assert batch.scratch is not None
            sums, vectors = batch.run_with_vectors(leg, *given)
            batch.scratch.put_vectors(leg, vectors)
        else:
            written = with_values(leg)
            if written.stores:
                assert batch.scratch is not None
                batch.scratch.make(written.stores)
            sums = batch.run(written, *given)
            if leg.vectors:
                assert batch.scratch is not None
                batch.scratch.add_up(leg)
        self._found.append((i, leg, sums))

    def _file(self) -> None:
        """File what the passes have reduced, of shared tensors of all their parts together."""
        if self._processes is not None and self._found:
            found = [(leg, self.batches[i].members, sums) for i, leg, sums in self._found]
            self._processes.together(found)
        for i, leg, sums in self._found:
            self.totals.add(i, leg, sums)
        self._found.clear()

    def _ask(self, name: str, waiting: Mapping[int, list[Leg]]) -> None:
        """Ask a question of the text about all tensors that have come to it."""
        own: list[Scratch] = []
        about: list[tuple[Any, Any]] = []
        question: Question | None = None
        for i, legs in waiting.items():
            head = legs[0] if legs else None
            if isinstance(head, Question) and head.name == name:
                question, scratch = head, self.batches[i].scratch
                assert scratch is not None
                legs.pop(0)
                own.append(scratch)
                about += zip(scratch.members, self._about(question, scratch), strict=True)
        asked = self._asked_by_odd(name)
        odd = [(self.odd[k][0], found.value) for k, found in asked]
        if not about and not odd:
            return
        assert self.desk is not None
        answers = iter(self.desk.answer(self.chain.requests[name], [*about, *odd]))
        for scratch in own:
            assert question is not None
            scratch.put(question.target, [next(answers) for _ in scratch.members])
        for k, _ in asked:
            self.odd[k][1].answers[name] = next(answers)

    def _about(self, question: Question, scratch: Scratch) -> list[Any]:
        """What each member of a batch asks about: an array, or numbers of the step."""
        if question.at:
            return scratch.at(question)
        tables = [self._numbers[c] for c in self._context_of[scratch.members].tolist()]
        return [
            tuple(table[one] if isinstance(one, str) else one for one in question.numbers)
            for table in tables
        ]

    def _asked_by_odd(self, name: str) -> list[tuple[int, reference.Asked]]:
        """The odd tensors, by their places, whose text comes to this name, and what they ask."""
        found: list[tuple[int, reference.Asked]] = []
        for k, (one, context) in enumerate(self.odd):
            try:
                as_written(self.chain, one, context, self.totals, name)
            except reference.Asked as question:
                if question.name == name:
                    found.append((k, question))
        return found

    def _parts_of_odd(self, name: str) -> list[tuple[Any, int]]:
        """What each odd tensor adds to a reduction over all tensors, and its size."""
        asked = self._asked_by_odd(name)
        return [(as_double(one.value), one.count) for _, one in asked]
