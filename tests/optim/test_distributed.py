"""Sharded parameters, in a world of one process: DTensor shows no memory and is stepped right."""

import pytest
import torch
from torch import distributed
from torch.nn import Linear

from tests.optim.runs import OURS, all_arrays, assert_close, numbers, ours, reloaded

if not distributed.is_available():
    pytest.skip("this torch has no distributed package", allow_module_level=True)


@pytest.fixture(scope="module")
def mesh():
    from torch.distributed.device_mesh import init_device_mesh

    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    distributed.destroy_process_group()


def train(model, opt, start, steps):
    for t in range(start, start + steps):
        opt.zero_grad()
        model(numbers((5, 4), t)).square().mean().backward()
        opt.step()


def whole(params):
    return [p.detach().full_tensor() for p in params]


@pytest.mark.parametrize("name", OURS)
def test_sharded_parameters_move_as_whole_ones(name, mesh):
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.tensor import DTensor

    model, plain = (Linear(4, 3, dtype=torch.float64) for _ in range(2))
    model.load_state_dict(plain.state_dict())
    fully_shard(model, mesh=mesh)
    opt, other = ours(name, model.parameters()), ours(name, plain.parameters())
    versions = [p._version for p in model.parameters()]
    train(model, opt, 0, 7)
    train(plain, other, 0, 7)
    assert_close(whole(model.parameters()), plain.parameters())
    assert all(p._version > v for p, v in zip(model.parameters(), versions, strict=True))
    assert all(isinstance(state[key], DTensor) for state, key in all_arrays(opt))


@pytest.mark.parametrize("name", OURS)
def test_a_sharded_run_is_saved_whole_and_goes_on_unsharded(name, mesh):
    from torch.distributed.checkpoint.state_dict import (
        StateDictOptions,
        get_optimizer_state_dict,
        set_optimizer_state_dict,
    )
    from torch.distributed.fsdp import fully_shard

    model, plain = (Linear(4, 3, dtype=torch.float64) for _ in range(2))
    fully_shard(model, mesh=mesh)
    opt, other = ours(name, model.parameters()), ours(name, plain.parameters())
    train(model, opt, 0, 5)
    saved = get_optimizer_state_dict(model, opt, options=StateDictOptions(full_state_dict=True))
    set_optimizer_state_dict(plain, other, reloaded(saved))
    with torch.no_grad():
        for p, value in zip(plain.parameters(), whole(model.parameters()), strict=True):
            p.copy_(value)
    train(model, opt, 5, 4)
    train(plain, other, 5, 4)
    assert_close(whole(model.parameters()), plain.parameters())
