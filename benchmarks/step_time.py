"""How long a step takes: ours, torch's loop, foreach and fused forms, and the floor."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

import torch
from flags import make_parser, positive
from report import Report, Target, make_table
from rich.console import Console

from thalweg.lab.bench.alternate import Estimate, ratio, summarize
from thalweg.lab.bench.on_torch.families import FAMILIES, Family, Make, named
from thalweg.lab.bench.on_torch.parameters import Stream, gradients_for, parameters_with
from thalweg.lab.bench.shapes import SHAPES
from thalweg.lab.bench.timing import FORMS, Times, bandwidth, best_form, ratios, timed

# how many times faster than torch's best form, on GPT-2's shapes
SPEEDUPS = {
    "SGD": 1.0,
    "SGD momentum": 1.0,
    "Adagrad": 1.0,
    "ASGD": 1.3,
    "RMSprop": 2.3,
    "RMSprop full": 2.5,
    "Adam": 1.0,
    "AdamW": 1.0,
    "AdamW amsgrad": 1.0,
    "Adadelta": 5.0,
    "Adamax": 2.5,
    "NAdam": 5.0,
    "RAdam": 10.0,
    "Rprop": 10.0,
}

TARGETS = (
    Target("gpt2 AdamW: ours / torch fused", "<=", 1.00),
    Target("small AdamW: ours / torch fused", "<=", 0.30),
    *(Target(f"gpt2 {name}: torch best / ours", ">=", times) for name, times in SPEEDUPS.items()),
    *(Target(f"small {name}: torch best / ours", ">=", 4.0) for name in SPEEDUPS),
    *(
        Target(f"gpt2 {family.name}: ours / floor", "<=", 1.20 if family.cycle > 1 else 1.10)
        for family in FAMILIES
    ),
)

# Ranger is not in torch; it is set beside what a user would otherwise run.
STAND_INS: dict[str, Make] = {
    "fused": named("AdamW").torch_forms["fused"],
    "our RAdam": named("RAdam").ours,
}


def measure(
    family: Family, gradients: Sequence[torch.Tensor], stream: Stream, rounds: int
) -> Times:
    """Seconds per step of everything that is compared with one optimizer, in alternation."""
    rivals = family.torch_forms or STAND_INS
    makes: dict[str, Make] = {"ours": family.ours, **rivals}
    calls = {name: make(parameters_with(gradients)).step for name, make in makes.items()}
    return timed(calls, stream, family.accesses, rounds=rounds, cycle=family.cycle)


def compared(times: Times) -> dict[str, Estimate]:
    """What is compared, by the name that targets use."""
    found = ratios(times)
    if "our RAdam" in times:  # a stand-in, as torch's fused AdamW is
        found["ours / our RAdam"] = ratio(times["ours"], times["our RAdam"])
        found.pop("torch best / ours", None)
    return found


def print_times(console: Console, shapes: str, measured: Mapping[str, Times]) -> None:
    """One table for one set of shapes."""
    elements = sum(map(math.prod, SHAPES[shapes]))
    slowest = max(summarize(times["ours"]).median for times in measured.values())
    unit, scale = ("ms", 1e3) if slowest > 1e-3 else ("µs", 1e6)
    console.print(
        f"\n{shapes}: {len(SHAPES[shapes])} tensors, {elements:,} parameters; "
        f"medians in {unit}; * is torch's best\n"
    )
    forms = [f"torch\n{form}" for form in FORMS]
    table = make_table(
        "", "\nours", "\nfloor", *forms, "ours /\nfloor", "best /\nours", "fused /\nours"
    )
    table.padding = 0  # to fit 80 columns
    for name, times in measured.items():
        table.add_row(*_row(named(name), times, scale))
    console.print(table)
    streams = [bandwidth(times, elements) for times in measured.values()]
    console.print(
        f"\nThe floor is what one flat p += g by torch takes for as many accesses: it moves "
        f"{median(streams):.0f} GB/s."
    )
    if "Ranger" in measured:
        ranger = named("Ranger")
        against = compared(measured["Ranger"])["ours / our RAdam"]
        console.print(
            f"Ranger: means of {ranger.cycle} consecutive steps, each with one Lookahead step; it "
            f"takes {against.value:.2f} times our RAdam. Under fused stands torch's AdamW."
        )


def _row(family: Family, times: Times, scale: float) -> list[str]:
    best = best_form(times) if family.torch_forms else None
    found = compared(times)

    def time_of(name: str) -> str:
        if name not in times:
            return "-"
        shown = summarize(times[name]).median * scale
        return (f"{shown:.0f}" if shown >= 1000 else f"{shown:.4g}") + "*" * (name == best)

    fused = found.get("ours / torch fused")
    against_best = found.get("torch best / ours")
    return [
        family.name,
        time_of("ours"),
        time_of("floor"),
        *map(time_of, FORMS),
        f"{found['ours / floor'].value:.2f}",
        f"{against_best.value:.2f}" if against_best else "-",
        f"{1 / fused.value:.2f}" if fused else "-",
    ]


def describe(family: Family, times: Times, elements: int) -> dict[str, Any]:
    """The same for the JSON file, with quartiles; times in seconds."""
    return {
        "seconds": {name: asdict(summarize(values)) for name, values in times.items()},
        "torch_best": best_form(times) if family.torch_forms else None,
        "gb_per_s": bandwidth(times, elements),
        "ratios": {name: asdict(found) for name, found in compared(times).items()},
    }


def main() -> None:
    parser = make_parser(__doc__, [family.name for family in FAMILIES])
    parser.add_argument("--shapes", choices=SHAPES, help="one of them; default: all")
    parser.add_argument(
        "--rounds", metavar="N", type=positive, default=30, help="at least (default: %(default)s)"
    )
    asked = parser.parse_args()
    families = [named(asked.only)] if asked.only else FAMILIES
    report = Report(asked)
    torch.set_num_threads(asked.threads)
    results: dict[str, dict[str, Any]] = {}
    found: dict[str, Estimate] = {}
    for shapes in [asked.shapes] if asked.shapes else SHAPES:
        gradients = gradients_for(SHAPES[shapes])
        elements = sum(map(torch.numel, gradients))
        stream = Stream(elements)
        measured: dict[str, Times] = {}
        for family in families:
            with report.console.status(f"{shapes}: {family.name}"):
                measured[family.name] = measure(family, gradients, stream, asked.rounds)
        print_times(report.console, shapes, measured)
        results[shapes] = {f.name: describe(f, measured[f.name], elements) for f in families}
        for f in families:
            for what, one in compared(measured[f.name]).items():
                found[f"{shapes} {f.name}: {what}"] = one
    report.close({"rounds": asked.rounds, "shapes": results}, TARGETS, found)


if __name__ == "__main__":
    main()
