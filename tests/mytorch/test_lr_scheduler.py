"""mytorch's schedulers under torch's names have torch's arguments and torch's values."""

import inspect
import math
import warnings

import pytest

from tests.mytorch.agreement import needs_torch
from tests.mytorch.steps import weights
from thalweg.mytorch import optim
from thalweg.mytorch.nn import Parameter
from thalweg.mytorch.optim import lr_scheduler
from thalweg.mytorch.optim.lr_scheduler import ReduceLROnPlateau

STEPS = 300

# class, arguments: each is run beside torch's class of the same name
CASES = [
    ("LambdaLR", {"lr_lambda": lambda t: 0.95**t}),
    ("LambdaLR", {"lr_lambda": [lambda t: 1 / (1 + t), lambda t: 0.9**t]}),
    ("MultiplicativeLR", {"lr_lambda": lambda t: 1 - 1 / (t + 2)}),
    ("StepLR", {"step_size": 30}),
    ("StepLR", {"step_size": 7, "gamma": 0.9}),
    ("MultiStepLR", {"milestones": [30, 80, 80, 200]}),
    ("MultiStepLR", {"milestones": (0, 1, 299), "gamma": 0.5}),
    ("ConstantLR", {}),
    ("ConstantLR", {"factor": 0.2, "total_iters": 0}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 0.01, "end_factor": 0.7, "total_iters": 100}),
    ("LinearLR", {"total_iters": 0}),
    ("ExponentialLR", {"gamma": 0.97}),
    ("PolynomialLR", {}),
    ("PolynomialLR", {"total_iters": 250, "power": 0.9}),
    ("PolynomialLR", {"total_iters": 0}),
    ("CosineAnnealingLR", {"T_max": 300}),
    ("CosineAnnealingLR", {"T_max": 37, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 10}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2, "eta_min": 0.001}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.5, "step_size_up": 20}),
    ("CyclicLR", {"base_lr": [0.01, 0.02], "max_lr": [0.5, 0.9], "mode": "triangular2"}),
    (
        "CyclicLR",
        {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 9, "step_size_down": 4, "gamma": 0.99}
        | {"mode": "exp_range", "base_momentum": 0.7, "max_momentum": 0.99},
    ),
    (
        "CyclicLR",
        {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 9, "scale_fn": lambda x: 1 / x},
    ),
    (
        "CyclicLR",
        {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 9, "cycle_momentum": False}
        | {"scale_fn": lambda x: 0.999**x, "scale_mode": "iterations"},
    ),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": STEPS + 1}),
    ("OneCycleLR", {"max_lr": [1.0, 2.0], "epochs": 7, "steps_per_epoch": 43}),
    (
        "OneCycleLR",
        {"max_lr": 1.0, "total_steps": 310, "three_phase": True, "anneal_strategy": "linear"}
        | {"pct_start": 0.4, "div_factor": 10.0, "final_div_factor": 100.0},
    ),
]

SWAS = [
    {"swa_lr": 0.05},
    {"swa_lr": [0.05, 0.5], "anneal_epochs": 25, "anneal_strategy": "linear"},
    {"swa_lr": 0.05, "anneal_epochs": 0},
    {"swa_lr": 0.05, "anneal_epochs": 1},
]

# a metric that falls, stands, rises, and is not a number once
METRICS = [1 + math.cos(t / 9) / (1 + t / 40) + (math.nan if t == 150 else 0) for t in range(STEPS)]
PLATEAUS = [
    {},
    {"mode": "max", "patience": 3, "factor": 0.5},
    {"patience": 0, "cooldown": 4, "threshold": 0.05},
    {"threshold_mode": "abs", "threshold": 0.2, "patience": 5, "min_lr": [0.01, 0.02]},
    {"mode": "max", "threshold_mode": "abs", "threshold": 0.01, "eps": 0.02, "patience": 2},
]


def twins():
    """Two optimizers of two groups, ours and torch's, with the same settings."""
    torch = pytest.importorskip("torch")
    p, q = weights([(2,), (3,)])
    ours = optim.SGD([{"params": [p]}, {"params": [q], "lr": 0.4}], lr=0.1, momentum=0.9)
    parameters = [torch.nn.Parameter(torch.ones(n)) for n in (2, 3)]
    groups = [{"params": parameters[:1]}, {"params": parameters[1:], "lr": 0.4}]
    return ours, torch.optim.SGD(groups, lr=0.1, momentum=0.9)


def settings(optimizer):
    return [(group["lr"], group["momentum"]) for group in optimizer.param_groups]


