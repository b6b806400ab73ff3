"""Matrices with factored mean squares, a few at a time, through all the passes of one step.

The squares are added up row by row and column by column, the factors follow their means, and the
rule's own passes run over the rows, which they find in the processor's cache.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from thalweg.chain import chain
from thalweg.fuse.engine import Launch
from thalweg.fuse.plan import Pass, Plan, plan_for
from thalweg.fuse.storage import FORMATS, computation
from thalweg.fuse.whole import Deed
from thalweg.optim.matrices.inner_rules import Average, Length, Squares, Total, numbers_of
from thalweg.optim.matrices.spans import Shapes, SpanPass, Spans, counted, portions, vectors
from thalweg.reductions import finished
from thalweg.rule import Rule

__all__ = ["Block", "Formats", "Passes", "Places", "Scratch"]

Integers = NDArray[np.int64]
Doubles = NDArray[np.float64]

# The engine is given so many rows at once, and keeps about 100 bytes for each; matrices of the same
# shape share them.
ROWS = 1 << 14


class Formats(NamedTuple):
    """The element formats of a parameter, of its gradient and of its factors."""

    p: str
    g: str
    factors: str


class Passes:
    """Every pass that matrices of one plan and one choice of formats take."""

    def __init__(self, plan: Plan, formats: Formats) -> None:
        p, g, factors = formats
        self.formats, self.wide = formats, computation(p)

        def made(pass_: Pass, computed: str, **streams: str) -> SpanPass:
            return SpanPass(pass_, streams, computed, plan.chain.name)

        streams = {"p": p, "g": g, "c": self.wide}
        self.reductions = [made(pass_, self.wide, **streams) for pass_ in plan.reductions]
        self.step = made(plan.main, self.wide, **streams)
        self.length = made(_plan(Length).reductions[0], self.wide, g=g)
        self.squares = made(_plan(Squares).main, self.wide, p=self.wide, g=g)
        self.total = made(_plan(Total).main, "float64", p="float64", g=self.wide)
        self.average = made(_plan(Average).main, "float64", p=factors, g="float64", s="float64")


@functools.cache
def _plan(rule: type[Rule]) -> Plan:
    made = chain(rule.__name__, rule)
    return plan_for(made, made.decide(made.views({}), 1, {}, (), {}).ways)


@dataclass
class _Slab:
    """Rows that the engine is given at once: of each piece its matrix and its first row there."""

    spans: Spans
    matrix: Integers
    first: Integers

    def spread(self, of_pieces: NDArray[Any]) -> NDArray[Any]:
        """For each span what its piece has."""
        return of_pieces if len(of_pieces) == 1 else of_pieces[self.spans.matrix]


class _Lines:
    """The rows of matrices in memory: where each matrix starts in its tensor, and its stride."""

    def __init__(self, tensors: Sequence[Tensor], format: str) -> None:
        self.size = FORMATS[format].size
        starts = [_starts(tensor) for tensor in tensors]
        self.start = np.concatenate(starts) * self.size
        stride = [tensor.stride(-2) * self.size for tensor in tensors]
        self.stride = np.repeat(stride, list(map(len, starts)))

    def at(self, slab: _Slab, tensors_at: Integers) -> Integers:
        """The address of each span, from that of each matrix's tensor."""
        stride = self.stride[slab.matrix]
        first = (tensors_at + self.start)[slab.matrix] + slab.first * stride
        rest = slab.spans.row * slab.spread(stride) + slab.spans.column * self.size
        result: NDArray[np.int64] = slab.spread(first) + rest
        return result


def _starts(tensor: Tensor) -> Integers:
    """The offsets of a tensor's matrices, in elements."""
    found = np.zeros(1, np.int64)
    for size, stride in zip(tensor.shape[:-2], tensor.stride()[:-2], strict=True):
        found = (found[:, None] + np.arange(size) * stride).reshape(-1)
    return found


@dataclass
class Places:
    """The addresses of what a step touches, tensor by tensor."""

    p: Integers
    g: Integers
    row: Integers
    col: Integers


