"""The same scheduler of ours and of torch's on two equal optimizers, and how they are compared."""

import re
from types import SimpleNamespace

import pytest
import torch
from torch.optim import swa_utils

import thalweg.optim.lr_scheduler as OURS

TORCHS = SimpleNamespace(**vars(torch.optim.lr_scheduler), SWALR=swa_utils.SWALR)

BASES = (0.1, 0.03)

# Relative to the base values, which are of the order of 0.1. The formulas are torch's up to the
# order of a multiplication, and 300 steps of rounding add up to some 1e-14.
NEAR = dict(rel=1e-12, abs=1e-13)


class Halving:
    """A function of the step that is an object with a state, which is saved."""

    def __init__(self, rate=0.5):
        self.rate = rate

    def __call__(self, t):
        return self.rate ** (t % 7)


def inverse(t):
    return 1 / (t + 1)


def shrinking(t):
    return 0.98


# name and arguments; ends and corners among them
CASES = [
    ("LambdaLR", dict(lr_lambda=inverse)),
    ("LambdaLR", dict(lr_lambda=[inverse, Halving()])),
    ("MultiplicativeLR", dict(lr_lambda=shrinking)),
    ("MultiplicativeLR", dict(lr_lambda=[shrinking, lambda t: 0.5 if t % 50 == 0 else 1.0])),
    ("StepLR", dict(step_size=30)),
    ("StepLR", dict(step_size=1, gamma=0.5)),
    ("StepLR", dict(step_size=7, gamma=0.0)),
    ("MultiStepLR", dict(milestones=[30, 80])),
    ("MultiStepLR", dict(milestones=[80, 30, 30, 0], gamma=0.5)),
    ("MultiStepLR", dict(milestones=[])),
    ("ConstantLR", {}),
    ("ConstantLR", dict(factor=1.0, total_iters=40)),
    ("ConstantLR", dict(factor=0.25, total_iters=0)),
    ("ConstantLR", dict(factor=0.25, total_iters=1)),
    ("ConstantLR", dict(factor=0.25, total_iters=2.5)),
    ("LinearLR", {}),
    ("LinearLR", dict(start_factor=1e-3, total_iters=100)),
    ("LinearLR", dict(start_factor=1.0, end_factor=0.0, total_iters=30)),
    ("LinearLR", dict(total_iters=0)),
    ("LinearLR", dict(total_iters=1)),
    ("LinearLR", dict(total_iters=4.5)),
    ("ExponentialLR", dict(gamma=0.97)),
    ("ExponentialLR", dict(gamma=0.05)),  # at step 300 the factor is less than any double
    ("ExponentialLR", dict(gamma=1.01)),
    ("PolynomialLR", {}),
    ("PolynomialLR", dict(total_iters=250, power=0.9)),
    ("PolynomialLR", dict(total_iters=50, power=3.0)),
    ("PolynomialLR", dict(total_iters=50, power=0)),
    ("PolynomialLR", dict(total_iters=0)),
    ("PolynomialLR", dict(total_iters=1)),
    ("CosineAnnealingLR", dict(T_max=300)),
    ("CosineAnnealingLR", dict(T_max=50, eta_min=0.01)),
    ("CosineAnnealingLR", dict(T_max=7, eta_min=0.05)),  # above one of the base values
    ("CosineAnnealingLR", dict(T_max=1)),
    ("CosineAnnealingLR", dict(T_max=2, eta_min=0.01)),
    ("CosineAnnealingLR", dict(T_max=10.5)),
    ("CosineAnnealingWarmRestarts", dict(T_0=50)),
    ("CosineAnnealingWarmRestarts", dict(T_0=5, T_mult=2, eta_min=0.01)),
    ("CosineAnnealingWarmRestarts", dict(T_0=1)),
    ("CyclicLR", dict(base_lr=0.01, max_lr=0.1, step_size_up=20)),
    ("CyclicLR", dict(base_lr=[0.01, 0.02], max_lr=[0.1, 0.3], step_size_up=7, step_size_down=13)),
    ("CyclicLR", dict(base_lr=0.01, max_lr=0.1, step_size_up=5, mode="triangular2")),
    ("CyclicLR", dict(base_lr=0.01, max_lr=0.1, step_size_up=9, mode="exp_range", gamma=0.99)),
    ("CyclicLR", dict(base_lr=0.01, max_lr=0.1, step_size_up=9, scale_fn=lambda x: 1 / x)),
    (
        "CyclicLR",
        dict(base_lr=0.1, max_lr=0.2, step_size_up=9, scale_fn=Halving(), scale_mode="iterations"),
    ),
    ("CyclicLR", dict(base_lr=0.01, max_lr=0.1, step_size_up=3, cycle_momentum=False)),
    ("OneCycleLR", dict(max_lr=0.5, total_steps=301)),
    ("OneCycleLR", dict(max_lr=[0.5, 0.2], epochs=7, steps_per_epoch=50, three_phase=True)),
    ("OneCycleLR", dict(max_lr=0.5, total_steps=400, anneal_strategy="linear", pct_start=0.0)),
    ("OneCycleLR", dict(max_lr=0.5, total_steps=301, pct_start=1.0, cycle_momentum=False)),
    ("OneCycleLR", dict(max_lr=0.5, total_steps=301, three_phase=True, pct_start=0.7)),
    ("SWALR", dict(swa_lr=0.05)),
    ("SWALR", dict(swa_lr=[0.05, 0.01], anneal_epochs=200, anneal_strategy="linear")),
    ("SWALR", dict(swa_lr=0.05, anneal_epochs=0)),
    ("SWALR", dict(swa_lr=0.05, anneal_epochs=1)),
]


