"""The tensors of one step that take the same plan in the same formats: one launch per pass."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from thalweg.fuse.awaited import Awaited
from thalweg.fuse.desk import Scratch
from thalweg.fuse.engine import Engine, Launch, Sweep, VectorSweep
from thalweg.fuse.plan import Pass, Plan
from thalweg.fuse.storage import columns, computation
from thalweg.fuse.walk import Walk
from thalweg.reductions import finished
from thalweg.view import matrices_of

__all__ = ["Batch"]

_SEEDS = 1 << 63
_GOLDEN = 0x9E3779B97F4A7C15  # its multiples are spread evenly


class Batch:
    """A plan with its tensors: `members` are their places among all tensors of the optimizer.

    `columns` are those of the table of addresses: the arrays, each with its format, come first.
    `shapes` are of what lies here, `wholes` of the tensors, whose part it may be; the last axis of
    both is the width. Each has one of `walks`, or none has.
    """

    def __init__(
        self,
        plan: Plan,
        columns: Sequence[str],
        formats: Sequence[str | None],
        members: NDArray[np.int64],
        shapes: Sequence[tuple[int, ...]],
        wholes: Sequence[tuple[int, ...]],
        engine: Engine,
        walks: Sequence[Walk] = (),
    ) -> None:
        self.engine = engine
        self.plan, self.members = plan, members
        self.sizes = np.array([np.prod(shape) for shape in wholes])
        self.tensor_shapes = [shape[:-1] for shape in wholes]
        self._columns, self._shapes = [*columns, *plan.scratch], shapes
        self._walks = [walk.beside(len(self._columns)) for walk in walks]
        seen = [(*matrices_of(shape, plan.is_stack), width) for *shape, width in shapes]
        self.matrices = [(count, rows, columns * width) for count, rows, columns, width in seen]
        self._formats = dict(zip(columns, formats, strict=False))  # the arrays come first
        self._formats |= dict.fromkeys(plan.scratch, computation(self._formats["p"] or ""))
        self.scratch: Scratch | None = None  # of the step that is being prepared
        self._tables: dict[bool, Any] = {}
        self._sweeps: dict[Pass, tuple[Sweep, NDArray[np.int64]]] = {}

    def run(
        self,
        pass_: Pass,
        numbers: Sequence[Mapping[str, float]],
        context_of: NDArray[np.int64],
        known: Mapping[str, Any],
        pointers: NDArray[np.int64],
        threads: int,
    ) -> NDArray[np.float64]:
        """Run one pass of the plan; returns what each tensor adds to each result.

        `numbers` are those known before the step, of each context, `known` the reductions of each
        tensor.
        """
        sweep, places = self._sweep(pass_)
        table = self._table(pass_, numbers, context_of, known)
        return sweep.run(self._at(pointers, places), table, threads)

    def run_with_vectors(
        self,
        pass_: Pass,
        numbers: Sequence[Mapping[str, float]],
        context_of: NDArray[np.int64],
        known: Mapping[str, Any],
        pointers: NDArray[np.int64],
        threads: int,
    ) -> tuple[NDArray[np.float64], dict[str, list[tuple[list[int], NDArray[np.float64]]]]]:
        """The same of a pass that sums over rows and columns, with these results by their names: of
        groups of tensors of one shape, what each of them has, matrix by matrix."""
        sweep, places = self._sweep(pass_)
        table = self._table(pass_, numbers, context_of, known)
        sums, vectors = cast(VectorSweep, sweep).run_with_vectors(
            self._at(pointers, places), table, threads
        )
        found = {}
        for one, groups in zip(pass_.vectors, vectors, strict=True):
            side = 2 if one.over == "row" else 1
            found[one.name] = [
                (members, finished(one.kind, values, max(self.matrices[members[0]][side], 1)))
                for members, values in groups
            ]
        return sums, found

    def launch(
        self,
        numbers: Sequence[Mapping[str, float]],
        context_of: NDArray[np.int64],
        known: Mapping[str, Any],
        pointers: NDArray[np.int64],
        seed: int,
    ) -> Launch:
        """The pass that stores, ready to be run."""
        pass_ = self.plan.main
        sweep, places = self._sweep(pass_)
        table = self._table(pass_, numbers, context_of, known)
        # a launch numbers its tensors from 0: two of a step must not round alike
        own = (seed + int(self.members[0]) * _GOLDEN) % _SEEDS
        return sweep.launch(self._at(pointers, places), table, own)

    def forget(self) -> None:
        """Let go of the arrays of this step that the pass which stores does not read."""
        if self.scratch is not None:
            self.scratch.forget()

    def _at(self, pointers: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where the arrays at these places among all columns lie."""
        if self.scratch is None:
            return pointers[self.members[:, None], places]
        whole = np.hstack([pointers[self.members], self.scratch.addresses])
        return whole[:, places]

    def _table(
        self,
        pass_: Pass,
        numbers: Sequence[Mapping[str, float]],
        context_of: NDArray[np.int64],
        known: Mapping[str, Any],
    ) -> Any:
        """The numbers that a pass takes, a row per tensor; where some are awaited, what their
        engine makes of them."""
        rows = [[one.get(name, 0.0) for name in pass_.numbers] for one in numbers]
        try:
            doubles = np.array(rows, np.float64)
        except (TypeError, OverflowError):
            raise self._no_double(rows) from None
        table = doubles.reshape(len(rows), len(pass_.numbers))[context_of[self.members]]
        awaited: dict[int, Awaited] = {}
        for i, name in enumerate(pass_.numbers):
            if isinstance(known.get(name), Awaited):
                awaited[i] = known[name]
            elif name in known:
                table[:, i] = known[name]
        return next(iter(awaited.values())).into(table, awaited) if awaited else table

    def _no_double(self, rows: Sequence[Sequence[Any]]) -> ArithmeticError:
        """What to say of numbers of a text one of which no double is: a root of less than zero is
        complex to Python, and its whole numbers have no end."""
        for value in (value for row in rows for value in row):
            try:
                float(value)
            except (TypeError, OverflowError):
                kind = "complex" if isinstance(value, complex) else "too large for a double"
                return ArithmeticError(
                    f"{self.plan.chain.name}: a number that its text works out is {kind}, "
                    "with these settings"
                )
        raise AssertionError

    def _sweep(self, pass_: Pass) -> tuple[Sweep, NDArray[np.int64]]:
        """The kernel of a pass and the columns of the pointer table it takes; made once."""
        if pass_ not in self._sweeps:
            by_rows = pass_.is_by_rows
            if by_rows not in self._tables:
                shapes = self.matrices if by_rows else self._shapes
                self._tables[by_rows] = self.engine.table(shapes, by_rows)
            formats = [self._format(name) for name in pass_.streams]
            names = columns(pass_.streams, formats)
            places = np.array([self._columns.index(name) for name in names], np.int64)
            computes_in = computation(self._format("p"))
            title = re.sub(r"\W+", "_", self.plan.chain.name)  # it becomes the name of a file
            table = self._tables[by_rows]
            if self._walks:
                own = [self._columns.index(name) for name in pass_.streams]
                table = table.walked([walk.of(own) for walk in self._walks])
            sweep = self.engine.sweep(pass_, formats, computes_in, title, table)
            self._sweeps[pass_] = sweep, places
        return self._sweeps[pass_]

    def _format(self, array: str) -> str:
        """How an array is stored, which the engine must know."""
        form = self._formats[array] or ""
        if form not in self.engine.formats():
            known = ", ".join(sorted(self.engine.formats()))
            raise ValueError(
                f"{self.plan.chain.name}: the {self.engine.name} engine must know the format of "
                f"{array}, one of {known}, got {form!r}"
            )
        return form
