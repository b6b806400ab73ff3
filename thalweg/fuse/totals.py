"""Tensor-wide measures: what a step must know of whole tensors before it may run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.declaration import Measure
from thalweg.fuse import reference

__all__ = ["Totals"]


class Totals:
    """The measures known so far, by name: per tensor of each batch, and per odd tensor."""

    def __init__(self, batch_sizes: Sequence[NDArray[Any]], odd_sizes: Sequence[int]) -> None:
        self.of_batches: list[dict[str, NDArray[np.float64]]] = [{} for _ in batch_sizes]
        self.of_odd: list[dict[str, float]] = [{} for _ in odd_sizes]
        self._batch_sizes, self._odd_sizes = batch_sizes, odd_sizes

    def add(
        self,
        name: str,
        measure: Measure,
        sums: Mapping[int, NDArray[np.float64]],
        odd_sums: Mapping[int, float],
    ) -> None:
        """File one measure, from its sum over each tensor of the batches that need it."""
        total = sum(float(s.sum()) for s in sums.values()) + sum(odd_sums.values())
        count = sum(int(self._batch_sizes[i].sum()) for i in sums)
        count += sum(self._odd_sizes[i] for i in odd_sums)
        for i, own in sums.items():
            sizes = np.maximum(self._batch_sizes[i], 1)
            whole = np.full(len(own), total), max(count, 1)
            total_and_count = whole if measure.scope == "all" else (own, sizes)
            self.of_batches[i][name] = _finish(measure, *total_and_count)
        for i, alone in odd_sums.items():
            whole_odd = (total, max(count, 1))
            one = whole_odd if measure.scope == "all" else (alone, self._odd_sizes[i])
            self.of_odd[i][name] = float(_finish(measure, *one))


def _finish(measure: Measure, total: Any, count: Any) -> Any:
    return reference.finish(measure.reduction, np.asarray(total, np.float64), count)
