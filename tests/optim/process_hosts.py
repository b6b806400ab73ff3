"""Torch's other ways to share an optimizer's work among processes, each function run on a rank."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed
from torch.nn import Linear, Module, Sequential, Tanh

import thalweg.optim as optim
from tests.optim import shards
from tests.optim.runs import numbers

STEPS = 6
_HOST: dict[str, Any] = {"device_id": torch.device("cpu")}


def network() -> Module:
    model = Sequential(Linear(6, 7), Tanh(), Linear(7, 3)).double()
    with torch.no_grad():
        for seed, p in enumerate(model.parameters()):
            p.copy_(numbers(p.shape, seed))
    return model


def train(model: Module, opt: Any, steps: int = STEPS, start: int = 0) -> None:
    """Steps along one loss, the same in every process."""
    for t in range(start, start + steps):
        opt.zero_grad()
        model(numbers((5, 6), 10 + t)).square().mean().backward()
        opt.step()


def _given(name: str, model: Module) -> list[Tensor]:
    return [p for p in model.parameters() if name != "Muon" or p.dim() == 2]


def _settings(name: str) -> dict[str, Any]:
    return {"lr": 1.0} if name == "Prodigy" else {"lr": 0.02}


def _furthest(some: Sequence[Tensor], others: Sequence[Tensor]) -> float:
    return max(float((p - q).detach().abs().max()) for p, q in zip(some, others, strict=True))


def partitioned(name: str) -> tuple[float, float, int]:
    """ZeroRedundancyOptimizer, saved and gone on with: how far it is from one process, how far that
    has moved, and of how many parameters this rank has states."""
    from torch.distributed.optim import ZeroRedundancyOptimizer

    cls = getattr(optim, name)
    mine, plain = network(), network()

    def made() -> Any:
        params = _given(name, mine)
        return ZeroRedundancyOptimizer(params, optimizer_class=cls, **_settings(name))

    opt, other = made(), cls(_given(name, plain), **_settings(name))
    train(mine, opt)
    opt.consolidate_state_dict(to=0)
    files = [opt.state_dict() if distributed.get_rank() == 0 else None]
    distributed.broadcast_object_list(files)
    opt = made()
    opt.load_state_dict(files[0])
    train(mine, opt, start=STEPS)
    train(plain, other, 2 * STEPS)
    off = _furthest(list(mine.parameters()), list(plain.parameters()))
    moved = _furthest(list(plain.parameters()), list(network().parameters()))
    return off, moved, len(opt.optim.state)


def flattened(name: str, keeps_names: bool) -> tuple[float, float, float]:
    """FullyShardedDataParallel: how far it is from one process, how far that has moved, and how far
    a model of one process is that goes on from what was saved."""
    from torch.distributed.fsdp import FullyShardedDataParallel, StateDictType

    cls = getattr(optim, name)
    plain = network()
    mine = FullyShardedDataParallel(network(), use_orig_params=keeps_names, **_HOST)
    opt, other = (cls(model.parameters(), **_settings(name)) for model in (mine, plain))
    train(mine, opt)
    train(plain, other)
    with FullyShardedDataParallel.state_dict_type(mine, StateDictType.FULL_STATE_DICT):
        have = mine.state_dict()
    saved = FullyShardedDataParallel.full_optim_state_dict(mine, opt, rank0_only=False)
    off = max(float((have[key] - value).abs().max()) for key, value in plain.state_dict().items())
    moved = _furthest(list(plain.parameters()), list(network().parameters()))
    again = network()
    again.load_state_dict(have)
    fresh = cls(again.named_parameters(), **_settings(name))
    for (key, p), group in zip(again.named_parameters(), [fresh.param_groups[0]] * 4, strict=True):
        states = saved["state"].get(key, {})  # plain SGD keeps none
        fresh.state[p] = {k: torch.as_tensor(v).clone() for k, v in states.items()}
        assert key in group["param_names"]
    train(again, fresh, start=STEPS)
    train(plain, other, start=STEPS)
    return off, moved, _furthest(list(again.parameters()), list(plain.parameters()))


def refused(name: str, keeps_names: bool) -> tuple[str, bool]:
    """What a rule says of parameters that FullyShardedDataParallel has flattened, and whether they
    are as they were."""
    from torch.distributed.fsdp import FullyShardedDataParallel

    model = FullyShardedDataParallel(network(), use_orig_params=keeps_names, **_HOST)
    opt = getattr(optim, name)(model.parameters(), lr=0.02)
    before = [p.detach().clone() for p in model.parameters()]
    try:
        train(model, opt, 1)
    except RuntimeError as error:
        both = zip(before, model.parameters(), strict=True)
        return str(error), all(torch.equal(a, b) for a, b in both)
    return "", False


def left_alone(rank: int, folder: str, name: str, wait: float) -> None:
    """One of two processes of which the second dies inside its third step; the other files what it
    is told, and whether its weights are as they were."""
    torch.set_num_threads(1)
    store = f"file://{folder}/store"
    distributed.init_process_group(
        "gloo", init_method=store, rank=rank, world_size=2, timeout=timedelta(seconds=wait)
    )
    params = shards.parameters(name, "rows")
    opt = shards.optimizer(name, params)
    shards.walk(opt, "rows", 2)
    if rank == 1:
        opt.register_step_pre_hook(lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    before = [p.to_local().clone() for p in params]
    try:
        opt.step()
    except RuntimeError as error:
        is_as_before = all(
            torch.equal(a, p.to_local()) for a, p in zip(before, params, strict=True)
        )
        torch.save((str(error), is_as_before), f"{folder}/told")
    os._exit(0)  # its group cannot be taken down with one that is gone
