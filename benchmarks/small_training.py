"""Whole trainings of small networks, an iteration at a time in turns: ours over torch's time."""

import copy
import functools
import itertools
import math
import random
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from flags import make_parser, positive
from report import Report, Target, make_table
from torch import Tensor
from torch.nn import Linear, Module, ReLU, Sequential, Tanh, functional
from turns import clock_of, described, quick, ratio

from thalweg import mytorch, optim
from thalweg.lab.bench.alternate import Estimate

BATCH, WARM_UP, LAST = 64, 10, 50  # of the last losses the mean is compared
OPTIMIZERS: dict[str, tuple[str, Mapping[str, Any]]] = {
    "SGD momentum": ("SGD", {"lr": 1e-2, "momentum": 0.9}),
    "AdamW": ("AdamW", {"lr": 1e-3, "weight_decay": 1e-2}),
}

Batch = tuple[Any, ...]
Loss = Callable[[Any, Batch], Any]


class Training:
    """A network, its optimizer and its batches, again and again; every call is one iteration."""

    def __init__(self, network: Any, opt: Any, loss_of: Loss, batches: Iterable[Batch]) -> None:
        self.network, self.opt, self.loss_of = network, opt, loss_of
        self.batches, self.losses = itertools.cycle(batches), list[float]()

    def __call__(self) -> None:
        loss = self.loss_of(self.network, next(self.batches))
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        self.losses.append(loss.item())


def perceptron(nn: Any, *widths: int, between: Any) -> Any:
    layers = [(nn.Linear(n, m), between()) for n, m in itertools.pairwise(widths)]
    return nn.Sequential(*[one for pair in layers for one in pair][:-1])


def policy() -> tuple[Module, Loss, list[Batch]]:
    """The update of proximal policy optimization: 8 observations, 64-64, 4 actions."""
    hidden = torch.randn(8, 4)
    observed = torch.randn(32, BATCH, 8)
    actions = torch.randint(4, (32, BATCH))
    good = (observed @ hidden).argmax(2) == actions
    before = torch.full((BATCH,), math.log(0.25))

    def loss_of(network: Module, batch: Batch) -> Tensor:
        seen, taken, advantage = batch
        log = functional.log_softmax(network(seen), 1).gather(1, taken[:, None])[:, 0]
        ratio_ = (log - before).exp()
        held = ratio_.clamp(0.8, 1.2)
        return -torch.minimum(ratio_ * advantage, held * advantage).mean()

    batches = list(zip(observed, actions, 2.0 * good - 0.5, strict=True))
    return perceptron(torch.nn, 8, 64, 64, 4, between=Tanh), loss_of, batches


class GraphNetwork(Module):
    """Three layers, each of which mixes the nodes along the edges."""

    def __init__(self, edges: Tensor) -> None:
        super().__init__()
        self.edges = edges
        self.layers = torch.nn.ModuleList([Linear(16, 32), Linear(32, 32), Linear(32, 4)])

    def forward(self, nodes: Tensor) -> Tensor:
        for i, layer in enumerate(self.layers):
            nodes = self.edges @ layer(nodes if i == 0 else nodes.relu())
        return nodes


def graph() -> tuple[Module, Loss, list[Batch]]:
    """Nodes of four communities, told by their edges and noisy features."""
    labels = torch.arange(200) % 4
    alike = labels[:, None] == labels
    joined = (torch.rand(200, 200) < torch.where(alike, 0.15, 0.02)).float()
    joined = ((joined + joined.T + torch.eye(200)) > 0).float()
    scale = joined.sum(1).rsqrt()
    nodes = functional.one_hot(labels, 16).float() + torch.randn(200, 16)

    def loss_of(network: Module, batch: Batch) -> Tensor:
        return functional.cross_entropy(network(batch[0]), batch[1])

    return GraphNetwork(scale[:, None] * joined * scale), loss_of, [(nodes, labels)]


