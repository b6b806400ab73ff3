"""What the scripts here share: the device, or a sentence; parameters there; times of a step."""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence

import torch

__all__ = [
    "copy_speed",
    "device_or_stop",
    "elements",
    "gradients_for",
    "host_time",
    "parameters",
    "step_time",
]

_WARM, _ROUNDS = 20, 30


def device_or_stop() -> torch.device:
    """The current CUDA device; without one, or without Triton, the script says so and ends."""
    if not torch.cuda.is_available():
        print("there is no CUDA device here: nothing is measured")
        sys.exit(0)
    try:
        import triton
    except ModuleNotFoundError:
        print("triton is not installed: pip install 'thalweg[gpu]'; nothing is measured")
        sys.exit(0)
    device = torch.device("cuda", torch.cuda.current_device())
    about = torch.cuda.get_device_properties(device)
    print(f"{about.name}, torch {torch.__version__}, triton {triton.__version__}")
    return device


def parameters(shapes: Sequence[tuple[int, ...]], device: torch.device) -> list[torch.Tensor]:
    """Random parameters, with a gradient each."""
    found = [torch.randn(shape, device=device).requires_grad_() for shape in shapes]
    gradients_for(found)
    return found


def gradients_for(params: Sequence[torch.Tensor]) -> None:
    """Give each its gradient: new memory, as a backward pass does."""
    for p in params:
        p.grad = torch.randn_like(p)


def step_time(step: Callable[[], object]) -> float:
    """Seconds of the device for one call, the median of many, each between two events."""
    for _ in range(_WARM):
        step()
    found = []
    for _ in range(_ROUNDS):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        step()
        end.record()
        end.synchronize()
        found.append(start.elapsed_time(end) / 1e3)
    return statistics.median(found)


def host_time(step: Callable[[], object]) -> float:
    """Seconds of the host for one call, the device not waited for."""
    for _ in range(_WARM):
        step()
    found = []
    for _ in range(_ROUNDS):
        torch.cuda.synchronize()
        start = time.perf_counter()
        step()
        found.append(time.perf_counter() - start)
    torch.cuda.synchronize()
    return statistics.median(found)


def copy_speed(device: torch.device) -> float:
    """Bytes per second, read and written, of a copy of a gigabyte: what a pass is measured by."""
    source = torch.empty(1 << 28, device=device)
    target = torch.empty_like(source)
    seconds = step_time(lambda: target.copy_(source))
    return 2 * source.numel() * source.element_size() / seconds


def elements(shapes: Sequence[tuple[int, ...]]) -> int:
    """How many numbers these shapes have."""
    return sum(map(math.prod, shapes))
