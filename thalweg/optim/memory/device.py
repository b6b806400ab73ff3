"""The memory of a device as torch owns it, and the engine for the tensors that lie there."""

from __future__ import annotations

import functools
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, NoReturn, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from thalweg.chain import Chain
from thalweg.fuse.counted import CountingEngine
from thalweg.fuse.engine import Engine
from thalweg.fuse.engines import engine_for, host

__all__ = [
    "Home",
    "TorchMemory",
    "cells_home",
    "check_not_captured",
    "home_for",
    "home_of",
    "is_asked",
    "is_captured",
    "refuse_capture",
]

_HOST = torch.device("cpu")
# what Triton has a compiler for; the plain run serves every other device
_TRITONS = ("cuda", "xpu")
_OLDEST = (8, 0)  # of CUDA's compute capabilities: the first that has bfloat16


@dataclass(frozen=True)
class Home:
    """Where the tensors of a fused pass lie, and the engine that runs it there."""

    device: torch.device
    engine: Engine

    def counts(self, chain: Chain) -> bool:
        """Whether numbers kept with the tensors may lie there, too: the host reads none of them."""
        if self.engine is host():
            return False
        return cast(CountingEngine, self.engine).counts(chain)


def is_asked(group: Mapping[str, Any]) -> bool:
    """Whether a group wants such numbers where its parameters lie, as torch's classes do."""
    return bool(group.get("capturable") or group.get("fused"))


def cells_home(chain: Chain, p: Tensor, group: Mapping[str, Any]) -> torch.device:
    """Where the numbers kept with a parameter begin to lie: on the host, but where they are asked
    to lie with it, and its steps can work with them there."""
    if p.device.type == "cpu" or not is_asked(group):
        return _HOST
    if chain.reductions and type(p) not in (Tensor, torch.nn.Parameter):
        return _HOST  # several processes put their sums together
    return p.device if home_of([p]).counts(chain) else _HOST


class TorchMemory:
    """`thalweg.fuse.device.DeviceMemory` out of torch's allocators, on the current stream."""

    def __init__(self, device: torch.device) -> None:
        self._device, self._is_host = device, device.type == "cpu"
        self.lanes = 64 if torch.version.hip else 32

    def upload(self, content: NDArray[Any]) -> _Buffer:
        """A copy of an array, by way of pinned memory: torch keeps that until it has been read."""
        there = np.ascontiguousarray(content).reshape(-1).view(np.uint8)
        here = torch.empty(there.size, dtype=torch.uint8, pin_memory=not self._is_host)
        here.numpy()[:] = there
        return _Buffer(here.to(self._device, non_blocking=True), self._stream())

    def write(self, buffer: Any, content: NDArray[Any]) -> None:
        """A copy of an array to where a buffer begins, likewise."""
        there = np.ascontiguousarray(content).reshape(-1).view(np.uint8)
        here = torch.empty(there.size, dtype=torch.uint8, pin_memory=not self._is_host)
        here.numpy()[:] = there
        with self.active(buffer):
            buffer.tensor[: there.size].copy_(here, non_blocking=True)

    def zeros(self, size: int) -> _Buffer:
        """So many bytes, all of them zero."""
        made = torch.zeros(size, dtype=torch.uint8, device=self._device)
        return _Buffer(made, self._stream())

    def download(self, buffer: Any, size: int) -> bytes:
        """So many bytes of a buffer; this waits for the device."""
        return bytes(buffer.tensor[:size].cpu().numpy())

    def active(self, *buffers: Any) -> AbstractContextManager[Any]:
        """While it is entered, kernels are launched on this device, and read these buffers: torch
        gives their memory to nobody else before that has happened."""
        if self._is_host:
            return nullcontext()
        stream = self._stream()
        for buffer in buffers:
            if buffer.stream != stream:
                buffer.tensor.record_stream(stream)
        there: AbstractContextManager[Any] = getattr(torch, self._device.type).device(self._device)
        return there

    def _stream(self) -> Any:
        if self._is_host:
            return None
        return getattr(torch, self._device.type).current_stream(self._device)


class _Buffer:
    def __init__(self, tensor: Tensor, stream: Any) -> None:
        self.tensor, self.stream, self.address = tensor, stream, tensor.data_ptr()


def home_of(params: Sequence[Tensor]) -> Home:
    """Where most of these parameters lie, if there is an engine for it; else the host."""
    found = Counter(p.device for p in params).most_common(1)
    device = found[0][0] if found else _HOST
    engine = _engine_of(device)
    return Home(device, engine) if engine is not None else Home(_HOST, host())


def home_for(p: Tensor, main: Home) -> Home:
    """Where one parameter lies, if there is an engine for it; else the `main` home of all."""
    engine = main.engine if p.device == main.device else _engine_of(p.device)
    return main if engine is None or engine is main.engine else Home(p.device, engine)


@functools.cache
def _engine_of(device: torch.device) -> Engine | None:
    """The engine for the tensors of a device, if there is one that runs there: tried once."""
    if device.type == "cpu":
        return host()
    if device.type not in _TRITONS or not getattr(torch, device.type).is_available():
        return None
    try:
        if not _is_new(device):
            return None
        return engine_for(device.type, TorchMemory(device))
    except Exception as error:  # no compiler, no driver that fits, a device that Triton is new to
        reason = str(error).strip().splitlines() or [type(error).__name__]
        warnings.warn(
            f"thalweg: no kernel runs on {device}, whose tensors take the plain run: {reason[0]}",
            RuntimeWarning,
            stacklevel=2,
        )
        return None


def _is_new(device: torch.device) -> bool:
    """Whether a device has every element type that a kernel may be asked for."""
    if device.type != "cuda" or torch.version.hip:
        return True
    return torch.cuda.get_device_capability(device) >= _OLDEST


def is_captured(device: torch.device) -> bool:
    """Whether what is put on the device now becomes part of a CUDA graph."""
    return device.type == "cuda" and torch.cuda.is_current_stream_capturing()


def check_not_captured(title: str, device: torch.device) -> None:
    """Refuse a step inside of a CUDA graph: its counts and settings are read on the host, and a
    graph would repeat this one step's."""
    if is_captured(device):
        refuse_capture(
            title,
            "its counts and settings are numbers of the host, or other tensors are stepped than in "
            "the step before",
        )


def refuse_capture(title: str, why: str) -> NoReturn:
    """Say that a step cannot become part of a CUDA graph, and what to do about it."""
    raise RuntimeError(
        f"{title}: this step cannot be captured in a CUDA graph: {why}; make the optimizer with "
        "capturable=True, and take a step of the same tensors before the graph is captured"
    )
