"""Counts and settings that lie on the device: torch's `capturable`, and a GradScaler's flags.

CPU tensors stand for a device's. A graph is the launches of one step, run again.
"""

from __future__ import annotations

import copy
import functools

import numpy as np
import pytest
import torch
import triton  # noqa: F401  (without it this file is skipped)

from tests.fuse.gpu.graph import WAITS, Graph, GraphMemory, unread
from tests.fuse.gpu.host import HostMemory
from tests.fuse.gpu.test_border import HOST, SHAPES, assert_same, drawn, trained
from tests.optim.runs import EVERY
from thalweg import optim
from thalweg.averaging import EMA, SWA
from thalweg.chain import chain
from thalweg.fuse.counted import Context
from thalweg.fuse.engines import host
from thalweg.fuse.gpu.counted import CountedStep
from thalweg.fuse.gpu.deciding import counts
from thalweg.fuse.gpu.engine import GpuEngine
from thalweg.fuse.work import Kind, Work
from thalweg.optim.memory import device
from thalweg.optimizers import OPTIMIZERS
from thalweg.rule import Rule, setting
from thalweg.rules import Adam
from thalweg.stages import ClipNorm


def first_kept(made):
    """The kept numbers after a first step, None for those that follow from what is measured."""
    views = made.views(made.defaults)
    return made.decide(views, 1, {}, (2, 2), made.first_cells(views)).kept


COUNTED = [name for name, made in OPTIMIZERS.items() if counts(made)]
# those whose kept numbers all follow from counts and settings
KNOWN = [name for name in COUNTED if None not in first_kept(OPTIMIZERS[name]).values()]
MEASURED = [name for name in COUNTED if name not in KNOWN]
STEPS = 50

Clipped = optim.optimizer(chain("Clipped", ClipNorm, Adam))
Averaged = functools.partial(optim.AdamW, average=EMA(0.9))
Equal = functools.partial(optim.AdamW, average=SWA(start=3, every=2))


@pytest.fixture(scope="module")
def memory():
    return GraphMemory(HOST)


@pytest.fixture
def on_gpu(memory, monkeypatch):
    """Makes the border take the CPU's tensors for a device's, from here on."""
    engine = GpuEngine(memory, host(), block=64)
    return lambda: monkeypatch.setattr(device, "_engine_of", lambda _: engine)


def steps_of(made, settings, cells):
    """A step of tensors of no elements, which have these cells: their numbers are all of them."""
    views = made.views({**made.defaults, **settings})
    slots = {slot.qualified for slot in made.live_slots(views)}
    arrays = ["p", "g", *(slot.qualified for slot in made.slots)]
    formats = tuple("float64" if name in {"p", "g", *slots} else None for name in arrays)
    engine = GpuEngine(HostMemory(), host(), block=64)
    work = Work(made, [Kind((0, 3), formats)] * len(cells), [0] * len(cells), engine)
    context = Context(views, [{}] * len(views), [False] * len(views), (0, 3))
    at = cells.ctypes.data + 8 * np.arange(cells.size, dtype=np.int64).reshape(cells.shape)
    pointers = np.zeros((len(cells), len(arrays)), np.int64)
    places = np.zeros(len(cells), np.int64)
    wide = np.ones(cells.shape, np.int64)
    step = engine.counted_step(work, pointers, (at, wide), [context], places)
    assert isinstance(step, CountedStep)
    return step, context


def words(memory, buffer, shape, dtype):
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer(memory.download(buffer, size), dtype).reshape(shape)