def images() -> list[tuple[np.ndarray, np.ndarray]]:
    """The digits that come with scikit-learn, in batches."""
    known = mytorch.data.digits()
    order = np.random.default_rng(0).permutation(len(known))
    whole = order[: len(order) // BATCH * BATCH].reshape(-1, BATCH)
    batches = map(known.batch, whole)
    return [(x.reshape(BATCH, 64), y) for x, y in batches]


def autoencoder() -> tuple[Module, Loss, list[Batch]]:
    """Digits through eight numbers."""

    def loss_of(network: Module, batch: Batch) -> Tensor:
        return functional.mse_loss(network(batch[0]), batch[0])

    batches = [(torch.from_numpy(x),) for x, _ in images()]
    return perceptron(torch.nn, 64, 32, 8, 32, 64, between=ReLU), loss_of, batches


IN_TORCH: dict[str, Callable[[], tuple[Module, Loss, list[Batch]]]] = {
    "policy 64-64": policy,
    "graph network": graph,
    "autoencoder": autoencoder,
}
ON_NUMPY = "mytorch perceptron"
TARGETS = tuple(
    Target(f"{training}, {name}: ours / torch", "<=", 1.0)
    for training in (*IN_TORCH, ON_NUMPY)
    for name in OPTIMIZERS
)


def in_torch(training: str, name: str) -> dict[str, Training]:
    """The same training from the same weights, under our optimizer and torch's two forms."""
    torch.manual_seed(0)
    network, loss_of, batches = IN_TORCH[training]()
    title, settings = OPTIMIZERS[name]
    makes = {
        "ours": getattr(optim, title),
        "torch": getattr(torch.optim, title),
        "torch fused": functools.partial(getattr(torch.optim, title), fused=True),
    }
    found = {}
    for side, make in makes.items():
        own = copy.deepcopy(network)
        found[side] = Training(own, make(own.parameters(), **settings), loss_of, batches)
    return found


def on_numpy(name: str) -> dict[str, Training]:
    """A perceptron on the digits in our library, and in torch."""
    mytorch.manual_seed(0)
    ours = perceptron(mytorch.nn, 64, 32, 10, between=mytorch.nn.ReLU)
    theirs = Sequential(Linear(64, 32), ReLU(), Linear(32, 10))
    theirs.load_state_dict({k: torch.from_numpy(v) for k, v in ours.state_dict().items()})
    title, settings = OPTIMIZERS[name]

    def loss_by(nn: Any) -> Loss:
        entropy = nn.CrossEntropyLoss()
        return lambda network, batch: entropy(network(batch[0]), batch[1])

    batches = images()
    as_tensors = [tuple(map(torch.from_numpy, batch)) for batch in batches]
    opt = getattr(mytorch.optim, title)(ours, **settings)
    other = getattr(torch.optim, title)(theirs.parameters(), **settings)
    return {
        "ours": Training(ours, opt, loss_by(mytorch.nn), batches),
        "torch": Training(theirs, other, loss_by(torch.nn), as_tensors),
    }


def check_losses(what: str, trainings: Mapping[str, Training]) -> None:
    """End the program unless all learned the same: else the times compare nothing."""
    last = {side: statistics.fmean(one.losses[-LAST:]) for side, one in trainings.items()}
    if not all(math.isclose(last["ours"], x, rel_tol=0.1, abs_tol=0.01) for x in last.values()):
        sys.exit(f"small_training: {what}: the last losses differ: {last}")


def in_turns(
    trainings: Mapping[str, Training], iterations: int, threads: int
) -> dict[str, list[float]]:
    """Seconds of each iteration of each side, one after the other in a new order each time."""
    order, clock, sides = random.Random(0), clock_of(threads), list(trainings)
    found: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(WARM_UP + iterations):
        order.shuffle(sides)
        for side in sides:
            start = clock()
            trainings[side]()
            found[side].append(clock() - start)
    return {side: times[WARM_UP:] for side, times in found.items()}


def best_of_torch(times: Mapping[str, Sequence[float]]) -> str:
    rivals = [side for side in times if side != "ours"]
    return min(rivals, key=lambda side: quick(times[side]))


def main() -> None:
    parser = make_parser(__doc__ or "", [*IN_TORCH, ON_NUMPY])
    parser.add_argument(
        "--iterations", metavar="N", type=positive, default=2000, help="default: %(default)s"
    )
    asked = parser.parse_args()
    report = Report(asked)
    torch.set_num_threads(asked.threads)
    table = make_table("", "ours, µs", "torch", "fused", "ours / best")
    found: dict[str, Estimate] = {}
    results: dict[str, Any] = {}
    for training in [asked.only] if asked.only else [*IN_TORCH, ON_NUMPY]:
        for name in OPTIMIZERS:
            what = f"{training}, {name}"
            made = on_numpy(name) if training == ON_NUMPY else in_torch(training, name)
            with report.console.status(what):
                times = in_turns(made, asked.iterations, asked.threads)
            check_losses(what, made)
            best = best_of_torch(times)
            one = found[f"{what}: ours / torch"] = ratio(times["ours"], times[best])
            shown = [
                f"{quick(times[side]) * 1e6:.4g}" if side in times else "-"
                for side in ("ours", "torch", "torch fused")
            ]
            table.add_row(what, *shown, f"{one.value:.2f}")
            results[what] = {side: described(values) for side, values in times.items()}
    report.console.print(
        f"\nforward, backward, step: batches of {BATCH}, {asked.iterations:,} iterations, "
        f"threads: {asked.threads}; lower deciles; of torch's two forms the quicker\n"
    )
    report.console.print(table)
    report.close({"iterations": asked.iterations, "seconds": results}, TARGETS, found)


if __name__ == "__main__":
    main()
