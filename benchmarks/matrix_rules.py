"""What a step of a rule on matrices takes beside the framework's own matrix routines.

Of the processors' time, so that neighbours do not count.
"""

import statistics
import time
from typing import Any

import torch
from flags import make_parser, positive
from report import Report, Target, make_table

import thalweg.optim as optim
from thalweg.fuse.scratch import Scratch
from thalweg.lab.bench.alternate import Estimate

# the hidden matrices of a transformer's layer: queries, keys and values; out; up; down
WIDTH, LAYERS = 512, 1
SHAPES = [(3 * WIDTH, WIDTH), (WIDTH, WIDTH), (4 * WIDTH, WIDTH), (WIDTH, 4 * WIDTH)] * LAYERS

RULES: dict[str, dict[str, Any]] = {
    "Muon": {},
    "NorMuon": {},
    "AdaMuon": {},
    "MuSGD": {},
    "Dion": {"rank": 64},
    "Scion": {},
    "SOAP": {},
    "Shampoo": {"precondition_frequency": 10},
    "GaLore": {"rank": 64},
    "APOLLO": {"rank": 64},
}
WARM_UP = 3

TARGETS = tuple(Target(f"{name}: outside / whole", "<=", 0.10) for name in RULES)


class Inside:
    """Counts the seconds that lines on matrices take, stacking included."""

    def __init__(self) -> None:
        self.seconds = 0.0
        run = Scratch._run

        def timed(*arguments: Any) -> Any:
            start = time.process_time()
            try:
                return run(*arguments)
            finally:
                self.seconds += time.process_time() - start

        Scratch._run = timed  # type: ignore[method-assign]


def measure(name: str, rounds: int, inside: Inside) -> tuple[list[float], list[float]]:
    """Seconds of whole steps, and of what of each is outside of matrix routines."""
    generator = torch.Generator().manual_seed(0)
    params = [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]
    for p in params:
        p.grad = torch.randn(p.shape, generator=generator)
    opt = getattr(optim, name)(params, **RULES[name])
    whole, outside = [], []
    for i in range(WARM_UP + rounds):
        before, start = inside.seconds, time.process_time()
        opt.step()
        taken = time.process_time() - start
        if i >= WARM_UP:
            whole.append(taken)
            outside.append(taken - (inside.seconds - before))
    return whole, outside


def main() -> None:
    parser = make_parser(__doc__, only=list(RULES))
    parser.add_argument(
        "--rounds", metavar="N", type=positive, default=12, help="steps (default: %(default)s)"
    )
    asked = parser.parse_args()
    report = Report(asked)
    torch.set_num_threads(asked.threads)
    inside = Inside()
    table = make_table("", "step, ms", "outside, ms", "share")
    found: dict[str, Estimate] = {}
    results: dict[str, Any] = {}
    for name in [asked.only] if asked.only else RULES:
        with report.console.status(name):
            whole, outside = measure(name, asked.rounds, inside)
        shares = sorted(a / b for a, b in zip(outside, whole, strict=True))
        share = Estimate(statistics.median(shares), shares[0], shares[-1])
        found[f"{name}: outside / whole"] = share
        medians = statistics.median(whole), statistics.median(outside)
        table.add_row(name, *(f"{1e3 * one:.2f}" for one in medians), f"{share.value:.1%}")
        results[name] = {"step": medians[0], "outside": medians[1], "share": share.value}
    report.console.print(table)
    report.console.print(
        "\nmedians of processor time; outside: sweeps over memory, the interpreter."
    )
    report.close({"rounds": asked.rounds, "shapes": SHAPES, "rules": results}, TARGETS, found)


if __name__ == "__main__":
    main()
