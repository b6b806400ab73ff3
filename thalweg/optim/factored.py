"""A rule on matrices whose mean squares are kept as one factor per row and one per column.

The squares are added up row by row and column by column, the factors follow their means, and the
rule's own passes run over the rows. A few matrices at a time go through all of it, so that the
later passes find them in the processor's cache. What the engine has to be told of each row is
told for some thousand rows at once, so that nothing here grows with the parameters.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
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
from thalweg.optim.inner_rules import Average, Length, Squares, Total
from thalweg.optim.layout import Seen
from thalweg.optim.reach import PLAIN, address, format_of
from thalweg.optim.snapshot import Addresses, Described
from thalweg.optim.spans import Shapes, SpanPass, Spans, counted, own, portions, vectors
from thalweg.rule import Rule

__all__ = ["Factored", "Views"]

Views = list[SimpleNamespace]
Integers = NDArray[np.int64]
Doubles = NDArray[np.float64]

# Shorter rows cost more to list than to compute.
NARROWEST = 32

# So many elements, of matrices that fit, go through all passes together: in single precision and
# with their gradients, 16 MiB.
ELEMENTS = 1 << 21

# So many rows are listed at once, at about 200 bytes each.
ROWS = 1 << 14


KEYS = ("row_var", "col_var", "step")


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
        return [self.p, *(self.held[key] for key in KEYS)]


def _is_row_by_row(one: Matrix) -> bool:
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


def _by_kind(matrices: Sequence[Matrix]) -> list[Tensor]:
    """What stays from step to step: every p, then every row_var, and so on."""
    return [
        tensor for column in zip(*(one.kept for one in matrices), strict=True) for tensor in column
    ]


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
        return slab.spread(first) + rest


def _starts(tensor: Tensor) -> Integers:
    """The offsets of a tensor's matrices, in elements."""
    found = np.zeros(1, np.int64)
    for size, stride in zip(tensor.shape[:-2], tensor.stride()[:-2], strict=True):
        found = (found[:, None] + np.arange(size) * stride).reshape(-1)
    return found


@dataclass
class _Places:
    """The addresses of what a step touches, tensor by tensor."""

    p: Integers
    g: Integers
    row: Integers
    col: Integers


class _Block:
    """Matrices that go through all passes together; `members` are their places in the step."""

    def __init__(
        self,
        passes: _Passes,
        members: Integers,
        some: Sequence[Matrix],
        known: Callable[[Shapes], Spans],
    ) -> None:
        self.passes, self.members = passes, members
        shapes = [tuple(one.p.shape) for one in some]
        count = [math.prod(shape[:-2]) for shape in shapes]
        self.sizes: Any = np.array([math.prod(shape) for shape in shapes])
        # a tensor of more than two axes is several matrices
        self.tensor = np.repeat(np.arange(len(some)), count)
        self.rows, self.columns = (
            np.repeat([shape[axis] for shape in shapes], count) for axis in (-2, -1)
        )
        self.height, self.width = int(self.rows.sum()), int(self.columns.sum())
        self.first_row = np.cumsum(self.rows) - self.rows
        self.first_column = np.cumsum(self.columns) - self.columns
        self.matrix_of_row = np.repeat(np.arange(len(self.rows)), self.rows)
        self._p = _Lines([one.p for one in some], passes.formats.p)
        self._g = _Lines([one.g for one in some], passes.formats.g)
        # the factors of all rows, then those of all columns
        sizes = [one.held[key].numel() for key in ("row_var", "col_var") for one in some]
        self._factors = vectors(np.array(sizes))
        self._factor_starts = np.cumsum(sizes) - sizes
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

    def run(
        self, at: _Places, numbers: Mapping[str, Doubles], scratch: _Scratch, limit: int
    ) -> None:
        """One step; `numbers` are the rule's, tensor by tensor."""
        passes, known = self.passes, dict(numbers)
        c = scratch.columns(self.width, passes.wide)
        streams = [self._streams(slab, at, c) for slab in self._slabs]
        r, c[:] = self._factored(at, streams, known, scratch, limit)
        for work in [*passes.reductions, passes.step]:
            total = np.zeros(len(self.sizes))
            for slab, of_slab in zip(self._slabs, streams, strict=True):
                tensor = self.tensor[slab.matrix]
                given = {n: slab.spread(known[n][tensor]) for n in work.numbers if n != "r"}
                given["r"] = r[self._row(slab)]
                sums = work.run(slab.spans.table, of_slab, given, limit)
                if work.result:
                    total += np.bincount(tensor[slab.spans.matrix], sums, len(total))
            if work.result:
                known[work.result] = reference.finish(work.reduction, total, self.sizes)

    def _row(self, slab: _Slab) -> Integers:
        """The number of each span's row."""
        first = self.first_row[slab.matrix] + slab.first
        return slab.spread(first) + slab.spans.row

    def _streams(self, slab: _Slab, at: _Places, c: NDArray[Any]) -> dict[str, Integers]:
        """The addresses of each span of p and g, and of the factors of its columns."""
        column = slab.spread(self.first_column[slab.matrix]) + slab.spans.column
        return {
            "p": self._p.at(slab, at.p[self.tensor]),
            "g": self._g.at(slab, at.g[self.tensor]),
            "c": c.ctypes.data + column * c.itemsize,
        }

    def _factored(
        self,
        at: _Places,
        streams: Sequence[Mapping[str, Integers]],
        numbers: Mapping[str, Doubles],
        scratch: _Scratch,
        limit: int,
    ) -> tuple[Doubles, Doubles]:
        """Move the factors on; returns r and c, so that r c is the root of a mean square."""
        sums = np.zeros(self.height + self.width)
        for slab, of_slab in zip(self._slabs, streams, strict=True):
            self._add_squares(slab, of_slab, sums, scratch, limit)
        means = self._averages(at, sums, numbers["w"], limit)
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
        scratch: _Scratch,
        limit: int,
    ) -> None:
        """Add the squares of g to the sums of its rows and of its columns."""
        spans, passes = slab.spans, self.passes
        squares = passes.length.run(spans.table, streams, {}, limit)
        row = self._row(slab)
        own = np.bincount(row - row[0], squares)
        sums[row[0] : row[0] + len(own)] += own
        bins = scratch.bins(int(spans.bin_width.sum()), passes.wide)
        bins[:] = 0
        starts = np.cumsum(spans.bin_width) - spans.bin_width
        bins_at = bins.ctypes.data + starts * bins.itemsize
        passes.squares.run(spans.table, {"p": bins_at[spans.bin], "g": streams["g"]}, {}, limit)
        column = self.first_column[slab.matrix][spans.bin_matrix] + spans.bin_column
        to = sums.ctypes.data + (self.height + column) * sums.itemsize
        passes.total.run(spans.bins, {"p": to, "g": bins_at}, {}, 1)  # one after the other

    def _averages(self, at: _Places, sums: Doubles, w: Doubles, limit: int) -> Doubles:
        """Let the factors follow the means of the squares; returns them unrounded."""
        means = np.empty_like(sums)
        streams = {
            "p": np.append(at.row, at.col),
            "g": sums.ctypes.data + self._factor_starts * sums.itemsize,
            "s": means.ctypes.data + self._factor_starts * means.itemsize,
        }
        numbers = {"n": self._averaged_over, "w": np.append(w, w)}
        self.passes.average.run(self._factors, streams, numbers, limit)
        return means


