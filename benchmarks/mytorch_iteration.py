"""How long a whole training iteration takes in mytorch, on NumPy alone, and in torch.

Forward, backward and a step of AdamW, each library with its own. Once per number of threads.
"""

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from environment import REUSE_MEMORY, restart_with
from flags import make_parser, positive
from report import Report, Target, make_table
from rich.console import Console

from thalweg import mytorch
from thalweg.lab.bench.alternate import Estimate, alternate, ratio, summarize
from thalweg.mytorch import optim

WARM_UP = 10
RATE = 1e-3
CLASSES = 10
# Threads that have nothing to do wait for more by turning on the spot, those of torch and those of
# NumPy's OpenBLAS alike: each would keep a processor from the other in the other's turn.
SLEEP = {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_THREAD_TIMEOUT": "4"}

TARGETS = (Target("MLP: ours / torch", "<=", 1.5), Target("LeNet: ours / torch", "<=", 3.0))

Times = Mapping[str, Sequence[float]]


def mlp(nn: Any) -> Any:
    """784-256-128-10; both libraries have the same names."""
    layers = [nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(128, CLASSES))


def lenet(nn: Any) -> Any:
    """LeNet-5 with ReLU and the maximum, on 28 x 28."""
    return nn.Sequential(
        *[nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)],
        *[nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()],
        *[nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, CLASSES)],
    )


NETWORKS: dict[str, Callable[[Any], Any]] = {"MLP": mlp, "LeNet": lenet}


class Training:
    """A network and one batch, of either library; every call is one iteration."""

    def __init__(
        self, network: Any, optimizer: Any, loss_of: Any, images: Any, labels: Any
    ) -> None:
        self.network, self.optimizer, self.loss_of = network, optimizer, loss_of
        self.images, self.labels = images, labels
        self.loss = math.nan

    def __call__(self) -> None:
        self.optimizer.zero_grad()
        loss = self.loss_of(self.network(self.images), self.labels)
        loss.backward()
        self.optimizer.step()
        self.loss = loss.item()


def make_trainings(name: str, batch: int) -> dict[str, Training]:
    """The same network from the same weights on the same images, twice."""
    random = np.random.default_rng(0)
    images = random.random((batch, 1, 28, 28), np.float32)
    labels = random.integers(0, CLASSES, batch)
    mytorch.manual_seed(0)
    ours, torchs = NETWORKS[name](mytorch.nn), NETWORKS[name](torch.nn)
    torchs.load_state_dict({k: torch.from_numpy(v) for k, v in ours.state_dict().items()})
    return {
        "ours": Training(
            ours,
            optim.AdamW(ours, lr=RATE),
            mytorch.nn.CrossEntropyLoss(),
            images,
            labels,
        ),
        "torch": Training(
            torchs,
            torch.optim.AdamW(torchs.parameters(), lr=RATE),
            torch.nn.CrossEntropyLoss(),
            torch.from_numpy(images),
            torch.from_numpy(labels),
        ),
    }


def check_losses(name: str, trainings: Mapping[str, Training]) -> None:
    """End the program unless both learned the same: else the times compare nothing."""
    ours, torchs = (training.loss for training in trainings.values())
    if not math.isclose(ours, torchs, rel_tol=0.05, abs_tol=0.01):
        sys.exit(
            f"mytorch_iteration: {name}: the last losses differ: ours {ours}, torch's {torchs}"
        )


def print_times(console: Console, measured: Mapping[str, Times]) -> dict[str, Estimate]:
    """Medians in ms; returns the ratios by name."""
    table = make_table("", "ours, ms", "torch, ms", "ratio", "95 % interval")
    found = {}
    for name, times in measured.items():
        one = found[f"{name}: ours / torch"] = ratio(times["ours"], times["torch"])
        cells = [f"{summarize(values).median * 1e3:.2f}" for values in times.values()]
        table.add_row(name, *cells, f"{one.value:.2f}", f"{one.low:.2f} - {one.high:.2f}")
    console.print(table)
    return found


def main() -> None:
    parser = make_parser(__doc__, list(NETWORKS))
    for flag, default in {"rounds": 300, "batch": 64}.items():
        parser.add_argument(
            f"--{flag}", metavar="N", type=positive, default=default, help=f"default: {default}"
        )
    asked = parser.parse_args()
    counts = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), str(asked.threads))
    restart_with({**REUSE_MEMORY, **SLEEP, **counts})
    report = Report(asked)
    torch.set_num_threads(asked.threads)
    measured: dict[str, Times] = {}
    for name in [asked.only] if asked.only else NETWORKS:
        trainings = make_trainings(name, asked.batch)
        with report.console.status(name):
            measured[name] = alternate(trainings, rounds=asked.rounds, warm_up=WARM_UP)
        check_losses(name, trainings)
    report.console.print(
        f"\nforward, backward, AdamW: 28 x 28 images, batches of {asked.batch}, "
        f"{asked.threads} threads; medians of {asked.rounds} rounds\n"
    )
    found = print_times(report.console, measured)
    results: dict[str, Any] = {
        "settings": {name: getattr(asked, name) for name in ("rounds", "batch")},
        "iteration_seconds": {
            name: {side: asdict(summarize(values)) for side, values in times.items()}
            for name, times in measured.items()
        },
        "ratios": {name: asdict(one) for name, one in found.items()},
    }
    report.close(results, TARGETS, found)


if __name__ == "__main__":
    main()
