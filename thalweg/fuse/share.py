"""The tensors of one plan and one set of formats in a prepared step: passes that stand ready."""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from thalweg.chain import Chain
from thalweg.fuse.batch import Batch
from thalweg.fuse.closing import Closing
from thalweg.fuse.desk import Desk
from thalweg.fuse.engine import StandingVectorLaunch
from thalweg.fuse.legs import Reduction
from thalweg.fuse.plan import MatrixWork, Pass
from thalweg.fuse.scratch import Scratch
from thalweg.fuse.standing import Context, StandingWork
from thalweg.fuse.totals import combined
from thalweg.reductions import finished

__all__ = ["Arrangement", "Share", "StandingPass"]

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
        self.is_by_itself = scratch is None
        self._makes = scratch is not None and pass_ is not batch.plan.main and bool(pass_.stores)
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

    def columns(self, name: str) -> list[NDArray[np.float64]]:
        """Where a number that is measured goes, of each tensor."""
        return [self.launch.numbers[:, i] for i, own in self._measured if own == name]

    def run(self, threads: int) -> None:
        """Run it where the arrays of this step lie; again before the next time, it does nothing."""
        pass_, scratch = self.pass_, self._scratch
        if scratch is not None:
            if self._makes:
                scratch.make(pass_.stores)
            for own, there in self._new:
                own[:] = there
        self.launch.run(threads)
        if scratch is not None and pass_.vectors:
            scratch.put_vectors(
                pass_,
                self._batch.finished(pass_, cast(StandingVectorLaunch, self.launch).vectors()),
            )


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
            if isinstance(leg, MatrixWork):
                assert scratch is not None
                return StandingWork(number_at, leg, scratch, measured)
            return StandingPass(number_at, moves, batch, leg, pointers, measured, scratch)

        self.sizes, self.plan, self.members = batch.sizes, plan, batch.members
        self.ahead: list[StandingPass | StandingWork] = [standing(leg) for leg in plan.ahead]
        self.main: StandingPass | None = standing(plan.main) if plan.main.stores else None
        self.scratch, self._stay = scratch, stay
        self.legs = [*self.ahead, *([self.main] if self.main else [])]
        """All of them, each of which must begin before the step."""
        asked = Closing.of(plan).names if plan.kept else ()
        self.found = {name: np.zeros(len(batch.members)) for name in asked if name in measured}
        """What is measured of each tensor, of that which kept numbers follow from."""

    def columns(self, name: str) -> list[NDArray[np.float64]]:
        """Where a number that is measured goes, of each tensor."""
        own = [self.found[name]] if name in self.found else []
        return own + [column for one in self.legs for column in one.columns(name)]

    def forget(self, threads: int = 1) -> None:
        """Let go of what the pass which stores does not read."""
        if self.scratch is not None and not self._stay:
            self.scratch.forget()


class _Measured:
    """One result of one pass: what is done with the sums of its tensors."""

    def __init__(
        self, result: Reduction, place: int, share: Share, wholes: dict[str, _Whole]
    ) -> None:
        self._place, self._kind = place, result.kind
        self._counts, self._columns = np.maximum(share.sizes, 1), share.columns(result.name)
        self._whole = None
        if result.over == "all":
            self._whole = wholes.setdefault(result.name, _Whole(result.kind))
            self._whole.add(self, share)
        self.sums: NDArray[np.float64] = np.empty(0)

    def take(self, sums: NDArray[np.float64]) -> None:
        """Tell the passes that ask for it, where it is each tensor's own."""
        self.sums = sums[:, self._place]
        if self._whole is None:
            found = finished(self._kind, self.sums, self._counts)
            for column in self._columns:
                column[:] = found


class _Whole:
    """A reduction over all tensors: put together of what each share's have added."""

    def __init__(self, kind: str) -> None:
        self._kind, self._count = kind, 0
        self._parts: list[_Measured] = []
        self._columns: list[NDArray[np.float64]] = []

    def add(self, part: _Measured, share: Share) -> None:
        self._parts.append(part)
        self._columns += part._columns
        self._count += int(share.sizes.sum())

    def take(self, threads: int) -> None:
        """Tell all legs that ask for it."""
        total = combined(self._kind, [x for part in self._parts for x in part.sums.tolist()])
        found = finished(self._kind, total, max(self._count, 1))
        for column in self._columns:
            column.fill(found)


class _Measuring:
    """The legs of a step before the last, of these shares: each when all that it takes is known.
    The order is found once."""

    def __init__(self, chain: Chain, shares: Sequence[Share]) -> None:
        self._order: list[Callable[[int], None]] = []
        wholes: dict[str, _Whole] = {}
        asked, of_all = {*chain.reductions}, list(chain.asked_of_all)
        waiting = [(share, list(share.ahead), set[str]()) for share in shares]
        while any(ahead for _, ahead, _ in waiting) or of_all:
            for share, ahead, known in waiting:
                while ahead and asked & {*ahead[0].leg.numbers} <= known:
                    one = ahead.pop(0)
                    if isinstance(one, StandingPass) and one.pass_.results:
                        results = one.pass_.results
                        own = [_Measured(r, i, share, wholes) for i, r in enumerate(results)]
                        self._order.append(functools.partial(_measure, one, own))
                        known |= {r.name for r in results if r.over != "all"}
                    else:
                        self._order.append(one.run)
                    if not ahead:
                        self._order.append(share.forget)
            if of_all:
                name = of_all.pop(0)
                self._order += [wholes[name].take] if name in wholes else []
                for _, _, known in waiting:
                    known.add(name)

    def take(self, threads: int) -> None:
        """Take them, when all have begun."""
        for take in self._order:
            take(threads)


def _measure(one: StandingPass, results: Sequence[_Measured], threads: int) -> None:
    one.run(threads)
    sums = one.launch.sums()
    for result in results:
        result.take(sums)


class Arrangement:
    """The shares of a step, and the order in which they are measured; none of one that `asks`."""

    def __init__(self, chain: Chain, shares: Sequence[Share], asks: bool = False) -> None:
        self.shares, self.asks = shares, asks
        self.legs = [one for share in shares for one in share.legs]
        mains = [share.main for share in shares if share.main is not None]
        self.moves = [one.launch.run if one.is_by_itself else one.run for one in mains]
        """Those that store: run again, each does what is left of it."""
        self.scratches = [share.scratch for share in shares if share.scratch is not None]
        is_more = any(share.ahead for share in shares)
        self.measuring = _Measuring(chain, shares) if is_more else None


def _picker(places: Sequence[int]) -> Callable[[Row], tuple[Any, ...]]:
    if len(places) > 1:
        return itemgetter(*places)
    return lambda row: tuple(row[i] for i in places)
