"""How long a whole training iteration takes with our AdamW and with torch's fused one."""

import copy
import itertools
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from environment import REUSE_MEMORY, restart_with
from flags import make_parser, positive
from report import Report, Target, make_table
from rich.console import Console
from torch import nn

from thalweg.lab.bench.alternate import Estimate, alternate, ratio, summarize
from thalweg.lab.bench.on_torch.families import named

WARM_UP = 10
TARGETS = (Target("iteration: ours / torch fused", "<=", 1.00),)

Times = Mapping[str, Sequence[float]]


class Training:
    """A network, its optimizer and one batch; every call is one iteration."""

    def __init__(self, network: nn.Module, opt: torch.optim.Optimizer, batch: torch.Tensor) -> None:
        self.network, self.opt, self.batch = network, opt, batch
        self.loss = math.nan
        self.step_seconds: list[float] = []

    def __call__(self) -> None:
        self.opt.zero_grad()
        loss = nn.functional.mse_loss(self.network(self.batch), self.batch)
        loss.backward()
        start = time.perf_counter()
        self.opt.step()
        self.step_seconds.append(time.perf_counter() - start)
        self.loss = loss.item()


def make_trainings(width: int, layers: int, batch: int) -> dict[str, Training]:
    """The same network twice, under the two optimizers."""
    torch.manual_seed(0)
    modules = [(nn.Linear(width, width), nn.ReLU()) for _ in range(layers)]
    network = nn.Sequential(*itertools.chain.from_iterable(modules))
    images = torch.rand(batch, width)
    makes = {"ours": named("AdamW").ours, "torch fused": named("AdamW").torch_forms["fused"]}
    trainings = {}
    for name, make in makes.items():
        own = copy.deepcopy(network)
        trainings[name] = Training(own, make(own.parameters(), lr=1e-4), images)
    return trainings


def check_losses(trainings: Mapping[str, Training]) -> None:
    """End the program unless both networks learned the same: else the times compare nothing."""
    ours, torchs = (training.loss for training in trainings.values())
    if not math.isclose(ours, torchs, rel_tol=0.05):
        sys.exit(f"training_iteration: the last losses differ: ours {ours:g}, torch's {torchs:g}")


def print_times(console: Console, iterations: Times, steps: Times) -> dict[str, Estimate]:
    """Medians in ms; returns the ratios by name."""
    table = make_table("", *(f"{name}, ms" for name in iterations), "ratio", "95 % interval")
    found = {}
    for name, times in (("iteration", iterations), ("step in it", steps)):
        one = found[f"{name}: ours / torch fused"] = ratio(times["ours"], times["torch fused"])
        cells = [f"{summarize(values).median * 1e3:.2f}" for values in times.values()]
        table.add_row(name, *cells, f"{one.value:.3f}", f"{one.low:.3f} - {one.high:.3f}")
    console.print(table)
    return found


def main() -> None:
    parser = make_parser(__doc__)
    for flag, default in {"rounds": 200, "width": 1024, "layers": 8, "batch": 64}.items():
        parser.add_argument(
            f"--{flag}", metavar="N", type=positive, default=default, help=f"default: {default}"
        )
    asked = parser.parse_args()
    restart_with(REUSE_MEMORY)
    report = Report(asked)
    torch.set_num_threads(asked.threads)
    trainings = make_trainings(asked.width, asked.layers, asked.batch)
    with report.console.status("training"):
        iterations = alternate(trainings, rounds=asked.rounds, warm_up=WARM_UP)
    check_losses(trainings)
    steps = {name: training.step_seconds[WARM_UP:] for name, training in trainings.items()}
    report.console.print(
        f"\nzero_grad, forward, backward, step: {asked.layers} layers, {asked.width} wide, batches "
        f"of {asked.batch}; medians of {asked.rounds} rounds, freed memory kept for reuse\n"
    )
    found = print_times(report.console, iterations, steps)
    results: dict[str, Any] = {
        "settings": {name: getattr(asked, name) for name in ("rounds", "width", "layers", "batch")},
        "iteration_seconds": {name: asdict(summarize(v)) for name, v in iterations.items()},
        "step_seconds": {name: asdict(summarize(v)) for name, v in steps.items()},
        "ratios": {name: asdict(one) for name, one in found.items()},
    }
    report.close(results, TARGETS, found)


if __name__ == "__main__":
    main()
