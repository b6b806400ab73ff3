"""What does a step take of the host, where nothing is launched?

    python benchmarks/gpu/host_time.py

Needs triton and no GPU: the kernels are compiled for sm_90, and the driver's own launch does
nothing. All that is before it is what a CUDA tensor takes, but for torch's pinned copy of a table,
which goes to this machine's memory. The target is 60 µs for 148 tensors, beside torch's own.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler.compiler import CompiledKernel

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # for `thalweg`

import thalweg.optim as optim
from thalweg.fuse.engines import host
from thalweg.fuse.gpu.engine import GpuEngine
from thalweg.lab.bench.shapes import SHAPES
from thalweg.optim.memory import device

NAMES = ("AdamW", "SGD", "RAdam", "Ranger", "LAMB")
WARM, ROUNDS = 20, 200


class NoDevice:
    """A driver of a device that is not there: all that Triton asks before it launches."""

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", 90, 32)

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int) -> int:
        return 0


launches = [0]


def launch(*arguments: Any) -> None:
    """In place of the driver's."""
    launches[0] += 1


def host_time(name: str, schedule: bool) -> tuple[float, float]:
    """The median of a step's microseconds, gradients in new places, and its launches."""
    params = [torch.nn.Parameter(torch.ones(8)) for _ in SHAPES["gpt2"]]  # nothing is computed
    for p, shape in zip(params, SHAPES["gpt2"], strict=True):
        p.data = torch.ones(8, 2) if len(shape) > 1 else torch.ones(8)
    opt = getattr(optim, name)(params)
    sets = [[torch.ones_like(p) for p in params] for _ in range(2)]
    found = []
    for step in range(WARM + ROUNDS):
        if schedule:
            opt.param_groups[0]["lr"] = 1e-3 / (1 + step)
        for p, g in zip(params, sets[step % 2], strict=True):
            p.grad = g
        launches[0] = 0
        start = time.perf_counter()
        opt.step()
        found.append(time.perf_counter() - start)
    return statistics.median(found[WARM:]) * 1e6, launches[0]


def main() -> None:
    triton.runtime.driver.set_active(NoDevice())
    CompiledKernel.run = property(lambda self: launch)
    CompiledKernel._init_handles = lambda self: None
    engine = GpuEngine(device.TorchMemory(torch.device("cpu")), host())
    device._engine_of = lambda _: engine
    print(f"{len(SHAPES['gpt2'])} tensors, new gradients each step; the launch itself is left out")
    for name in NAMES:
        for schedule in (False, True):
            microseconds, count = host_time(name, schedule)
            what = "lr moves" if schedule else "lr stays"
            print(f"{name:8} {what}   {microseconds:6.0f} µs   {count} launches")


if __name__ == "__main__":
    main()
