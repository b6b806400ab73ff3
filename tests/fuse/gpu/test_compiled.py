"""What Triton's compiler makes of the kernels, which it does without a device.

In processes of their own: here the kernels are the interpreter's.
"""

import json
import os
import subprocess
import sys

import pytest
import triton  # noqa: F401  (without it this file is skipped)

from scripts.write_gpu_page import passes_of
from tests.house.modules import ROOT
from tests.plain import PLAIN

pytestmark = pytest.mark.slow

# what a sum of float32 is added up in, and no more than that
IN_SUMS = (
    "cvt.",
    "add.",
    "mul.",
    "div.",
    "fma.",
    "selp.",
    "sqrt.",
    "mov.",
    "setp.",
    "max.",
    "abs.",
)


def run(*command: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("TRITON_INTERPRET", None)
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, cwd=ROOT, env=environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def codes(name, architecture, form):
    return json.loads(run("scripts/write_gpu_page.py", "--json", name, architecture, form))


@pytest.mark.parametrize("architecture", ["80", "90"])
@pytest.mark.parametrize("name", PLAIN)
def test_a_kernel_reads_128_bits_at_a_time_spills_nothing_and_has_no_double(name, architecture):
    found = codes(name, architecture, "float32")
    for code, pass_ in zip(found, passes_of(name), strict=True):
        assert code["spills"] == 0
        assert code["wide"]["ld"] >= len(pass_.loads)  # one each, and one for a mean of rows
        assert code["wide"].get("st", 0) == len(pass_.stores)
        adds_up = code["does"] == "adds up" or pass_.rows  # sums of rows are double as well
        assert adds_up or not code["doubles"]
        assert pass_.rows or [x for x in code["doubles"] if not x.startswith(IN_SUMS)] == []


@pytest.mark.parametrize("form", ["bfloat16", "float16", "float64"])
@pytest.mark.parametrize("name", ["AdamW", "LAMB", "Ranger"])
def test_so_does_one_of_another_type(name, form):
    for code in codes(name, "80", form):
        assert code["spills"] == 0
        assert code["wide"].get("ld", 0) >= 1


@pytest.mark.parametrize("name", ["AdamW", "LAMB", "Ranger"])
def test_it_compiles_for_amd_too(name):
    for code in codes(name, "gfx942", "float32"):
        assert code["spills"] == 0
        assert code["wide"].get("load", 0) >= 1


def test_a_training_compiles_no_kernel_twice():
    """With schedules, other sets of gradients, groups added, other shapes and other addresses."""
    assert run("tests/fuse/gpu/compilations.py").splitlines() == [
        "Adam, first step: 1",
        "Adam, then: 0",
        "Clipped, first step: 4",  # what measures, adds up, works out numbers, stores
        "Clipped, then: 0",
        "Ranger, first step: 2",  # matrices by rows, and the rest
        "Ranger, then: 3",  # where it rectifies, and where it looks ahead
        "Words, first step: 1",
        "Clamped, first step: 3",
        "RAdam, captured: 6",
        "RAdam, captured: 0",
        "DAdaptSGD, captured: 8",
        "DAdaptSGD, captured: 0",
        "StableSPAM, captured: 6",
        "StableSPAM, captured: 0",
    ]
