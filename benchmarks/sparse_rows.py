"""How long a step on a sparse gradient takes: a batch touches few rows of a large embedding."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from flags import make_parser, positive
from report import Report, Target, make_table

from thalweg import optim
from thalweg.lab.bench.alternate import Estimate, alternate, ratio, summarize

ROWS, COLUMNS, TOUCHED = 1_000_000, 64, 4096
OPTIMIZERS = ("SparseAdam", "Adagrad", "SGD")
WARM_UP = 5

TARGETS = (
    Target("SparseAdam: torch / ours", ">=", 2.0),
    Target("Adagrad: torch / ours", ">=", 1.0),
    Target("SGD: torch / ours", ">=", 1.0),
)

Times = Mapping[str, Sequence[float]]


def batch(generator: torch.Generator, coalesced: bool) -> torch.Tensor:
    """The gradient that an embedding leaves: as a backward pass does, a row for each token."""
    rows = torch.randint(ROWS, (1, TOUCHED), generator=generator)
    values = torch.randn(TOUCHED, COLUMNS, generator=generator)
    with torch.sparse.check_sparse_tensor_invariants(False):
        grad = torch.sparse_coo_tensor(rows, values, (ROWS, COLUMNS))
    return grad.coalesce() if coalesced else grad


def stepper(name: str, module: Any, grad: torch.Tensor) -> Callable[[], Any]:
    p = torch.nn.Parameter(torch.ones(ROWS, COLUMNS))
    p.grad = grad
    return getattr(module, name)([p], lr=0.01).step


def measure(name: str, coalesced: bool, rounds: int) -> Times:
    """Seconds per step, ours and torch's in alternation."""
    grad = batch(torch.Generator().manual_seed(0), coalesced)
    modules = {"ours": optim, "torch": torch.optim}
    calls = {which: stepper(name, module, grad) for which, module in modules.items()}
    return alternate(calls, rounds=rounds, warm_up=WARM_UP)


def main() -> None:
    parser = make_parser(__doc__, OPTIMIZERS)
    parser.add_argument(
        "--rounds", metavar="N", type=positive, default=40, help="at least (default: %(default)s)"
    )
    asked = parser.parse_args()
    report = Report(asked)
    torch.set_num_threads(asked.threads)
    results: dict[str, Any] = {}
    found: dict[str, Estimate] = {}
    report.console.print(
        f"\n{TOUCHED:,} rows of an embedding of {ROWS:,} x {COLUMNS}; medians in ms\n"
    )
    table = make_table("", "gradient", "ours", "torch", "torch / ours")
    for name in [asked.only] if asked.only else OPTIMIZERS:
        for form, coalesced in (("as it comes", False), ("coalesced", True)):
            with report.console.status(f"{name}, {form}"):
                times = measure(name, coalesced, asked.rounds)
            against = ratio(times["torch"], times["ours"])
            shown = [f"{summarize(times[which]).median * 1e3:.3g}" for which in ("ours", "torch")]
            table.add_row(name, form, *shown, f"{against.value:.2f}")
            results[f"{name}, {form}"] = {
                "seconds": {which: asdict(summarize(values)) for which, values in times.items()},
                "torch / ours": asdict(against),
            }
            if not coalesced:
                found[f"{name}: torch / ours"] = against
    report.console.print(table)
    report.close({"rounds": asked.rounds, "sparse": results}, TARGETS, found)


if __name__ == "__main__":
    main()
