"""A step on small work: ours, torch's forms and a floor; its fixed part, and that per tensor."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from bare_loop import BareLoop
from flags import make_parser, positive
from report import Report, Target, make_table
from turns import Side, described, quick, ratio, take_turns

from thalweg import mytorch
from thalweg.lab.bench.alternate import Estimate
from thalweg.lab.bench.on_torch.families import FAMILIES, Family, named
from thalweg.lab.bench.shapes import perceptron, transformer

COUNTS = (1, 6, 30, 100)  # of tensors, for the two fitted numbers
SIZE = 16  # elements of each of them

SIX = perceptron(64, 64, 64, 10)
SGDS, ADAMS = ("SGD", "SGD momentum"), ("Adam", "AdamW")
TORCHS = tuple(f.name for f in FAMILIES if f.torch_forms)
FUSED = (*ADAMS, "Adagrad", "AdamW amsgrad")  # of which torch has a compiled step, too
OTHERS = tuple(name for name in TORCHS if name not in (*SGDS, *FUSED))


@dataclass(frozen=True)
class Case:
    """One kind of small work, the families it is measured on, and what is to be reached: torch's
    best time over ours, each when nobody disturbs."""

    name: str
    make: Callable[[Family, str], Side | None]
    families: Sequence[str]
    targets: Mapping[str, float]
    threads: int = 1


def forms_of(family: Family) -> list[str]:
    """Ours, and torch's; of a family that torch lacks, its fused AdamW."""
    return ["ours", *(family.torch_forms or {"AdamW": None})]


def optimizer(family: Family, form: str, params: Any, **more: Any) -> Any:
    """One side's optimizer."""
    if form == "ours":
        return family.ours(params, **more)
    if form == "AdamW":
        return torch.optim.AdamW(params, fused=True)
    return family.torch_forms[form](params, **more)


def parameters(shapes: Sequence[tuple[int, ...]]) -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    params = [torch.nn.Parameter(torch.ones(shape)) for shape in shapes]
    for p in params:
        p.grad = torch.randn(p.shape, generator=generator).mul_(1e-2)
    return params


def plain(shapes: Sequence[tuple[int, ...]]) -> Callable[[Family, str], Side]:
    """All tensors have a gradient at every step."""

    def make(family: Family, form: str) -> Side:
        params = parameters(shapes)
        if form == "floor":
            return lambda turn: None, BareLoop(params, "m" in family.streams).step
        return lambda turn: None, optimizer(family, form, params).step

    return make


def changing(shapes: Sequence[tuple[int, ...]]) -> Callable[[Family, str], Side | None]:
    """Of the tensors a third have no gradient, at every step another third."""

    def make(family: Family, form: str) -> Side | None:
        if form == "floor":
            return None
        params = parameters(shapes)
        grads = [p.grad for p in params]

        def before(turn: int) -> None:
            for i, (p, grad) in enumerate(zip(params, grads, strict=True)):
                p.grad = None if (i + turn) % 3 == 0 else grad

        return before, optimizer(family, form, params).step

    return make


def grouped(shapes: Sequence[tuple[int, ...]]) -> Callable[[Family, str], Side | None]:
    """Each tensor is a group of its own, with its own rate."""

    def make(family: Family, form: str) -> Side | None:
        if form == "floor":
            return None
        params = parameters(shapes)
        groups = [{"params": [p], "lr": 1e-3 + 1e-6 * i} for i, p in enumerate(params)]
        return lambda turn: None, optimizer(family, form, groups).step

    return make


def strided(family: Family, form: str) -> Side | None:
    """One parameter that is every second column of a matrix. Torch's fused kernels are left out:
    they step the columns between, too, and only half of the rows."""
    if form in ("floor", "fused"):
        return None
    p = torch.nn.Parameter(torch.ones(1000, 2000)[:, ::2])
    p.grad = torch.full((1000, 1000), 1e-2)
    return lambda turn: None, optimizer(family, form, [p]).step


def on_numpy(family: Family, form: str) -> Side | None:
    """Six arrays under our optimizer of NumPy parameters."""
    if form == "floor":
        return None
    if form != "ours":
        return lambda turn: None, optimizer(family, form, parameters(SIX)).step
    params = [mytorch.nn.Parameter(np.ones(shape, np.float32)) for shape in SIX]
    for p in params:
        p.grad = np.full(p.shape, 1e-2, np.float32)
    made = getattr(mytorch.optim, family.optimizer)(params, **family.settings)
    return lambda turn: None, made.step


def at_least(*limits: tuple[Sequence[str], float]) -> dict[str, float]:
    return {name: limit for names, limit in limits for name in names}


