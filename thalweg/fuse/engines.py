"""The engine for a device: the only place that knows engines by name.

An engine is imported when it is first asked for, so that a program which never steps never loads a
compiler.
"""

from __future__ import annotations

import functools
import importlib.util
from typing import TYPE_CHECKING

from thalweg.fuse.device import DeviceMemory
from thalweg.fuse.engine import Engine

if TYPE_CHECKING:
    from thalweg.chain import Chain
    from thalweg.fuse.cpu.engine import CpuEngine

__all__ = ["engine_for", "host", "javascript"]


@functools.cache
def host() -> CpuEngine:
    """The engine for what lies in this machine's memory."""
    from thalweg.fuse.cpu.engine import CpuEngine

    return CpuEngine()


def engine_for(device: str, memory: DeviceMemory | None = None) -> Engine | None:
    """The engine for the tensors of a device ("cpu", "cuda", ...), whose `memory` a border owns;
    None where there is only the reference engine. Raises what keeps its kernels from running."""
    if device == "cpu":
        return host()
    if memory is None or importlib.util.find_spec("triton") is None:
        return None
    from thalweg.fuse.gpu.engine import GpuEngine

    engine = GpuEngine(memory, host())
    engine.check()
    return engine


def javascript(chain: Chain) -> str:
    """The text of a function `step(S, h, p, g, shape)` that takes one step of one tensor, for a
    page. Raises TypeError for what JavaScript cannot run."""
    from thalweg.fuse.js.whole import step_text

    return step_text(chain)
