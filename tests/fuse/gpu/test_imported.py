"""Triton is imported where a device's tensor asks for it: torch's own compiler may have before."""

import subprocess
import sys

import triton  # noqa: F401  (without it this file is skipped)

from tests.house.modules import ROOT

CODE = """
import sys, torch
import thalweg.optim as optim
from thalweg.fuse import engines
from thalweg.fuse.gpu import kernels, lines, numbers, table, text

p = torch.ones(3, requires_grad=True)
p.grad = torch.ones(3)
optim.AdamW([p]).step()
assert engines.engine_for("cuda") is None
assert engines.engine_for("cpu") is engines.host()
ours = [name for name in sys.modules if name.startswith("thalweg.")]
print(*(name for name in ours if "triton" in vars(sys.modules[name])))
"""


def test_a_step_on_the_cpu_does_not_ask_for_triton():
    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == []
