"""The tensors of one plan and one set of formats in a prepared step: passes that stand ready."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.fuse.batch import Batch
from thalweg.fuse.desk import Desk
from thalweg.fuse.plan import MatrixWork, Pass, Question
from thalweg.fuse.scratch import Scratch
from thalweg.fuse.standing import Context, StandingWork

__all__ = ["Share", "StandingPass"]

_GRADIENT = 1  # its column in the table of addresses

Row = Sequence[Any]


class StandingPass:
    """One pass over the tensors of a share: a launch, and what is written into its tables."""

    def __init__(
        self,
        number_at: Mapping[str, int],
        moves: bool,
        batch: Batch,
        pass_: Pass,
        pointers: NDArray[np.int64],
        measured: Sequence[str],
        scratch: Scratch | None = None,
    ) -> None:
        self.leg = self.pass_ = pass_
        self._members = None if len(batch.members) == len(pointers) else batch.members
        sweep, places = batch._sweep(pass_)
        self._batch, self._scratch = batch, scratch
        whole = pointers[batch.members]
        width = whole.shape[1]
        if scratch is not None:
            whole = np.hstack([whole, scratch.addresses])
        self._home = np.ascontiguousarray(whole[:, places])
        found = np.flatnonzero(places == _GRADIENT)
        self._gradient = int(found[0]) if len(found) else None
        self._pick = _picker([number_at[name] for name in pass_.numbers])
        self._pack = struct.Struct(f"{len(pass_.numbers)}d").pack_into
        self._measured = [(i, n) for i, n in enumerate(pass_.numbers) if n in measured]
        numbers = np.zeros((len(batch.members), len(pass_.numbers)))
        self.launch = batch.engine.standing_launch(sweep, self._home.copy(), numbers)
        # views are made once: to make one takes as long as to write a few numbers into it
        self._first, self._others = self.launch.numbers[:1], self.launch.numbers[1:]
        self._buffer = self.launch.numbers.data
        self._gradients = (
            None if self._gradient is None else self.launch.pointers[:, self._gradient]
        )
        # its columns that are new at every step, each with the one that says where it lies
        self._new = [
            (self.launch.pointers[:, i], scratch.addresses[:, place - width])
            for i, place in enumerate(places.tolist())
            if scratch is not None and place >= width
        ]
        self._row: tuple[Any, ...] | None = None
        self._has_holes = False
        # of the tensors' contexts, which each has, and the only one, if they have one
        self._sorted_by: NDArray[np.int64] | None = None
        self._which: Any = None
        self._only: int | None = 0
        # the numbers that are in the table, where no step has others
        self._moves = moves
        self._contexts: Sequence[Context] | None = None

    def begin(
        self,
        gradients: NDArray[np.int64],
        missing: bool,
        contexts: Sequence[Context],
        context_of: NDArray[np.int64] | None,
    ) -> None:
        """Take in where the gradients lie, and the numbers of each context; tensors that have no
        gradient are passed over."""
        own = gradients if self._members is None else gradients[self._members]
        if self._gradients is not None:
            self._gradients[:] = own
        if missing or self._has_holes:
            first = own if self._gradient == 0 else self._home[:, 0]
            self.launch.pointers[:, 0] = np.where(own, first, 0)
            self._has_holes = missing
        if context_of is not self._sorted_by:
            self._sort(context_of)
        if self._only is not None:
            row = self._pick(contexts[self._only].numbers)
            if row != self._row:
                self._row, self._contexts = None, None
                self._pack(self._buffer, 0, *row)
                self._others[:] = self._first
                self._row = row
        elif self._moves or contexts is not self._contexts:
            self._row = None
            rows = [self._pick(context.numbers) for context in contexts]
            table = np.array(rows, np.float64).reshape(len(rows), -1)
            self.launch.numbers[:] = table[self._which]
            self._contexts = contexts
        self.launch.begin()

    def _sort(self, context_of: NDArray[np.int64] | None) -> None:
        """Find out which contexts the tensors have."""
        self._sorted_by, self._only, self._row, self._contexts = context_of, 0, None, None
        if context_of is not None:
            own = context_of if self._members is None else context_of[self._members]
            self._which = own
            self._only = int(own[0]) if (own == own[0]).all() else None

    def know(self, known: Mapping[str, NDArray[np.float64]]) -> None:
        """Take in what was measured, and where the arrays of this step lie."""
        for column, name in self._measured:
            self.launch.numbers[:, column] = known[name]
        for own, there in self._new:
            own[:] = there

    def measured(
        self, known: Mapping[str, NDArray[np.float64]], threads: int
    ) -> NDArray[np.float64]:
        """Run it; returns what each tensor adds to each result."""
        pass_, scratch = self.pass_, self._scratch
        if scratch is not None and pass_.stores:
            scratch.make(pass_.stores)
        self.know(known)
        self.launch.run(threads)
        if scratch is not None and pass_.vectors:
            found = self._batch.finished(pass_, self.launch.vectors())
            scratch.put_vectors(pass_, found)
        sums: NDArray[np.float64] = self.launch.sums()
        return sums


class Share:
    """The legs of one plan over its tensors: those `ahead`, which measure, and the pass that
    stores, if there is any. Where the arrays of a step `stay`, the next one has the same."""

    def __init__(
        self,
        number_at: Mapping[str, int],
        moves: bool,
        batch: Batch,
        pointers: NDArray[np.int64],
        desk: Desk | None = None,
        stay: bool = False,
    ) -> None:
        plan, measured = batch.plan, list(batch.plan.chain.reductions)
        scratch: Scratch | None = None
        if not plan.is_plain:
            assert desk is not None
            members = batch.members.tolist()
            scratch = Scratch(plan, members, batch.tensor_shapes, desk, True, stay)

        def standing(leg: Any) -> Any:
            if isinstance(leg, Question):
                raise LookupError(f"{plan.chain.name} asks at every step: it cannot stand ready")
            if isinstance(leg, MatrixWork):
                assert scratch is not None
                return StandingWork(number_at, leg, scratch, measured)
            return StandingPass(number_at, moves, batch, leg, pointers, measured, scratch)

        self.sizes, self.plan, self.members = batch.sizes, plan, batch.members
        self.ahead: list[StandingPass | StandingWork] = [standing(leg) for leg in plan.ahead]
        self._main: StandingPass | None = standing(plan.main) if plan.main.stores else None
        self._scratch, self._stay = scratch, stay
        self.legs = [*self.ahead, *([self._main] if self._main else [])]
        """All of them, each of which must begin before the step."""

    def know(self, known: Mapping[str, NDArray[np.float64]]) -> None:
        """Tell the pass that stores what was measured."""
        if self._main is not None:
            self._main.know(known)

    def forget(self) -> None:
        """Let go of what the pass which stores does not read."""
        if self._scratch is not None and not self._stay:
            self._scratch.forget()

    def move(self, threads: int) -> None:
        """Run the pass that stores: called again, it does what is left of it."""
        if self._main is not None:
            self._main.launch.run(threads)

    def keep(self) -> None:
        """Store the matrices that are states."""
        if self._scratch is not None:
            self._scratch.keep()

    def let_go(self) -> None:
        """The step is over: what it has worked out is nobody's any more."""
        if self._scratch is not None:
            self._scratch.let_go()


def _picker(places: Sequence[int]) -> Callable[[Row], tuple[Any, ...]]:
    if len(places) > 1:
        return itemgetter(*places)
    return lambda row: tuple(row[i] for i in places)
