"""torch's optimizers on the GPU engine: the border's own code, on this machine's tensors.

Where a device would be, its memory is torch's on the CPU, and Triton's interpreter runs the
kernels. Everything else is what a CUDA tensor takes: the choice of the engine, the tables, the
launches. What is compared with is the CPU engine.
"""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
import torch
import triton  # noqa: F401  (without it this file is skipped)
from torch import Tensor

from tests.optim.runs import EVERY, OURS
from thalweg import optim
from thalweg.averaging import EMA
from thalweg.fuse.engines import host
from thalweg.fuse.gpu.engine import GpuEngine
from thalweg.optim.memory import device
from thalweg.optim.memory.device import Home, TorchMemory, home_of

HOST = torch.device("cpu")
SHAPES = ((3, 4), (70,), (), (2, 3, 2, 2), (0, 3))
STEPS = 4


@pytest.fixture(scope="module")
def gpu():
    return GpuEngine(TorchMemory(HOST), host(), block=64)


@pytest.fixture
def on_gpu(gpu, monkeypatch):
    """Makes the border take the CPU's tensors for a device's, from here on."""
    return lambda: monkeypatch.setattr(device, "_engine_of", lambda _: gpu)


def drawn(dtype=torch.float64, shapes=SHAPES, seed=0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in shapes
    ]


def trained(make, steps=STEPS, dtype=torch.float64, shapes=SHAPES, missing=()):
    """An optimizer after some steps."""
    params = [value.requires_grad_() for value in drawn(dtype, shapes)]
    opt = make(params)
    for step in range(steps):
        for i, (p, g) in enumerate(zip(params, drawn(dtype, shapes, step + 1), strict=True)):
            p.grad = None if (i, step) in missing else g
        opt.step()
    return opt


def everything(opt):
    params = [p for group in opt.param_groups for p in group["params"]]
    for i, p in enumerate(params):
        yield f"parameter {i}", p
        for key, value in opt.state[p].items():
            yield f"{key} of {i}", value


def assert_same(one, other, tolerance):
    for (what, a), (_, b) in zip(everything(one), everything(other), strict=True):
        torch.testing.assert_close(
            a, b, rtol=tolerance, atol=tolerance, msg=lambda m, what=what: f"{what}: {m}"
        )


def both(make, on_gpu, **how):
    on_cpu = trained(make, **how)
    on_gpu()
    return on_cpu, trained(make, **how)


def is_fused(opt) -> bool:
    return isinstance(opt._layout.engine, GpuEngine) and not opt._layout.odd


def test_a_step_that_was_taken_before_is_taken_the_short_way(on_gpu):
    make = lambda params: optim.AdamW(params)  # noqa: E731
    cpu, gpu = both(make, on_gpu, steps=6, shapes=SHAPES[:4], missing={(1, 4), (2, 5)})
    assert is_fused(gpu)
    assert gpu._prepared.taken >= 3
    assert_same(cpu, gpu, 1e-12)


@pytest.mark.parametrize("name", OURS)
def test_every_optimizer_takes_the_same_steps(name, on_gpu):
    make = lambda params: getattr(optim, name)(params, **EVERY[name])  # noqa: E731
    cpu, gpu = both(make, on_gpu)
    assert is_fused(gpu)
    assert_same(cpu, gpu, 1e-11)


@pytest.mark.parametrize("name", ["Muon", "SOAP", "Shampoo"])
def test_lines_on_matrices_run_between_the_launches(name, on_gpu):
    cpu, gpu = both(getattr(optim, name), on_gpu, shapes=((6, 4), (9, 3)), steps=2)
    assert is_fused(gpu)
    assert_same(cpu, gpu, 1e-6)  # Muon iterates in bfloat16 whatever it is given


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("state_dtype", ["param", "float32"])
def test_narrow_parameters_and_their_states(dtype, state_dtype, on_gpu):
    make = lambda params: optim.AdamW(params, state_dtype=state_dtype)  # noqa: E731
    cpu, gpu = both(make, on_gpu, dtype=dtype)
    assert is_fused(gpu)
    assert_same(cpu, gpu, {torch.float32: 1e-6}.get(dtype, 1e-2))


def test_complex_parameters_are_pairs(on_gpu):
    cpu, gpu = both(optim.AdamW, on_gpu, dtype=torch.complex128)
    assert is_fused(gpu)
    assert_same(cpu, gpu, 1e-12)


