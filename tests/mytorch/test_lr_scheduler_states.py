"""mytorch's schedulers under torch's names: resumed, rebuilt, with later groups, and refusals."""

import functools
import json
import math

import pytest

from tests.mytorch.steps import walk, weights
from thalweg.mytorch import optim
from thalweg.mytorch.optim.lr_scheduler import (
    ChainedScheduler,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)


def sgd(lr=1.0, **settings):
    return optim.SGD(weights([(2,)]), lr=lr, **settings)


# what is made of an optimizer, with `last_epoch` where it is given
ARGUMENTS = {
    StepLR: {"step_size": 3, "gamma": 0.5},
    LinearLR: {"start_factor": 0.25, "total_iters": 7},
    CosineAnnealingLR: {"T_max": 9, "eta_min": 0.1},
    ExponentialLR: {"gamma": 0.5},
    LambdaLR: {"lr_lambda": lambda t: 1 / (1 + t)},
    MultiplicativeLR: {"lr_lambda": lambda t: 1 / (1 + t)},
    CosineAnnealingWarmRestarts: {"T_0": 3, "T_mult": 2},
    CyclicLR: {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 4, "cycle_momentum": False},
    OneCycleLR: {"max_lr": 1.0, "total_steps": 20, "cycle_momentum": False},
}


def sequential(opt, **rest):
    parts = [LinearLR(opt, 0.5, total_iters=4), ExponentialLR(opt, 0.9)]
    return SequentialLR(opt, parts, [4], **rest)


def chained(opt):
    return ChainedScheduler([LinearLR(opt, 0.5), ExponentialLR(opt, 0.9)])


def makers():
    """A function of an optimizer for each class, by name."""
    found = {
        kind.__name__: functools.partial(_make, kind, arguments)
        for kind, arguments in ARGUMENTS.items()
    }
    return found | {"SequentialLR": sequential}


def _make(kind, arguments, opt, **rest):
    return kind(opt, **arguments, **rest)


MAKERS = makers()


@pytest.mark.parametrize("name", [*MAKERS, "ChainedScheduler"])
def test_a_state_goes_on_where_it_was_even_through_json(name):
    make = MAKERS.get(name, chained)
    straight, seen = sgd(), []
    scheduler = make(straight)
    for t in range(16):
        if t == 6:
            saved = straight.state_dict(), json.dumps(scheduler.state_dict())
        scheduler.step()
        seen.append(straight.param_groups[0]["lr"])
    resumed = sgd(lr=7.0)
    again = make(resumed)
    resumed.load_state_dict(saved[0])
    again.load_state_dict(json.loads(saved[1]))
    for t in range(6, 16):
        again.step()
        assert resumed.param_groups[0]["lr"] == pytest.approx(seen[t], rel=1e-14)
    assert again.get_last_lr() == pytest.approx([seen[-1]], rel=1e-14)


@pytest.mark.parametrize("name", MAKERS)
def test_last_epoch_begins_at_the_step_after_it(name):
    opt, other = sgd(), sgd()
    scheduler = MAKERS[name](opt)
    for _ in range(6):
        scheduler.step()
    rebuilt = MAKERS[name](other, last_epoch=5)
    assert rebuilt.get_last_lr() == pytest.approx(scheduler.get_last_lr(), rel=1e-12)
    assert other.param_groups[0]["lr"] == rebuilt.get_last_lr()[0]


@pytest.mark.parametrize("name", MAKERS)
def test_a_group_added_later_joins_at_the_next_step(name):
    opt = sgd()
    scheduler = MAKERS[name](opt)
    for _ in range(3):
        scheduler.step()
    opt.add_param_group({"params": weights([(3,)]), "lr": 1.0})
    scheduler.step()
    first, late = (group["lr"] for group in opt.param_groups)
    assert late == pytest.approx(first, rel=1e-12)


def test_a_plateau_among_others_is_handed_the_metric():
    opt = sgd()
    warm, plateau = LinearLR(opt, 0.5, total_iters=2), ReduceLROnPlateau(opt, patience=0)
    scheduler = SequentialLR(opt, [warm, plateau], [2])
    for metric in (None, None, 1.0, 2.0):
        scheduler.step(metric)
    assert opt.param_groups[0]["lr"] == 0.1
    both = ChainedScheduler([ExponentialLR(opt, 0.5), ReduceLROnPlateau(opt, patience=0)])
    with pytest.raises(TypeError, match="ChainedScheduler: metrics must be a number at a step of"):
        both.step()
    assert opt.param_groups[0]["lr"] == 0.1  # nobody has moved
    for metric in (1.0, 2.0):
        both.step(metric)
    assert opt.param_groups[0]["lr"] == pytest.approx(0.1 * 0.25 * 0.1)


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("metric", [-1.0, 1.0, 0.0, -1e300])
def test_a_metric_that_stands_still_is_a_plateau_whatever_its_sign(mode, metric):
    opt = sgd()
    scheduler = ReduceLROnPlateau(opt, mode, patience=2)
    for _ in range(4):
        scheduler.step(metric)
    assert opt.param_groups[0]["lr"] == 0.1


def test_momentum_of_adam_is_its_first_beta():
    opt = optim.Adam(weights([(2,)]), lr=0.1)
    scheduler = OneCycleLR(opt, 1.0, 10)
    assert opt.param_groups[0]["betas"] == (0.95, 0.999)
    for _ in range(2):
        scheduler.step()
    assert opt.param_groups[0]["betas"] == (pytest.approx(0.85), 0.999)
    with pytest.raises(ValueError, match="cycle_momentum must be False with an optimizer"):
        CyclicLR(optim.Adagrad(weights([(2,)])), 0.1, 1.0)


