"""What a CUDA graph is, where there is none: the launches of a step, to be run again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from triton.runtime.interpreter import InterpretedFunction

from thalweg.optim.memory import device, there
from thalweg.optim.memory.device import TorchMemory

__all__ = ["WAITS", "Graph", "GraphMemory", "unread"]

# what a host asks of a tensor of a device, and has to wait for
WAITS = ("item", "tolist", "cpu", "equal")
WAITS += ("__float__", "__int__", "__bool__", "__index__", "__array__")
_COPIES = ("numpy", "to", "copy_")


@contextmanager
def unread(monkeypatch: Any, names: Sequence[str] = WAITS + _COPIES) -> Iterator[None]:
    """No tensor is asked for any of this while it is entered."""

    def refused(name: str) -> Callable[..., Any]:
        def ask(*_: Any, **__: Any) -> Any:
            raise AssertionError(f"the host asks a tensor for {name}")

        return ask

    with monkeypatch.context() as patch:
        for name in names:
            patch.setattr(torch.Tensor, name, refused(name))
        yield


class GraphMemory(TorchMemory):
    """The host's memory, which refuses what no graph may contain while one is captured."""

    is_captured = False

    def _refuse(self, what: str) -> None:
        assert not self.is_captured, f"{what} while a graph is captured"

    def upload(self, content):
        self._refuse("something is sent")
        return super().upload(content)

    def write(self, buffer, content):
        self._refuse("something is sent")
        super().write(buffer, content)

    def download(self, buffer, size):
        self._refuse("something is read")
        return super().download(buffer, size)


class Graph:
    """A step that was captured: its kernels with their arguments."""

    def __init__(self, memory: GraphMemory, monkeypatch: Any, step: Callable[[], Any]) -> None:
        self._launches: list[Callable[[], Any]] = []
        run = InterpretedFunction.run

        def noted(function, *arguments, grid, warmup, **how):
            if not warmup:
                self._launches.append(
                    lambda: run(function, *arguments, grid=grid, warmup=False, **how)
                )
                run(function, *arguments, grid=grid, warmup=False, **how)

        with monkeypatch.context() as patch, unread(monkeypatch):
            patch.setattr(InterpretedFunction, "run", noted)
            for module in (device, there):
                patch.setattr(module, "is_captured", lambda _: True)
            patch.setattr(memory, "is_captured", True)
            step()

    def replay(self) -> None:
        for launch in self._launches:
            launch()
