"""What a program calls beside a step on dense gradients: ours over torch's time, one by one."""

import functools
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from adafactor import FORMS
from flags import make_parser, positive
from lbfgs import CASES as LBFGS_CASES
from lbfgs import Run
from report import Report, Target, make_table
from torch.nn import Linear, Parameter, ReLU, Sequential
from turns import Side, described, quick, ratio, take_turns

from thalweg import optim
from thalweg.lab.bench.alternate import Estimate
from thalweg.lab.bench.shapes import perceptron, transformer

NARROW = transformer(32, 12, 512, 64)  # GPT-2's 148 tensors, with width 32
STEPS = 1_000_000  # more than are taken of any schedule
FEW = 100  # parameters of a curve fit
ADAFACTOR = (2, 6, 20, 100)  # tensors

MODULES = {"ours": optim, "torch": torch.optim}
SCHEDULERS: dict[str, Mapping[str, Any]] = {
    "LambdaLR": {"lr_lambda": lambda t: 0.999**t},
    "MultiplicativeLR": {"lr_lambda": lambda t: 0.999},
    "StepLR": {"step_size": 30},
    "MultiStepLR": {"milestones": [30, 60, 90]},
    "ConstantLR": {"total_iters": STEPS},
    "LinearLR": {"total_iters": STEPS},
    "PolynomialLR": {"total_iters": STEPS},
    "ExponentialLR": {"gamma": 0.99999},
    "CosineAnnealingLR": {"T_max": STEPS},
    "CosineAnnealingWarmRestarts": {"T_0": 100},
    "CyclicLR": {"base_lr": 0.01, "max_lr": 0.1},
    "OneCycleLR": {"max_lr": 0.1, "total_steps": STEPS},
    "ReduceLROnPlateau": {},
}
COMPOSED = ("SequentialLR", "ChainedScheduler")

Sides = Mapping[str, Side]


@dataclass(frozen=True)
class Case:
    """One call, made by each side, and what is to be reached: ours over torch's time. Of several
    sides that are torch's, the quickest counts."""

    name: str
    make: Callable[[], Sides]
    limit: float


def nothing(turn: int) -> None:
    """What there is to be done before a call."""


def parameters(shapes: Sequence[tuple[int, ...]]) -> list[Parameter]:
    generator = torch.Generator().manual_seed(0)
    params = [Parameter(torch.ones(shape)) for shape in shapes]
    for p in params:
        p.grad = torch.randn(p.shape, generator=generator).mul_(1e-2)
    return params


def of_each(make: Callable[[Any], Side]) -> Sides:
    return {side: make(module) for side, module in MODULES.items()}


def construction(name: str) -> Sides:
    params = parameters(NARROW)
    return of_each(lambda module: (nothing, lambda: getattr(module, name)(params)))


def zero_grad(set_to_none: bool) -> Sides:
    def make(module: Any) -> Side:
        params = parameters(NARROW)
        grads = [p.grad for p in params]
        opt = module.AdamW(params)

        def before(turn: int) -> None:
            for p, grad in zip(params, grads, strict=True):
                p.grad = grad

        return before, lambda: opt.zero_grad(set_to_none)

    return of_each(make)


def stepped(module: Any, name: str) -> Any:
    opt = getattr(module, name)(parameters(NARROW))
    opt.step()
    return opt


def state_dict(name: str) -> Sides:
    return of_each(lambda module: (nothing, stepped(module, name).state_dict))


def load_state_dict(name: str) -> Sides:
    def make(module: Any) -> Side:
        opt = stepped(module, name)
        return nothing, functools.partial(opt.load_state_dict, stepped(module, name).state_dict())

    return of_each(make)


def scheduler(name: str) -> Sides:
    """A step of a scheduler of one group; of a composed one, of two schedulers."""

    def make(module: Any) -> Side:
        opt = module.SGD([Parameter(torch.ones(()))], lr=0.1)
        known = module.lr_scheduler
        if name in COMPOSED:
            parts = [known.ConstantLR(opt, 0.5, 4), known.ExponentialLR(opt, 0.99999)]
            is_sequence = name == "SequentialLR"
            made = (
                known.SequentialLR(opt, parts, [4])
                if is_sequence
                else known.ChainedScheduler(parts)
            )
        else:
            made = getattr(known, name)(opt, **SCHEDULERS[name])
        opt.step()
        return nothing, functools.partial(made.step, *[1.0] * (name == "ReduceLROnPlateau"))

    return of_each(make)


