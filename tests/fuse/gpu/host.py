"""The memory of this machine in place of a device's: where Triton's interpreter runs kernels."""

from __future__ import annotations

import ctypes
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["HostMemory"]


class Piece:
    """Some bytes, from a multiple of 16 on."""

    def __init__(self, size: int) -> None:
        self._memory = np.zeros(size + 16, np.uint8)
        self.address = -(-self._memory.ctypes.data // 16) * 16


class HostMemory:
    """`thalweg.fuse.device.DeviceMemory` on the host; it counts what was asked of it."""

    lanes = 32

    def __init__(self) -> None:
        self.uploads = self.downloads = 0

    def upload(self, content: NDArray[Any]) -> Piece:
        self.uploads += 1
        content = np.ascontiguousarray(content)
        piece = Piece(content.nbytes)
        ctypes.memmove(piece.address, content.ctypes.data, content.nbytes)
        return piece

    def write(self, buffer: Piece, content: NDArray[Any]) -> None:
        self.uploads += 1
        ctypes.memmove(buffer.address, np.ascontiguousarray(content).ctypes.data, content.nbytes)

    def zeros(self, size: int) -> Piece:
        return Piece(size)

    def download(self, buffer: Piece, size: int) -> bytes:
        self.downloads += 1
        return ctypes.string_at(buffer.address, size)

    def active(self, *buffers: Piece) -> nullcontext[None]:
        return nullcontext()
