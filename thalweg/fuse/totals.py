"""Reductions over tensors: what a step must know of whole tensors before it may run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.reductions import finished
from thalweg.text import Reduction

__all__ = ["Totals"]


class Totals:
    """The reductions known so far, by name: per tensor of each batch, and those over all tensors,
    which the odd ones take as well."""

    def __init__(self, batch_sizes: Sequence[NDArray[Any]]) -> None:
        self.of_batches: list[dict[str, NDArray[np.float64]]] = [{} for _ in batch_sizes]
        self.of_all: dict[str, float] = {}
        self._sizes = batch_sizes

    def add(
        self,
        name: str,
        asked: Reduction,
        found: Mapping[int, NDArray[np.float64]],
        odd: Sequence[tuple[float, int]] = (),
    ) -> None:
        """File one reduction, from what each tensor adds to it: those of the batches that ask for
        it, and of the odd ones each with its size."""
        if asked.over == "all":
            parts = [*np.concatenate([*found.values(), np.zeros(0)]).tolist()]
            parts += [part for part, _ in odd]
            count = sum(int(self._sizes[i].sum()) for i in found) + sum(size for _, size in odd)
            self.of_all[name] = float(_finished(asked.kind, combined(asked.kind, parts), count))
        for i, own in found.items():
            sizes = np.maximum(self._sizes[i], 1)
            one_for_all = asked.over == "all"
            self.of_batches[i][name] = (
                np.full(len(own), self.of_all[name])
                if one_for_all
                else _finished(asked.kind, own, sizes)
            )


def combined(kind: str, parts: Sequence[float]) -> float:
    """What several parts of a reduction are together."""
    return float(np.max(parts, initial=-np.inf) if kind == "largest" else np.sum(parts))


def _finished(kind: str, total: Any, count: Any) -> Any:
    return finished(kind, np.asarray(total, np.float64), np.maximum(count, 1))
