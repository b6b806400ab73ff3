"""Parameters shared out over processes in every way that people do, with their gradients."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, distributed
from torch.nn import Parameter

import thalweg.optim as optim
from tests.optim.runs import numbers, ours

# sides that 2 and 4 processes cannot share evenly, fewer rows than processes, and a number
SHAPES = ((7, 6), (2, 5), (3,), (), (5, 3, 2, 2), (8, 4))

# the settings of those that the other tests over all optimizers do not know
MATRIX_RULES: dict[str, dict[str, Any]] = {
    "AdamMini": {"lr": 0.01},
    "CAME": {"lr": 0.01},
    "Muon": {"lr": 0.02},
    "SOAP": {"lr": 0.01, "precondition_frequency": 3},
    "Shampoo": {"lr": 0.01, "precondition_frequency": 2},
}


def _rows(p: Tensor) -> list[int | None]:
    return [0 if p.dim() else None]


def _columns(p: Tensor) -> list[int | None]:
    return [1 if p.dim() > 1 else None]


def _copies(p: Tensor) -> list[int | None]:
    return [None]


def _copies_of_rows(p: Tensor) -> list[int | None]:
    return [None, 0 if p.dim() else None]


def _both(p: Tensor) -> list[int | None]:
    return [0 if p.dim() else None, 1 if p.dim() > 1 else None]


def _twice(p: Tensor) -> list[int | None]:
    return [0 if p.dim() else None] * 2


# the number of mesh axes, and along which axis of a tensor each shares it out
WAYS: dict[str, tuple[int, Callable[[Tensor], list[int | None]]]] = {
    "rows": (1, _rows),
    "columns": (1, _columns),
    "copies": (1, _copies),
    "copies of rows": (2, _copies_of_rows),
    "rows and columns": (2, _both),
    "rows twice": (2, _twice),
}


@functools.cache  # each opens connections of its own
def mesh_of(axes: int) -> Any:
    """All processes of the group, in one row or in a square."""
    from torch.distributed.device_mesh import init_device_mesh

    world = distributed.get_world_size()
    return init_device_mesh("cpu", (world,) if axes == 1 else (world // 2, 2))


def shared(tensor: Tensor, mesh: Any, way: str) -> Any:
    """A tensor that every process has, shared out."""
    from torch.distributed.tensor import Replicate, Shard, distribute_tensor

    placements = [Replicate() if one is None else Shard(one) for one in WAYS[way][1](tensor)]
    return distribute_tensor(tensor, mesh, placements)


def shapes_for(name: str) -> Sequence[Sequence[int]]:
    return [shape for shape in SHAPES if len(shape) == 2] if name == "Muon" else SHAPES


def optimizer(name: str, params: Sequence[Tensor], **more: Any) -> Any:
    if name in MATRIX_RULES:
        return getattr(optim, name)(params, **{**MATRIX_RULES[name], **more})
    return ours(name, params, **more)


def weights(name: str) -> list[Tensor]:
    return [numbers(shape, seed) for seed, shape in enumerate(shapes_for(name))]


def parameters(name: str, way: str = "") -> list[Parameter]:
    """Whole ones, or shared out in a way."""
    if not way:
        return [Parameter(w) for w in weights(name)]
    mesh = mesh_of(WAYS[way][0])
    return [Parameter(shared(w, mesh, way)) for w in weights(name)]


def walk(opt: Any, way: str = "", steps: int = 20, start: int = 0) -> None:
    """Steps along gradients that depend on the step alone, the same in every process."""
    mesh = mesh_of(WAYS[way][0]) if way else None
    for t in range(start, start + steps):
        for i, p in enumerate(p for group in opt.param_groups for p in group["params"]):
            grad = numbers(p.shape, 1000 * (t + 1) + i)
            p.grad = shared(grad, mesh, way) if way else grad
        opt.step()


def furthest(some: Sequence[Any], others: Sequence[Tensor]) -> float:
    """The largest difference of shared tensors from whole ones, relative to the larger of one and
    what they are."""
    return max(
        float(((p.full_tensor() - q).abs() / q.abs().clamp(min=1)).max())
        for p, q in zip(some, others, strict=True)
    )


@torch.no_grad()
def compared(name: str, way: str, steps: int = 20, **more: Any) -> tuple[float, float, int]:
    """After some steps: how far shared parameters are from whole ones, how far those have moved,
    and how many of the shared ones were stepped in parts."""
    mine, plain = parameters(name, way), parameters(name)
    opt, other = optimizer(name, mine, **more), optimizer(name, plain, **more)
    walk(opt, way, steps)
    walk(other, steps=steps)
    moved = max(float((p - w).abs().max()) for p, w in zip(plain, weights(name), strict=True))
    return furthest(mine, plain), moved, 0 if opt._layout is None else len(opt._layout.params)


def offloaded(name: str) -> tuple[float, float, int]:
    """FSDP2 with parameters, gradients and states on the CPU, and a model of its own on one."""
    from torch.distributed.fsdp import CPUOffloadPolicy, fully_shard

    made = []
    for is_shared in (True, False):
        model = torch.nn.Sequential(torch.nn.Linear(6, 7), torch.nn.Tanh(), torch.nn.Linear(7, 3))
        model.double()
        with torch.no_grad():
            for seed, p in enumerate(model.parameters()):
                p.copy_(numbers(p.shape, seed))
        if is_shared:
            policy = CPUOffloadPolicy(pin_memory=False)  # there is nothing here to pin it for
            fully_shard(model, mesh=mesh_of(1), offload_policy=policy)
        params = [p for p in model.parameters() if name != "Muon" or p.dim() == 2]
        opt = optimizer(name, params)
        for t in range(6):
            opt.zero_grad()
            model(numbers((5, 6), 10 + t)).square().mean().backward()
            opt.step()
        made.append((params, opt))
    (mine, opt), (plain, _) = made
    off = max(float((p.full_tensor() - q).abs().max()) for p, q in zip(mine, plain, strict=True))
    moved = max(float(p.grad.full_tensor().abs().max()) for p in mine)
    return off, moved, len(opt._layout.params)


class _Loss:
    """A loss of parameters that depends on the step alone, with its gradients."""

    def __init__(self, params: Sequence[Any], way: str) -> None:
        self.params, self.way, self.t = params, way, 0
        self.mesh = mesh_of(WAYS[way][0]) if way else None

    def __call__(self) -> float:
        total = 0.0
        for i, p in enumerate(self.params):
            target = numbers(p.shape, 1000 * (self.t + 1) + i)
            if self.way:
                target = shared(target, self.mesh, self.way)
            p.grad = p.detach() ** 3 - target
        return total


def _steps(name: str, params: Sequence[Any], way: str) -> None:
    more = {"SAM": {"lr": 0.01, "momentum": 0.9}, "Sophia": {"lr": 0.01, "k": 2}}[name]
    opt, loss = getattr(optim, name)(params, **more), _Loss(params, way)
    for t in range(6):
        loss.t = t
        opt.step(loss) if name == "SAM" else opt.step(loss, sampled=loss)


@torch.no_grad()
def asked(name: str, way: str) -> float:
    mine, plain = parameters(name, way), parameters(name)
    _steps(name, mine, way)
    _steps(name, plain, "")
    return furthest(mine, plain)


@torch.no_grad()
def otherwise(kind: str) -> float:
    """Gradients that are no shards alike: partial sums, or cut along another axis."""
    from torch.distributed.tensor import DTensor, Partial, Replicate

    mesh, world = mesh_of(1), distributed.get_world_size()
    mine, plain = parameters("LAMB", "rows"), parameters("LAMB")
    opt, other = optimizer("LAMB", mine), optimizer("LAMB", plain)
    for t in range(4):
        for i, (p, q) in enumerate(zip(mine, plain, strict=True)):
            q.grad = numbers(q.shape, 10 * t + i)
            if "later" in kind:
                p.grad = DTensor.from_local(q.grad / world, mesh, [Partial()])
            else:
                p.grad = DTensor.from_local(q.grad, mesh, [Replicate()])
        opt.step()
        other.step()
    return furthest(mine, plain)


@torch.no_grad()
def mixed() -> float:
    """Prodigy, whose numbers are one for all tensors, over shared and whole ones."""
    mine, whole = parameters("Prodigy", "rows"), parameters("Prodigy")
    plain = parameters("Prodigy")
    params = [q if i % 2 else p for i, (p, q) in enumerate(zip(mine, whole, strict=True))]
    opt, other = optimizer("Prodigy", params), optimizer("Prodigy", plain)
    mesh = mesh_of(1)
    for t in range(6):
        for i, (p, q) in enumerate(zip(params, plain, strict=True)):
            q.grad = numbers(q.shape, 10 * t + i)
            p.grad = q.grad if i % 2 else shared(q.grad, mesh, "rows")
        opt.step()
        other.step()
    return max(
        furthest(mine[::2], plain[::2]),
        max(float((p - q).abs().max()) for p, q in zip(whole[1::2], plain[1::2], strict=True)),
    )


@torch.no_grad()
def gapped() -> float:
    from torch.distributed.tensor import DTensor, Shard

    mesh, world = mesh_of(1), distributed.get_world_size()
    rank = distributed.get_rank()
    whole = numbers((3 * world, 5), 0)
    part = numbers((3, 10), 0)[:, ::2]
    part.copy_(whole[3 * rank : 3 * rank + 3])
    mine = [Parameter(DTensor.from_local(part, mesh, [Shard(0)]))]
    plain = [Parameter(whole.clone())]
    opt, other = optimizer("LAMB", mine), optimizer("LAMB", plain)
    walk(opt, "rows", 4)
    walk(other, steps=4)
    return furthest(mine, plain)


@torch.no_grad()
def versions() -> tuple[list[int], list[int]]:
    mine = parameters("AdamW", "rows")
    opt = optimizer("AdamW", mine)
    walk(opt, "rows", 1)
    before = [p._version for p in mine]
    walk(opt, "rows", 1, 1)
    return before, [p._version for p in mine]


@torch.no_grad()
def exchanged() -> float:
    """Parts moved to other memory, as a framework does that frees and takes it."""
    mine, plain = parameters("AdamW", "rows"), parameters("AdamW")
    opt, other = optimizer("AdamW", mine), optimizer("AdamW", plain)
    for t in range(6):
        walk(opt, "rows", 1, t)
        walk(other, steps=1, start=t)
        for p in mine:
            p._local_tensor = p._local_tensor.clone()
    return furthest(mine, plain)


@torch.no_grad()
def prepared(name: str, way: str) -> tuple[float, int]:
    """Other parameters without a gradient at every step; and how many steps were prepared ones."""
    mine, plain = parameters(name, way), parameters(name)
    opt, other = optimizer(name, mine), optimizer(name, plain)
    mesh = mesh_of(WAYS[way][0])
    for t in range(20):
        for i, (p, q) in enumerate(zip(mine, plain, strict=True)):
            q.grad = None if t > 8 and (i + t) % 3 == 0 else numbers(q.shape, 1000 * (t + 1) + i)
            p.grad = None if q.grad is None else shared(q.grad, mesh, way)
        opt.step()
        other.step()
    return furthest(mine, plain), opt._prepared.taken
