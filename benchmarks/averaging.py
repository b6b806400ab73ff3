"""What an average of the weights costs: inside our step, and beside torch's."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from flags import make_parser, positive
from report import Report, Target, make_table
from rich.console import Console

from thalweg import optim
from thalweg.averaging import EMA
from thalweg.lab.bench.alternate import Estimate, alternate, ratio, summarize
from thalweg.lab.bench.on_torch.parameters import gradients_for, parameters_with
from thalweg.lab.bench.shapes import SHAPES
from thalweg.optim import swa_utils

WARM_UP = 4  # an AveragedModel's first update is a copy
SECONDS = 2.0
DECAY = 0.999

# what is compared, by the name that targets use: over, and under
RATIOS = {
    "ours with EMA / ours": ("ours with EMA", "ours"),
    "torch fused with AveragedModel / torch fused": ("torch with EMA", "torch"),
    "torch fused with AveragedModel / ours with EMA": ("torch with EMA", "ours with EMA"),
    "our AveragedModel / torch's": ("our AveragedModel", "torch's AveragedModel"),
}

# AdamW loads p, g, m, v and stores p, m, v: 28 bytes an element. The average is loaded and stored.
BYTES, WITH_AVERAGE = 28, 36

TARGETS = (
    Target("gpt2: ours with EMA / ours", "<=", 1.35),
    Target("gpt2: torch fused with AveragedModel / ours with EMA", ">=", 1.0),
    Target("gpt2: our AveragedModel / torch's", "<=", 1.05),
    Target("small: our AveragedModel / torch's", "<=", 1.0),
)

Times = Mapping[str, Sequence[float]]


def averaged(
    params: Sequence[torch.nn.Parameter], module: Any = torch.optim.swa_utils
) -> Callable[[], None]:
    """An update of an AveragedModel of these parameters, by torch's class or by ours."""
    model = torch.nn.ParameterList(params)
    average = module.AveragedModel(model, multi_avg_fn=module.get_ema_multi_avg_fn(DECAY))
    return lambda: average.update_parameters(model)


def torch_with_ema(gradients: Sequence[torch.Tensor]) -> Callable[[], None]:
    """A step of torch's fused AdamW, and the update of an average behind it."""
    params = parameters_with(gradients)
    step = torch.optim.AdamW(params, fused=True).step
    update = averaged(params)

    def both() -> None:
        step()
        update()

    return both


def measure(gradients: Sequence[torch.Tensor], rounds: int) -> Times:
    """Seconds per call of everything that is compared, in alternation."""

    def make() -> list[torch.nn.Parameter]:
        return parameters_with(gradients)

    params = make()
    calls = {
        "ours": optim.AdamW(make()).step,
        "ours with EMA": optim.AdamW(make(), average=EMA(DECAY)).step,
        "torch": torch.optim.AdamW(make(), fused=True).step,
        "torch with EMA": torch_with_ema(gradients),
        "torch's AveragedModel": averaged(params),
        "our AveragedModel": averaged(params, swa_utils),
    }
    return alternate(calls, rounds=rounds, seconds=SECONDS, warm_up=WARM_UP)


def ratios(times: Times) -> dict[str, Estimate]:
    return {name: ratio(times[over], times[under]) for name, (over, under) in RATIOS.items()}


def print_times(console: Console, shapes: str, times: Times) -> None:
    """The times of one set of shapes, and what they say."""
    elements = sum(map(math.prod, SHAPES[shapes]))
    unit, scale = ("ms", 1e3) if summarize(times["ours"]).median > 1e-3 else ("µs", 1e6)
    console.print(f"\n{shapes}: {len(SHAPES[shapes])} tensors, {elements:,} parameters\n")
    table = make_table("", unit, "quartiles")
    for name, values in times.items():
        one = summarize(values)
        quartiles = f"{one.lower_quartile * scale:.4g} - {one.upper_quartile * scale:.4g}"
        table.add_row(name, f"{one.median * scale:.4g}", quartiles)
    console.print(table)
    console.print()
    table = make_table("ratio", "", "interval")
    for name, found in ratios(times).items():
        table.add_row(name, f"{found.value:.2f}", f"{found.low:.2f} - {found.high:.2f}")
    console.print(table)
    console.print(
        f"\nBy its bytes a step with EMA takes {WITH_AVERAGE / BYTES:.2f} times a bare one."
    )


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--shapes", choices=SHAPES, help="one of them; default: all")
    parser.add_argument(
        "--rounds", metavar="N", type=positive, default=30, help="at least (default: %(default)s)"
    )
    asked = parser.parse_args()
    report = Report(asked)
    torch.set_num_threads(asked.threads)
    results: dict[str, Any] = {}
    found: dict[str, Estimate] = {}
    for shapes in [asked.shapes] if asked.shapes else SHAPES:
        with report.console.status(shapes):
            times = measure(gradients_for(SHAPES[shapes]), asked.rounds)
        print_times(report.console, shapes, times)
        results[shapes] = {
            "seconds": {name: asdict(summarize(values)) for name, values in times.items()},
            "ratios": {name: asdict(one) for name, one in ratios(times).items()},
        }
        found |= {f"{shapes}: {name}": one for name, one in ratios(times).items()}
    report.close({"rounds": asked.rounds, "shapes": results}, TARGETS, found)


if __name__ == "__main__":
    main()
