"""How near is a step to the memory's own speed, and to torch's fused AdamW?

    python benchmarks/gpu/step_time.py [124m] [1b]

Every elementwise rule and Ranger, on GPT-2's shapes and on a billion parameters. Targets, on a
device of H100's class: 0.90 of a copy's bandwidth; AdamW at most 1.00 of torch's fused AdamW, and
Ranger and RAdam at most 1.05 of it; 60 µs of the host for a step of 148 tensors.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from on_device import copy_speed, device_or_stop, elements, host_time, parameters, step_time

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # for `tests` and `scripts`

import thalweg.optim as optim
from scripts.write_gpu_page import moved
from tests.plain import PLAIN
from thalweg.lab.bench.shapes import SHAPES

BILLION = [(8192, 8192)] * 14 + [(32000, 1900)]
WORKS = {"124m": SHAPES["gpt2"], "1b": BILLION}


def main(names: list[str]) -> None:
    device = device_or_stop()
    copy = copy_speed(device)
    print(f"a copy: {copy / 1e9:.0f} GB/s")
    for work in names or list(WORKS):
        shapes = [tuple(shape) for shape in WORKS[work]]
        print(f"\n{work}: {len(shapes)} tensors, {elements(shapes) / 1e6:.0f} M parameters")
        params = parameters(shapes, device)
        fused = step_time(torch.optim.AdamW(params, fused=True).step)
        print(f"{'torch fused AdamW':20} {fused * 1e3:8.3f} ms")
        for name in PLAIN:
            opt = getattr(optim, name)(params)
            seconds = step_time(opt.step)
            _, least = moved(name, 4)
            share = least * elements(shapes) / seconds / copy
            on_host = host_time(opt.step) * 1e6
            print(
                f"{name:20} {seconds * 1e3:8.3f} ms   {share:5.2f} of a copy's bandwidth   "
                f"{seconds / fused:5.2f} of torch fused AdamW   host {on_host:6.0f} µs"
            )
            del opt
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main(sys.argv[1:])
