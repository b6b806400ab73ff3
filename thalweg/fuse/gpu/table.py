"""The pieces that a set of tensors is cut into: one program of a kernel each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from thalweg.fuse.device import Buffer, DeviceMemory

__all__ = ["Stretch", "Table"]

# How many columns a tile of rows may have: one kernel is compiled for each that occurs
_WIDTHS = (16, 64, 256, 1024)


@dataclass(frozen=True)
class Stretch:
    """Pieces that one launch takes, one after the other, with the sizes that its kernel is compiled
    for: a block, or rows and columns of a tile."""

    first: int
    count: int
    sizes: tuple[int, ...]


class Table:
    """The pieces of some tensors, of `block` elements at most; with `by_rows`, of whole rows.

    `spans` [tensor, 2] are the places of a tensor's first piece and of the one behind its last. All
    of it is on the device from the first step on.
    """

    def __init__(
        self, memory: DeviceMemory, shapes: Sequence[tuple[int, ...]], by_rows: bool, block: int
    ) -> None:
        self._memory = memory
        sizes = np.array([math.prod(shape) for shape in shapes], np.int64)
        rows = np.array([math.prod(shape[:2]) if by_rows else 1 for shape in shapes], np.int64)
        columns = sizes // np.maximum(rows, 1)
        rows = np.where(sizes > 0, rows, 0)
        self.shapes = np.ascontiguousarray(np.stack([rows, columns], axis=1))
        width = _widths(columns, block) if by_rows else np.full(len(sizes), block)
        units, per_piece = (rows, block // width) if by_rows else (columns * rows, width)
        counts = -(-units // per_piece)
        order = np.argsort(width, kind="stable")
        tensor = np.repeat(order, counts[order])
        ends = np.cumsum(counts[order])
        part = np.arange(len(tensor)) - np.repeat(ends - counts[order], counts[order])
        self.pieces = np.ascontiguousarray(np.stack([tensor, part], axis=1), dtype=np.int32)
        self.spans = np.zeros((len(sizes), 2), np.int64)
        self.spans[order] = np.stack([ends - counts[order], ends], axis=1)
        self.stretches = _stretches(width[tensor], block, by_rows)
        self._buffers: tuple[Buffer, Buffer, Buffer] | None = None

    @property
    def on_device(self) -> tuple[Buffer, Buffer, Buffer]:
        """Shapes, pieces and spans."""
        if self._buffers is None:
            upload = self._memory.upload
            self._buffers = upload(self.shapes), upload(self.pieces), upload(self.spans)
        return self._buffers


def _widths(columns: NDArray[np.int64], block: int) -> NDArray[np.int64]:
    """For each tensor the widest tile that its rows fill, or the narrowest that there is."""
    widths = [width for width in _WIDTHS if width <= block]
    found = np.searchsorted(widths, columns, side="right") - 1
    return np.array(widths)[np.maximum(found, 0)]


def _stretches(width: NDArray[np.int64], block: int, by_rows: bool) -> list[Stretch]:
    """The launches: pieces of one width lie together."""
    starts = np.flatnonzero(np.diff(width, prepend=-1)).tolist()
    found = []
    for first, end in pairwise([*starts, len(width)]):
        wide = int(width[first])
        found.append(Stretch(first, end - first, (block // wide, wide) if by_rows else (wide,)))
    return found
