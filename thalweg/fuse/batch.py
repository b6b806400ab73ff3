"""The tensors of one step that take the same plan in the same formats: one launch per pass."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.fuse.engine import Engine, Launch, Sweep
from thalweg.fuse.plan import Pass, Plan
from thalweg.fuse.storage import computation

__all__ = ["Batch"]


class Batch:
    """A plan with its tensors: `members` are their places among all tensors of the optimizer."""

    def __init__(
        self,
        plan: Plan,
        arrays: Sequence[str],
        formats: Sequence[str | None],
        members: NDArray[np.int64],
        shapes: Sequence[tuple[int, ...]],
        engine: Engine,
    ) -> None:
        self._engine = engine
        self.plan, self.members = plan, members
        self.sizes = np.array([np.prod(shape) for shape in shapes])
        self._arrays, self._formats, self._shapes = arrays, formats, shapes
        self._tables: dict[bool, Any] = {}
        self._sweeps: dict[Pass, tuple[Sweep, NDArray[np.int64]]] = {}

    def run(
        self,
        pass_: Pass,
        numbers: Sequence[Mapping[str, float]],
        context_of: NDArray[np.int64],
        known: Mapping[str, NDArray[np.float64]],
        pointers: NDArray[np.int64],
        threads: int,
    ) -> NDArray[np.float64]:
        """Run one pass of the plan; returns what a reduction adds up to per tensor.

        `numbers` are the uniform ones of each context, `known` the measures of each tensor.
        """
        sweep, columns = self._sweep(pass_)
        table = self._table(pass_, numbers, context_of, known)
        return sweep.run(pointers[self.members[:, None], columns], table, threads)

    def launch(
        self,
        numbers: Sequence[Mapping[str, float]],
        context_of: NDArray[np.int64],
        known: Mapping[str, NDArray[np.float64]],
        pointers: NDArray[np.int64],
    ) -> Launch:
        """The pass that stores, ready to be run."""
        pass_ = self.plan.main
        sweep, columns = self._sweep(pass_)
        table = self._table(pass_, numbers, context_of, known)
        return sweep.launch(pointers[self.members[:, None], columns], table)

    def _table(
        self,
        pass_: Pass,
        numbers: Sequence[Mapping[str, float]],
        context_of: NDArray[np.int64],
        known: Mapping[str, NDArray[np.float64]],
    ) -> NDArray[np.float64]:
        """The numbers that a pass takes, a row per tensor."""
        rows = [[one.get(name, 0.0) for name in pass_.numbers] for one in numbers]
        table = np.array(rows, np.float64).reshape(len(rows), len(pass_.numbers))[
            context_of[self.members]
        ]
        for i, name in enumerate(pass_.numbers):
            if name in known:
                table[:, i] = known[name]
        return table

    def _sweep(self, pass_: Pass) -> tuple[Sweep, NDArray[np.int64]]:
        """The kernel of a pass and the columns of the pointer table it takes; made once."""
        if pass_ not in self._sweeps:
            by_rows = bool(pass_.rows)
            if by_rows not in self._tables:
                self._tables[by_rows] = self._engine.table(self._shapes, by_rows)
            columns = np.array([self._arrays.index(name) for name in pass_.streams], np.int64)
            formats = [self._formats[i] or "" for i in columns.tolist()]
            computes_in = computation(self._formats[0] or "")
            title = re.sub(r"\W+", "_", self.plan.chain.name)  # it becomes the name of a file
            sweep = self._engine.sweep(pass_, formats, computes_in, title, self._tables[by_rows])
            self._sweeps[pass_] = sweep, columns
        return self._sweeps[pass_]
