"""Training on parameters that processes share, saved by torch's distributed checkpoints and gone on
with elsewhere: on as many processes or others, or on one whose parameters are whole."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributed import checkpoint
from torch.distributed.checkpoint.state_dict import (
    get_optimizer_state_dict,
    set_optimizer_state_dict,
)
from torch.nn import Conv2d, Linear, Module, Sequential

import thalweg.optim as optim
from tests.optim import shards
from tests.optim.runs import numbers

BEFORE, AFTER = 5, 4


def network(is_shared: bool, seed: int = 0) -> Module:
    """Uneven sides, a row fewer than processes, a convolution; Muon's are the matrices."""
    model = Sequential(Linear(6, 7), Linear(7, 3, bias=False), Conv2d(3, 5, 2)).double()
    with torch.no_grad():
        for i, p in enumerate(model.parameters()):
            p.copy_(numbers(p.shape, seed + i))
    if is_shared:
        from torch.distributed.fsdp import fully_shard

        fully_shard(model, mesh=shards.mesh_of(1))
    return model


def optimizer_of(name: str, model: Module) -> Any:
    if name == "torch's AdamW":
        return torch.optim.AdamW(model.parameters(), lr=0.02)
    if name == "Adafactor":
        return optim.Adafactor(model.parameters(), lr=0.05)
    if name == "Muon":  # the optimizer's state is saved of what it has
        model[0].bias.requires_grad_(False)
        model[2].requires_grad_(False)
        return shards.optimizer(name, [p for p in model.parameters() if p.requires_grad])
    return shards.optimizer(name, list(model.parameters()))


def walk(opt: Any, start: int, steps: int) -> None:
    from torch.distributed.tensor import DTensor, distribute_tensor

    for t in range(start, start + steps):
        for i, p in enumerate(p for group in opt.param_groups for p in group["params"]):
            grad = numbers(p.shape, 1000 * (t + 1) + i)
            is_shared = isinstance(p, DTensor)
            p.grad = distribute_tensor(grad, p.device_mesh, p.placements) if is_shared else grad
        opt.step()


def whole(model: Module) -> list[Tensor]:
    return [p.full_tensor() if hasattr(p, "full_tensor") else p for p in model.parameters()]


def parts_of(model: Module, opt: Any) -> dict[str, Any]:
    return {"model": model.state_dict(), "optim": get_optimizer_state_dict(model, opt)}


@torch.no_grad()
def saved(name: str, folder: str, is_shared: bool = True) -> list[Tensor]:
    """Train, save, go on; returns where the weights have come to."""
    model = network(is_shared)
    opt = optimizer_of(name, model)
    walk(opt, 0, BEFORE)
    checkpoint.save(parts_of(model, opt), checkpoint_id=folder, no_dist=not is_shared)
    walk(opt, BEFORE, AFTER)
    return [p.clone() for p in whole(model)]


@torch.no_grad()
def resumed(
    name: str, folder: str, is_shared: bool = True, is_torchs: bool = False
) -> list[Tensor]:
    """Load what was saved, settings too, and go on; torch's groups have fewer settings."""
    model = network(is_shared, seed=50)
    opt = optimizer_of(name, model)
    state = parts_of(model, opt)
    planner = checkpoint.DefaultLoadPlanner(allow_partial_load=is_torchs)
    checkpoint.load(state, checkpoint_id=folder, planner=planner, no_dist=not is_shared)
    model.load_state_dict(state["model"])
    set_optimizer_state_dict(model, opt, state["optim"])
    walk(opt, BEFORE, AFTER)
    return [p.clone() for p in whole(model)]


@torch.no_grad()
def loaded_whole() -> float:
    """A state_dict whose states are whole in every process, on shared parameters."""
    plain = shards.parameters("LAMB")
    other = shards.optimizer("LAMB", plain)
    shards.walk(other, steps=BEFORE)
    mine = shards.parameters("LAMB", "rows")
    for p, q in zip(mine, plain, strict=True):
        p.copy_(shards.shared(q.detach(), shards.mesh_of(1), "rows"))
    opt = shards.optimizer("LAMB", mine)
    opt.load_state_dict(other.state_dict())
    shards.walk(opt, "rows", AFTER, BEFORE)
    shards.walk(other, steps=AFTER, start=BEFORE)
    return shards.furthest(mine, plain)


@torch.no_grad()
def loaded_of_another_mesh() -> str:
    opt = shards.optimizer("AdamW", shards.parameters("AdamW", "rows"))
    other = shards.optimizer("AdamW", shards.parameters("AdamW", "copies of rows"))
    shards.walk(other, "copies of rows", 1)
    opt.load_state_dict(other.state_dict())
    try:
        shards.walk(opt, "rows", 1)
    except RuntimeError as error:
        return str(error)
    return ""


@torch.no_grad()
def stepped_without_group() -> str:
    opt = shards.optimizer("LAMB", shards.parameters("LAMB", "rows"))
    shards.walk(opt, "rows", 2)
    torch.distributed.destroy_process_group()
    try:
        opt.step()
    except RuntimeError as error:
        return str(error)
    return ""