def assert_together(ours, theirs, one, two, metrics=()):
    """Both take 300 steps and have the same settings before each and after the last."""
    for t in range(STEPS):
        for mine, its in zip(settings(ours), settings(theirs), strict=True):
            # torch multiplies up to 300 rounding errors, and near 0 the last of them is all
            assert mine == pytest.approx(its, rel=1e-10, abs=1e-14), t
        theirs.step()  # or torch says that it was not
        arguments = metrics[t : t + 1]
        one.step(*arguments)
        two.step(*arguments)
    assert one.get_last_lr() == pytest.approx(two.get_last_lr(), rel=1e-10, abs=1e-14)


@needs_torch
@pytest.mark.parametrize(("name", "arguments"), CASES, ids=lambda value: str(value)[:20])
def test_the_values_are_torchs_for_300_steps(name, arguments):
    from torch.optim import lr_scheduler as torchs

    ours, theirs = twins()
    one = getattr(lr_scheduler, name)(ours, **arguments)
    two = getattr(torchs, name)(theirs, **arguments)
    assert_together(ours, theirs, one, two)


@needs_torch
@pytest.mark.parametrize("arguments", SWAS, ids=str)
def test_the_way_to_averaging_is_torchs_for_300_steps(arguments):
    from torch.optim import swa_utils

    ours, theirs = twins()
    one, two = lr_scheduler.SWALR(ours, **arguments), swa_utils.SWALR(theirs, **arguments)
    assert_together(ours, theirs, one, two)


@needs_torch
@pytest.mark.filterwarnings("ignore:ReduceLROnPlateau. metrics is nan")
@pytest.mark.parametrize("arguments", PLATEAUS, ids=lambda value: " ".join(value) or "defaults")
def test_a_plateau_is_torchs_for_300_metrics(arguments):
    from torch.optim import lr_scheduler as torchs

    ours, theirs = twins()
    one = ReduceLROnPlateau(ours, **arguments)
    two = torchs.ReduceLROnPlateau(theirs, **arguments)
    assert_together(ours, theirs, one, two, METRICS)
    assert (one.best, one.num_bad_epochs) == (two.best, two.num_bad_epochs)


@pytest.mark.parametrize(("mode", "metrics"), [("min", (8.0, -1.0)), ("max", (-8.0, 1.0))])
def test_the_first_metric_is_an_improvement_however_large_the_threshold(mode, metrics):
    opt = optim.SGD([Parameter([1.0])], lr=0.1)
    scheduler = ReduceLROnPlateau(opt, mode, threshold=1, patience=0)
    scheduler.step(metrics[0])
    assert (scheduler.best, scheduler.num_bad_epochs) == (metrics[0], 0)
    scheduler.step(metrics[1])
    assert scheduler.best == metrics[1]


@needs_torch
def test_one_after_another_is_torchs():
    from torch.optim import lr_scheduler as torchs

    ours, theirs = twins()

    def made(kinds, opt):
        parts = [
            kinds.LinearLR(opt, 0.1, total_iters=20),
            kinds.CosineAnnealingLR(opt, 100),
            kinds.StepLR(opt, 30, 0.5),
        ]
        return kinds.SequentialLR(opt, parts, [20, 120])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own class takes the deprecated step(0)
        assert_together(ours, theirs, made(lr_scheduler, ours), made(torchs, theirs))


@needs_torch
def test_all_at_once_is_torchs():
    from torch.optim import lr_scheduler as torchs

    ours, theirs = twins()

    def made(kinds, opt):
        parts = [kinds.LinearLR(opt, 0.1, total_iters=20), kinds.ExponentialLR(opt, 0.99)]
        return kinds.ChainedScheduler([*parts, kinds.MultiStepLR(opt, [50, 90])], opt)

    assert_together(ours, theirs, made(lr_scheduler, ours), made(torchs, theirs))


def shown(kind) -> dict:
    parameters = inspect.signature(kind).parameters
    return {name: (p.kind, p.default) for name, p in parameters.items() if name != "param"}


@needs_torch
def test_the_names_and_the_arguments_are_torchs():
    from torch.optim import lr_scheduler as torchs
    from torch.optim import swa_utils

    assert set(lr_scheduler.__all__) == {*torchs.__all__, "SWALR"}
    for name in lr_scheduler.__all__:
        home = swa_utils if name == "SWALR" else torchs
        ours, theirs = shown(getattr(lr_scheduler, name)), shown(getattr(home, name))
        assert list(ours) == list(theirs), name
        for argument, (kind, default) in ours.items():
            assert (kind, default) == theirs[argument], f"{name}: {argument}"


@needs_torch
def test_the_arguments_are_those_of_thalweg_on_torch():
    from thalweg.optim import lr_scheduler as border

    for name in set(lr_scheduler.__all__) - {"LRScheduler"}:
        ours, theirs = shown(getattr(lr_scheduler, name)), shown(getattr(border, name))
        assert ours == {argument: theirs[argument] for argument in ours}, name
