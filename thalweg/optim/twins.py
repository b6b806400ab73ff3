"""A parameter on a device and its twin on the host, and the lane on which copies go between them.

Everything here is the same for every device: where parameters lie on the CPU, the copies are from
memory to memory and nobody waits.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

__all__ = ["Lane", "Twins"]

_NARROW = (torch.bfloat16, torch.float16)


class Lane:
    """The stream of a device on which copies run beside its work."""

    def __init__(self, device: torch.device) -> None:
        found: Any = torch.get_device_module(device)
        has_streams = hasattr(found, "Stream") and hasattr(found, "Event")
        self._module: Any = found if has_streams else torch.cpu
        self.waits = device.type != "cpu" and has_streams
        self._device = device
        self._stream = self._module.Stream(device) if self.waits else self._module.Stream()

    def copy(self, target: Tensor, source: Tensor) -> Any:
        """Begin a copy, behind what the device does now; the event is of its end."""
        self._stream.wait_stream(self._module.current_stream(self._device))
        with self._module.stream(self._stream):
            target.copy_(source, non_blocking=self.waits)
            event = self._module.Event()
            event.record(self._stream)
        return event

    def join(self) -> None:
        """Let the device's work wait for the copies."""
        self._module.current_stream(self._device).wait_stream(self._stream)


class Twins:
    """A parameter on a device, and its twin on the host with a place for its gradient."""

    def __init__(self, p: Tensor, wide: bool, lane: Lane) -> None:
        self.p, self.lane = p, lane
        dtype = torch.float32 if wide and p.dtype in _NARROW else p.dtype
        is_pinned = p.device.type != "cpu"
        like = p.detach()
        made = torch.empty_like(like, dtype=dtype, device="cpu", pin_memory=is_pinned)
        self.host = Parameter(made.copy_(like), requires_grad=p.requires_grad)
        self.gradient = torch.empty_like(made, pin_memory=is_pinned)
        self._version = p._version
        self._copied: Tensor | None = None  # the gradient that is on the host, as it was at
        self._copied_at = 0  # this version
        self._event: Any = None
        self._has = False  # whether the host has a gradient that the device let go of

    def send(self) -> None:
        """Copy the gradient, unless what is there now has been copied."""
        grad = self.p.grad
        if grad is None:
            return
        if self._copied is not grad or self._copied_at != grad._version:
            self._event = self.lane.copy(self.gradient, grad.detach())
            self._copied, self._copied_at = grad, grad._version

    def take(self) -> None:
        """Bring the gradient to the host and let go of it on the device; it adds up there."""
        grad = self.p.grad
        if grad is None:
            return
        if self._has:
            self.wait()
            self.gradient.add_(grad.detach().to(self.gradient.device))
        else:
            self._event = self.lane.copy(self.gradient, grad.detach())
            self._copied = grad  # kept alive until it is copied
        self.p.grad, self._has = None, True

    def is_copied(self) -> bool:
        """Whether nothing is under way; if so, the device's gradient is let go of."""
        if self._event is not None and self._event.query():
            self._event = self._copied = None
        return self._event is None

    def wait(self) -> None:
        """Wait until the gradient has arrived."""
        if self._event is not None:
            self._event.synchronize()
            self._event = None

    def ready(self) -> None:
        """Give the twin its gradient, and the weights that somebody has given its parameter."""
        self.wait()
        there = self.p.grad is not None or self._has
        self.host.grad = self.gradient if there else None
        self.look()

    def look(self) -> None:
        """Take the weights that somebody has given the parameter."""
        if self.p._version != self._version:
            self.host.copy_(self.p)
            self._version = self.p._version

    def show(self) -> None:
        """Begin to copy the weights to the device, which the twin was given otherwise."""
        self.lane.copy(self.p, self.host)
        self._version = self.p._version

    def give_back(self) -> None:
        """Begin to copy the weights to the device."""
        if self.host.grad is not None:
            self.lane.copy(self.p, self.host)
        self._version = self.p._version
        self._copied, self._has = None, False

    def forget(self) -> None:
        """The gradient is nobody's business any more."""
        self.wait()
        self._copied, self._has = None, False