@pytest.mark.parametrize("name", KNOWN)
def test_what_the_device_decides_is_what_the_host_does(name):
    """Of fifty steps every number, the way that they go, and what is kept: all at once, of as many
    tensors."""
    made = OPTIMIZERS[name]
    views = made.views({**made.defaults, **EVERY[name]})
    held = [made.first_cells(views)]
    decided = []
    for t in range(1, STEPS + 1):
        decided.append(made.decide(views, t, {}, (0, 3), held[-1]))
        held.append({**decided[-1].kept, **({"step": t} if "step" in held[-1] else {})})
    table = np.array([[float(one[key]) for key in made.cells] for one in held])
    cells = table[:-1].copy()
    step, context = steps_of(made, EVERY[name], cells)
    step.decide(np.full(STEPS, 8), [context])
    step._keep()
    expected = [[float(value) for value in one.numbers.values()] for one in decided]
    shape = STEPS, len(expected[0])
    numbers = words(step._memory, step._decided, shape, np.float64)
    np.testing.assert_allclose(numbers, expected, rtol=1e-12, atol=1e-14)
    codes = words(step._memory, step._codes, (STEPS,), np.int32).tolist()
    assert [step.choices[0].leaves[code] for code in codes] == [one.ways for one in decided]
    np.testing.assert_allclose(cells, table[1:], rtol=1e-13)


REPLAYED = ["AdamW", "Averaged", "Clipped", "Equal", "LAMB", "MARS", "NAdam", "Ranger", "SGD"]


@pytest.mark.parametrize("name", [*REPLAYED, *MEASURED])
def test_a_captured_step_is_the_next_one_each_time_it_is_replayed(
    name, on_gpu, memory, monkeypatch
):
    """With new gradients where the old ones lay, and an lr that is a tensor and changes in place;
    nothing is read, and while it is captured nothing is sent."""
    cls = globals().get(name) or getattr(optim, name)
    steps = 7

    def run(replays):
        params = [value.requires_grad_() for value in drawn()]
        lr = torch.tensor(0.1, dtype=torch.float64)
        opt = cls(params, **{**EVERY.get(name, {}), "lr": lr}, capturable=True)
        gradients = [drawn(seed=step + 1) for step in range(steps)]
        for p, g in zip(params, gradients[0], strict=True):
            p.grad = g.clone()
        graph = None
        for step, new in enumerate(gradients):
            lr.fill_(0.1 / (step + 1))
            if step == 3:  # as a backward pass in a graph has them: in new places
                for p in params:
                    p.grad = torch.empty_like(p)
            for p, g in zip(params, new, strict=True):
                p.grad.copy_(g)
            if graph is not None:
                graph.replay()
            elif replays and step == 3:
                graph = Graph(memory, monkeypatch, opt.step)
            else:
                opt.step()
        return opt

    cpu = run(replays=False)
    on_gpu()
    ours = run(replays=True)
    assert ours._counts is not None
    assert_same(cpu, ours, 1e-11)


@pytest.mark.slow
def test_fifty_steps_are_those_of_the_reference(on_gpu):
    make = lambda params: optim.RAdam(params, lr=0.01, capturable=True)  # noqa: E731
    cpu = trained(make, steps=STEPS, shapes=SHAPES[:2])
    on_gpu()
    ours = trained(make, steps=STEPS, shapes=SHAPES[:2])
    assert ours._counts is not None
    assert_same(cpu, ours, 1e-12)


def test_steps_outside_of_a_graph_go_on_where_it_left_them(on_gpu, memory, monkeypatch):
    on_gpu()
    params = [value.requires_grad_() for value in drawn(shapes=SHAPES[:2])]
    opt = optim.AdamW(params, capturable=True)
    for p, g in zip(params, drawn(shapes=SHAPES[:2], seed=1), strict=True):
        p.grad = g
    opt.step()
    kept = [p.grad for p in params]
    graph = Graph(memory, monkeypatch, opt.step)
    for p in params:
        p.grad = torch.full_like(p, 0.5)
    opt.step()
    graph.replay()
    opt.step()
    assert opt.state[params[0]]["step"] == 5
    expected = [value.requires_grad_() for value in drawn(shapes=SHAPES[:2])]
    other = optim.AdamW(expected)
    for grads in (kept, kept, 0.5, kept, 0.5):
        for i, p in enumerate(expected):
            p.grad = torch.full_like(p, 0.5) if grads == 0.5 else grads[i].clone()
        other.step()
    assert_same(other, opt, 1e-12)


