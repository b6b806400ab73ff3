"""A step on parameters that two processes share (DTensor): ours, as it was, and torch's forms."""

import random
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch
from environment import REUSE_MEMORY, restart_with
from flags import make_parser, positive
from report import Report, Target, make_table
from torch import distributed

import thalweg.optim as optim
from thalweg.lab.bench.alternate import ratio, summarize
from thalweg.lab.bench.shapes import transformer
from thalweg.optim.memory import touched

SHAPES = {
    "18.9 M in 72": transformer(512, 6, 0, 0)[2:-2],
    "small, 100 of 1,024": [(32, 32)] * 100,
}
OURS = ("AdamW", "Ranger", "LAMB")
WARM_UP = 14  # past RAdam's rectification, and two cycles of Ranger
NOT_AS_PARTS = "ours, as whole tensors"
TORCHS: dict[str, dict[str, Any]] = {
    "torch loop": {"foreach": False},
    "torch foreach": {"foreach": True},
    "torch fused": {"fused": True},
}
TARGETS = [
    Target(f"{shapes}: {name} / torch's fused AdamW", "<=", 1.0)
    for shapes in SHAPES
    for name in ("AdamW", "Ranger")
]


def parameters(shapes: Any, mesh: Any) -> list[Any]:
    """Parameters whose rows the processes share, with gradients."""
    from torch.distributed.tensor import Shard, distribute_tensor

    generator, made = torch.Generator().manual_seed(0), []
    for shape in shapes:
        p, grad = (torch.randn(shape, generator=generator) * scale for scale in (1.0, 1e-2))
        made.append(torch.nn.Parameter(distribute_tensor(p, mesh, [Shard(0)])))
        made[-1].grad = distribute_tensor(grad, mesh, [Shard(0)])
    return made


def parts(params: list[Any]) -> list[Any]:
    """The parts that lie here, as parameters of their own."""
    made = []
    for p in params:
        part = torch.nn.Parameter(p.to_local().detach().clone())
        part.grad = p.grad.to_local()
        made.append(part)
    return made


def sides(shapes: Any, mesh: Any) -> dict[str, Callable[[], Any]]:
    """A step of each; what they share are the gradients."""
    found: dict[str, Callable[[], Any]] = {}
    for name in OURS:
        found[name] = getattr(optim, name)(parameters(shapes, mesh)).step
        of_parts = getattr(optim, name)(parts(parameters(shapes, mesh)))
        found[f"{name}, parts alone"] = of_parts.step
    found[f"AdamW {NOT_AS_PARTS}"] = optim.AdamW(parameters(shapes, mesh)).step
    for name, form in TORCHS.items():
        found[name] = torch.optim.AdamW(parameters(shapes, mesh), **form).step
    of_parts = torch.optim.AdamW(parts(parameters(shapes, mesh)), fused=True)
    found["torch fused, parts alone"] = of_parts.step
    return found


def timed(name: str, step: Callable[[], Any]) -> float:
    """One step, begun by all processes at once."""
    as_now = touched.moved_in_parts
    if NOT_AS_PARTS in name:  # as every step was before parts were stepped
        touched.moved_in_parts = lambda *_: False
    try:
        distributed.barrier()
        begin = time.perf_counter()
        step()
        return time.perf_counter() - begin
    finally:
        touched.moved_in_parts = as_now


def run(rank: int, world: int, folder: str, threads: int, rounds: int) -> None:
    """One of the processes; the first one's times count."""
    from torch.distributed.device_mesh import init_device_mesh

    torch.set_num_threads(threads)
    store = f"file://{folder}/store"
    distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=world)
    mesh = init_device_mesh("cpu", (world,))
    times: dict[str, dict[str, list[float]]] = {}
    for label, shapes in SHAPES.items():
        steps = sides(shapes, mesh)
        for name, step in steps.items():
            for _ in range(3 if NOT_AS_PARTS in name else WARM_UP):
                timed(name, step)
        of_these = times[label] = {name: [] for name in steps}
        for turn in range(rounds):
            order = sorted(steps)
            random.Random(turn).shuffle(order)  # the same in every process
            for name in order:
                of_these[name].append(timed(name, steps[name]))
    if rank == 0:
        torch.save(times, f"{folder}/times")
    distributed.destroy_process_group()


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--rounds", type=positive, default=18, help="(default: %(default)s)")
    parser.add_argument("--processes", type=positive, default=2, help="(default: %(default)s)")
    asked = parser.parse_args()
    restart_with(REUSE_MEMORY)
    asked.threads = max(asked.threads // asked.processes, 1)
    report = Report(asked)
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.start_processes(
            run,
            (asked.processes, folder, asked.threads, asked.rounds),
            nprocs=asked.processes,
            start_method="spawn",
        )
        times = torch.load(f"{folder}/times", weights_only=True)
    found = {}
    for label, of_these in times.items():
        table = make_table(label, "ms a step", "of torch's fused")
        fused = statistics.median(of_these["torch fused"])
        for name, own in of_these.items():
            median = statistics.median(own)
            table.add_row(name, f"{1e3 * median:.3f}", f"{median / fused:.2f}")
        report.console.print(table)
        for name in ("AdamW", "Ranger"):
            what = f"{label}: {name} / torch's fused AdamW"
            found[what] = ratio(of_these[name], of_these["torch fused"])
    seconds = {
        label: {name: asdict(summarize(own)) for name, own in of_these.items()}
        for label, of_these in times.items()
    }
    results = {"processes": asked.processes, "rounds": asked.rounds, "seconds": seconds}
    report.close(results, TARGETS, found)


if __name__ == "__main__":
    main()