def test_an_average_is_kept_and_moves_without_a_gradient(on_gpu):
    make = lambda params: optim.RAdam(params, average=EMA(0.9))  # noqa: E731
    cpu, gpu = both(make, on_gpu, missing={(0, 2), (1, 1)})
    assert_same(cpu, gpu, 1e-12)


def test_other_orders_of_elements_and_gaps(on_gpu):
    def make(params):
        whole = torch.arange(48.0, dtype=torch.float64).reshape(6, 8)
        turned = drawn(shapes=((2, 3, 4, 5),))[0].to(memory_format=torch.channels_last)
        own = [turned.requires_grad_(), whole[:, ::2].requires_grad_(), whole.t()[1:].detach()]
        own[2].requires_grad_()
        for p in own:
            p.grad = torch.ones_like(p)
        opt = optim.Ranger(own)
        opt.step()
        return opt

    cpu = make([])
    on_gpu()
    assert_same(cpu, make([]), 1e-12)


def test_a_scaler_s_infinite_gradient_stops_the_step(on_gpu):
    def make(params):
        opt = optim.AdamW(params, fused=True)
        opt.grad_scale, opt.found_inf = torch.tensor(2.0), torch.tensor(1.0)
        return opt

    on_gpu()
    opt = trained(make)
    for p, start in zip(opt.param_groups[0]["params"], drawn(), strict=True):
        torch.testing.assert_close(p.detach(), start, rtol=0, atol=0)


def test_a_scaled_gradient_is_divided(on_gpu):
    def make(params):
        opt = optim.SGD(params, lr=0.1, fused=True)
        opt.grad_scale, opt.found_inf = torch.tensor(2.0), torch.tensor(0.0)
        return opt

    assert_same(*both(make, on_gpu), 1e-12)


def test_schedules_groups_and_files_on_the_way(on_gpu):
    def run():
        params = [value.requires_grad_() for value in drawn()]
        opt = optim.AdamW([{"params": params[:2], "lr": 0.1}], weight_decay=0.1)
        for step in range(6):
            if step == 2:
                opt.add_param_group({"params": params[2:], "betas": (0.5, 0.9)})
            if step == 4:
                opt.load_state_dict(copy.deepcopy(opt.state_dict()))
            for group in opt.param_groups:
                group["lr"] *= 0.9
            for p, g in zip(params, drawn(seed=step + 1), strict=True):
                p.grad = g
            opt.step()
        return opt

    cpu = run()
    on_gpu()
    assert_same(cpu, run(), 1e-12)


def test_tensors_elsewhere_take_the_plain_run(on_gpu):
    """Of another device than most, or under autograd."""
    on_gpu()
    params = [value.requires_grad_() for value in drawn()]
    away = torch.nn.Parameter(torch.ones(3, device="meta"))
    away.grad = torch.ones(3, device="meta")
    opt = optim.AdamW([*params, away])
    for p, g in zip(params, drawn(seed=1), strict=True):
        p.grad = g
    opt.step()
    assert opt.state[params[0]]["step"] == 1
    assert opt.state[away]["step"] == 1


class Broken(TorchMemory):
    """Memory of a device on which no kernel runs."""

    def active(self, *buffers):
        raise RuntimeError("no compiler is found\nand more about it")


def test_a_device_on_which_no_kernel_runs_is_said_once_and_takes_the_plain_run(monkeypatch):
    monkeypatch.setattr(device, "_TRITONS", ("meta",))
    monkeypatch.setattr(torch, "meta", SimpleNamespace(is_available=lambda: True), raising=False)
    monkeypatch.setattr(device, "TorchMemory", lambda _: Broken(HOST))
    device._engine_of.cache_clear()
    try:
        away = [torch.nn.Parameter(torch.ones(3, device="meta"))]
        with pytest.warns(RuntimeWarning, match="no kernel runs on meta.*: no compiler is found$"):
            assert home_of(away) == Home(HOST, host())
        assert home_of(away) == Home(HOST, host())
    finally:
        device._engine_of.cache_clear()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_without_a_device_nobody_asks_for_triton():
    assert device._engine_of.__wrapped__(torch.device("cuda", 0)) is None


def test_memory_that_lies_on_the_host_is_that_of_torch():
    memory = TorchMemory(HOST)
    import numpy as np

    sent = np.arange(5, dtype=np.int64)
    buffer = memory.upload(sent)
    sent[:] = 0  # it may be changed at once
    assert buffer.address == buffer.tensor.data_ptr()
    assert np.frombuffer(memory.download(buffer, 40), np.int64).tolist() == [0, 1, 2, 3, 4]
    assert memory.download(memory.zeros(3), 3) == b"\0\0\0"
