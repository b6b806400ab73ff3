"""torch's schedulers drive the classes as they drive torch's own."""

import pytest
import torch
from torch.optim import lr_scheduler

from tests.optim.runs import OURS, TWINS, assert_close, having, ours, torchs, walk, weights

SCHEDULES = {
    "StepLR": lambda opt: lr_scheduler.StepLR(opt, step_size=2, gamma=0.5),
    "OneCycleLR": lambda opt: lr_scheduler.OneCycleLR(opt, max_lr=0.05, total_steps=8),
    "CyclicLR": lambda opt: lr_scheduler.CyclicLR(opt, base_lr=0.01, max_lr=0.1, step_size_up=2),
    "CosineAnnealingLR": lambda opt: lr_scheduler.CosineAnnealingLR(opt, T_max=8),
    "LambdaLR": lambda opt: lr_scheduler.LambdaLR(opt, lambda t: 1 / (t + 1)),
}

CYCLING = {"OneCycleLR", "CyclicLR"}


def train(opt, schedule, steps=8) -> list[float]:
    rates = []
    for t in range(steps):
        walk(opt, 1, start=t)
        rates.append(float(opt.param_groups[0]["lr"]))
        if t < steps - 1:
            schedule.step()
    return rates


def scheduled():
    """torch refuses to cycle what has neither momentum nor betas."""
    cycled = [(name, schedule) for name in having("momentum", "betas") for schedule in CYCLING]
    plain = [(name, schedule) for name in TWINS for schedule in SCHEDULES.keys() - CYCLING]
    return sorted((name, schedule) for name, schedule in cycled + plain if name in TWINS)


@pytest.mark.usefixtures("numbers_in_double")
@pytest.mark.parametrize(("name", "schedule"), scheduled())
def test_a_schedule_moves_the_same_as_under_torch(name, schedule):
    mine, theirs = weights(), weights()
    one, other = ours(name, mine), torchs(name, theirs)
    rates = train(one, SCHEDULES[schedule](one))
    assert rates == train(other, SCHEDULES[schedule](other))
    assert len(set(rates)) > 1
    assert_close(mine, theirs)


@pytest.mark.parametrize("schedule", sorted(CYCLING))
@pytest.mark.parametrize("name", having("momentum", "betas"))
def test_a_schedule_that_cycles_momentum_finds_it(name, schedule):
    opt = ours(name, weights())
    made = SCHEDULES[schedule](opt)
    cycled = set()
    for t in range(6):
        walk(opt, 1, start=t)
        (group,) = opt.param_groups
        cycled.add(group["betas"][0] if "betas" in group else group["momentum"])
        made.step()
    assert len(cycled) > 2


@pytest.mark.usefixtures("numbers_in_double")
@pytest.mark.parametrize("name", TWINS)
def test_a_plateau_lowers_the_rate(name):
    mine, theirs = weights(), weights()
    for params, make in ((mine, ours), (theirs, torchs)):
        opt = make(name, params)
        schedule = lr_scheduler.ReduceLROnPlateau(opt, factor=0.1, patience=1)
        rate = opt.param_groups[0]["lr"]
        for t in range(6):
            walk(opt, 1, start=t)
            schedule.step(1.0)
        assert opt.param_groups[0]["lr"] < rate
    assert_close(mine, theirs)


@pytest.mark.usefixtures("numbers_in_double")
@pytest.mark.parametrize("name", TWINS)
def test_a_schedule_fills_a_tensor_rate_in_place(name):
    mine, theirs = weights(), weights()
    rate = torch.tensor(0.02, dtype=torch.float64)
    one, other = ours(name, mine, lr=rate), torchs(name, theirs, lr=0.02)
    train(one, SCHEDULES["StepLR"](one))
    train(other, SCHEDULES["StepLR"](other))
    assert one.param_groups[0]["lr"] is rate
    assert_close(mine, theirs)


@pytest.mark.parametrize("name", OURS)
def test_a_schedule_made_before_steps_sees_them(name):
    """torch warns, and warnings are errors here, if it does not see `step` being called."""
    opt = ours(name, weights())
    schedule = SCHEDULES["StepLR"](opt)
    walk(opt)
    schedule.step()
