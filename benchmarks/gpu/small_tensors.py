"""What does a step cost where there is next to nothing to do: 2,000 tensors of 64 numbers?

    python benchmarks/gpu/small_tensors.py

AdamW and Ranger beside torch's fused, foreach and plain AdamW. The target on a device of H100's
class is half of torch's fused AdamW.
"""

from __future__ import annotations

import torch
from on_device import device_or_stop, host_time, parameters, step_time

import thalweg.optim as optim

SHAPES = [(8, 8)] * 2000


def main() -> None:
    params = parameters(SHAPES, device_or_stop())
    rivals = {
        "torch fused AdamW": torch.optim.AdamW(params, fused=True),
        "torch foreach AdamW": torch.optim.AdamW(params, foreach=True),
        "torch AdamW": torch.optim.AdamW(params, foreach=False),
        "AdamW": optim.AdamW(params),
        "Ranger": optim.Ranger(params),
    }
    times = {name: step_time(opt.step) for name, opt in rivals.items()}
    for name, opt in rivals.items():
        ratio = times[name] / times["torch fused AdamW"]
        print(
            f"{name:20} {times[name] * 1e6:8.0f} µs   {ratio:5.2f} of torch fused AdamW   "
            f"host {host_time(opt.step) * 1e6:6.0f} µs"
        )


if __name__ == "__main__":
    main()
