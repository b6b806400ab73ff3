"""A rule on matrices whose mean squares are kept as one factor per row and one per column.

The squares are added up row by row and column by column, the factors follow their means, and the
rule's own passes run over the rows. A few matrices at a time go through all of it, so that the
later passes find them in the processor's cache. What the engine has to be told of each row is
told for some thousand rows at once, so that nothing here grows with the parameters.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from operator import is_
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from thalweg.chain import Chain, chain
from thalweg.elementwise import lerp
from thalweg.fuse import cpu, reference
from thalweg.fuse.plan import Pass, Plan, plan_for
from thalweg.fuse.storage import FORMATS, computation
from thalweg.optim.reach import PLAIN, address, format_of
from thalweg.optim.snapshot import Addresses, Described
from thalweg.optim.spans import SpanPass, Spans, counted, vectors
from thalweg.rule import Rule, measure, state

__all__ = ["Factored", "Matrix", "is_row_by_row", "step_as_written"]

Views = Sequence[SimpleNamespace]
Integers = NDArray[np.int64]
Doubles = NDArray[np.float64]

# Shorter rows cost more to list than to compute.
NARROWEST = 32

# So many elements, of matrices that fit, go through all passes together: in single precision and
# with their gradients, 16 MiB.
ELEMENTS = 1 << 21

# So many rows are listed at once, at about 200 bytes each.
ROWS = 1 << 14


class Length(Rule):
    """The length of g. Of its two passes, only the one that measures is run."""

    @measure("tensor", "norm")
    def length(g):
        return g

    @staticmethod
    def update(p, length):
        p = 0 * p + length
        return p


class Squares(Rule):
    """p <- p + g^2"""

    @staticmethod
    def update(p, g):
        p = p + g * g
        return p


class Total(Rule):
    """p <- p + g"""

    @staticmethod
    def update(p, g):
        p = p + g
        return p


class Average(Rule):
    """p <- p + w (g / n - p), and into s the same before it is rounded to p's type."""

    n: float = 1.0
    w: float = 1.0
    s = state("s")

    @staticmethod
    def update(p, g, s, n, w):
        p = lerp(p, g / n, w)
        s = p
        return p, s


@dataclass
class Matrix:
    """A parameter of two or more axes that has a gradient, its state, and its lot's number."""

    p: Tensor
    g: Tensor
    held: dict[str, Any]
    lot: int

    @property
    def kept(self) -> list[Tensor]:
        """What stays from step to step: p, the factors and the step."""
        return [self.p, self.held["row_var"], self.held["col_var"], self.held["step"]]


def is_row_by_row(one: Matrix) -> bool:
    """Whether the engine can run over the rows of a matrix as they lie in memory."""
    p, row, col, step = one.kept
    for tensor in (one.g, *one.kept):
        if type(tensor) not in PLAIN or tensor.device.type != "cpu":
            return False
        if tensor.layout != torch.strided or tensor.is_conj() or tensor.is_neg():
            return False
        if str(tensor.dtype).removeprefix("torch.") not in cpu.formats():
            return False
    return (
        p.numel() > 0
        and p.shape == one.g.shape
        and p.shape[-1] >= NARROWEST
        and p.stride(-1) == one.g.stride(-1) == 1
        and not _overlaps(p)
        and row.dtype == col.dtype
        and row.is_contiguous()
        and col.is_contiguous()
        and step.dtype in (torch.float32, torch.float64)
    )


def _overlaps(p: Tensor) -> bool:
    """Whether two elements may lie in the same place."""
    end = 0
    for stride, size in sorted(zip(p.stride(), p.shape, strict=True)):
        if size > 1:
            if stride <= end:
                return True
            end += stride * (size - 1)
    return False


class _Formats(NamedTuple):
    """The element formats of a parameter, of its gradient and of its factors."""

    p: str
    g: str
    factors: str