class _Scratch:
    """Memory that one block after the other uses."""

    def __init__(self, blocks: Sequence[_Block]) -> None:
        self._bins = np.empty(max((block.bins for block in blocks), default=0))
        self._columns = np.empty(max((block.width for block in blocks), default=0))

    def bins(self, count: int, kind: str) -> NDArray[Any]:
        """What columns are added up in."""
        return self._bins.view(kind)[:count]

    def columns(self, count: int, kind: str) -> NDArray[Any]:
        """The roots of the columns' factors."""
        return self._columns.view(kind)[:count]


class Factored:
    """The parameters of two or more axes that one step moves, for as long as they stay in place.

    Those over whose rows the engine cannot run, since they lie elsewhere or their rows are short,
    take the same rule as it is written.
    """

    def __init__(
        self,
        chain: Chain,
        seen: Seen,
        views: Sequence[Views],
        states: Mapping[Tensor, dict[str, Any]],
    ) -> None:
        self.chain, self._params, self._sizes = chain, seen.params, seen.sizes
        self._matrices = [
            Matrix(p, g, states[p], lot)
            for p, g, lot in zip(seen.params, seen.grads, seen.lots(), strict=True)
        ]
        self._statics = [chain.static(view, 1, ()) for view in views]
        self._rows = [one for one in self._matrices if _is_row_by_row(one)]
        fast = set(map(id, self._rows))
        self._odd = [one for one in self._matrices if id(one) not in fast]
        self._standing = _by_kind(self._rows)
        for tensor in self._standing:
            address(tensor)  # refuses freed memory
        self._addresses = Addresses(self._standing)
        self._at = self._addresses.now()
        self._described = Described([*self._standing, *(one.g for one in self._rows)])
        steps = [one.held["step"] for one in self._rows]
        self._is_wide = np.array([[step.dtype == torch.float64] for step in steps], np.int64)
        self._lots = np.array([one.lot for one in self._rows], np.int64)
        self._blocks = self._grouped()
        self._scratch = _Scratch(self._blocks)

    def _grouped(self) -> list[_Block]:
        """The matrices in blocks of up to ELEMENTS elements, or of one that is larger."""
        alike: dict[tuple[int, _Formats], list[int]] = {}
        plans = [plan_for(self.chain, static) for static in self._statics]
        for i, one in enumerate(self._rows):
            tensors = (one.p, one.g, one.held["row_var"])
            formats = _Formats(*(format_of(self.chain, t) for t in tensors))
            alike.setdefault((id(plans[one.lot]), formats), []).append(i)
        blocks, known = [], functools.cache(Spans)
        for (_, formats), members in alike.items():
            passes = _Passes(plans[self._rows[members[0]].lot], formats)
            sizes = np.array([self._rows[i].p.numel() for i in members])
            for some in portions(sizes, ELEMENTS):
                chosen = [self._rows[i] for i in members[some]]
                blocks.append(_Block(passes, np.array(members[some]), chosen, known))
        return blocks

    def fits(
        self, seen: Seen, views: Sequence[Views], states: Mapping[Tensor, dict[str, Any]]
    ) -> bool:
        """Whether all of it is what and where it was; if so, the new gradients are taken in."""
        if seen.sizes != self._sizes or len(seen.params) != len(self._params):
            return False
        if not all(map(is_, seen.params, self._params)):
            return False
        if [self.chain.static(view, 1, ()) for view in views] != self._statics:
            return False
        if any(states.get(one.p) is not one.held for one in self._matrices):
            return False
        if any(key not in one.held for one in self._matrices for key in KEYS):
            return False
        for one, g in zip(self._matrices, seen.grads, strict=True):
            one.g = g
        if any(one.p.is_complex() or one.g.layout != torch.strided for one in self._odd):
            return False
        standing = _by_kind(self._rows)
        return (
            all(map(is_, standing, self._standing))
            and np.array_equal(self._addresses.now(), self._at)
            and self._described.fits([*self._standing, *(one.g for one in self._rows)])
        )

    def step(self, views: Sequence[Views], limit: int) -> None:
        """Move every parameter by one step."""
        for one in self._odd:
            _step_as_written(self.chain, one, views[one.lot])
        if not self._rows:
            return
        g_at = Addresses([one.g for one in self._rows]).now()
        p_at, row_at, col_at, step_at = self._at.reshape(4, -1)
        steps = cpu.read_cells(step_at[:, None], self._is_wide)
        numbers = self._numbers(views, steps[:, 0])
        for block in self._blocks:
            some = block.members
            at = _Places(p_at[some], g_at[some], row_at[some], col_at[some])
            block.run(at, {n: v[some] for n, v in numbers.items()}, self._scratch, limit)
        cpu.write_cells(step_at[:, None], self._is_wide, steps + 1)
        torch.autograd.graph.increment_version([one.p for one in self._rows])

    def _numbers(self, views: Sequence[Views], steps: Doubles) -> dict[str, Doubles]:
        """The rule's numbers, matrix by matrix."""
        cases, which = np.unique(np.stack([self._lots, steps], axis=1), axis=0, return_inverse=True)
        found = [_scalars(self.chain, views[int(lot)], step) for lot, step in cases.tolist()]
        return {
            name: np.array([one[name] for one in found])[which.reshape(-1)] for name in found[0]
        }


