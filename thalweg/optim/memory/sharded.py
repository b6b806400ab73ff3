"""Tensors of which every process holds a part (DTensor): made whole, and stored as they are cut."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from thalweg.optim.memory.reach import PLAIN

__all__ = ["cut_like", "is_sharded", "store"]


def is_sharded(tensor: Tensor) -> bool:
    """Whether it is a DTensor."""
    return type(tensor) not in PLAIN and hasattr(tensor, "full_tensor")


def cut_like(p: Any, value: Any) -> Any:
    """A value cut up as a parameter is: a DTensor cut otherwise, or a tensor every process has."""
    if not is_sharded(value):
        from torch.distributed.tensor import DTensor, Replicate

        mesh = p.device_mesh
        value = DTensor.from_local(value, mesh, [Replicate()] * mesh.ndim)
    if value.placements == p.placements:
        return value
    return value.redistribute(placements=p.placements)


def store(target: Tensor, value: Tensor) -> None:
    """Copy a value into a tensor; torch does not copy between parts that are cut differently."""
    target.copy_(cut_like(target, value) if is_sharded(target) else value)