def label(value):
    if isinstance(value, str):
        return value
    return ",".join(f"{k}={re.sub(r'<[^,]*>', 'f', repr(v))}" for k, v in value.items())


def optimizer(cls=torch.optim.SGD, **settings):
    """An optimizer with two groups of one weight each, which has stepped once."""
    groups = [
        {"params": [torch.nn.Parameter(torch.zeros(1))], **({"lr": lr} if i else {})}
        for i, lr in enumerate(BASES)
    ]
    settings = {"lr": BASES[0], **({"momentum": 0.9} if cls is torch.optim.SGD else {}), **settings}
    return cls(groups, **settings)


def pair(name, arguments):
    """Ours and torch's, each with an optimizer that has stepped since, so that neither warns."""
    made = []
    for module in (OURS, TORCHS):
        opt = optimizer()
        scheduler = build(module, opt, name, arguments)
        opt.step()
        made.append(scheduler)
    return made


def build(module, opt, name, arguments):
    """A scheduler; of a composed one, `arguments` are the names and arguments of the members."""
    if name == "SequentialLR":
        members = [build(module, opt, *member) for member in arguments["members"]]
        return module.SequentialLR(opt, members, arguments["milestones"])
    if name == "ChainedScheduler":
        members = [build(module, opt, *member) for member in arguments["members"]]
        return module.ChainedScheduler(members)
    return getattr(module, name)(opt, **arguments)


def seen(scheduler) -> list[float]:
    """Everything a scheduler may have set: the rates and the momentums, and what it reports."""
    groups = scheduler.optimizer.param_groups
    rates = [float(group["lr"]) for group in groups]
    return [*rates, *(group["momentum"] for group in groups), *map(float, scheduler.get_last_lr())]


def assert_same(mine, theirs):
    assert seen(mine) == pytest.approx(seen(theirs), **NEAR)


def edit(scheduler, factor):
    for group in scheduler.optimizer.param_groups:
        group["lr"] = group["lr"] * factor + 0.001


def advance(scheduler):
    """One step, with a metric where one is asked for."""
    scheduler.step(*([1.0] if isinstance(scheduler, OURS.ReduceLROnPlateau) else []))
