"""A step of tensors whose counts lie with them on the device, as a CUDA graph can capture it.

The host reads nothing and decides nothing that a count decides: what it puts on the stream is the
same at every step, and what is new, where the gradients lie and settings that are numbers, lies in
one table. The passes of every way that a step can go are launched; those of a way that no tensor
goes find nothing to do. While a graph is captured, nothing is sent: the table is written by kernels
that have its words as their arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.fuse.batch import Batch
from thalweg.fuse.counted import Context
from thalweg.fuse.device import Buffer, DeviceMemory
from thalweg.fuse.gpu.awaited import LANES
from thalweg.fuse.gpu.deciding import Choices, choices
from thalweg.fuse.gpu.kernels import OPTIONS, kernel_of
from thalweg.fuse.gpu.prologue import PUT_AT_ONCE, keep, prologue_text, put_text
from thalweg.fuse.gpu.readied import Closing, ReadiedPass, whole_of
from thalweg.fuse.plan import Plan, plan_for
from thalweg.fuse.totals import Totals
from thalweg.fuse.whole import Deed
from thalweg.fuse.work import Work

__all__ = ["CountedStep"]


class CountedStep:
    """One step after another of the tensors of a `work`, as long as they lie where they lay.

    `pointers` [tensor, array] are those of `work`, `cells` [tensor, key] where the numbers kept
    with them lie on the device, `wide` which of them are doubles. `context_of` says which of the
    contexts each tensor has.
    """

    def __init__(
        self,
        memory: DeviceMemory,
        work: Work,
        pointers: NDArray[np.int64],
        cells: NDArray[np.int64],
        wide: NDArray[np.int64],
        contexts: Sequence[Context],
        context_of: NDArray[np.int64],
    ) -> None:
        self._memory, self._work, self._pointers = memory, work, pointers
        self._shape = cells.shape
        self._context_of = context_of
        self.choices = [self._choices(one) for one in contexts]
        self._key = [one.key for one in self.choices]
        self._numbers = [n for names in work.chain._wirings[0].numbers for n in names]
        self._decided = memory.zeros(8 * len(cells) * max(len(self._numbers), 1))
        self._kept = memory.zeros(8 * max(cells.size, 1))
        self._codes = memory.zeros(4 * max(len(cells), 1))
        at = np.ascontiguousarray(cells + (wide != 0))
        self._cells = memory.upload(at) if at.size else self._codes  # an address all the same
        of_all = list(work.chain.shared)
        self._shared = sum(1 << list(work.chain.cells).index(key) for key in of_all)
        self._read = memory.upload(self._sources(at, contexts)) if of_all else self._cells
        self._last = b""
        self._is_captured = False
        words = self._words(contexts)
        self._news = memory.zeros(8 * (len(cells) + 1 + len(words)))
        self._programs = self._prologues()
        self._mains: list[ReadiedPass] = []
        self._ahead: list[Any] = []  # functions, in their order
        self._arrange()

    def _choices(self, context: Context) -> Choices:
        return choices(self._work.chain, context.views, context.first, context.shape)

    def _sources(self, at: NDArray[np.int64], contexts: Sequence[Context]) -> NDArray[np.int64]:
        """Where the numbers of each tensor are read: of one that is for all, a tensor whose states
        are new has what the others have."""
        chain = self._work.chain
        found: NDArray[np.int64] = at.copy()
        for key, part in chain.shared.items():
            column = list(chain.cells).index(key)
            is_new = [contexts[i].first[part] for i in self._context_of.tolist()]
            source = is_new.index(False) if False in is_new else 0
            found[:, column] = at[source, column] if len(at) else 0
        return found

    def fits(self, contexts: Sequence[Context]) -> bool:
        """Whether these settings decide what the first ones did: they may be other numbers."""
        return [self._choices(one).key for one in contexts] == self._key

    # -- what is made once

    def _prologues(self) -> list[tuple[Any, Buffer, int, int]]:
        """For each kernel its tensors and contexts, how many there are, and the place of its words
        among the news."""
        chain, found = self._work.chain, []
        at = len(self._pointers) + 1
        for key in dict.fromkeys(self._key):
            own = [i for i, one in enumerate(self._key) if one == key]
            first = self.choices[own[0]]
            text = prologue_text(first, len(chain.parts), list(chain.cells), chain.name)
            place = {context: i for i, context in enumerate(own)}
            rows = [(i, place[c]) for i, c in enumerate(self._context_of.tolist()) if c in place]
            table = self._memory.upload(np.array(rows, np.int32).reshape(-1, 2))
            found.append((kernel_of(text, "prologue"), table, len(rows), at))
            at += len(first.words) * len(own)
        return found

    def _arrange(self) -> None:
        """The passes of all ways, each when all that it takes is known."""
        chain = self._work.chain
        batches = self._batches()
        number_at = {name: i for i, name in enumerate(self._numbers)}
        tables = self._codes, self._news, self._decided
        legs: list[list[ReadiedPass]] = []
        for batch, wanted in batches:
            order = [*batch.plan.reductions, batch.plan.main]
            legs.append(
                [
                    ReadiedPass(self._memory, batch, one, wanted, self._pointers, tables, number_at)
                    for one in order
                    if one.stores or one.results
                ]
            )
        totals = Totals(chain.reductions, [batch.sizes for batch, _ in batches])
        of_all = list(chain.asked_of_all)
        mains = [own.pop() if own and own[-1].pass_.stores else None for own in legs]
        while any(legs) or of_all:
            for i, own in enumerate(legs):
                while own and totals.suffice(i, own[0].pass_.numbers):
                    one = own.pop(0)
                    one.know(totals.of_batches[i])
                    self._ahead += [one.ready, one.run, one.add_up]
                    totals.add(i, one.pass_, one.sums)
            if of_all:
                self._settle(of_all.pop(0), totals)
        for main, known in zip(mains, totals.of_batches, strict=True):
            if main is not None:
                main.know(known)
                self._ahead.append(main.ready)
                self._mains.append(main)
        there = self._codes, self._decided, self._kept
        for (batch, wanted), known in zip(batches, totals.of_batches, strict=True):
            if batch.plan.closing:
                closing = Closing(self._memory, batch, wanted, there, number_at, known)
                self._ahead.append(closing.run)

    def _settle(self, name: str, totals: Totals) -> None:
        """Put together what all tensors add to a reduction; of all the ways of one it goes one."""
        parts = totals._parts.get(name, {})
        if not parts:
            return
        members = np.concatenate([self._members[i] for i in parts])
        sizes = {int(m): self._sizes[int(m)] for m in members}
        kind = self._work.chain.reductions[name].kind
        adding, found = whole_of(self._memory, kind, list(parts.values()), sum(sizes.values()))
        self._ahead.append(adding)
        for i, one in zip(parts, found, strict=True):
            totals.of_batches[i][name] = one

    def _batches(self) -> list[tuple[Batch, NDArray[np.int32]]]:
        """For each plan and set of formats the tensors that may go its way, and by which code they
        say that they do."""
        work = self._work
        sorts: dict[tuple[Plan, Any], list[tuple[int, int]]] = {}
        for i, context in enumerate(self._context_of.tolist()):
            for code, ways in enumerate(self.choices[context].leaves):
                plan = plan_for(work.chain, ways)
                sorts.setdefault((plan, work.kinds[work.kind_of[i]].formats), []).append((i, code))
        found, self._members = [], []
        self._sizes = [int(np.prod(kind.shape)) * kind.width for kind in work.kinds]
        self._sizes = [self._sizes[k] for k in work.kind_of.tolist()]
        for (plan, formats), pairs in sorts.items():
            if not (plan.main.stores or plan.reductions or plan.closing):
                continue
            chosen = np.array([i for i, _ in pairs], np.int64)
            kinds = [work.kinds[k] for k in work.kind_of[chosen].tolist()]
            shapes = [(*kind.here, kind.width) for kind in kinds]
            wholes = [(*kind.shape, kind.width) for kind in kinds]
            batch = Batch(plan, work.columns, formats, chosen, shapes, wholes, work.engines[0])
            found.append((batch, np.array(pairs, np.int32)))
            self._members.append(chosen)
        return found

    # -- what is new at a step

    def _words(self, contexts: Sequence[Context]) -> NDArray[np.int64]:
        """The settings: of each a double's bits, or where it lies."""
        found: list[int] = []
        for key in dict.fromkeys(self._key):
            for context, own, own_key in zip(contexts, self.choices, self._key, strict=True):
                if own_key == key:
                    found += [_word(word, context) for word in own.words]
        return np.array(found, np.int64)

    def _send(self, news: NDArray[np.int64], is_captured: bool) -> None:
        """Bring the table up to date."""
        content = news.tobytes()
        if is_captured:
            self._is_captured = True  # what is replayed writes it behind the host's back
            self._put(news)
        elif content != self._last or self._is_captured:
            self._memory.write(self._news, news)
            self._last = content

    def _put(self, news: NDArray[np.int64]) -> None:
        kernel = kernel_of(put_text(), "put")
        for first in range(0, len(news), PUT_AT_ONCE):
            words = news[first : first + PUT_AT_ONCE].tolist()
            more = [0] * (PUT_AT_ONCE - len(words))
            to = self._news.address + 8 * first
            kernel[(1,)](to, len(words), *words, *more, LANES=1, **OPTIONS)

    def deeds(
        self,
        gradients: NDArray[np.int64],
        contexts: Sequence[Context],
        stop: int = 0,
        is_captured: bool = False,
    ) -> list[Deed]:
        """Work out a step of the tensors whose gradients lie there, 0 for none, and return what
        moves them. At `stop` lies a single that keeps it from happening if it is more than 0."""
        self.decide(gradients, contexts, stop, is_captured)
        for one in self._ahead:
            one()
        return [*(main.run for main in self._mains), self._keep]

    def decide(
        self,
        gradients: NDArray[np.int64],
        contexts: Sequence[Context],
        stop: int = 0,
        is_captured: bool = False,
    ) -> None:
        """Put it on the stream to work out the numbers of a step, and the way of each tensor."""
        news = np.concatenate([gradients, [stop], self._words(contexts)]).astype(np.int64)
        tables = self._news, self._decided, self._kept, self._codes, self._read
        with self._memory.active(*tables):
            self._send(news, is_captured)
            for kernel, rows, count, words in self._programs:
                kernel[(-(-count // LANES),)](
                    rows.address,
                    count,
                    self._news.address,
                    self._news.address + 8 * len(gradients),
                    self._news.address + 8 * words,
                    self._read.address,
                    self._decided.address,
                    self._kept.address,
                    self._codes.address,
                    LANES=LANES,
                    **OPTIONS,
                )

    def _keep(self) -> None:
        """Store the numbers of the tensors that have moved."""
        tensors, each = self._shape
        if not tensors * each:
            return
        tables = self._cells, self._kept, self._codes
        with self._memory.active(*tables):
            addresses = [one.address for one in tables]
            grid = (-(-tensors * each // LANES),)
            keep[grid](*addresses, tensors, each, self._shared, LANES=LANES, **OPTIONS)


def _word(word: Any, context: Context) -> int:
    if word.is_there:
        address, is_double = _at(context.there[word.part][word.of], word.place)
        return int(address) + bool(is_double)
    whole = {"ndim": len(context.shape), "rows": context.shape[0] if context.shape else 1}
    whole["columns"] = int(np.prod(context.shape[1:]))
    own = vars(context.views[word.part])
    value = _at(own[word.of] if word.of in own else whole[word.of], word.place)
    return int(np.float64(value).view(np.int64))


def _at(value: Any, place: int | None) -> Any:
    return value if place is None else value[place]
