"""Whole tensors out of the parts of all processes: many in one exchange.

A matrix rule needs each matrix whole. One collective for each would cost its latency a hundred
times, so the parts of all that are asked for go behind each other into one buffer, and one
collective for each mesh axis brings those of the others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from thalweg.optim.memory.sharded import carried_by, check_group, whole_of
from thalweg.optim.memory.traffic import note, note_unseen

__all__ = ["gathered"]


@dataclass(frozen=True)
class _Cut:
    """How a mesh axis has cut a tensor, of this shape by then, along one of the tensor's axes."""

    tensor: int
    along: int
    shape: tuple[int, ...]

    def piece(self, world: int, rank: int) -> tuple[int, ...]:
        """The shape of a process's part, by `torch.chunk`: the last may be smaller, or empty."""
        sides, size = list(self.shape), self.shape[self.along]
        most = -(-size // world)
        sides[self.along] = max(0, min(most, size - most * rank))
        return tuple(sides)


def gathered(wholes: Sequence[Any], parts: Sequence[Tensor]) -> list[Tensor]:
    """Of each DTensor all of it, where its part here is given, perhaps in another type: one
    exchange for each mesh axis and type."""
    check_group()
    found = list(parts)
    together: dict[Any, list[int]] = {}
    for i, (whole, part) in enumerate(zip(wholes, parts, strict=True)):
        if _is_in_chunks(whole):
            together.setdefault((whole.device_mesh, part.dtype), []).append(i)
        else:
            note_unseen()
            found[i] = whole_of(whole, part)
    for (mesh, _), members in together.items():
        cuts: list[list[_Cut]] = [[] for _ in range(mesh.ndim)]
        for i in members:
            _cut(i, wholes[i], cuts)
        for axis in reversed(range(mesh.ndim)):
            if cuts[axis]:
                _exchange(mesh, axis, cuts[axis], found)
    return found


def _is_in_chunks(whole: Any) -> bool:
    """Whether a tensor is cut plainly, one axis after the other; torch has other ways, too."""
    from torch.distributed.tensor import Shard

    return all(type(one) is Shard or one.is_replicate() for one in whole.placements)


def _cut(number: int, whole: Any, cuts: Sequence[list[_Cut]]) -> None:
    mesh, shape = whole.device_mesh, tuple(whole.shape)
    for axis, placement in enumerate(whole.placements):
        if placement.is_replicate():
            continue
        cut = _Cut(number, placement.dim % len(shape), shape)
        cuts[axis].append(cut)
        shape = cut.piece(mesh.size(axis), mesh.get_local_rank(axis))


def _exchange(mesh: Any, axis: int, cuts: Sequence[_Cut], found: list[Tensor]) -> None:
    """Put together what one mesh axis has cut, in place."""
    from torch import distributed

    group, world = mesh.get_group(axis), mesh.size(axis)
    rooms = [math.prod(cut.piece(world, 0)) for cut in cuts]  # the first has the largest part
    if not sum(rooms):
        return
    first = found[cuts[0].tensor]
    sent = torch.zeros(sum(rooms), dtype=first.dtype, device=first.device)
    for cut, room in zip(cuts, sent.split_with_sizes(rooms), strict=True):
        part = found[cut.tensor]
        room[: part.numel()] = part.reshape(-1)
    there = carried_by(group, mesh, sent)
    came = torch.empty((world, len(there)), dtype=there.dtype, device=there.device)
    distributed.all_gather_into_tensor(came.view(-1), there, group=group)
    size = sent.numel() * sent.element_size()
    note(size, size * (world - 1))
    by_tensor = came.to(first.device).split_with_sizes(rooms, 1)
    for cut, rows in zip(cuts, by_tensor, strict=True):
        shapes = [cut.piece(world, rank) for rank in range(world)]
        pieces = [
            row[: math.prod(shape)].view(shape) for row, shape in zip(rows, shapes, strict=True)
        ]
        found[cut.tensor] = torch.cat(pieces, cut.along)
