"""What no scheduler takes is refused in a sentence: class, argument, what it must be, what came."""

import math
import re
import warnings

import numpy as np
import pytest
import torch
from torch.nn import Parameter

import thalweg.optim as optim
from tests.schedules.twins import OURS, optimizer
from thalweg.schedules import cosine, per_group

INF, NAN = math.inf, math.nan
ONE_CYCLE = dict(max_lr=0.1, total_steps=9)
CYCLIC = dict(base_lr=0.1, max_lr=0.2)

# class, arguments, kind of error, and the sentence after the class's name
REFUSED = [
    ("StepLR", dict(step_size=0), ValueError, "step_size must be >= 1, got 0"),
    ("StepLR", dict(step_size=2.5), TypeError, "step_size must be an integer, got 2.5"),
    ("StepLR", dict(step_size="3"), TypeError, "step_size must be a number, got '3'"),
    ("StepLR", dict(step_size=3, gamma=-0.1), ValueError, "gamma must be >= 0 and < inf, got -0.1"),
    ("StepLR", dict(step_size=3, gamma=NAN), ValueError, "gamma must be >= 0 and < inf, got nan"),
    ("StepLR", dict(step_size=3, last_epoch=-2), ValueError, "last_epoch must be >= -1, got -2"),
    ("StepLR", dict(step_size=3, last_epoch=1.5), TypeError, "last_epoch must be an integer, got"),
    ("MultiStepLR", dict(milestones=3), TypeError, "milestones must be several integers, got 3"),
    ("MultiStepLR", dict(milestones="3"), TypeError, "milestones must be several integers, got"),
    ("MultiStepLR", dict(milestones=[3, -1]), ValueError, "milestones[1] must be >= 0, got -1"),
    ("MultiStepLR", dict(milestones=[0.5]), TypeError, "milestones[0] must be an integer, got 0.5"),
    ("ConstantLR", dict(factor=1.5), ValueError, "factor must be >= 0 and <= 1, got 1.5"),
    ("ConstantLR", dict(total_iters=-1), ValueError, "total_iters must be >= 0 and < inf, got -1"),
    ("LinearLR", dict(start_factor=0), ValueError, "start_factor must be > 0 and <= 1, got 0"),
    ("LinearLR", dict(start_factor=1.1), ValueError, "start_factor must be"),
    ("LinearLR", dict(end_factor=-0.1), ValueError, "end_factor must be >= 0 and <= 1, got -0.1"),
    ("LinearLR", dict(total_iters=INF), ValueError, "total_iters must be >= 0 and < inf, got inf"),
    ("ExponentialLR", dict(gamma=-1), ValueError, "gamma must be >= 0 and < inf, got -1"),
    ("ExponentialLR", dict(gamma=None), TypeError, "gamma must be a number, got None"),
    ("PolynomialLR", dict(power=-1), ValueError, "power must be >= 0 and < inf, got -1"),
    ("CosineAnnealingLR", dict(T_max=0), ValueError, "T_max must be > 0 and < inf, got 0"),
    ("CosineAnnealingLR", dict(T_max=9, eta_min=-1), ValueError, "eta_min must be >= 0"),
    ("CosineAnnealingWarmRestarts", dict(T_0=0), ValueError, "T_0 must be an integer >= 1, got 0"),
    ("CosineAnnealingWarmRestarts", dict(T_0=2.0), ValueError, "T_0 must be an integer >= 1, got"),
    ("CosineAnnealingWarmRestarts", dict(T_0=2, T_mult=0), ValueError, "T_mult must be an integer"),
    ("CosineAnnealingWarmRestarts", dict(T_0=2, eta_min="0"), ValueError, "eta_min must be a numb"),
    ("CyclicLR", {**CYCLIC, "step_size_up": 0}, ValueError, "step_size_up must be > 0"),
    ("CyclicLR", {**CYCLIC, "step_size_down": 0}, ValueError, "step_size_down must be > 0"),
    ("CyclicLR", {**CYCLIC, "mode": "square"}, ValueError, "mode must be one of 'triangular', "),
    ("CyclicLR", {**CYCLIC, "scale_mode": "x"}, ValueError, "scale_mode must be one of 'cycle', "),
    ("CyclicLR", {**CYCLIC, "scale_fn": 3}, TypeError, "scale_fn must be a function, got 3"),
    ("CyclicLR", {**CYCLIC, "gamma": -1}, ValueError, "gamma must be >= 0 and < inf, got -1"),
    ("CyclicLR", {**CYCLIC, "max_lr": [1, -1]}, ValueError, "max_lr[1] must be >= 0"),
    ("CyclicLR", {**CYCLIC, "base_lr": [1, 1, 1]}, ValueError, "base_lr must have one value for e"),
    (
        "CyclicLR",
        {**CYCLIC, "base_momentum": "x"},
        TypeError,
        "base_momentum must be a number, got",
    ),
    ("OneCycleLR", dict(max_lr=0.1), ValueError, "total_steps must be given, or both epochs and s"),
    ("OneCycleLR", dict(max_lr=0.1, epochs=3), ValueError, "total_steps must be given, or both"),
    (
        "OneCycleLR",
        dict(max_lr=0.1, total_steps=0),
        ValueError,
        "total_steps must be an integer >=",
    ),
    ("OneCycleLR", dict(max_lr=0.1, total_steps=9.0), ValueError, "total_steps must be an integer"),
    (
        "OneCycleLR",
        dict(max_lr=0.1, epochs=3, steps_per_epoch=0),
        ValueError,
        "steps_per_epoch must be an integer >= 1, got 0",
    ),
    (
        "OneCycleLR",
        {**ONE_CYCLE, "pct_start": 1.5},
        ValueError,
        "pct_start must be >= 0 and <= 1, ",
    ),
    (
        "OneCycleLR",
        {**ONE_CYCLE, "anneal_strategy": "sin"},
        ValueError,
        "anneal_strategy must be o",
    ),
    ("OneCycleLR", {**ONE_CYCLE, "div_factor": 0}, ValueError, "div_factor must be > 0, got 0"),
    (
        "OneCycleLR",
        {**ONE_CYCLE, "final_div_factor": -1},
        ValueError,
        "final_div_factor must be > 0",
    ),
    (
        "OneCycleLR",
        {**ONE_CYCLE, "max_lr": -1},
        ValueError,
        "max_lr must be >= 0 and < inf, got -1",
    ),
    ("SWALR", dict(swa_lr=-1), ValueError, "swa_lr must be >= 0 and < inf, got -1"),
    ("SWALR", dict(swa_lr=[0.1]), ValueError, "swa_lr must have one value for each of the 2"),
    (
        "SWALR",
        dict(swa_lr=0.1, anneal_epochs=-1),
        ValueError,
        "anneal_epochs must be an integer >=",
    ),
    ("SWALR", dict(swa_lr=0.1, anneal_strategy="x"), ValueError, "anneal_strategy must be one of"),
    ("LambdaLR", dict(lr_lambda=3), TypeError, "lr_lambda must be a function of the step, got 3"),
    ("LambdaLR", dict(lr_lambda=[abs]), ValueError, "lr_lambda must have one value for each of th"),
    ("MultiplicativeLR", dict(lr_lambda=[abs, 3]), TypeError, "lr_lambda[1] must be a function of"),
    (
        "ScheduleLR",
        dict(schedule=0.5),
        TypeError,
        "schedule must be a schedule of thalweg.schedules",
    ),
    (
        "ScheduleLR",
        dict(schedule=per_group(cosine(3))),
        ValueError,
        "schedule must have one value f",
    ),
    (
        "ReduceLROnPlateau",
        dict(mode="mid"),
        ValueError,
        "mode must be one of 'min', 'max', got 'mid",
    ),
    ("ReduceLROnPlateau", dict(factor=1.0), ValueError, "factor must be >= 0 and < 1, got 1.0"),
    ("ReduceLROnPlateau", dict(patience=-1), ValueError, "patience must be >= 0, got -1"),
    ("ReduceLROnPlateau", dict(threshold=-1), ValueError, "threshold must be >= 0"),
    (
        "ReduceLROnPlateau",
        dict(threshold_mode="x"),
        ValueError,
        "threshold_mode must be one of 'rel",
    ),
    ("ReduceLROnPlateau", dict(cooldown=-1), ValueError, "cooldown must be >= 0, got -1"),
    (
        "ReduceLROnPlateau",
        dict(min_lr=[0.1]),
        ValueError,
        "min_lr must have one value for each of t",
    ),
    ("ReduceLROnPlateau", dict(eps=-1), ValueError, "eps must be >= 0 and < inf, got -1"),
]


