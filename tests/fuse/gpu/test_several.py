"""Tensors of one optimizer on several devices: each is stepped where it lies.

Two engines over this machine's memory stand for two devices, and the CPU's own for a third: a
tensor's number of axes says on which it lies.
"""

from __future__ import annotations

import pytest
import triton  # noqa: F401  (without it this file is skipped)

from tests.fuse.gpu.graph import GraphMemory
from tests.fuse.gpu.test_border import HOST, assert_same, drawn, trained
from thalweg import optim
from thalweg.chain import chain
from thalweg.fuse.engines import host
from thalweg.fuse.gpu.engine import GpuEngine
from thalweg.optim.memory import device, layout
from thalweg.optim.memory.device import Home
from thalweg.rules import Adam
from thalweg.stages import ClipNorm

SHAPES = ((3, 4), (70,), (5, 6), (2, 3, 2), (40,))
Clipped = optim.optimizer(chain("Clipped", ClipNorm, Adam))


@pytest.fixture
def memories():
    return GraphMemory(HOST), GraphMemory(HOST)


@pytest.fixture
def apart(memories, monkeypatch):
    """Two devices and the host, from here on."""
    one, two = (GpuEngine(memory, host(), block=64) for memory in memories)
    by_axes = {1: one, 2: two, 3: host()}

    def home_for(p, main):
        return Home(HOST, by_axes[p.dim()])

    def begin():
        monkeypatch.setattr(device, "_engine_of", lambda _: one)
        monkeypatch.setattr(layout, "home_for", home_for)

    return begin


@pytest.mark.parametrize("name", ["AdamW", "LAMB", "Ranger"])
def test_each_is_stepped_where_it_lies(name, apart):
    make = lambda params: getattr(optim, name)(params)  # noqa: E731
    cpu = trained(make, shapes=SHAPES)
    apart()
    ours = trained(make, shapes=SHAPES)
    assert len(ours._layout.work.engines) == 3
    assert not ours._layout.odd
    assert_same(cpu, ours, 1e-12)


def test_what_all_are_asked_for_is_put_together_in_one_order(apart):
    make = lambda params: Clipped(params, max_norm=0.1)  # noqa: E731
    cpu = trained(make, shapes=SHAPES)
    apart()
    one, two = trained(make, shapes=SHAPES), trained(make, shapes=SHAPES)
    assert_same(cpu, one, 1e-12)
    assert_same(one, two, 0)


def test_a_device_is_sent_what_is_its_own(apart, memories, monkeypatch):
    """One table each, and nobody waits."""
    apart()
    opt = trained(optim.AdamW, shapes=SHAPES, steps=3)
    sent = []
    for memory in memories:
        monkeypatch.setattr(memory, "download", None)
        upload = memory.upload
        monkeypatch.setattr(memory, "upload", lambda x, up=upload: sent.append(x.nbytes) or up(x))
    for p, g in zip(opt.param_groups[0]["params"], drawn(shapes=SHAPES, seed=8), strict=True):
        p.grad = g
    opt.step()
    assert len(sent) == 2


def test_counts_on_several_devices_are_the_host_s(apart):
    make = lambda params: optim.AdamW(params, capturable=True)  # noqa: E731
    cpu = trained(make, shapes=SHAPES)
    apart()
    ours = trained(make, shapes=SHAPES)
    assert ours._counts is None
    assert_same(cpu, ours, 1e-12)
