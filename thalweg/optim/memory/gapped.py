"""Parameters with gaps between their elements: every second column of a matrix, a slice of rows.

Kernels walk over such gaps with two strides for each array. Where that is not enough, a dense copy
is stepped, and written back where it came from: two copies of one array, where the reference engine
makes several of each.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from thalweg.chain import Chain, Slot
from thalweg.fuse.walk import Walk, walk_of
from thalweg.optim.memory.device import Home
from thalweg.optim.memory.reach import PLAIN, is_dense, is_reachable
from thalweg.optim.memory.touched import Row
from thalweg.optim.traced import is_watched

__all__ = ["DenseCopy", "stand_in", "walks"]


def walks(chain: Chain, row: Row, slots: Sequence[Slot], home: Home) -> bool:
    """Whether a kernel can walk over the gaps of a row that has some; if so, the row says how, and
    perhaps has a copy of its gradient that lies in the parameter's order of elements."""
    p, g = row.p, row.g
    alike = (p, *(row.arrays[s.key] for s in slots if not s.state.is_apart))
    if home.engine.name != "cpu" or p.layout != torch.strided or not p.numel():
        return False
    has_gaps = not is_dense(p)
    if not has_gaps and (g.stride() == p.stride() or any(p.stride() != a.stride() for a in alike)):
        return False
    if not is_reachable(chain, p, g, slots, row.arrays, row.held, home, gaps=True):
        return False
    if any(a.is_conj() or a.is_neg() or not _has_own_places(a) for a in alike):
        return False
    walk = None if g.is_conj() or g.is_neg() else _walk(chain, row, slots)
    if walk is None and has_gaps:
        row.g = _in_order(p, g)
        walk = _walk(chain, row, slots)
    row.walk = walk
    if walk is None:
        row.g = g
    return walk is not None


def _walk(chain: Chain, row: Row, slots: Sequence[Slot]) -> Walk | None:
    tensors: list[Tensor | None] = [row.p, row.g]
    live = {slot.key for slot in slots if not slot.state.is_apart}
    tensors += [row.arrays[slot.key] if slot.key in live else None for slot in chain.slots]
    return walk_of(row.p.shape, [None if t is None else t.stride() for t in tensors])


def _in_order(p: Tensor, tensor: Tensor) -> Tensor:
    """The same numbers without gaps, in a parameter's order of elements."""
    with torch.no_grad():
        like = torch.empty_like(p, dtype=tensor.dtype, memory_format=torch.preserve_format)
        return like.copy_(tensor)


def stand_in(p: Tensor) -> Tensor:
    """A tensor that is described as a parameter's gradient would be, if it has none."""
    return p.detach() if is_dense(p) else torch.empty(p.shape, dtype=p.dtype, device=p.device)


def _has_own_places(tensor: Tensor) -> bool:
    """Whether no two of its elements lie at one place."""
    end = 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size != 1:
            if stride < end:
                return False
            end = stride * (size - 1) + end
    return True


class DenseCopy:
    """The elements of a parameter without the gaps, in the order of its states."""

    def __init__(self, p: Tensor) -> None:
        self._lent = p
        self.p = _in_order(p.detach(), p)

    @staticmethod
    def can_take(p: Tensor) -> bool:
        """Whether each of its elements has a place of its own, and between some is a gap."""
        if type(p) not in PLAIN or p.device.type != "cpu" or p.layout != torch.strided:
            return False
        if not p.numel() or p.is_conj() or p.is_neg() or is_watched():
            return False
        return _has_own_places(p) and not is_dense(p)

    def give_back(self) -> None:
        """Write them back to where they came from."""
        with torch.no_grad():
            self._lent.copy_(self.p)
