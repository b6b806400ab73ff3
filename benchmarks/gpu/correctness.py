"""Are the kernels right on this device? Every optimizer against the CPU's.

    python benchmarks/gpu/correctness.py

The same gradients, ten steps, on the device and on the CPU, in each type; torch's own fused AdamW
beside ours. Ends with 1 where a difference is larger than roundings explain.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from on_device import device_or_stop

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # for `tests`

import thalweg.optim as optim
from tests.optim.runs import EVERY, OURS

SHAPES = [(512, 300), (1000, 7), (4097,), (64, 3, 3, 3), ()]
STEPS = 10
TOLERANCE = {
    torch.float64: 1e-11,
    torch.float32: 1e-4,
    torch.bfloat16: 3e-2,
    torch.float16: 4e-3,
}


def run(name: str, dtype: torch.dtype, device: torch.device) -> tuple[list[torch.Tensor], str]:
    """The parameters after some steps, and the engine that took them."""
    generator = torch.Generator().manual_seed(0)
    drawn = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in SHAPES]
    params = [value.to(device, dtype).requires_grad_() for value in drawn]
    opt = getattr(optim, name)(params, **EVERY[name])
    for _ in range(STEPS):
        for p in params:
            grad = torch.randn(p.shape, generator=generator, dtype=torch.float64)
            p.grad = grad.to(device, dtype)
        opt.step()
    layout = opt._layout
    return [p.detach().cpu() for p in params], layout.engine.name if layout else "plain run"


def main() -> int:
    device = device_or_stop()
    wrong = 0
    for dtype, tolerance in TOLERANCE.items():
        for name in OURS:
            there, engine = run(name, dtype, device)
            here, _ = run(name, dtype, torch.device("cpu"))
            off = max(
                float(((a - b).abs() / (1 + b.abs())).max())
                for a, b in zip(
                    (x.double() for x in there), (x.double() for x in here), strict=True
                )
            )
            is_right = off <= tolerance and engine == "gpu"
            wrong += not is_right
            verdict = "" if is_right else "   WRONG"
            print(f"{dtype!s:16} {name:20} {engine:10} off by {off:.1e}{verdict}")
    print(f"{wrong} wrong" if wrong else "all right")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