def adafactor(count: int) -> Sides:
    shapes = perceptron(*[64] * (count // 2 + 1))
    settings = {"weight_decay": 0.01}
    sides = {"ours": (nothing, optim.Adafactor(parameters(shapes), **settings).step)}
    for form, flags in FORMS.items():
        opt = torch.optim.Adafactor(parameters(shapes), **settings, **flags)
        sides[form] = nothing, opt.step
    return sides


def muon() -> Sides:
    shapes = [(64, 64)] * 6
    return of_each(lambda module: (nothing, module.Muon(parameters(shapes)).step))


def lbfgs(case: str) -> Sides:
    return of_each(lambda module: (nothing, Run(module.LBFGS, FEW, LBFGS_CASES[case])))


def in_backward(name: str) -> Sides:
    """An iteration in which each parameter has an optimizer that steps when its gradient is
    there."""

    def make(module: Any) -> Side:
        torch.manual_seed(0)
        model = Sequential(Linear(64, 64), ReLU(), Linear(64, 64), ReLU(), Linear(64, 10))
        batch = torch.randn(64, 64)
        own = {p: getattr(module, name)([p], lr=1e-3) for p in model.parameters()}

        def step(p: Any) -> None:
            own[p].step()
            own[p].zero_grad()

        for p in own:
            p.register_post_accumulate_grad_hook(step)
        return nothing, lambda: model(batch).square().mean().backward()

    return of_each(make)


def cases() -> Iterator[Case]:
    for name in ("SGD", "AdamW"):
        yield Case(f"construction, {name}", functools.partial(construction, name), 1.2)
    yield Case("zero_grad", functools.partial(zero_grad, True), 1.2)
    yield Case("zero_grad, set_to_none=False", functools.partial(zero_grad, False), 1.2)
    for name in ("SGD", "AdamW"):
        yield Case(f"state_dict, {name}", functools.partial(state_dict, name), 1.2)
        yield Case(f"load_state_dict, {name}", functools.partial(load_state_dict, name), 1.2)
    for name in (*SCHEDULERS, *COMPOSED):
        yield Case(f"{name}.step", functools.partial(scheduler, name), 1.0)
    for name in LBFGS_CASES:
        yield Case(f"LBFGS, {FEW} parameters, {name}", functools.partial(lbfgs, name), 1.0)
    for count in ADAFACTOR:
        yield Case(f"Adafactor, {count} tensors", functools.partial(adafactor, count), 0.8)
    yield Case("Muon, six of 64 x 64", muon, 0.8)
    for name in ("SGD", "AdamW", "Adafactor"):
        yield Case(f"in backward, {name}", functools.partial(in_backward, name), 1.0)


CASES = tuple(cases())
TARGETS = tuple(Target(case.name, "<=", case.limit) for case in CASES)


def against(times: Mapping[str, Sequence[float]]) -> tuple[str, Estimate]:
    """The quickest of torch's forms, and ours over it."""
    rivals = [name for name in times if name != "ours"]
    best = min(rivals, key=lambda name: quick(times[name]))
    return best, ratio(times["ours"], times[best])


def main() -> None:
    parser = make_parser(__doc__ or "")
    parser.add_argument("--case", metavar="WORD", help="those with this word in their name")
    parser.add_argument("--rounds", metavar="N", type=positive, default=15, help="default: 15")
    asked = parser.parse_args()
    report = Report(asked)
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", module="torch.optim")
    table = make_table("", "ours, µs", "torch, µs", "ours / torch")
    found: dict[str, Estimate] = {}
    results: dict[str, Any] = {}
    for case in CASES:
        if asked.case and asked.case not in case.name:
            continue
        with report.console.status(case.name):
            times = take_turns(case.make(), asked.rounds)
        best, found[case.name] = against(times)
        shown = [f"{quick(times[side]) * 1e6:.4g}" for side in ("ours", best)]
        table.add_row(case.name, *shown, f"{found[case.name].value:.2f}")
        results[case.name] = {side: described(values) for side, values in times.items()}
    report.console.print(
        f"\nOne thread; lower deciles. {len(NARROW)} tensors where no number is named.\n"
    )
    report.console.print(table)
    report.close({"rounds": asked.rounds, "seconds": results}, TARGETS, found)


if __name__ == "__main__":
    main()