def test_what_a_graph_cannot_keep_is_refused_before_anything_moves(on_gpu, memory, monkeypatch):
    on_gpu()
    params = [value.requires_grad_() for value in drawn(shapes=SHAPES[:2])]
    opt = optim.AdamW(params, capturable=True)
    for p, g in zip(params, drawn(shapes=SHAPES[:2], seed=1), strict=True):
        p.grad = g
    with pytest.raises(RuntimeError, match=r"AdamW: this step cannot be captured .* take a step"):
        Graph(memory, monkeypatch, opt.step)
    opt.step()
    before = copy.deepcopy(opt.state_dict())
    params[1].grad = None
    with pytest.raises(RuntimeError, match="other tensors are stepped than in the step before"):
        Graph(memory, monkeypatch, opt.step)
    for held, was in zip(opt.state_dict()["state"].values(), before["state"].values(), strict=True):
        torch.testing.assert_close(held, was, rtol=0, atol=0)


def test_a_rule_that_works_on_rows_counts_on_the_host(on_gpu, memory, monkeypatch):
    on_gpu()
    make = functools.partial(optim.AdamMini, capturable=True)
    opt = trained(make, steps=2, shapes=SHAPES[:2])
    assert opt._counts is None
    with pytest.raises(RuntimeError, match="AdamMini: this step cannot be captured"):
        Graph(memory, monkeypatch, opt.step)


@pytest.mark.parametrize("name", MEASURED)
def test_a_number_that_is_measured_and_kept_is_the_reference_s(name, on_gpu):
    make = functools.partial(getattr(optim, name), **EVERY[name], capturable=True)
    cpu = trained(make, shapes=SHAPES[:2])
    on_gpu()
    ours = trained(make, shapes=SHAPES[:2])
    assert ours._counts is not None
    assert_same(cpu, ours, 1e-11)


def joining(on_device):
    """A tensor that joins in the third step, and one that leaves in the fifth."""
    params = [value.requires_grad_() for value in drawn(shapes=SHAPES[:3])]
    opt = optim.Prodigy(params, lr=1.0, d0=1e-3, capturable=True)
    for t in range(7):
        is_there = [True, t >= 2, t < 4]
        for p, g, there in zip(params, drawn(shapes=SHAPES[:3], seed=t), is_there, strict=True):
            p.grad = g if there else None
        opt.step()
        assert not on_device or (opt._counts is None) == (t >= 4)
    return opt


def test_a_number_that_is_one_for_all_is_told_to_those_that_join_and_those_that_rest(on_gpu):
    cpu = joining(on_device=False)
    on_gpu()
    assert_same(cpu, joining(on_device=True), 1e-11)


@pytest.mark.parametrize("average", [EMA(0.9), SWA(start=2, every=2)], ids=["EMA", "SWA"])
@pytest.mark.parametrize("found", [None, 0.0, 1.0])
def test_averages_of_what_rests_move_there_too(average, found, on_gpu):
    """Also where a GradScaler stops the step: then they do not."""

    def run():
        params = [value.requires_grad_() for value in drawn(shapes=SHAPES[:2])]
        opt = optim.AdamW(params, lr=0.1, average=average, fused=True)
        for t in range(6):
            params[0].grad, params[1].grad = drawn(shapes=SHAPES[:2], seed=t)
            if t in (1, 4, 5):
                params[1].grad = None
            if found is not None and t > 2:
                opt.grad_scale, opt.found_inf = torch.tensor(4.0), torch.tensor(found)
            opt.step()
        return opt

    cpu = run()
    on_gpu()
    ours = run()
    assert ours._counts is not None
    assert (ours._rest.counts is None) == isinstance(average, SWA)
    assert_same(cpu, ours, 1e-12)


@pytest.mark.parametrize("found", [0.0, 1.0])
def test_a_grad_scaler_is_not_waited_for(found, on_gpu, monkeypatch):
    def make(params):
        return optim.AdamW(params, lr=0.1, fused=True)

    def run():
        opt = trained(make, steps=2, shapes=SHAPES[:2])
        opt.grad_scale, opt.found_inf = torch.tensor(4.0), torch.tensor(found)
        for group in opt.param_groups:
            for p, g in zip(group["params"], drawn(shapes=SHAPES[:2], seed=9), strict=True):
                p.grad = g
        return opt

    cpu = run()
    cpu.step()
    on_gpu()
    ours = run()
    with unread(monkeypatch, WAITS):
        ours.step()
    assert ours.state[ours.param_groups[0]["params"][0]]["step"] == 3 - found
    assert_same(cpu, ours, 1e-12)


