"""How much memory a step allocates after the first ones, seen in three ways."""

import json
import re
import sys
import tempfile
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from environment import RETURN_MEMORY, restart_with
from flags import make_parser
from report import Report, Target, make_table
from rich.console import Console
from torch.profiler import ProfilerActivity, profile

from thalweg.lab.bench.alternate import Estimate
from thalweg.lab.bench.on_torch.families import OPTIMIZERS, named
from thalweg.lab.bench.on_torch.parameters import parameters_with
from thalweg.lab.bench.shapes import GRADIENT_SCALE, transformer

SHAPES = transformer(width=256, blocks=8, vocabulary=12288, context=512)
ELEMENTS = sum(torch.Size(shape).numel() for shape in SHAPES)
LARGEST = 4 * max(torch.Size(shape).numel() for shape in SHAPES)

WARM_UP = 12  # steps; after these every optimizer here has run each of its kernels
STEPS = 6  # measured steps in each way: a whole cycle of Ranger

# Python's are lists of tensors and tables of addresses: a few hundred bytes per tensor, whatever
# its size, and less than a thousandth of what the parameters take.
LIMITS = {"python": 32, "torch": 0}
TARGETS = tuple(
    Target(f"{family.name}: {field} per step", "<=", limit, " KB")
    for family in OPTIMIZERS
    for field, limit in LIMITS.items()
)


class Allocated(NamedTuple):
    """The most bytes that one step allocated, by who was asked for them."""

    python: int  # Python objects and NumPy arrays alive at once
    torch: int  # handed out by torch's allocator, even if freed again
    resident: int | None  # pages the process grew by at its widest; None if not known


def python_bytes(step: Callable[[], object]) -> int:
    """The peak of what Python and NumPy hold because of a step."""
    tracemalloc.start()
    try:
        step()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def torch_bytes(step: Callable[[], object]) -> int:
    """The sum of what a step asks torch's CPU allocator for."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        step()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "trace.json")
        profiler.export_chrome_trace(str(path))
        events = json.loads(path.read_text())["traceEvents"]
    sizes = (event["args"]["Bytes"] for event in events if event["name"] == "[memory]")
    return sum(size for size in sizes if size > 0)


def resident_bytes(step: Callable[[], object]) -> int | None:
    """The growth of the resident set at its widest; pages, so small allocations do not show."""
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
        before = _status("VmHWM")
        step()
        return max(0, _status("VmHWM") - before)
    except OSError:
        return None


def _status(field: str) -> int:
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 if found else 0


def measure(step: Callable[[], object], renew: Callable[[], object]) -> Allocated:
    """The most of several steps, each on gradients that `renew` has made new."""
    for _ in range(WARM_UP):
        renew()
        step()
    most = []
    for way in (python_bytes, torch_bytes, resident_bytes):
        seen = []
        for _ in range(STEPS):
            renew()
            seen.append(way(step))
        most.append(None if None in seen else max(seen))
    return Allocated(*most)


def renewer(params: Sequence[torch.nn.Parameter]) -> Callable[[], None]:
    """What replaces every gradient by a new one, as a backward pass does."""

    def renew() -> None:
        for p in params:
            p.grad = torch.randn(p.shape).mul_(GRADIENT_SCALE)

    return renew


def measure_optimizer(make: Callable[..., Any]) -> Allocated:
    params = parameters_with([torch.zeros(shape) for shape in SHAPES])
    return measure(make(params).step, renewer(params))


def measure_numpy() -> Allocated:
    """A step of plain NumPy, whose temporaries tracemalloc must see."""
    params = [torch.zeros(shape).numpy() for shape in SHAPES]

    def step() -> None:
        for p in params:
            p -= 1e-3 * (p + 1)

    return measure(step, lambda: None)


def measure_controls() -> dict[str, Allocated]:
    """Steps that are known to allocate; ends the program if a way of looking is blind to them."""
    controls = {
        "control: torch AdamW foreach": measure_optimizer(named("AdamW").torch_forms["foreach"]),
        "control: SGD in NumPy": measure_numpy(),
    }
    for field in Allocated._fields:
        most = max((getattr(seen, field) or 0) for seen in controls.values())
        known = all(getattr(seen, field) is not None for seen in controls.values())
        if known and most < LARGEST:
            sys.exit(
                f"memory: looking at {field} bytes saw {most} in steps that allocate at least "
                f"{LARGEST}; what it says about other steps means nothing"
            )
    return controls


def print_bytes(console: Console, found: dict[str, Allocated]) -> None:
    """One line per optimizer, in KB."""
    console.print(
        f"\nKB allocated by one step, the most of {STEPS}; {len(SHAPES)} tensors, "
        f"{ELEMENTS:,} parameters ({ELEMENTS * 4 / 1024:,.0f} KB)\n"
    )
    table = make_table("", "Python\nand NumPy", "torch's\nallocator", "growth of\nthe process")
    for name, seen in found.items():
        table.add_row(name, *("-" if x is None else f"{x / 1024:,.1f}" for x in seen))
    console.print(table)


def main() -> None:
    names = [family.name for family in OPTIMIZERS]
    asked = make_parser(__doc__, names).parse_args()
    restart_with({**RETURN_MEMORY, "KINETO_LOG_LEVEL": "99"})  # the profiler writes to stderr
    report = Report(asked)
    torch.set_num_threads(asked.threads)
    with report.console.status("stepping"):
        found = measure_controls()
        for name in [asked.only] if asked.only else names:
            found[name] = measure_optimizer(named(name).ours)
    print_bytes(report.console, found)
    values = {
        f"{name}: {field} per step": Estimate(*[getattr(seen, field) / 1024] * 3)
        for name, seen in found.items()
        for field in LIMITS
    }
    results = {"bytes": {name: seen._asdict() for name, seen in found.items()}}
    report.close(results, TARGETS, values)


if __name__ == "__main__":
    main()
