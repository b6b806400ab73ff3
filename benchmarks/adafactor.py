"""How long a step of Adafactor takes: ours, and torch's loop and foreach forms."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from flags import make_parser, positive
from report import Report, Target, make_table

from thalweg.lab.bench.alternate import Estimate, alternate, ratio, summarize
from thalweg.lab.bench.on_torch.parameters import gradients_for, parameters_with
from thalweg.lab.bench.shapes import SHAPES
from thalweg.optim import Adafactor

WARM_UP = 2  # the first step builds everything that later ones use
SECONDS = 2.0

TARGETS = (
    Target("gpt2: torch best / ours", ">=", 1.50),
    Target("small: torch best / ours", ">=", 4.00),
)

FORMS: dict[str, dict[str, Any]] = {"loop": {"foreach": False}, "foreach": {"foreach": True}}

Times = Mapping[str, Sequence[float]]


def measure(gradients: Sequence[torch.Tensor], rounds: int) -> Times:
    """Seconds per step of ours and of torch's forms, in alternation."""
    settings = {"weight_decay": 0.01}  # so that nobody leaves out the decay
    calls = {"ours": Adafactor(parameters_with(gradients), **settings).step}
    for form, flags in FORMS.items():
        opt = torch.optim.Adafactor(parameters_with(gradients), **settings, **flags)
        calls[form] = opt.step
    return alternate(calls, rounds=rounds, seconds=SECONDS, warm_up=WARM_UP)


def best_form(times: Times) -> str:
    """The quicker of torch's forms."""
    return min(FORMS, key=lambda form: summarize(times[form]).median)


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--shapes", choices=SHAPES, help="one of them; default: all")
    parser.add_argument(
        "--rounds", metavar="N", type=positive, default=12, help="at least (default: %(default)s)"
    )
    asked = parser.parse_args()
    report = Report(asked)
    torch.set_num_threads(asked.threads)
    table = make_table("", "parameters", "ours, ms", *(f"{form}, ms" for form in FORMS), "ratio")
    found: dict[str, Estimate] = {}
    results: dict[str, Any] = {}
    for shapes in [asked.shapes] if asked.shapes else SHAPES:
        with report.console.status(shapes):
            times = measure(gradients_for(SHAPES[shapes]), asked.rounds)
        best = best_form(times)
        against = found[f"{shapes}: torch best / ours"] = ratio(times[best], times["ours"])
        medians = [f"{summarize(times[name]).median * 1e3:.4g}" for name in ("ours", *FORMS)]
        elements = sum(map(math.prod, SHAPES[shapes]))
        table.add_row(shapes, f"{elements:,}", *medians, f"{against.value:.1f}")
        results[shapes] = {
            "seconds": {name: asdict(summarize(values)) for name, values in times.items()},
            "torch_best": best,
            "ratio": asdict(against),
        }
    report.console.print(table)
    report.console.print("\nratio: torch's quicker form / ours; medians of steps in alternation.")
    report.close({"rounds": asked.rounds, "shapes": results}, TARGETS, found)


if __name__ == "__main__":
    main()