def _scalars(chain: Chain, view: Views, step: float) -> dict[str, float]:
    """The numbers of the step that follows `step` steps, by the rule's own names."""
    numbers, _ = chain.scalars(view, int(step) + 1, {}, {"step": step})
    return {own(name): value for name, value in numbers.items()}


def _step_as_written(chain: Chain, one: Matrix, view: Views) -> None:
    """Step a matrix that the engine cannot reach: the same rule on whole tensors."""
    p, row_var, col_var, step = one.kept
    numbers, _ = chain.scalars(view, int(step) + 1, {}, {"step": float(step)})
    short = {own(name): value for name, value in numbers.items()}
    step += 1
    if not p.numel():  # there is no mean of nothing
        return
    static = chain.static(view, 1, ())
    plan = plan_for(chain, static)
    wide = torch.float64 if p.dtype == torch.float64 else torch.float32
    g = one.g.to(wide)
    row, col = (
        lerp(var.to(wide), (g * g).mean(axis, keepdim=True), short["w"])
        for var, axis in ((row_var, -1), (col_var, -2))
    )
    row_var.copy_(row)
    col_var.copy_(col)
    mean = row.mean(-2, keepdim=True).clamp(min=short["eps1"])
    (part,) = [part for part in chain.parts if part.declared is chain.rules[0]]
    arrays = {"p": p.to(wide), "g": g, part.qualified("c"): col.sqrt()}
    numbers[part.qualified("r")] = (row / mean).sqrt()
    for name, m in chain.measures.items():
        total = float(reference.reduce(plan, name, arrays, numbers, static))
        numbers[name] = float(reference.finish(m.reduction, total, p.numel()))
    p.copy_(reference.update(plan, arrays, numbers, static)["p"])
