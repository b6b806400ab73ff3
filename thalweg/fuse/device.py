"""What an engine asks of a border about the memory of a device: a framework owns it, and the
stream that work is put on."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

from numpy.typing import NDArray

__all__ = ["Buffer", "DeviceMemory"]


class Buffer(Protocol):
    """Memory of a device, for as long as the object lives and what was put on the stream runs."""

    @property
    def address(self) -> int:
        """Where it begins: a multiple of 16."""


class DeviceMemory(Protocol):
    """The memory of one device, and the order of what happens there: that of the calls.

    Only `download` waits for the device.
    """

    lanes: int
    """Threads of the device that go in step: 32, on AMD's 64."""

    def upload(self, content: NDArray[Any]) -> Buffer:
        """A copy of an array; the array may be changed as soon as this returns."""

    def zeros(self, size: int) -> Buffer:
        """So many bytes, all of them zero."""

    def write(self, buffer: Buffer, content: NDArray[Any]) -> None:
        """Put a copy of an array where a buffer begins; likewise."""

    def download(self, buffer: Buffer, size: int) -> bytes:
        """So many bytes of a buffer, when all that was put on the stream before is done."""

    def active(self, *buffers: Any) -> AbstractContextManager[Any]:
        """While it is entered, kernels are launched on this device, and read these buffers."""