@pytest.mark.parametrize(("name", "arguments", "kind", "sentence"), REFUSED)
def test_an_argument_out_of_its_range_is_told(name, arguments, kind, sentence):
    opt = optimizer()
    before = [dict(group) for group in opt.param_groups]
    with pytest.raises(kind) as told:
        getattr(OURS, name)(opt, **arguments)
    assert str(told.value).startswith(f"{name}: {sentence}")
    assert ", got " in str(told.value)
    assert opt.param_groups == before, "what is refused leaves nothing behind"
    assert not hasattr(opt.step, "_wrapped_by_lr_sched")


NEEDED = {
    "CosineAnnealingLR": dict(T_max=3),
    "CosineAnnealingWarmRestarts": dict(T_0=3),
    "CyclicLR": CYCLIC,
    "ExponentialLR": dict(gamma=0.9),
    "LambdaLR": dict(lr_lambda=abs),
    "MultiStepLR": dict(milestones=[3]),
    "MultiplicativeLR": dict(lr_lambda=abs),
    "OneCycleLR": ONE_CYCLE,
    "SWALR": dict(swa_lr=0.1),
    "ScheduleLR": dict(schedule=cosine(3)),
    "StepLR": dict(step_size=3),
}
SINGLE = sorted({*OURS.__all__} - {"LRScheduler", "Scheduler", "SequentialLR", "ChainedScheduler"})


