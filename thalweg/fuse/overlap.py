"""Tensors that share memory: stepped one after another, in the order in which they are listed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Memory", "rounds"]

# how long to think about whether two tensors with gaps have an element in common
_EFFORT = 10_000
_TooHard: Any = getattr(np, "exceptions", np).TooHardError


class Memory(NamedTuple):
    """Where a tensor lies; strides are in bytes."""

    start: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    size: int

    @property
    def end(self) -> int:
        """The address behind its last element."""
        if not math.prod(self.shape):
            return self.start
        steps = ((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        return self.start + sum(steps) + self.size

    @property
    def array(self) -> Any:
        """The same as an array to be asked about, and never read."""
        fields = {
            "version": 3,
            "typestr": f"|V{self.size}",
            "data": (self.start, True),
            "shape": self.shape,
            "strides": self.strides,
        }
        return np.asarray(SimpleNamespace(__array_interface__=fields))


def rounds(members: Sequence[Sequence[Memory]]) -> list[int]:
    """The round of each member, given the memory that it writes to: the first, unless an earlier
    member writes there too; then the one after its round."""
    flat = [memory for own in members for memory in own]
    starts = np.array([memory.start for memory in flat], np.int64)
    ends = np.array([memory.end for memory in flat], np.int64)
    order = np.argsort(starts, kind="stable")
    if not (starts[order][1:] < np.maximum.accumulate(ends[order])[:-1]).any():
        return [0] * len(members)
    owners = np.repeat(np.arange(len(members)), [len(own) for own in members])
    found = np.zeros(len(members), np.int64)
    for owner, memory in zip(owners.tolist(), flat, strict=True):
        near = (starts < memory.end) & (ends > memory.start) & (owners < owner)
        for i in np.flatnonzero(near).tolist():
            if found[owners[i]] >= found[owner] and _share(flat[i], memory):
                found[owner] = found[owners[i]] + 1
    which: list[int] = found.tolist()
    return which


def _share(one: Memory, other: Memory) -> bool:
    """Whether two tensors whose ranges overlap have an element in common."""
    try:
        return np.shares_memory(one.array, other.array, max_work=_EFFORT)  # type: ignore[arg-type]
    except _TooHard:
        return True