MOST = ("SGD", "SGD momentum", "Adagrad", "AdamW")
CASES = (
    Case(
        "six tensors",
        plain(SIX),
        [f.name for f in FAMILIES],
        at_least((SGDS, 1), (FUSED, 2), (("Ranger",), 2), (OTHERS, 5)),
    ),
    Case(
        "mlp",
        plain(perceptron(784, 256, 128, 10)),
        [*TORCHS],
        at_least((TORCHS, 1), (ADAMS, 1.5)),
        threads=2,
    ),
    Case("one scalar", plain([()]), ["SGD", "Adam", "AdamW"], {"Adam": 1.5}),
    Case(
        "2,000 small",
        plain([(64, 64), (64,)] * 1000),
        MOST,
        {"SGD": 2.5, "SGD momentum": 2.5, "Adagrad": 4, "AdamW": 4},
        threads=2,
    ),
    Case("20,000 of 16", plain([(16,)] * 20_000), ["SGD", "AdamW"], {"AdamW": 4}),
    Case(
        "a third without",
        changing([(64, 64), (64,)] * 250),
        ["SGD", "SGD momentum", "AdamW"],
        {"SGD momentum": 1 / 0.7, "AdamW": 1 / 0.6},
    ),
    Case(
        "1,000 groups",
        grouped([(16, 16)] * 1000),
        ["SGD momentum", "AdamW"],
        {"SGD momentum": 2, "AdamW": 2},
    ),
    Case("a strided view", strided, ["SGD", "AdamW"], {"AdamW": 1 / 0.9}, threads=2),
    Case("mytorch, six arrays", on_numpy, ["SGD", "SGD momentum", "Adam", "AdamW", "RAdam"], {}),
    Case("GPT-2 with width 32", plain(transformer(32, 12, 512, 64)), MOST, at_least((MOST, 1))),
)
TARGETS = tuple(
    Target(f"{case.name}, {name}", ">=", limit)
    for case in CASES
    for name, limit in case.targets.items()
)


def best_of_torch(times: Mapping[str, Sequence[float]]) -> str:
    rivals = [name for name in times if name not in ("ours", "floor")]
    return min(rivals, key=lambda name: quick(times[name]))


def fitted(family: Family, form: str, rounds: int) -> tuple[float, float]:
    """Seconds a + b n of a step of n small tensors."""
    sides = {str(n): plain([(SIZE,)] * n)(family, form) for n in COUNTS}
    times = {n: quick(values) for n, values in take_turns(sides, rounds, family.cycle).items()}
    # of the relative errors, so that the small ones count
    rows = np.array([[1 / t, int(n) / t] for n, t in times.items()])
    (fixed, each), *_ = np.linalg.lstsq(rows, np.ones(len(rows)), rcond=None)
    return float(fixed), float(each)


def _can_step(side: Side) -> bool:
    """torch's fused SGD takes no momentum whose gradients come and go."""
    before, step = side
    try:
        for turn in range(3):
            before(turn)
            step()
    except TypeError:
        return False
    return True


def measure(case: Case, family: Family, rounds: int, threads: int) -> dict[str, list[float]]:
    made = {form: case.make(family, form) for form in [*forms_of(family), "floor"]}
    sides = {form: side for form, side in made.items() if side is not None and _can_step(side)}
    return take_turns(sides, rounds, family.cycle, threads)


def print_times(report: Report, case: Case, measured: Mapping[str, Any]) -> None:
    threads = min(case.threads, report.threads)
    plural = "s" * (threads > 1)
    report.console.print(f"\n{case.name}: {threads} thread{plural}; lower deciles in µs\n")
    table = make_table("", "ours", "floor", "torch's best", "", "best / ours")
    for name, times in measured.items():
        best = best_of_torch(times)
        shown = [
            f"{quick(times[n]) * 1e6:.4g}" if n in times else "-" for n in ("ours", "floor", best)
        ]
        table.add_row(name, *shown, best, f"{ratio(times[best], times['ours']).value:.2f}")
    report.console.print(table)


def print_fits(report: Report, fits: Mapping[str, Mapping[str, tuple[float, float]]]) -> None:
    report.console.print(
        f"\nA step of n tensors of {SIZE} elements: a + b n, in µs; torch's best by its b\n"
    )
    table = make_table("", "ours a", "b", "floor a", "b", "torch a", "b", "")
    for name, forms in fits.items():
        best = min((f for f in forms if f not in ("ours", "floor")), key=lambda f: forms[f][1])
        numbers = [f"{x * 1e6:.3g}" for f in ("ours", "floor", best) for x in forms[f]]
        table.add_row(name, *numbers, best)
    report.console.print(table)


def main() -> None:
    parser = make_parser(__doc__ or "", [family.name for family in FAMILIES])
    parser.add_argument(
        "--case",
        action="append",
        choices=[c.name for c in CASES],
        help="again for more; default: all",
    )
    parser.add_argument("--rounds", metavar="N", type=positive, default=15, help="default: 15")
    parser.add_argument("--no-fit", action="store_true", help="leave the two fitted numbers out")
    asked = parser.parse_args()
    report = Report(asked)
    results: dict[str, Any] = {}
    found: dict[str, Estimate] = {}
    for case in CASES:
        if asked.case and case.name not in asked.case:
            continue
        threads = min(case.threads, asked.threads)
        torch.set_num_threads(threads)
        families = [n for n in case.families if asked.only in (None, n)]
        measured = {n: measure(case, named(n), asked.rounds, threads) for n in families}
        print_times(report, case, measured)
        for name, times in measured.items():
            one = ratio(times[best_of_torch(times)], times["ours"])
            found[f"{case.name}, {name}"] = one
        results[case.name] = {
            name: {form: described(values) for form, values in times.items()}
            for name, times in measured.items()
        }
    fits: dict[str, dict[str, tuple[float, float]]] = {}
    if not asked.no_fit:
        torch.set_num_threads(1)
        for family in FAMILIES:
            if asked.only in (None, family.name):
                forms = [*forms_of(family), "floor"]
                fits[family.name] = {f: fitted(family, f, asked.rounds) for f in forms}
        print_fits(report, fits)
    content = {"rounds": asked.rounds, "seconds": results, "a + b n": fits}
    report.close(content, TARGETS, found)


if __name__ == "__main__":
    main()
