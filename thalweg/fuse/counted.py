"""Steps of tensors whose counts lie with them on a device: what an engine is asked for them.

There the host knows no count, and of the settings those alone that are plain numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from thalweg.chain import Chain
from thalweg.fuse.engine import Engine
from thalweg.fuse.whole import Deed
from thalweg.fuse.work import Work

__all__ = ["Context", "CountedStep", "CountingEngine"]


@dataclass(frozen=True)
class Context:
    """What tensors of one lot have in common: the settings of their parts, of which a view lacks
    those that lie on the device; of these `there` has for each part, by name, (address, whether it
    is a double), or a tuple of such; the parts whose states are `first` met; and a shape, as far as
    the text asks for it."""

    views: Sequence[SimpleNamespace]
    there: Sequence[Mapping[str, Any]]
    first: Sequence[bool]
    shape: tuple[int, ...]


class CountedStep(Protocol):
    """One step after another of the same tensors, as long as they lie where they lay."""

    def fits(self, contexts: Sequence[Context]) -> bool:
        """Whether these settings make the same step of it: they may be other numbers."""

    def deeds(
        self,
        gradients: NDArray[np.int64],
        contexts: Sequence[Context],
        stop: int = 0,
        is_captured: bool = False,
    ) -> list[Deed]:
        """What is to be done to step the tensors whose gradients lie there, 0 for none. At `stop`
        lies a single that keeps the step from happening if it is more than 0. Nothing is read from
        the device, and where the step `is_captured` nothing is sent to it."""


class CountingEngine(Engine, Protocol):
    """An engine that works out the numbers of a step where the counts lie."""

    def counts(self, chain: Chain) -> bool:
        """Whether it can do so for a chain."""

    def counted_step(
        self,
        work: Work,
        pointers: NDArray[np.int64],
        cells: tuple[NDArray[np.int64], NDArray[np.int64]],
        contexts: Sequence[Context],
        context_of: NDArray[np.int64],
    ) -> CountedStep:
        """The steps of these tensors: `pointers` as `Work` has them, `cells` [tensor, key] where
        the numbers kept with them lie, and which are doubles; `context_of` says which of the
        contexts each has."""
