"""Tensor-wide measures: what a step must know of whole tensors before it may run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.fuse import reference

__all__ = ["Totals"]


class Totals:
    """The tensor-wide measures known so far, per tensor of each batch and per odd tensor."""

    def __init__(self, batches: int, odd: int) -> None:
        self._batches: list[dict[str, NDArray[np.float64]]] = [{} for _ in range(batches)]
        self._odd: list[dict[str, float]] = [{} for _ in range(odd)]

    def of_batch(self, number: int) -> dict[str, NDArray[np.float64]]:
        return self._batches[number]

    def of_odd(self, number: int) -> dict[str, float]:
        return self._odd[number]

    def add(
        self,
        name: str,
        scope: str,
        kind: str,
        sums: Mapping[int, NDArray[np.float64]],
        counts: Mapping[int, NDArray[np.float64]],
        odd: Mapping[int, tuple[float, float]],
    ) -> None:
        """File one measure, from sums per tensor."""
        total = sum(s.sum() for s in sums.values()) + sum(s for s, _ in odd.values())
        count = sum(c.sum() for c in counts.values()) + sum(c for _, c in odd.values())
        for number, own in sums.items():
            if scope == "all":
                self._batches[number][name] = np.full(len(own), _finish(kind, total, count))
            else:
                self._batches[number][name] = _finish(kind, own, np.maximum(counts[number], 1))
        for number, (own_total, own_count) in odd.items():
            one = (total, count) if scope == "all" else (own_total, own_count)
            self._odd[number][name] = float(_finish(kind, *one))


def _finish(kind: str, total: Any, count: Any) -> Any:
    return reference.finish(kind, np.asarray(total, np.float64), count)
