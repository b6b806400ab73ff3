"""How long a step takes beside the same optimizer of other packages, the quickest form of each.

It runs in the environment of `make peers`: .venv-peers/bin/python benchmarks/peers.py
"""

import inspect
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import torch
from flags import make_parser, positive
from report import Report, make_table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `tests`, which has the table

from peers_with_a_loss import MATRICES, TIMED, both

from tests.peers.packages import optimizer_at, package_of, version_of
from tests.peers.row import Row
from tests.peers.rows import ROWS
from thalweg.lab.bench.alternate import Estimate, alternate, ratio, summarize
from thalweg.lab.bench.on_torch.parameters import gradients_for, parameters_with
from thalweg.lab.bench.shapes import Shape, transformer

SHAPES: dict[str, list[Shape]] = {
    "medium": transformer(width=128, blocks=4, vocabulary=2048, context=128),
    "small": [(32, 32), (32,)] * 50,
}
WARM_UP = 6
LONGEST = 1024  # side of a hidden matrix

Times = Mapping[str, Sequence[float]]


def rows_of(name: str) -> list[Row]:
    """One row for each package that has an optimizer; optax's step is not torch's to time."""
    found: dict[str, Row] = {}
    for row in ROWS:
        if row.name == name and package_of(row.place) != "optax":
            found.setdefault(package_of(row.place), row)
    return list(found.values())


def forms(row: Row) -> dict[str, Callable[..., Any]]:
    """Another package's optimizer, tensor by tensor and all at once where it can do both."""
    package = package_of(row.place)
    if "foreach" not in inspect.signature(optimizer_at(row.place)).parameters:
        return {package: row.make_theirs}

    def at_once(params: list[torch.Tensor]) -> Any:
        theirs = {**row.theirs, "foreach": True}
        return Row(**{**vars(row), "theirs": theirs}).make_theirs(params)

    return {package: row.make_theirs, f"{package}, foreach": at_once}


def stepped(make: Callable[..., Any], gradients: Sequence[torch.Tensor]) -> Callable[[], Any]:
    """A step of an optimizer that has made some; one that drops its gradients gets them again."""
    params = parameters_with([g.clone() for g in gradients])
    optimizer = make(params)
    if hasattr(optimizer, "train"):
        optimizer.train()
    optimizer.step()
    if params[0].grad is not None:
        return optimizer.step  # type: ignore[no-any-return]

    def step() -> None:
        for p, g in zip(params, gradients, strict=True):
            p.grad = g
        optimizer.step()

    return step


def measure(name: str, shapes: Sequence[Shape], rounds: int) -> Times:
    """Seconds per step of ours and of each form of the others, in turns."""
    rows = rows_of(name)
    # of a rule for matrices the hidden ones alone, as it is used
    is_for_matrices = any(all(len(shape) == 2 for shape in row.shapes) for row in rows)
    if is_for_matrices or name in MATRICES:
        shapes = [shape for shape in shapes if len(shape) == 2 and max(shape) <= LONGEST]
    gradients = gradients_for(shapes)
    if name in TIMED:
        ours, place, theirs = both(name, gradients)
        return alternate(
            {"ours": ours, package_of(place): theirs}, rounds=rounds, warm_up=WARM_UP, seconds=0.1
        )
    calls = {"ours": stepped(rows[0].make_ours, gradients)}
    for row in rows:
        for form, make in forms(row).items():
            calls[form] = stepped(make, gradients)
    return alternate(calls, rounds=rounds, warm_up=WARM_UP, seconds=0.1)


def best(times: Times) -> str:
    """The quickest of the others."""
    return min((form for form in times if form != "ours"), key=lambda form: median(times[form]))


def speed_up(times: Times) -> Estimate:
    """How many times as long as ours the quickest of the others takes."""
    return ratio(times[best(times)], times["ours"])


def described(times: Times) -> dict[str, Any]:
    """The same for the JSON file; times in seconds."""
    return {
        "seconds": {form: asdict(summarize(values)) for form, values in times.items()},
        "best": best(times),
        "best / ours": asdict(speed_up(times)),
    }


def table_of(measured: Mapping[str, Times]) -> Any:
    table = make_table("µs", "ours", "theirs", "theirs / ours", "the quickest of the others")
    for name, times in measured.items():
        ours, theirs = (summarize(times[form]).median * 1e6 for form in ("ours", best(times)))
        table.add_row(
            name, f"{ours:.0f}", f"{theirs:.0f}", f"{speed_up(times).value:.2f}", best(times)
        )
    return table


def main() -> None:
    named = {row.name for row in ROWS if package_of(row.place) != "optax"}
    names = sorted({*named, *TIMED}, key=str.lower)
    parser = make_parser(__doc__, names)
    parser.add_argument("--shapes", choices=SHAPES, help="one of them; default: both")
    parser.add_argument(
        "--rounds", metavar="N", type=positive, default=20, help="at least (default: %(default)s)"
    )
    asked = parser.parse_args()
    warnings.simplefilter("ignore")  # theirs
    report = Report(asked)
    torch.set_num_threads(asked.threads)
    results: dict[str, Any] = {}
    for shapes in [asked.shapes] if asked.shapes else SHAPES:
        measured: dict[str, Times] = {}
        for name in [asked.only] if asked.only else names:
            with report.console.status(f"{shapes}: {name}"):
                measured[name] = measure(name, SHAPES[shapes], asked.rounds)
        ratios = [speed_up(times).value for times in measured.values()]
        middle = median(ratios)
        report.console.print(table_of(measured))
        report.console.print(
            f"{shapes}: the quickest of the others takes {middle:.2f} times as long in the median "
            f"of {len(ratios)}, {min(ratios):.2f} at least.\n"
        )
        results[shapes] = {
            "median of best / ours": middle,
            "least of best / ours": min(ratios),
            "optimizers": {name: described(times) for name, times in measured.items()},
        }
    packages = sorted({version_of(row.place) for row in ROWS if package_of(row.place) != "optax"})
    report.close({"packages": packages, "rounds": asked.rounds, "shapes": results}, (), {})


if __name__ == "__main__":
    main()
