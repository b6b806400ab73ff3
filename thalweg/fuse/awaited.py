"""Sums that a device has yet to work out: an engine may return them in place of numbers, so that a
step need not wait for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Awaited"]


class Awaited(ABC):
    """One number for each tensor of a launch. `numpy.asarray` waits for them."""

    @abstractmethod
    def finished(self, kind: str, counts: NDArray[np.int64]) -> Awaited:
        """The reductions of tensors that have so many elements, of sums of them."""

    @abstractmethod
    def joins(self, other: Awaited) -> bool:
        """Whether it lies where it can be put together with another, and nobody waits for it."""

    @abstractmethod
    def whole(self, kind: str, others: Sequence[Any], count: int) -> list[Awaited]:
        """The reduction over all `count` elements of these tensors and of those of `others`, as one
        number for each of its own tensors, then for each of theirs."""

    @abstractmethod
    def into(self, numbers: NDArray[np.float64], columns: Mapping[int, Any]) -> Any:
        """A table of numbers with these `columns` awaited, for `Sweep.launch` of this engine."""

    @abstractmethod
    def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[np.float64]: ...