class _Passes:
    """Every pass that matrices of one plan and one choice of formats take."""

    def __init__(self, plan: Plan, formats: _Formats) -> None:
        p, g, factors = formats
        self.chain, self.formats, self.wide = plan.chain, formats, computation(p)

        def made(work: Pass, computed: str, **streams: str) -> SpanPass:
            return SpanPass(work, streams, computed, plan.chain.name)

        streams = {"p": p, "g": g, "c": self.wide}
        self.reductions = [made(work, self.wide, **streams) for work in plan.reductions]
        self.step = made(plan.main, self.wide, **streams)
        self.length = made(_plan(Length).reductions[0], self.wide, g=g)
        self.squares = made(_plan(Squares).main, self.wide, p=self.wide, g=g)
        self.total = made(_plan(Total).main, "float64", p="float64", g=self.wide)
        self.average = made(_plan(Average).main, "float64", p=factors, g="float64", s="float64")


@functools.cache
def _plan(rule: type[Rule]) -> Plan:
    return plan_for(chain(rule.__name__, rule), {})


@dataclass
class _Slab:
    """Rows that the engine is given at once: of each piece the matrix, and its first row in it."""

    spans: Spans
    matrix: Integers
    first: Integers

    def spread(self, values: NDArray[Any]) -> NDArray[Any]:
        """For each span, what its piece has."""
        return values if len(values) == 1 else values[self.spans.matrix]


@dataclass
class _Addresses:
    """Where the tensors of a step lie, in the order of its matrices."""

    p: Integers
    g: Integers
    row: Integers
    col: Integers


class _Block:
    """Matrices that go through all passes together, because they are of one plan and small."""

    def __init__(
        self, passes: _Passes, members: Sequence[int], some: Sequence[Matrix], known: _Known
    ) -> None:
        self.passes, self.members = passes, np.array(members)
        self.sizes = np.array([one.p.numel() for one in some])
        shapes = [one.p.shape for one in some]
        starts = [_starts(one.p) for one in some], [_starts(one.g) for one in some]
        count = [len(of_one) for of_one in starts[0]]
        # of each matrix; a tensor of more than two axes is several
        self.tensor = np.repeat(np.arange(len(some)), count)
        self.rows = np.repeat([shape[-2] for shape in shapes], count)
        self.columns = np.repeat([shape[-1] for shape in shapes], count)
        self.first_row = np.cumsum(self.rows) - self.rows
        self.first_column = np.cumsum(self.columns) - self.columns
        sizes = [FORMATS[name].size for name in passes.formats]
        self._p, self._g = (
            _Lines(
                np.concatenate(starts[i]) * sizes[i],
                np.repeat([t.stride(-2) for t in tensors], count) * sizes[i],
                sizes[i],
            )
            for i, tensors in enumerate(([one.p for one in some], [one.g for one in some]))
        )
        heights, widths = (
            np.array([one.held[key].numel() for one in some]) for key in ("row_var", "col_var")
        )
        self._factors = vectors(np.append(heights, widths))
        self._starts = np.append(np.cumsum(heights) - heights, np.cumsum(widths) - widths)
        self._starts[len(some) :] += heights.sum()
        self._averaged = [shape[i] for i in (-1, -2) for shape in shapes]
        self.slabs = list(self._cut(known))

    def _cut(self, known: _Known) -> Iterator[_Slab]:
        """Slabs of up to ROWS rows."""
        pieces = -(-self.rows // ROWS)
        matrix = np.repeat(np.arange(len(self.rows)), pieces)
        first = counted(pieces) * ROWS
        rows = np.minimum(self.rows[matrix] - first, ROWS)
        start = 0
        for end in range(1, len(matrix) + 1):
            if end == len(matrix) or rows[start : end + 1].sum() > ROWS:
                shapes = zip(rows[start:end].tolist(), self.columns[matrix[start:end]].tolist())
                yield _Slab(known(tuple(shapes)), matrix[start:end], first[start:end])
                start = end
