"""How far float32 steps end from a float64 truth: ours, and torch's three forms."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any, NamedTuple

import torch
from flags import make_parser, positive
from report import Report, Target, make_table
from rich.console import Console

from thalweg.lab.bench.alternate import Estimate
from thalweg.lab.bench.on_torch.families import FAMILIES, Family, Make
from thalweg.lab.bench.timing import FORMS

STEPS = 200
# Tensors whose gradients differ in size by four orders, as those of the layers of a network do.
GRADIENT_SCALES = tuple(10.0**-exponent for exponent in range(5))
ELEMENTS = 1 << 14  # of each tensor
PARAMETER_SCALE = 0.02  # how GPT-2 starts

VARIANTS = (
    *(family for family in FAMILIES if family.torch_forms),
    Family("SGD nesterov", "SGD", "p g m", {"momentum": 0.9, "nesterov": True}),
    Family("SGD dampening", "SGD", "p g m", {"momentum": 0.9, "dampening": 0.5}),
    Family("SGD decay", "SGD", "p g m", {"momentum": 0.9, "weight_decay": 0.1}),
    Family("Adam amsgrad", "Adam", "p g m v vmax", {"amsgrad": True}),
    Family("Adam decay", "Adam", "p g m v", {"weight_decay": 0.1}),
    Family("RAdam decay", "RAdam", "p g m v", {"weight_decay": 0.1}),
)

# "torch" is its fused form or, where there is none, its foreach form.
TARGETS = tuple(
    Target(f"{family.name}: RMS error, ours / torch", "<=", 1.00) for family in VARIANTS
)


FIELDS = {"RMS": "rms", "largest": "largest"}


class Error(NamedTuple):
    """Distance from the truth over all parameters."""

    rms: float
    largest: float


def run(make: Make, seed: int, dtype: torch.dtype) -> torch.Tensor:
    """The parameters after STEPS steps, in float64; the seed decides start and gradients."""
    generator = torch.Generator().manual_seed(seed)
    starts = [torch.randn(ELEMENTS, generator=generator) * PARAMETER_SCALE for _ in GRADIENT_SCALES]
    params = [torch.nn.Parameter(start.to(dtype)) for start in starts]
    opt = make(params)
    for _ in range(STEPS):
        for p, scale in zip(params, GRADIENT_SCALES, strict=True):
            p.grad = (torch.randn(ELEMENTS, generator=generator) * scale).to(dtype)
        opt.step()
    return torch.cat(params).detach().double()


def errors(family: Family, seed: int) -> dict[str, Error]:
    """The error of ours and of each of torch's forms on the same gradients."""
    truth = run(family.torch_forms["loop"], seed, torch.float64)
    found = {}
    for name, make in {"ours": family.ours, **family.torch_forms}.items():
        distance = (run(make, seed, torch.float32) - truth).abs()
        found[name] = Error(distance.square().mean().sqrt().item(), distance.max().item())
    return found


def typical(found: Sequence[Mapping[str, Error]]) -> dict[str, Error]:
    """The median of the RMS errors and the largest of the largest errors, over the seeds."""
    return {
        name: Error(median(one[name].rms for one in found), max(one[name].largest for one in found))
        for name in found[0]
    }


def against(found: Sequence[Mapping[str, Error]], rivals: Sequence[str], field: str) -> Estimate:
    """Ours over the best rival: the median of the seeds, with the smallest and the largest."""
    ratios = [
        getattr(one["ours"], field) / min(getattr(one[rival], field) for rival in rivals)
        for one in found
    ]
    return Estimate(median(ratios), min(ratios), max(ratios))


def ratios(found: Sequence[Mapping[str, Error]]) -> dict[str, Estimate]:
    """Ours against torch's most vectorized form, and against whichever form came closest."""
    forms = [form for form in FORMS if form in found[0]]
    return {
        f"{title} error, ours / {name}": against(found, rivals, field)
        for title, field in FIELDS.items()
        for name, rivals in (("torch", forms[-1:]), ("torch best", forms))
    }


def print_errors(
    console: Console, title: str, found: Mapping[str, Sequence[Mapping[str, Error]]]
) -> None:
    """One table: errors of ours and of torch's forms, and the two ratios."""
    forms = [f"torch\n{form}" for form in FORMS]
    table = make_table("", "\nours", *forms, "ours /\ntorch", "ours /\nbest")
    for name, seeds in found.items():
        values = typical(seeds)
        shown = [
            getattr(values[key], FIELDS[title]) if key in values else None
            for key in ("ours", *FORMS)
        ]
        cells = ["-" if error is None else f"{error:.2e}" for error in shown]
        one = ratios(seeds)
        cells += [
            f"{one[f'{title} error, ours / {rival}'].value:.3f}"
            for rival in ("torch", "torch best")
        ]
        table.add_row(name, *cells)
    console.print(f"\n{title} error of float32 after {STEPS} steps, over {len(seeds)} seeds\n")
    console.print(table)


def main() -> None:
    names = [family.name for family in VARIANTS]
    parser = make_parser(__doc__, names)
    parser.add_argument(
        "--seeds", metavar="N", type=positive, default=5, help="default: %(default)s"
    )
    asked = parser.parse_args()
    report = Report(asked)
    torch.set_num_threads(asked.threads)
    found: dict[str, list[dict[str, Error]]] = {}
    for family in VARIANTS:
        if asked.only in (None, family.name):
            with report.console.status(family.name):
                found[family.name] = [errors(family, seed) for seed in range(asked.seeds)]
    for title in FIELDS:
        print_errors(report.console, title, found)
    report.console.print("\nours / torch: its fused form or, where it has none, its foreach form.")
    values = {
        f"{name}: {key}": one for name, seeds in found.items() for key, one in ratios(seeds).items()
    }
    results: dict[str, Any] = {
        "steps": STEPS,
        "errors": {
            name: [{key: error._asdict() for key, error in one.items()} for one in seeds]
            for name, seeds in found.items()
        },
        "ratios": {name: asdict(one) for name, one in values.items()},
    }
    report.close(results, TARGETS, values)


if __name__ == "__main__":
    main()