@pytest.mark.parametrize("name", SINGLE)
def test_what_is_no_optimizer_is_told(name):
    with pytest.raises(TypeError, match=f"^{name}: optimizer must be an Optimizer, got 'adam' "):
        getattr(OURS, name)("adam", **NEEDED.get(name, {}))


@pytest.mark.parametrize("name", SINGLE)
def test_a_setting_that_the_optimizer_lacks_is_answered_with_those_it_has(name):
    opt = optimizer(torch.optim.AdamW)
    OURS.StepLR(opt, 3)  # its initial_lr is no setting
    with pytest.raises(ValueError, match="param must be") as told:
        getattr(OURS, name)(opt, **NEEDED.get(name, {}), param="momentum")
    assert str(told.value) == (
        f"{name}: param must be one of 'lr', 'betas[0]', 'betas[1]', 'eps', 'weight_decay', "
        "got 'momentum'"
    )


@pytest.mark.parametrize(
    "param", ["betas", "betas[2]", "betas[x]", "lr[0]", "amsgrad", "params", ""]
)
def test_what_is_no_single_number_is_no_setting_to_schedule(param):
    with pytest.raises(ValueError, match="StepLR: param must be one of 'lr', 'betas"):
        OURS.StepLR(optimizer(torch.optim.AdamW), 3, param=param)


@pytest.mark.parametrize("rate", [True, np.True_, torch.tensor(True)], ids=repr)
def test_a_rate_that_is_a_truth_value_is_named(rate):
    """torch's constructors take it, so ours do; no scheduler can change it."""
    opt = optim.SGD([Parameter(torch.ones(2))], lr=rate)
    words = re.escape(f"got 'lr', which is {rate!r} and no number")
    with pytest.raises(ValueError, match=f"StepLR: param must be one of 'momentum', .*, {words}$"):
        OURS.StepLR(opt, 3)


def test_a_param_that_is_no_name_is_told():
    with pytest.raises(TypeError, match="StepLR: param must be the name of a setting, got 3"):
        OURS.StepLR(optimizer(), 3, param=3)


@pytest.mark.parametrize("name", ["CyclicLR", "OneCycleLR"])
def test_a_momentum_that_the_optimizer_lacks_is_told(name):
    opt = optimizer(torch.optim.Adagrad)
    with pytest.raises(ValueError, match=f"{name}: cycle_momentum must be False with an optimizer"):
        getattr(OURS, name)(opt, **NEEDED[name])
    getattr(OURS, name)(opt, **NEEDED[name], cycle_momentum=False)


