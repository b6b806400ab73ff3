"""How long a fresh process waits for its first step: with no compiled kernels on disk, and with."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from flags import make_parser, positive
from report import Report, Target, make_table
from rich.console import Console

from thalweg.lab.bench.alternate import Estimate

CHILD = Path(__file__).with_name("fresh_process.py")
OPTIMIZERS = ("SGD", "Adam", "AdamW", "RAdam", "Ranger")
CONTROL = ("torch.optim", "AdamW")
PARTS = (
    "import torch",
    "import optim",
    "construction",
    "first step",
    "import LLVM",
    "slowest later step",
)
IMPORT_REPEATS = 10

TARGETS = (
    *(Target(f"{name}, cold cache: first step", "<=", 1.5, " s") for name in OPTIMIZERS),
    *(Target(f"{name}, warm cache: first step", "<=", 0.4, " s") for name in OPTIMIZERS),
    Target("import thalweg, over bare Python", "<=", 50, " ms"),
)

Times = Mapping[str, list[float]]


def run_fresh(module: str, optimizer: str, cache: str, threads: int) -> dict[str, float]:
    """Seconds of each part in a process of its own, with kernels kept in the folder `cache`."""
    environment = {**os.environ, "THALWEG_CACHE_DIR": cache, "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, str(CHILD), module, optimizer]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"the first step of {module}.{optimizer} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def measure(optimizers: Sequence[str], repeats: int, threads: int) -> dict[str, Times]:
    """Times by cache and optimizer; each repeat visits all of them, cold and then warm."""
    cases = [
        (f"{name}, {cache} cache", "thalweg.optim", name)
        for name in optimizers
        for cache in ("cold", "warm")
    ]
    control = "torch's {1}".format(*CONTROL)
    times: dict[str, Times] = {
        name: {part: [] for part in PARTS} for name in [*(case for case, *_ in cases), control]
    }
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            for case, module, name in [*cases, (control, *CONTROL)]:
                cache = os.path.join(folder, name)  # of each optimizer alone: they share kernels
                for part, seconds in run_fresh(module, name, cache, threads).items():
                    times[case][part].append(seconds)
    return times


def measure_import(repeats: int) -> Estimate:
    """Milliseconds that `import thalweg` adds to a process that does nothing else."""
    programs = {"bare": "pass", "thalweg": "import thalweg"}
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(repeats):
        for name, program in programs.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", program], check=True)
            seconds[name].append(time.perf_counter() - start)
    added = (statistics.median(seconds["thalweg"]) - statistics.median(seconds["bare"])) * 1e3
    return Estimate(added, added, added)


def print_times(console: Console, times: Mapping[str, Times], repeats: int) -> None:
    """Medians, one line per optimizer and cache."""
    console.print(f"\nSeconds in a fresh process, medians of {repeats}\n")
    table = make_table("", *(part.replace(" ", "\n", 1) for part in PARTS))
    for case, parts in times.items():
        table.add_row(case, *(f"{statistics.median(parts[part]):.3f}" for part in PARTS))
    console.print(table)
    console.print(
        "\nimport LLVM is a part of the first step. Construction is torch's own: its first "
        "optimizer imports torch._dynamo, whoever wrote it. A later step may need a kernel of its "
        "own, as Ranger's k-th does."
    )


def main() -> None:
    parser = make_parser(__doc__, OPTIMIZERS)
    parser.add_argument(
        "--repeats", metavar="N", type=positive, default=5, help="default: %(default)s"
    )
    asked = parser.parse_args()
    report = Report(asked)
    with report.console.status("starting processes"):
        times = measure([asked.only] if asked.only else OPTIMIZERS, asked.repeats, asked.threads)
        found = {"import thalweg, over bare Python": measure_import(IMPORT_REPEATS)}
    for case, parts in times.items():
        steps = parts["first step"]
        found[f"{case}: first step"] = Estimate(statistics.median(steps), min(steps), max(steps))
    print_times(report.console, times, asked.repeats)
    report.close({"repeats": asked.repeats, "seconds": times}, TARGETS, found)


if __name__ == "__main__":
    main()
