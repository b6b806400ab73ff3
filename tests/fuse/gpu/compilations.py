"""Counts what Triton compiles in the course of trainings, by its own rules of what is the same.

Run in a process of its own. There is no device: every launch is Triton's warm-up, which chooses or
compiles the kernel and does not run it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import triton
from triton.backends.compiler import GPUTarget
from triton.runtime.jit import JITFunction

from tests.fuse.border import Border
from tests.fuse.gpu.host import HostMemory
from tests.fuse.gpu.test_counted import steps_of
from tests.fuse.gpu.test_kernels import Clamped, Words
from thalweg.chain import chain
from thalweg.fuse.engines import host
from thalweg.fuse.gpu.awaited import LANES
from thalweg.fuse.gpu.engine import GpuEngine
from thalweg.fuse.gpu.kernels import OPTIONS
from thalweg.fuse.gpu.prologue import blank
from thalweg.optimizers import OPTIMIZERS
from thalweg.rules import Adam
from thalweg.stages import ClipNorm


class NoDevice:
    """A driver of a device that is not there: all that Triton asks before it launches."""

    def get_current_target(self):
        return GPUTarget("cuda", 90, 32)

    def get_current_device(self):
        return 0

    def get_current_stream(self, device):
        return 0


run = JITFunction.run
compiled: list[str] = []
rng = np.random.default_rng(1)


def warm_up(self, *arguments, grid, warmup, **how):
    run(self, *arguments, grid=grid, warmup=True, **how)


def note(fn, **_):
    compiled.append(fn.name)


def first_step(title, made, settings, shapes):
    """Count at the first step; the border after it."""
    values = [rng.standard_normal(s) for s in shapes]
    border = Border(made, (settings, values), engine=engine)
    border.step([rng.standard_normal(s) for s in shapes])
    print(f"{title}, first step: {len(compiled)}")
    compiled.clear()
    return border


def training(title, made, settings):
    """Count at the first step, and in those that follow."""
    shapes = [(40, 24), (5000,), (3, 3), ()]
    border = first_step(title, made, settings, shapes)
    for step in range(8):
        border.groups[0]["lr"] = 0.1 / (step + 1)
        grads = [rng.standard_normal(s) if (i + step) % 3 else None for i, s in enumerate(shapes)]
        border.step(grads)
    # a group more, with other settings: a new border takes the states over
    shapes += [(7, 1), (3000,)]
    more = [rng.standard_normal(s) for s in shapes]
    groups = ({**settings, "lr": 0.3}, more[:3]), ({**settings, "betas": (0.5, 0.6)}, more[3:])
    border = Border(made, *groups, engine=engine)
    for _ in range(3):
        border.step([rng.standard_normal(s) for s in shapes])
    print(f"{title}, then: {len(compiled)}")
    compiled.clear()


def captured(name):
    """Count of a step that a graph captures, and of another: the kernels around its passes."""
    made = OPTIMIZERS[name]
    step, context = steps_of(made, {}, np.zeros((3, len(made.cells))))
    for _ in range(2):
        step.deeds(np.full(3, 8), [context])
        for deed in step.deeds(np.full(3, 8), [context], is_captured=True):
            deed()
        blank[(1,)](8, 8, 8, 1, 1, LANES=LANES, **OPTIONS)
        print(f"{name}, captured: {len(compiled)}")
        compiled.clear()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        triton.knobs.cache.dir = str(Path(folder) / "cache")
        triton.runtime.driver.set_active(NoDevice())
        triton.knobs.runtime.jit_post_compile_hook = note
        JITFunction.run = warm_up
        engine = GpuEngine(HostMemory(), host())
        training("Adam", chain("Adam", Adam), {})
        training("Clipped", chain("Clipped", ClipNorm, Adam), {"max_norm": 1.0})
        # one kernel for each width of row, and another where it looks ahead
        training("Ranger", OPTIMIZERS["Ranger"], {})
        # every word, per element and of sums, is one that the compiler has
        first_step("Words", chain("Words", Words), {}, [(300,)])
        first_step("Clamped", chain("Clamped", Clamped), {}, [(300,)])
        # what works out numbers, writes words, blanks, keeps; and what aims each of two ways
        captured("RAdam")
        # and what works out kept numbers of sums, of each of the ways
        for name in ("DAdaptSGD", "StableSPAM"):
            captured(name)
