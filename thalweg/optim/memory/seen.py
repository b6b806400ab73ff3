"""What one step has to move: the parameters that have a gradient, and those that rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import is_
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from thalweg.border.groups import Lot
from thalweg.fuse import overlap
from thalweg.optim.memory.reach import PLAIN
from thalweg.optim.memory.sharded import is_sharded, part_of, placed_like

__all__ = ["Seen", "look", "placed"]


@dataclass
class Seen:
    """The parameters that have a gradient now, in the order of the lots, and how many of each.

    `resting` are those that have none, if there are any and somebody asks.
    """

    params: list[Tensor]
    grads: list[Tensor]
    sizes: list[int]
    resting: Seen | None = None

    def rounds(
        self, states: Mapping[Tensor, Mapping[str, Any]] = MappingProxyType({})
    ) -> list[Seen]:
        """Parts whose tensors share no memory: where they do, torch moves one after the other."""
        if len(self.params) < 2:
            return [self]
        memory = [_written(p, states.get(p, {})) for p in self.params]
        which = overlap.rounds(memory)
        if not any(which):
            return [self]
        found = [Seen([], [], [0] * len(self.sizes)) for _ in range(max(which) + 1)]
        for p, g, lot, number in zip(self.params, self.grads, self.lots(), which, strict=True):
            found[number].params.append(p)
            found[number].grads.append(g)
            found[number].sizes[lot] += 1
        return found

    def lots(self) -> list[int]:
        """The number of each parameter's lot."""
        found: list[int] = np.repeat(np.arange(len(self.sizes)), self.sizes).tolist()
        return found


def _written(p: Tensor, held: Mapping[str, Any]) -> list[overlap.Memory]:
    """The memory that a step of one parameter writes to, and the parameter as an object."""
    found = [overlap.Memory(id(p), (), (), 1)]
    for given in (p, *held.values()):
        tensor = part_of(given) if isinstance(given, Tensor) and is_sharded(given) else given
        is_plain = type(tensor) in PLAIN and tensor.layout == torch.strided
        if is_plain and tensor.device.type != "meta" and tensor.data_ptr():
            size = tensor.element_size()
            strides = tuple(size * stride for stride in tensor.stride())
            found.append(overlap.Memory(tensor.data_ptr(), tuple(tensor.shape), strides, size))
    return found


def placed(seen: Seen) -> None:
    """Share gradients out as their parameters are, where some are not."""
    for i, (p, g) in enumerate(zip(seen.params, seen.grads, strict=True)):
        if type(g) not in PLAIN and is_sharded(g) and is_sharded(p):
            seen.grads[i] = placed_like(p, g)


def look(lots: Sequence[Lot], rests: bool = False) -> Seen:
    """Collect what this step has to move; with `rests`, also what has no gradient."""
    seen = Seen([], [], [])
    missing = False
    for lot in lots:
        params = list(lot.params)
        grads: list[Any] = [p.grad for p in params]
        if any(map(is_, grads, [None] * len(grads))):
            missing = True
            params = [p for p, g in zip(params, grads, strict=True) if g is not None]
            grads = [g for g in grads if g is not None]
        seen.params += params
        seen.grads += grads
        seen.sizes.append(len(params))
    if missing and rests:
        without = [[p for p in lot.params if p.grad is None] for lot in lots]
        flat = [p for of_one in without for p in of_one]
        # nothing that moves without a gradient reads one
        seen.resting = Seen(flat, flat, [len(of_one) for of_one in without])
    return seen