def test_settings_that_are_tensors_are_read_where_they_lie(on_gpu):
    def make(params):
        betas = torch.tensor(0.8, dtype=torch.float64), torch.tensor(0.95, dtype=torch.float64)
        lr = torch.tensor(0.1)
        return optim.AdamW(params, lr=lr, betas=betas, weight_decay=0.1, capturable=True)

    cpu = trained(make, shapes=SHAPES[:2])
    on_gpu()
    opt = trained(make, shapes=SHAPES[:2])
    assert opt._counts is not None
    assert_same(cpu, opt, 1e-12)


def test_numbers_lie_with_a_parameter_where_they_are_asked_to_and_can(monkeypatch, memory):
    engine = GpuEngine(memory, host(), block=64)
    monkeypatch.setattr(device, "_engine_of", lambda where: host() if where == HOST else engine)
    there = torch.nn.Parameter(torch.ones(3, device="meta"))
    flags = {"capturable": {"capturable": True}, "fused": {"fused": True}, "neither": {}}
    adam, mini = OPTIMIZERS["Adam"], OPTIMIZERS["AdamMini"]
    found = {name: device.cells_home(adam, there, group).type for name, group in flags.items()}
    assert found == {"capturable": "meta", "fused": "meta", "neither": "cpu"}
    assert device.cells_home(mini, there, {"capturable": True}) == HOST
    assert device.cells_home(adam, torch.nn.Parameter(torch.ones(3)), flags["fused"]) == HOST


def test_a_file_of_torchs_is_read_and_its_numbers_go_where_a_step_reads_them(on_gpu):
    theirs = torch.optim.NAdam([torch.ones(3, dtype=torch.float64, requires_grad=True)])
    theirs.param_groups[0]["params"][0].grad = torch.ones(3, dtype=torch.float64)
    theirs.step()
    saved = theirs.state_dict()
    saved["param_groups"][0]["capturable"] = True
    on_gpu()
    p = torch.ones(3, dtype=torch.float64, requires_grad=True)
    opt = optim.NAdam([p], capturable=True)
    opt.load_state_dict(saved)
    for one, own in ((theirs, theirs.param_groups[0]["params"][0]), (opt, p)):
        own.data.fill_(1.0)
        own.grad = torch.full((3,), 0.5, dtype=torch.float64)
        one.step()
    assert opt._counts is not None
    torch.testing.assert_close(p.detach(), theirs.param_groups[0]["params"][0].detach())
    back = torch.optim.NAdam([torch.ones(3, dtype=torch.float64, requires_grad=True)])
    back.load_state_dict(opt.state_dict())
    assert back.state_dict()["state"][0]["step"] == 2


class Many(Rule):
    """Six `if`s on the count: 64 ways."""

    lr: float = setting(0.1, low=0)

    @staticmethod
    def update(p, g, t, lr):
        u = lr * g
        if t % 2 == 0:
            u = 2 * u
        if t % 3 == 0:
            u = 2 * u
        if t % 5 == 0:
            u = 2 * u
        if t % 7 == 0:
            u = 2 * u
        if t % 11 == 0:
            u = 2 * u
        if t % 13 == 0:
            u = 2 * u
        return u


def test_a_chain_of_too_many_ways_counts_on_the_host():
    assert not counts(chain("Many", Many))


def test_a_number_of_another_value_is_the_same_kernel_and_a_switch_is_another():
    made = OPTIMIZERS["Adam"]
    step, context = steps_of(made, {}, np.zeros((1, 1)))
    for setting_, fits in (({"lr": 0.5}, True), ({"amsgrad": True}, False)):
        views = made.views({**made.defaults, **setting_})
        assert step.fits([Context(views, context.there, context.first, context.shape)]) is fits