class Block:
    """Matrices that go through all passes together; `members` are their places in the step."""

    def __init__(
        self,
        passes: Passes,
        members: Integers,
        params: Sequence[Tensor],
        grads: Sequence[Tensor],
        known: Callable[[Shapes], Spans],
    ) -> None:
        self.passes, self.members = passes, members
        shapes = [tuple(p.shape) for p in params]
        count = [math.prod(shape[:-2]) for shape in shapes]
        self.sizes: Any = np.array([math.prod(shape) for shape in shapes])
        # a tensor of more than two axes is several matrices
        self.tensor = np.repeat(np.arange(len(params)), count)
        self.rows, self.columns = (
            np.repeat([shape[axis] for shape in shapes], count) for axis in (-2, -1)
        )
        self.height, self.width = int(self.rows.sum()), int(self.columns.sum())
        self.first_row = np.cumsum(self.rows) - self.rows
        self.first_column = np.cumsum(self.columns) - self.columns
        self.matrix_of_row = np.repeat(np.arange(len(self.rows)), self.rows)
        self._p = _Lines(params, passes.formats.p)
        self._g = _Lines(grads, passes.formats.g)
        # the factors of all rows, then those of all columns
        sizes = [math.prod(shape) // shape[axis] for axis in (-1, -2) for shape in shapes]
        self._factors = vectors(np.array(sizes))
        self._factor_starts = np.cumsum(sizes) - np.array(sizes, np.int64)
        self._averaged_over = np.array([shape[axis] for axis in (-1, -2) for shape in shapes])
        self._slabs = self._cut(known)
        self.bins = max(int(slab.spans.bin_width.sum()) for slab in self._slabs)

    def _cut(self, known: Callable[[Shapes], Spans]) -> list[_Slab]:
        """Slabs of up to ROWS rows."""
        pieces = -(-self.rows // ROWS)
        matrix = np.repeat(np.arange(len(self.rows)), pieces)
        first = counted(pieces) * ROWS
        rows = np.minimum(self.rows[matrix] - first, ROWS)
        shapes = list(zip(rows.tolist(), self.columns[matrix].tolist(), strict=True))
        return [
            _Slab(known(tuple(shapes[some])), matrix[some], first[some])
            for some in portions(rows, ROWS)
        ]

    def begin(
        self, at: Places, numbers: Mapping[str, Doubles], scratch: Scratch, threads: int
    ) -> list[Deed]:
        """The deeds of one step, in scratch memory that is theirs until they are done; nothing
        moves yet. `numbers` are the rule's, tensor by tensor."""
        c = scratch.columns(self.width, self.passes.wide)
        streams = [self._streams(slab, at, c) for slab in self._slabs]
        # in one array, which whoever has the means keeps: the launch has both addresses
        sums, means = np.zeros((2, self.height + self.width))
        for slab, of_slab in zip(self._slabs, streams, strict=True):
            self._add_squares(slab, of_slab, sums, scratch, threads)
        averages = self._averages(at, sums, means, numbers["w"])
        moves = functools.partial(self._moves, streams, c, means, numbers, threads)
        return [functools.partial(averages.run, threads), moves]

    def _moves(
        self,
        streams: Sequence[Mapping[str, Integers]],
        c: NDArray[Any],
        means: Doubles,
        numbers: Mapping[str, Doubles],
        threads: int,
    ) -> list[Deed]:
        """What moves the weights when the factors have moved."""
        passes, known = self.passes, dict(numbers)
        r, c[:] = self._factored(means, known)
        for pass_ in passes.reductions:
            totals = np.zeros((len(pass_.results), len(self.sizes)))
            for slab, of_slab in zip(self._slabs, streams, strict=True):
                sums = pass_.run(
                    slab.spans.table, of_slab, self._given(pass_, slab, known, r), threads
                )
                tensor = self.tensor[slab.matrix][slab.spans.matrix]
                for total, own in zip(totals, sums.T, strict=True):
                    total += np.bincount(tensor, own, len(total))
            for (name, kind), total in zip(pass_.results, totals, strict=True):
                known[name] = finished(kind, total, self.sizes)
        return [
            functools.partial(self._move, slab, of_slab, known, r, threads)
            for slab, of_slab in zip(self._slabs, streams, strict=True)
        ]

    def _move(
        self,
        slab: _Slab,
        streams: Mapping[str, Integers],
        known: Mapping[str, Doubles],
        r: Doubles,
        threads: int,
    ) -> list[Deed]:
        """What moves the weights of one slab; made when it is its turn, for it is large."""
        pass_ = self.passes.step
        launch = pass_.launch(slab.spans.table, streams, self._given(pass_, slab, known, r))
        return [functools.partial(launch.run, threads)]

    def _given(
        self, pass_: SpanPass, slab: _Slab, known: Mapping[str, Doubles], r: Doubles
    ) -> dict[str, NDArray[Any]]:
        """The numbers of each span."""
        tensor = self.tensor[slab.matrix]
        given = {n: slab.spread(known[n][tensor]) for n in pass_.numbers if n != "r"}
        return {**given, "r": r[self._row(slab)]}

    def _row(self, slab: _Slab) -> Integers:
        """The number of each span's row."""
        first = self.first_row[slab.matrix] + slab.first
        return slab.spread(first) + slab.spans.row

    def _streams(self, slab: _Slab, at: Places, c: NDArray[Any]) -> dict[str, Integers]:
        """The addresses of each span of p and g, and of the factors of its columns."""
        column = slab.spread(self.first_column[slab.matrix]) + slab.spans.column
        return {
            "p": self._p.at(slab, at.p[self.tensor]),
            "g": self._g.at(slab, at.g[self.tensor]),
            "c": c.ctypes.data + column * c.itemsize,
        }

    def _factored(self, means: Doubles, numbers: Mapping[str, Doubles]) -> tuple[Doubles, Doubles]:
        """Returns r and c of the factors, so that r c is the root of a mean square."""
        row, col = means[: self.height], means[self.height :]
        with np.errstate(all="ignore"):  # gradients may be infinite
            mean = np.bincount(self.matrix_of_row, row, len(self.rows)) / self.rows
            mean = np.maximum(mean, numbers["eps1"][self.tensor])
            return np.sqrt(row / mean[self.matrix_of_row]), np.sqrt(col)

    def _add_squares(
        self,
        slab: _Slab,
        streams: Mapping[str, Integers],
        sums: Doubles,
        scratch: Scratch,
        threads: int,
    ) -> None:
        """Add the squares of g to the sums of its rows and of its columns."""
        spans, passes = slab.spans, self.passes
        squares = passes.length.run(spans.table, streams, {}, threads)
        row = self._row(slab)
        of_rows = np.bincount(row - row[0], squares[:, 0])
        sums[row[0] : row[0] + len(of_rows)] = of_rows  # every row is whole in one slab
        bins = scratch.bins(int(spans.bin_width.sum()), passes.wide)
        bins[:] = 0
        starts = np.cumsum(spans.bin_width) - spans.bin_width
        bins_at = bins.ctypes.data + starts * bins.itemsize
        passes.squares.run(spans.table, {"p": bins_at[spans.bin], "g": streams["g"]}, {}, threads)
        column = self.first_column[slab.matrix][spans.bin_matrix] + spans.bin_column
        to = sums.ctypes.data + (self.height + column) * sums.itemsize
        passes.total.run(spans.bins, {"p": to, "g": bins_at}, {}, 1)  # one after the other

    def _averages(self, at: Places, sums: Doubles, means: Doubles, w: Doubles) -> Launch:
        """What lets the factors follow the means of the squares, and `means` be them unrounded."""
        streams = {
            "p": np.append(at.row, at.col),
            "g": sums.ctypes.data + self._factor_starts * sums.itemsize,
            "s": means.ctypes.data + self._factor_starts * means.itemsize,
        }
        _, numbers = numbers_of(Average, n=self._averaged_over, w=np.append(w, w))
        return self.passes.average.launch(self._factors, streams, numbers)


class Scratch:
    """Memory that one block after the other uses."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self._bins = np.empty(max((block.bins for block in blocks), default=0))
        self._columns = np.empty(max((block.width for block in blocks), default=0))

    def bins(self, count: int, kind: str) -> NDArray[Any]:
        """What columns are added up in."""
        return self._bins.view(kind)[:count]

    def columns(self, count: int, kind: str) -> NDArray[Any]:
        """The roots of the columns' factors."""
        return self._columns.view(kind)[:count]
