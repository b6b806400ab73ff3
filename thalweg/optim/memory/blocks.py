"""Torch's tensors in blocks, as `border.cutting` has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from thalweg.border.cutting import InBlocks
from thalweg.optim.memory.layout import TensorLayout
from thalweg.optim.memory.reach import dense
from thalweg.optim.memory.seen import Seen
from thalweg.optim.memory.sharded import is_sharded, store, whole
from thalweg.optim.memory.traffic import note_unseen

__all__ = ["LayoutOfBlocks", "TensorBlocks"]


class LayoutOfBlocks(TensorLayout):
    """A layout for one step: at the next one, what is copied lies elsewhere."""

    reusable = False
    walks_matrices = True

    def _remember(self, *_: Any) -> None:
        """Nothing will be compared."""


class TensorBlocks(InBlocks):
    """Parameters of torch, those that are cut as their blocks. Of one that processes share out,
    each process has all blocks, as it has all of its matrices otherwise."""

    @property
    def seen(self) -> Seen:
        """What the step has to move."""
        sizes = [len(lot.params) for lot in self.lots]
        return Seen([p for p, _, _ in self.turns], [g for _, _, g in self.turns], sizes)

    @torch.no_grad()
    def put_together(self) -> None:
        """Store what has come of the blocks, and what is kept of all parameters."""
        super().put_together()

    def _plain(self, array: Tensor) -> Tensor:
        if is_sharded(array):
            note_unseen()
        return whole(dense(self.chain, array)).detach()

    def _memory(self, array: Tensor) -> Tensor | None:
        return None if is_sharded(array) else array.detach()

    def _in_one_piece(self, array: Tensor) -> Tensor:
        return array if self._is_walked(array) else array.contiguous()

    def _is_walked(self, block: Tensor) -> bool:
        """Whether a kernel walks over the gaps of a block; where it goes by rows it cannot."""
        if self.chain.reduces_rows or self.chain.reads_columns or self.chain.requests:
            return False
        return type(block) is Tensor and block.device.type == "cpu" and block.stride(-1) == 1

    def _standing_in(self, array: Tensor) -> Tensor:
        return array

    def _array(self, piece: Tensor) -> Tensor:
        return piece

    def _is_same(self, one: Tensor, other: Tensor) -> bool:
        # asked of storages, since fake tensors have no address
        both = [tensor.untyped_storage()._cdata for tensor in (one, other)]
        return both[0] == both[1] and one.storage_offset() == other.storage_offset()

    def _zeros(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        return torch.zeros(shape, dtype=like.dtype, device=like.device)

    def _like(self, p: Tensor, like: Tensor) -> Tensor:
        return torch.zeros_like(p, dtype=like.dtype, memory_format=torch.preserve_format)

    def _store(self, array: Tensor, plain: Tensor) -> None:
        store(array, plain)

    def _copied(self, number: Any) -> Any:
        return number.clone() if isinstance(number, Tensor) else number

    def _stack(self, numbers: Sequence[Any]) -> Tensor:
        return torch.stack([torch.as_tensor(one) for one in numbers])
