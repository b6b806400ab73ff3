"""A rule on matrices whose mean squares are kept as one factor per row and one per column."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import is_
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from thalweg.chain import Chain, Ways
from thalweg.elementwise import lerp
from thalweg.fuse import reference
from thalweg.fuse.engines import host
from thalweg.fuse.plan import plan_for
from thalweg.fuse.whole import Deed
from thalweg.fuse.work import EXACT
from thalweg.optim.matrices.blocks import Block, Doubles, Formats, Passes, Places, Scratch
from thalweg.optim.matrices.inner_rules import share
from thalweg.optim.matrices.spans import Spans, own, portions
from thalweg.optim.memory.reach import PLAIN, address, format_of
from thalweg.optim.memory.seen import Seen
from thalweg.optim.memory.sharded import store
from thalweg.optim.memory.snapshot import Addresses, Described
from thalweg.optim.memory.states import put
from thalweg.optim.traced import is_watched

__all__ = ["Factored", "Views"]

Views = list[SimpleNamespace]

# Shorter rows cost more to list than to compute.
NARROWEST = 32

# So many elements, of matrices that fit, go through all passes together: in single precision and
# with their gradients, 16 MiB.
ELEMENTS = 1 << 21

# what a matrix keeps from step to step
KEYS = ("row_var", "col_var", "step")


@dataclass
class Matrix:
    """A parameter of two or more axes, its state, and the number of its lot."""

    p: Tensor
    held: dict[str, Any]
    lot: int

    @property
    def kept(self) -> list[Tensor]:
        """What stays from step to step: p, the factors and the step."""
        return [self.p, *(self.held[key] for key in KEYS)]


def _is_row_by_row(one: Matrix, g: Tensor) -> bool:
    """Whether the engine can run over the rows of a matrix and its gradient as they lie."""
    if is_watched():
        return False
    p, row, col, step = one.kept
    for tensor in (g, *one.kept):
        if type(tensor) not in PLAIN or tensor.device.type != "cpu":
            return False
        if tensor.layout != torch.strided or tensor.is_conj() or tensor.is_neg():
            return False
        if str(tensor.dtype).removeprefix("torch.") not in host().formats():
            return False
    return (
        p.numel() > 0
        and p.shape == g.shape
        and p.shape[-1] >= NARROWEST
        and p.stride(-1) == g.stride(-1) == 1
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
        self._ways = [_ways(chain, view) for view in views]
        lots = seen.lots()
        self._matrices = [
            Matrix(p, states[p], lot) for p, lot in zip(seen.params, lots, strict=True)
        ]
        self._is_odd = [
            not _is_row_by_row(one, g) for one, g in zip(self._matrices, seen.grads, strict=True)
        ]
        self._rows = [one for one, odd in zip(self._matrices, self._is_odd, strict=True) if not odd]
        self._odd = [one for one, odd in zip(self._matrices, self._is_odd, strict=True) if odd]
        self._take(seen.grads)
        self._standing = _by_kind(self._rows)
        for tensor in self._standing:
            address(tensor)  # refuses freed memory
        self._addresses = Addresses(self._standing)
        self._at = self._addresses.now()
        self._described = Described([*self._standing, *self._grads])
        steps = [one.held["step"] for one in self._rows]
        self._is_wide = np.array([[step.dtype == torch.float64] for step in steps], np.int64)
        self._lots = np.array([one.lot for one in self._rows], np.int64)
        self._blocks = self._grouped()
        self._scratch = Scratch(self._blocks)

    def _grouped(self) -> list[Block]:
        """The matrices in blocks of up to ELEMENTS elements, or of one that is larger."""
        alike: dict[tuple[int, Formats], list[int]] = {}
        plans = [plan_for(self.chain, ways) for ways in self._ways]
        firsts = [next(i for i, one in enumerate(plans) if one is plan) for plan in plans]
        for i, one in enumerate(self._rows):
            tensors = (one.p, self._grads[i], one.held["row_var"])
            formats = Formats(*(format_of(self.chain, t) for t in tensors))
            alike.setdefault((firsts[one.lot], formats), []).append(i)
        blocks, known = [], functools.cache(Spans)
        for (lot, formats), members in alike.items():
            passes = Passes(plans[lot], formats)
            sizes = np.array([self._rows[i].p.numel() for i in members])
            for some in portions(sizes, ELEMENTS):
                params = [self._rows[i].p for i in members[some]]
                grads = [self._grads[i] for i in members[some]]
                blocks.append(Block(passes, np.array(members[some]), params, grads, known))
        return blocks

    def fits(
        self, seen: Seen, views: Sequence[Views], states: Mapping[Tensor, dict[str, Any]]
    ) -> bool:
        """Whether all of it is what and where it was; if so, the new gradients are taken in."""
        if seen.sizes != self._sizes or len(seen.params) != len(self._params):
            return False
        if not all(map(is_, seen.params, self._params)):
            return False
        if [_ways(self.chain, view) for view in views] != self._ways:
            return False
        if any(states.get(one.p) is not one.held for one in self._matrices):
            return False
        if any(key not in one.held for one in self._matrices for key in KEYS):
            return False
        self._take(seen.grads)
        standing = _by_kind(self._rows)
        return (
            all(map(is_, standing, self._standing))
            and np.array_equal(self._addresses.now(), self._at)
            and self._described.fits([*self._standing, *self._grads])
            and not any(one.p.is_complex() for one in self._odd)
            and all(g.layout == torch.strided for g in self._odd_grads)
        )

    def _take(self, grads: Sequence[Tensor]) -> None:
        """Take in the gradients of one step."""
        pairs = list(zip(grads, self._is_odd, strict=True))
        self._grads = [g for g, odd in pairs if not odd]
        self._odd_grads = [g for g, odd in pairs if odd]

    def prepare(self, views: Sequence[Views], threads: int) -> list[Deed]:
        """What is to be done to move every parameter by one step; nothing moves yet."""
        deeds: list[Deed] = [
            functools.partial(_step_as_written, self.chain, one, g, views[one.lot])
            for one, g in zip(self._odd, self._odd_grads, strict=True)
        ]
        if self._rows:
            deeds += self._by_rows(views, threads)
        return [*deeds, self._forget]

    def _forget(self) -> None:
        self._grads, self._odd_grads = [], []  # they are the program's to free

    def _by_rows(self, views: Sequence[Views], threads: int) -> list[Deed]:
        g_at = Addresses(self._grads).now()
        p_at, row_at, col_at, step_at = self._at.reshape(4, -1)
        steps = host().read_numbers(step_at[:, None], self._is_wide)
        numbers = self._numbers(views, steps[:, 0])
        deeds: list[Deed] = []
        for block in self._blocks:
            some = block.members
            at = Places(p_at[some], g_at[some], row_at[some], col_at[some])
            its = {n: v[some] for n, v in numbers.items()}
            deeds.append(functools.partial(block.begin, at, its, self._scratch, threads))
        return [*deeds, functools.partial(self._count, step_at, steps)]

    def _count(self, step_at: NDArray[np.int64], steps: Doubles) -> None:
        """Note the step; the tensors at these addresses are among those that are kept."""
        host().write_numbers(step_at[:, None], self._is_wide, steps + 1)
        for i in np.flatnonzero(steps[:, 0] + 1 >= EXACT).tolist():
            put(self._rows[i].held, "step", steps[i, 0] + 1)
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
    t = int(step) + 1
    numbers = chain.decide(view, t, {}, (), {"step": step}).numbers
    found = {own(name): value for name, value in numbers.items()}
    (h,) = [h for h, part in zip(view, chain.parts, strict=True) if part.declared in chain.rules]
    return {**found, "w": share(t, h.beta2_decay)}


def _ways(chain: Chain, view: Views) -> Ways:
    return chain.decide(view, 1, {}, (), {"step": 0.0}).ways


def _step_as_written(chain: Chain, one: Matrix, g: Tensor, view: Views) -> list[Deed]:
    """Step a matrix that the engine cannot reach: the same rule on whole tensors."""
    p, row_var, col_var, step = one.kept
    new: list[tuple[Tensor, Tensor]] = []
    following = float(step) + 1
    if p.numel():  # there is no mean of nothing
        known = _scalars(chain, view, float(step))
        wide = torch.float64 if p.dtype == torch.float64 else torch.float32
        g = g.to(wide)
        row, col = (
            lerp(var.to(wide), (g * g).mean(axis, keepdim=True), known["w"])
            for var, axis in ((row_var, -1), (col_var, -2))
        )
        mean = row.mean(-2, keepdim=True).clamp(min=known["eps1"])
        (part,) = [part for part in chain.parts if part.declared is chain.rules[0]]
        arrays = {"p": p.to(wide), "g": g, part.qualified("c"): col.sqrt()}
        views = [SimpleNamespace(**{**vars(h), "r": (row / mean).sqrt()}) for h in view]
        t = int(step) + 1
        given = reference.Given(views, t, {}, tuple(p.shape), {"step": float(step)})
        new = [(p, reference.update(chain, arrays, given, {})[0]["p"])]
        new += [(row_var, row), (col_var, col)]

    def keep() -> None:
        for tensor, value in new:  # refused if p, the first, overlaps
            store(tensor, value)
        put(one.held, "step", following)

    return [keep]