@pytest.mark.parametrize(
    ("members", "milestones", "kind", "sentence"),
    [
        ([], [], ValueError, "schedulers must be one or more, got []"),
        (3, [], TypeError, "schedulers must be a list of schedulers, got 3"),
        ([3], [], TypeError, "schedulers[0] must be a scheduler, got 3"),
        ("two", [], ValueError, "milestones must be one fewer than the 2 schedulers, got []"),
        ("two", 3, TypeError, "milestones must be a list of steps, got 3"),
        ("two", [-1], ValueError, "milestones[0] must be >= 0, got -1"),
        ("three", [5, 3], ValueError, "milestones must be in order, got [5, 3]"),
        (
            "foreign",
            [3],
            ValueError,
            "schedulers[1] must have the same optimizer as the others, got",
        ),
    ],
)
def test_a_sequence_that_cannot_be_is_told(members, milestones, kind, sentence):
    opt = optimizer()
    count = {"two": 2, "three": 3}.get(members) if isinstance(members, str) else None
    if count:
        members = [OURS.StepLR(opt, 3) for _ in range(count)]
    elif members == "foreign":
        members = [OURS.StepLR(opt, 3), OURS.StepLR(optimizer(), 3)]
    with pytest.raises(kind) as told:
        OURS.SequentialLR(opt, members, milestones)
    assert str(told.value).startswith(f"SequentialLR: {sentence}")


def test_a_chain_that_cannot_be_is_told():
    one, other = OURS.StepLR(optimizer(), 3), OURS.StepLR(optimizer(), 3)
    with pytest.raises(ValueError, match="ChainedScheduler: schedulers must be one or more, got"):
        OURS.ChainedScheduler([])
    with pytest.raises(
        ValueError, match=r"ChainedScheduler: schedulers\[1\] must have the same opt"
    ):
        OURS.ChainedScheduler([one, other])
    with pytest.raises(
        ValueError, match=r"ChainedScheduler: schedulers\[0\] must have the same opt"
    ):
        OURS.ChainedScheduler([one], optimizer=other.optimizer)
    with pytest.raises(ValueError, match="_schedulers must have 1 states, got 2"):
        OURS.ChainedScheduler([one]).load_state_dict({"_schedulers": [{}, {}], "_last_lr": []})


def test_a_plateau_without_a_metric_is_told():
    opt = optimizer()
    for scheduler in (
        OURS.ChainedScheduler([OURS.ReduceLROnPlateau(opt)]),
        OURS.SequentialLR(opt, [OURS.ReduceLROnPlateau(opt)], []),
    ):
        name = type(scheduler).__name__
        with pytest.raises(
            TypeError, match=f"{name}: metrics must be a number at a step of Reduce"
        ):
            scheduler.step()
    plateau = OURS.ReduceLROnPlateau(opt)
    for metric in (None, "0.1", torch.zeros(2), [1.0]):
        if metric == "0.1":
            plateau.step(metric)  # as torch, which asks float()
            continue
        with pytest.raises(TypeError, match="ReduceLROnPlateau: metrics must be a number, got"):
            plateau.step(metric)
    plateau.step(torch.tensor(0.5))
    assert plateau.best == 0.1


def test_a_metric_that_is_nan_is_no_improvement_and_warns_once():
    opt = optimizer()
    scheduler = OURS.ReduceLROnPlateau(opt, patience=1)
    other = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer(), patience=1)
    with pytest.warns(UserWarning, match="metrics is nan, which counts as no improvement") as found:
        scheduler.step(NAN)
    assert found[0].filename == __file__
    other.step(NAN)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for metric in (NAN, 3.0, NAN, NAN, NAN):
            scheduler.step(metric)
            other.step(metric)
            assert scheduler.state_dict() == other.state_dict()


def test_a_negative_step_of_warm_restarts_is_told():
    scheduler = OURS.CosineAnnealingWarmRestarts(optimizer(), 3)
    for epoch in (-1, NAN):
        with pytest.raises(ValueError, match="epoch must be >= 0, got"):
            scheduler.step(epoch)
