"""Is a step that a CUDA graph has captured the same step, and what does a replay take?

    python benchmarks/gpu/graphs.py

Every optimizer that can be captured: three steps, one that is captured, then replays with new
gradients and another lr, against the CPU's. Beside it torch's AdamW with capturable=True. Ends with
1 where a difference is larger than roundings explain.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from on_device import device_or_stop, parameters, step_time

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # for `tests`

import thalweg.optim as optim
from tests.optim.runs import EVERY, OURS
from thalweg.fuse.gpu.deciding import counts
from thalweg.lab.bench.shapes import SHAPES as SHAPES_OF
from thalweg.optimizers import OPTIMIZERS

SHAPES = [(512, 300), (1000, 7), (4097,), (64, 3, 3, 3), ()]
STEPS, WARM, TOLERANCE = 10, 3, 1e-10


def run(name: str, device: torch.device) -> list[torch.Tensor]:
    """The parameters after some steps; on a device all but the first few are replays of one."""
    generator = torch.Generator().manual_seed(0)
    drawn = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in SHAPES]
    params = [value.to(device, copy=True).requires_grad_() for value in drawn]
    lr = torch.tensor(0.01, dtype=torch.float64, device=device)
    given = {"lr": lr} if "lr" in OPTIMIZERS[name].settings else {}
    opt = getattr(optim, name)(params, **{**EVERY[name], **given}, capturable=True)
    graph = None
    for p in params:
        p.grad = torch.empty_like(p)
    for step in range(STEPS):
        lr.fill_(0.01 / (step + 1))
        for p in params:
            p.grad.copy_(torch.randn(p.shape, generator=generator, dtype=torch.float64))
        if device.type == "cpu" or step < WARM:
            opt.step()
            continue
        if graph is None:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                opt.step()
        graph.replay()
    return [p.detach().cpu() for p in params]


def replay_time(opt: torch.optim.Optimizer) -> float:
    """Seconds of a replayed step."""
    for _ in range(WARM):
        opt.step()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        opt.step()
    return step_time(graph.replay)


def main() -> int:
    device = device_or_stop()
    wrong = 0
    for name in (name for name in OURS if counts(OPTIMIZERS[name])):
        there, here = run(name, device), run(name, torch.device("cpu"))
        off = max(
            float(((a - b).abs() / (1 + b.abs())).max()) for a, b in zip(there, here, strict=True)
        )
        wrong += off > TOLERANCE
        print(f"{name:20} off by {off:.1e}{'   WRONG' if off > TOLERANCE else ''}")
    params = parameters([tuple(shape) for shape in SHAPES_OF["gpt2"]], device)
    rivals = {
        "torch AdamW": torch.optim.AdamW(params, capturable=True, foreach=True),
        "torch fused AdamW": torch.optim.AdamW(params, capturable=True, fused=True),
        "AdamW": optim.AdamW(params, capturable=True),
        "Ranger": optim.Ranger(params, capturable=True),
    }
    for name, opt in rivals.items():
        print(f"{name:20} {replay_time(opt) * 1e3:8.3f} ms a replay")
    print(f"{wrong} wrong" if wrong else "all right")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
