"""A group added after the scheduler was made, where torch raises: what ours do instead."""

import pytest
import torch

from tests.optim.rebuilds import GROWING, rates
from tests.schedules.twins import NEAR, OURS, TORCHS, advance, optimizer, seen
from thalweg.schedules import constant, cosine


def test_a_group_for_every_scheduler_is_tried():
    assert set(GROWING) == {*OURS.__all__} - {"LRScheduler", "Scheduler"}


@pytest.mark.parametrize("added_after", [0, 1, 5])
@pytest.mark.parametrize("name", GROWING)
def test_a_group_added_later_is_where_it_would_be_had_it_been_there(name, added_after):
    def parameters():
        return [torch.nn.Parameter(torch.zeros(1))]

    early = torch.optim.SGD([{"params": parameters()}, {"params": parameters()}], 0.1, 0.9)
    late = torch.optim.SGD(parameters(), 0.1, 0.9)
    want, have = GROWING[name](early), GROWING[name](late)
    early.step()
    late.step()
    for _ in range(added_after):
        advance(want)
        advance(have)
    if name == "SWALR":  # there from the start, it would have begun at the base value too
        late.add_param_group({"params": parameters(), "lr": 0.1})
    elif name == "ReduceLROnPlateau":  # which knows no curve to be on, only reductions to come
        late.add_param_group({"params": parameters(), "lr": early.param_groups[0]["lr"]})
    else:
        late.add_param_group({"params": parameters()})
    for _ in range(8):
        advance(want)
        advance(have)
        assert seen(have) == pytest.approx(seen(want), **NEAR)


def test_torch_raises_when_a_group_was_added():
    opt = optimizer()
    scheduler = TORCHS.LambdaLR(opt, lambda t: 1.0)
    opt.step()
    opt.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))]})
    with pytest.raises(ValueError, match=r"zip\(\)"):
        scheduler.step()


def test_an_added_group_is_saved_with_the_others():
    def grown():
        opt = optimizer()
        scheduler = OURS.CosineAnnealingLR(opt, 10)
        opt.step()
        opt.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 0.5})
        return scheduler

    scheduler = grown()
    for _ in range(3):
        scheduler.step()
    other = grown()
    other.optimizer.load_state_dict(scheduler.optimizer.state_dict())
    other.load_state_dict(scheduler.state_dict())
    for _ in range(3):
        scheduler.step()
        other.step()
        assert seen(other) == seen(scheduler)
    assert scheduler.base_lrs == [0.1, 0.03, 0.5]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda opt: OURS.LambdaLR(opt, [lambda t: 1.0, lambda t: 2.0]),
            r"LambdaLR: lr_lambdas must have a function for each of the 3 parameter groups, got 2",
        ),
        (
            lambda opt: OURS.ScheduleLR(opt, [cosine(3), constant()]),
            "ScheduleLR: schedules must have one for each of the 3 parameter groups, got 2",
        ),
        (
            lambda opt: OURS.CyclicLR(opt, [0.1, 0.2], 0.3),
            r"CyclicLR: base_lr must have a value for the parameter group that was added",
        ),
        (
            lambda opt: OURS.OneCycleLR(opt, [0.1, 0.2], total_steps=9),
            "OneCycleLR: initial_lr must have a value for the parameter group that was added",
        ),
        (
            lambda opt: OURS.SWALR(opt, [0.1, 0.2]),
            "SWALR: swa_lr must have a value for the parameter group that was",
        ),
    ],
    ids=["LambdaLR", "ScheduleLR", "CyclicLR", "OneCycleLR", "SWALR"],
)
def test_a_group_for_which_nothing_is_known_is_asked_for(make, sentence):
    opt = optimizer()
    scheduler = make(opt)
    opt.step()
    opt.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))]})
    with pytest.raises(ValueError, match=sentence):
        scheduler.step()


def test_a_group_may_bring_its_own_limits():
    for make, own, want in (
        (lambda opt: OURS.CyclicLR(opt, [0.1, 0.2], 0.4, 2), {"base_lr": 0.3}, 0.35),
        (lambda opt: OURS.SWALR(opt, [0.1, 0.2], 4, "linear"), {"swa_lr": 0.3}, 0.25),
    ):
        opt = optimizer()
        scheduler = make(opt)
        opt.step()
        group = {"params": [torch.nn.Parameter(torch.zeros(1))], **own}
        opt.add_param_group(group)
        for _ in range(3 if "swa_lr" in own else 1):
            scheduler.step()
        assert rates(opt)[2] == pytest.approx(want)
