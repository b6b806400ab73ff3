"""Reductions over tensors: what a step must know of whole tensors before it may run."""

from __future__ import annotations

import functools
import operator
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.elementwise import maximum
from thalweg.fuse.awaited import Awaited
from thalweg.fuse.plan import Pass
from thalweg.reductions import finished
from thalweg.text import Reduction

__all__ = ["Totals", "combined"]


class Totals:
    """The reductions known so far, by name: per tensor of each batch, and those over all tensors,
    which the odd ones take as well.

    `asked` are the reductions of the chain, in the order of its text.
    """

    def __init__(
        self, asked: Mapping[str, Reduction], batch_sizes: Sequence[NDArray[np.int64]]
    ) -> None:
        # arrays, or what an engine says in place of them
        self.of_batches: list[dict[str, Any]] = [{} for _ in batch_sizes]
        self.of_all: dict[str, Any] = {}
        self._asked, self._sizes = asked, batch_sizes
        self._parts: dict[str, dict[int, Any]] = {}  # of all tensors, by batch

    def suffice(self, batch: int, numbers: Collection[str]) -> bool:
        """Whether the reductions among these numbers are known of a batch."""
        asked = self._asked.keys() & {*numbers}
        return asked <= self.of_batches[batch].keys()

    def add(self, batch: int, pass_: Pass, sums: Any) -> None:
        """File what each tensor of a batch adds to each result of a pass."""
        sizes = np.maximum(self._sizes[batch], 1)
        for one, own in zip(pass_.results, sums.T, strict=True):
            if one.over == "all":
                self._parts.setdefault(one.name, {})[batch] = own
            else:
                is_awaited = isinstance(own, Awaited)
                of_each = own.finished if is_awaited else functools.partial(_finished, total=own)
                self.of_batches[batch][one.name] = of_each(kind=one.kind, counts=sizes)

    def settle(self, name: str, odd: Sequence[tuple[Any, int]]) -> None:
        """Put together what all tensors have added, the odd ones each with its size; a part that is
        a tensor is under autograd, and so is then the whole."""
        found, kind = self._parts.get(name, {}), self._asked[name].kind
        count = sum(int(self._sizes[i].sum()) for i in found) + sum(size for _, size in odd)
        awaited = [own for own in found.values() if isinstance(own, Awaited)]
        are_together = all(awaited[0].joins(one) for one in awaited)
        if awaited and are_together and len(awaited) == len(found) and not odd:
            first, *others = awaited
            for i, own in zip(found, first.whole(kind, others, max(count, 1)), strict=True):
                self.of_batches[i][name] = own
            return
        found = {i: np.asarray(own) for i, own in found.items()}
        parts = [part for own in found.values() for part in own.tolist()]
        total = combined(kind, parts + [part for part, _ in odd])
        self.of_all[name] = finished(kind, total, max(count, 1))
        for i, own in found.items():
            self.of_batches[i][name] = np.full(len(own), float(self.of_all[name]))


def combined(kind: str, parts: Sequence[Any]) -> Any:
    """What several parts of a reduction are together."""
    if all(isinstance(part, float) for part in parts):
        return float(np.max(parts, initial=-np.inf) if kind == "largest" else np.sum(parts))
    return functools.reduce(maximum if kind == "largest" else operator.add, parts)


def _finished(kind: str, total: Any, counts: Any) -> Any:
    return finished(kind, np.asarray(total, np.float64), np.maximum(counts, 1))
