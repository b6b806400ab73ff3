"""The tensors of one plan and one set of formats in a prepared step: passes that stand ready."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from thalweg.chain import Chain
from thalweg.fuse.batch import Batch
from thalweg.fuse.legs import Reduction
from thalweg.fuse.plan import Pass
from thalweg.fuse.totals import combined
from thalweg.reductions import finished

__all__ = ["Arrangement", "Share", "StandingPass"]

_GRADIENT = 1  # its column in the table of addresses

Row = Sequence[Any]


class Context(Protocol):
    """What tensors of one lot and one count have in common: every number that is known before."""

    numbers: list[Any]


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
    ) -> None:
        self.pass_ = pass_
        self._members = None if len(batch.members) == len(pointers) else batch.members
        sweep, places = batch._sweep(pass_)
        self._home = pointers[batch.members[:, None], places]
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


class Share:
    """The passes of one plan over its tensors: those `ahead`, which measure, and the one that
    stores, if there is any."""

    def __init__(
        self,
        number_at: Mapping[str, int],
        moves: bool,
        batch: Batch,
        pointers: NDArray[np.int64],
    ) -> None:
        measured = list(batch.plan.chain.reductions)

        def standing(pass_: Pass) -> StandingPass:
            return StandingPass(number_at, moves, batch, pass_, pointers, measured)

        self.sizes = batch.sizes
        self.ahead = [standing(pass_) for pass_ in batch.plan.reductions]
        main = batch.plan.main
        self.main = standing(main) if main.stores else None
        self.passes = [*self.ahead, *([self.main] if self.main else [])]
        """All of them, each of which must begin before the step."""

    def columns(self, name: str) -> list[NDArray[np.float64]]:
        """The same of all its passes."""
        return [column for one in self.passes for column in one.columns(name)]


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

    def settle(self) -> None:
        """Tell all passes that ask for it."""
        total = combined(self._kind, [x for part in self._parts for x in part.sums.tolist()])
        found = finished(self._kind, total, max(self._count, 1))
        for column in self._columns:
            column.fill(found)


class _Measuring:
    """The reductions of a step, taken in passes of these shares: each when all that it takes is
    known. The order is found once."""

    def __init__(self, chain: Chain, shares: Sequence[Share]) -> None:
        self._order: list[tuple[StandingPass, list[_Measured]] | _Whole] = []
        wholes: dict[str, _Whole] = {}
        asked, of_all = {*chain.reductions}, list(chain.asked_of_all)
        waiting = [(share, list(share.ahead), set[str]()) for share in shares]
        while any(ahead for _, ahead, _ in waiting) or of_all:
            for share, ahead, known in waiting:
                while ahead and asked & {*ahead[0].pass_.numbers} <= known:
                    one = ahead.pop(0)
                    results = one.pass_.results
                    own = [_Measured(r, i, share, wholes) for i, r in enumerate(results)]
                    self._order.append((one, own))
                    known |= {r.name for r in results if r.over != "all"}
            if of_all:
                name = of_all.pop(0)
                self._order += [wholes[name]] if name in wholes else []
                for _, _, known in waiting:
                    known.add(name)

    def take(self, threads: int) -> None:
        """Take them, when all passes have begun."""
        for one in self._order:
            if isinstance(one, _Whole):
                one.settle()
                continue
            pass_, results = one
            pass_.launch.run(threads)
            sums = pass_.launch.sums()
            for result in results:
                result.take(sums)


class Arrangement:
    """The shares of a step, and the order in which they are measured."""

    def __init__(self, chain: Chain, shares: Sequence[Share]) -> None:
        self.launches = [share.main.launch for share in shares if share.main is not None]
        """Those that store: run again, each does what is left of it."""
        self.passes = [one for share in shares for one in share.passes]
        self.measuring = _Measuring(chain, shares) if chain.reductions else None


def _picker(places: Sequence[int]) -> Callable[[Row], tuple[Any, ...]]:
    if len(places) > 1:
        return itemgetter(*places)
    return lambda row: tuple(row[i] for i in places)
