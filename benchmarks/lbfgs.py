"""How long L-BFGS takes per iteration: ours and torch's, on one problem of many parameters."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from flags import make_parser, positive
from report import Report, Target, make_table
from torch import Tensor
from torch.nn import Parameter

from thalweg.lab.bench.alternate import alternate, ratio, summarize
from thalweg.optim.lbfgs import LBFGS

HISTORY = 10
ITERATIONS = 20  # per step, torch's default
WARM_UP = 2  # steps; the first fills the history

CASES = {
    "fixed step": {"lr": 0.5},
    "strong Wolfe": {"lr": 1.0, "line_search_fn": "strong_wolfe"},
}

TARGETS = tuple(Target(f"{case}: torch / ours", ">=", 1.50) for case in CASES)


class Run:
    """Steps on a quadratic of condition 1000, whose closure costs as little as one can.

    Each starts at the same point, with the history of the one before, and no tolerance ends it.
    """

    def __init__(self, make: Any, elements: int, settings: Mapping[str, Any]) -> None:
        self.curvature = torch.logspace(0, 3, elements)
        self.start = torch.randn(elements, generator=torch.Generator().manual_seed(0))
        self.p = Parameter(self.start.clone())
        self.p.grad = torch.empty(elements)
        self.opt = make(
            [self.p],
            history_size=HISTORY,
            max_iter=ITERATIONS,
            max_eval=100 * ITERATIONS,
            tolerance_grad=0.0,
            tolerance_change=-1.0,
            **settings,
        )

    def closure(self) -> Tensor:
        assert self.p.grad is not None
        with torch.no_grad():
            torch.mul(self.p, self.curvature, out=self.p.grad)
            return 0.5 * self.p.dot(self.p.grad)

    def __call__(self) -> None:
        with torch.no_grad():
            self.p.copy_(self.start)
        self.opt.step(self.closure)

    @property
    def evaluations(self) -> int:
        return int(self.opt.state[self.p]["func_evals"])


def measure(case: str, elements: int, rounds: int) -> tuple[dict[str, list[float]], int]:
    """Seconds per iteration of both in alternation, and of the closure; evaluations of a step."""
    settings = CASES[case]
    ours = Run(LBFGS, elements, settings)
    rivals = {"ours": ours, "torch": Run(torch.optim.LBFGS, elements, settings)}
    times = alternate({**rivals, "closure": ours.closure}, rounds=rounds, warm_up=WARM_UP)
    per_iteration = {
        name: [t / (ITERATIONS if name in rivals else 1) for t in values]
        for name, values in times.items()
    }
    before = ours.evaluations
    ours()
    return per_iteration, ours.evaluations - before


def print_times(report: Report, elements: int, measured: Mapping[str, Any]) -> None:
    """One table for all cases."""
    report.console.print(
        f"\n{elements:,} parameters, history {HISTORY}; medians in ms, per iteration\n"
    )
    table = make_table("", "ours", "torch", "closure", "evaluations", "torch / ours")
    for case, (times, evaluations) in measured.items():
        medians = [f"{summarize(times[name]).median * 1e3:.2f}" for name in times]
        factor = ratio(times["torch"], times["ours"])
        table.add_row(case, *medians, f"{evaluations / ITERATIONS:.2f}", f"{factor.value:.2f}")
    report.console.print(table)


def main() -> None:
    parser = make_parser(__doc__, list(CASES))
    parser.add_argument(
        "--elements", metavar="N", type=positive, default=1_000_000, help="default: %(default)s"
    )
    parser.add_argument(
        "--rounds", metavar="N", type=positive, default=20, help="default: %(default)s"
    )
    asked = parser.parse_args()
    report = Report(asked)
    torch.set_num_threads(asked.threads)
    measured = {}
    for case in [asked.only] if asked.only else CASES:
        with report.console.status(case):
            measured[case] = measure(case, asked.elements, asked.rounds)
    print_times(report, asked.elements, measured)
    found = {
        f"{case}: torch / ours": ratio(times["torch"], times["ours"])
        for case, (times, _) in measured.items()
    }
    results = {
        case: {
            "seconds": {name: asdict(summarize(values)) for name, values in times.items()},
            "evaluations": evaluations / ITERATIONS,
        }
        for case, (times, evaluations) in measured.items()
    }
    content = {"rounds": asked.rounds, "elements": asked.elements, "cases": results}
    report.close(content, TARGETS, found)


if __name__ == "__main__":
    main()
