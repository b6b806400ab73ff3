"""Parameters with gaps between their elements: every second column of a matrix, a slice of rows.

No kernel walks over gaps. A dense copy is stepped, and written back where it came from: two copies
of one array, where the reference engine makes several of each.
"""

from __future__ import annotations

import torch
from torch import Tensor

from thalweg.optim.memory.reach import PLAIN
from thalweg.optim.traced import is_watched

__all__ = ["DenseCopy"]


class DenseCopy:
    """The elements of a parameter without the gaps, in the order of its states."""

    def __init__(self, p: Tensor) -> None:
        self._lent = p
        with torch.no_grad():
            dense = torch.empty_like(p.detach(), memory_format=torch.preserve_format)
            self.p = dense.copy_(p)

    @staticmethod
    def can_take(p: Tensor) -> bool:
        """Whether each of its elements has a place of its own, and between some is a gap."""
        if type(p) not in PLAIN or p.device.type != "cpu" or p.layout != torch.strided:
            return False
        if not p.numel() or p.is_conj() or p.is_neg() or is_watched():
            return False
        end, has_gaps = 1, False
        for stride, size in sorted(zip(p.stride(), p.shape, strict=True)):
            if size != 1:
                if stride < end:
                    return False
                has_gaps |= stride > end
                end = stride * (size - 1) + end
        return has_gaps

    def give_back(self) -> None:
        """Write them back to where they came from."""
        with torch.no_grad():
            self._lent.copy_(self.p)