def test_another_setting_can_be_scheduled():
    opt = optim.AdamW(weights(), weight_decay=0.5)
    scheduler = ExponentialLR(opt, 0.5, param="weight_decay")
    walk(opt, 1)
    scheduler.step()
    assert opt.param_groups[0]["weight_decay"] == 0.25
    assert opt.param_groups[0]["lr"] == 1e-3


def test_past_its_end_one_cycle_keeps_its_value_and_says_so_once():
    opt = sgd()
    scheduler = OneCycleLR(opt, 1.0, 3, cycle_momentum=False)
    for _ in range(3):
        scheduler.step()
    last = scheduler.get_last_lr()
    with pytest.warns(UserWarning, match="step 4 is past its end, total_steps=3"):
        scheduler.step()
    scheduler.step()
    assert scheduler.get_last_lr() == last


@pytest.mark.parametrize(
    ("attempt", "error", "sentence"),
    [
        (lambda opt: StepLR(3, 3), TypeError, "StepLR: optimizer must be an Optimizer, got 3"),
        (lambda opt: StepLR(opt, 0), ValueError, "StepLR: step_size must be >= 1, got 0"),
        (lambda opt: StepLR(opt, 3, -1), ValueError, "StepLR: gamma must be >= 0 and < inf, got"),
        (lambda opt: StepLR(opt, 3, param="x"), ValueError, "StepLR: param must be one of 'lr'"),
        (lambda opt: StepLR(opt, 3, last_epoch=-2), ValueError, "last_epoch must be >= -1"),
        (lambda opt: LambdaLR(opt, 3), TypeError, "lr_lambda must be a function of the step"),
        (lambda opt: LambdaLR(opt, [abs] * 2), ValueError, "one value for each of the 1 para"),
        (
            lambda opt: MultiStepLR(opt, "12"),
            TypeError,
            "MultiStepLR: milestones must be several integers, got '12'",
        ),
        (
            lambda opt: OneCycleLR(opt, 1.0),
            ValueError,
            "OneCycleLR: total_steps must be given, or both epochs and steps_per_epoch",
        ),
        (lambda opt: CyclicLR(opt, 0.1, -1.0), ValueError, "CyclicLR: max_lr must be >= 0"),
        (lambda opt: CyclicLR(opt, 0.1, 1.0, mode="x"), ValueError, "mode must be one of"),
        (lambda opt: ReduceLROnPlateau(opt, "less"), ValueError, "mode must be one of"),
        (lambda opt: ReduceLROnPlateau(opt, factor=1.0), ValueError, "factor must be >= 0 and < 1"),
        (lambda opt: SequentialLR(opt, [], []), ValueError, "schedulers must be one or more"),
        (lambda opt: SequentialLR(opt, [3], []), TypeError, r"schedulers\[0\] must be a scheduler"),
        (
            lambda opt: ChainedScheduler([StepLR(sgd(), 1)], opt),
            ValueError,
            "must have the same optimizer as the others",
        ),
        (
            lambda opt: SequentialLR(opt, [StepLR(opt, 1), StepLR(opt, 1)], []),
            ValueError,
            "milestones must be one fewer than the 2 schedulers",
        ),
    ],
)
def test_what_cannot_be_scheduled_is_said_and_nothing_changes(attempt, error, sentence):
    opt = sgd(momentum=0.9)
    with pytest.raises(error, match=sentence):
        attempt(opt)
    assert (opt.param_groups[0]["lr"], opt.param_groups[0]["momentum"]) == (1.0, 0.9)


@pytest.mark.parametrize("name", [*MAKERS, "ChainedScheduler", "ReduceLROnPlateau"])
@pytest.mark.parametrize(
    "spoil",
    [
        {"last_epoch": -1},
        {"last_epoch": "x"},
        {"last_epoch": 2**60},
        {"param": "eps"},
        {"base_lrs": [1.0, 2.0], "schedulers": [{}]},
        {"base_lrs": [math.inf], "schedulers": "x"},
        {"base_lrs": 3, "schedulers": [{}, {}]},
        None,
    ],
    ids=str,
)
def test_a_state_that_does_not_fit_changes_nothing(name, spoil):
    opt = sgd()
    make = {"ChainedScheduler": chained, "ReduceLROnPlateau": ReduceLROnPlateau}.get(name)
    scheduler = (make or MAKERS[name])(opt)
    before = scheduler.state_dict(), opt.state_dict()
    state = [1] if spoil is None else {**scheduler.state_dict(), **spoil}
    with pytest.raises((ValueError, TypeError), match=f"^({name}|LinearLR): "):
        scheduler.load_state_dict(state)
    assert (scheduler.state_dict(), opt.state_dict()) == before


def test_a_fraction_of_an_epoch_is_where_torch_has_it():
    opt = sgd()
    scheduler = CosineAnnealingWarmRestarts(opt, 10)
    scheduler.step(2.5)
    assert opt.param_groups[0]["lr"] == pytest.approx((1 + math.cos(math.pi / 4)) / 2)
    scheduler.step()
    assert opt.param_groups[0]["lr"] == pytest.approx((1 + math.cos(math.pi * 0.35)) / 2)
    with pytest.raises(ValueError, match="epoch must be >= 0, got -1"):
        scheduler.step(-1)
    with pytest.raises(ValueError, match="epoch must be >= 0, got nan"):
        scheduler.step(math.nan)
