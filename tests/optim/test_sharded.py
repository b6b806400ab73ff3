"""Parameters sharded over several processes (FSDP2): every sum is that of all ranks' parts."""

import pytest
import torch
from torch import Tensor, distributed
from torch.nn import Conv2d, Linear, Module, Sequential

import thalweg.optim as optim
from tests.optim.runs import numbers, ours
from thalweg.averaging import EMA
from thalweg.chain import chain
from thalweg.rules import SGD
from thalweg.stages import Centralize, ClipNorm, ClipValue, Lookahead

if not distributed.is_available():
    pytest.skip("this torch has no distributed package", allow_module_level=True)

pytestmark = [pytest.mark.dist, pytest.mark.slow]

STEPS = 4
PRELOADED = [__name__, "torch.distributed.fsdp", "torch.distributed.tensor"]


def clipped(params):
    return optim.optimizer(chain("Clipped", ClipNorm, SGD, lr=0.1, max_norm=0.3))(params)


def normalized(params):
    made = chain("Normalized", Centralize, SGD, lr=0.01, conv_only=False, normalize=True)
    return optim.optimizer(made)(params)


def clipped_twice(params):
    made = chain(
        "Twice", ClipValue, Centralize, ClipNorm, SGD, Lookahead, lr=0.1, max_norm=0.3, k=2
    )
    return optim.optimizer(made)(params)


def matrices(params):
    return [p for p in params if p.dim() == 2]


MAKERS = {
    "Adafactor": lambda params: optim.Adafactor(params, lr=0.05, weight_decay=0.1),
    "Muon": lambda params: optim.Muon(matrices(params), lr=0.05),
    "ClipNorm": clipped,
    "Centralize, normalized": normalized,
    "ClipValue, Centralize, ClipNorm, Lookahead": clipped_twice,
    "LBFGS": lambda params: optim.LBFGS(params, max_iter=2, line_search_fn="strong_wolfe"),
    "Ranger": lambda params: ours("Ranger", params),
    "AdamW": lambda params: ours("AdamW", params, average=EMA(0.9)),
}
# those that add up along rows, or multiply matrices
BY_COLUMNS = ("Adafactor", "Muon", "Centralize, normalized", "Ranger")


class Network(Module):
    """Matrices and vectors that 2 and 4 processes cannot share out evenly, one of a single row, and
    a convolution's weights."""

    def __init__(self) -> None:
        super().__init__()
        self.line = Sequential(Linear(40, 7), Linear(7, 36), Linear(36, 1))
        self.conv = Conv2d(3, 5, 2)
        self.double()
        with torch.no_grad():
            for seed, p in enumerate(self.parameters()):
                p.copy_(numbers(p.shape, seed) / 3)

    def forward(self, x: Tensor, image: Tensor) -> Tensor:
        return self.line(x).square().mean() + self.conv(image).square().mean()


def train(model, opt) -> None:
    for t in range(STEPS):
        x, image = numbers((5, 40), 100 + t), numbers((2, 3, 4, 4), 200 + t)

        def closure(x=x, image=image):
            opt.zero_grad()
            loss = model(x, image)
            loss.backward()
            return loss.detach()

        opt.step(closure)


def by_columns(p: Tensor):
    """torch shares out other axes than the first in equal parts only."""
    from torch.distributed.tensor import Shard

    return Shard(1) if p.dim() == 2 and p.shape[1] % 4 == 0 else None


def furthest(some, others) -> float:
    """The largest difference between tensors of two models."""
    return max(float((p - q).detach().abs().max()) for p, q in zip(some, others, strict=True))


def run(rank: int, world: int, folder: str) -> None:
    """One of the processes: every optimizer on sharded parameters, and on whole ones beside."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=world
    )
    try:
        mesh = init_device_mesh("cpu", (world,))
        found = {}
        for way, names in (("rows", MAKERS), ("columns", BY_COLUMNS)):
            for name in names:
                make = MAKERS[name]
                sharded, whole = Network(), Network()
                fully_shard(
                    sharded, mesh=mesh, shard_placement_fn=by_columns if way == "columns" else None
                )
                for model in (sharded, whole):
                    train(model, make(list(model.parameters())))
                have = [p.full_tensor() for p in sharded.parameters()]
                want = list(whole.parameters())
                found[way, name] = furthest(have, want), furthest(want, Network().parameters())
        torch.save(found, f"{folder}/found{rank}")
    finally:
        distributed.destroy_process_group()


@pytest.mark.parametrize("world", [2, 4])
def test_sharded_parameters_move_as_whole_ones_do(world, tmp_path):
    # forked from a process that has imported all of this once: it is most of what they would do
    torch.multiprocessing.get_context("forkserver").set_forkserver_preload(PRELOADED)
    torch.multiprocessing.start_processes(
        run, (world, str(tmp_path)), nprocs=world, start_method="forkserver"
    )
    for rank in range(world):
        found = torch.load(tmp_path / f"found{rank}", weights_only=True)
        assert len(found) == len(MAKERS) + len(BY_COLUMNS)
        wrong = {
            key: off for key, (off, moved) in found.items() if not (off <= 1e-12 and moved > 1e-3)
        }
        assert not wrong
