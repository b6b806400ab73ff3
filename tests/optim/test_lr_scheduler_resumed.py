"""`last_epoch=N` gives the value of step N + 1, wherever the optimizer's state comes from."""

import copy

import pytest
import torch

from tests.optim.rebuilds import COMPOSED, REBUILT, rates
from tests.schedules.twins import BASES, CASES, NEAR, OURS, TORCHS, build, label, optimizer, seen

# what torch's classes leave at step N although they say that they are at N + 1
STANDS_STILL = ("Multiplicative", "Linear", "Exponential", "Polynomial", "CosineAnnealing", "SWA")
# and with T_mult it finds the wrong cycle
GOES_ON = [
    (name, arguments)
    for name, arguments in CASES
    if name.removesuffix("LR") not in STANDS_STILL and "T_mult" not in arguments
]


def run(make, steps):
    opt = optimizer()
    scheduler = make(opt)
    opt.step()
    for _ in range(steps):
        scheduler.step()
    return scheduler


def loaded(want):
    opt = optimizer()
    opt.load_state_dict(want.optimizer.state_dict())
    return opt


@pytest.mark.parametrize("last", [0, 1, 4, 5, 8, 11, 29])
@pytest.mark.parametrize("name", sorted(REBUILT.keys() - {"chain"}))
def test_loaded_at_step_n_it_goes_to_the_next(name, last):
    make = REBUILT[name]
    want = run(make, last)
    opt = loaded(want)
    have = make(opt, last_epoch=last)
    opt.step()
    want.step()
    for _ in range(5):
        assert seen(have) == pytest.approx(seen(want), **NEAR)
        have.step()
        want.step()


@pytest.mark.parametrize("last", [0, 2, 5, 11, 29])
@pytest.mark.parametrize(("name", "arguments"), GOES_ON, ids=label)
def test_it_is_torchs_value_where_torch_goes_to_the_next(name, arguments, last):
    values = []
    for module in (OURS, TORCHS):

        def make(opt, module=module, **at):
            return build(module, opt, name, {**copy.deepcopy(arguments), **at})

        want = run(make, last)
        opt = loaded(want)
        make(opt, last_epoch=last)
        values.append(rates(opt))
    assert values[0] == pytest.approx(values[1], **NEAR)


def test_torch_says_one_step_and_has_the_value_of_another():
    made = []
    for module in (TORCHS, OURS):
        opt = loaded(run(lambda opt, module=module: module.ExponentialLR(opt, 0.5), 3))
        made.append(module.ExponentialLR(opt, 0.5, last_epoch=3))
    assert [scheduler.last_epoch for scheduler in made] == [4, 4]
    assert made[0].get_last_lr() == pytest.approx([base / 8 for base in BASES])
    assert made[1].get_last_lr() == pytest.approx([base / 16 for base in BASES])


def test_the_decay_that_is_due_is_applied():
    opt = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = OURS.StepLR(opt, 3, 0.5)
    opt.step()
    for _ in range(5):
        scheduler.step()
    again = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    again.load_state_dict(opt.state_dict())
    OURS.StepLR(again, 3, 0.5, last_epoch=5)
    assert again.param_groups[0]["lr"] == 0.25


@pytest.mark.parametrize("name", ["StepLR", "MultiStepLR", "ConstantLR", "ExponentialLR"])
def test_an_edited_rate_is_treated_as_torch_treats_it(name):
    arguments = {
        "StepLR": dict(step_size=6),
        "MultiStepLR": dict(milestones=[6]),
        "ConstantLR": dict(total_iters=6),
        "ExponentialLR": dict(gamma=0.9),
    }[name]
    found = []
    for module in (OURS, TORCHS):
        want = run(lambda opt, module=module: build(module, opt, name, arguments), 5)
        for group in want.optimizer.param_groups:
            group["lr"] = 0.07
        opt = loaded(want)
        build(module, opt, name, {**arguments, "last_epoch": 5})
        found.append(rates(opt))
    assert found[0] == pytest.approx(found[1])


def test_rates_that_are_tensors_of_single_precision_are_told_apart_too():
    def made():
        parameter = torch.nn.Parameter(torch.zeros(1))
        return torch.optim.SGD([parameter], lr=torch.tensor(0.1), foreach=False)

    opt = made()
    scheduler = OURS.CosineAnnealingLR(opt, 40)
    opt.step()
    for _ in range(17):
        scheduler.step()
    for ahead in (0, 1):
        again = made()
        again.load_state_dict(copy.deepcopy(opt.state_dict()))
        OURS.CosineAnnealingLR(again, 40, last_epoch=17 - ahead)
        steps = 18 - ahead
        want = 0.05 * (1 + torch.cos(torch.tensor(torch.pi * steps / 40, dtype=torch.float64)))
        assert float(again.param_groups[0]["lr"]) == pytest.approx(float(want), rel=1e-5)


def test_every_composed_case_is_rebuilt_above():
    assert COMPOSED.keys() - {"chain"} <= REBUILT.keys()


# A cyclic scheduler beside another, a plateau below nothing, a plateau made by a trainer


@pytest.mark.parametrize("first", ["StepLR", "OneCycleLR"])
def test_a_cyclic_scheduler_begins_at_its_own_base(first):
    opt = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5, momentum=0.9)
    arguments = (0.5, 50) if first == "OneCycleLR" else (3,)
    getattr(OURS, first)(opt, *arguments)
    scheduler = OURS.CyclicLR(opt, 0.1, 1.0, 4)
    assert opt.param_groups[0]["lr"] == 0.1
    assert scheduler.get_last_lr() == [0.1]
    opt.step()
    scheduler.step()
    assert opt.param_groups[0]["lr"] == pytest.approx(0.325)


def test_torch_begins_it_at_the_others():
    opt = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5, momentum=0.9)
    TORCHS.StepLR(opt, 3)
    TORCHS.CyclicLR(opt, 0.1, 1.0, 4)
    assert opt.param_groups[0]["lr"] == 0.5


@pytest.mark.parametrize("best", [-1.0, -1e-3, -1e6])
@pytest.mark.parametrize("mode", ["min", "max"])
def test_a_negative_metric_that_stands_still_is_a_plateau(mode, best):
    for module, falls in ((OURS, True), (TORCHS, False)):
        opt = optimizer()
        scheduler = module.ReduceLROnPlateau(opt, mode, patience=1)
        for _ in range(3):
            scheduler.step(best)
        assert (rates(opt) != list(BASES)) is falls


@pytest.mark.parametrize(("mode", "sign"), [("min", 1), ("max", -1)])
def test_a_negative_best_is_bettered_by_a_part_of_its_size(mode, sign):
    scheduler = OURS.ReduceLROnPlateau(optimizer(), mode, threshold=0.1, patience=50)
    scheduler.step(-10.0)
    for metric, bettered in ((-10.0 - sign * 0.9, False), (-10.0 - sign * 1.1, True)):
        scheduler.step(metric)
        assert (scheduler.best == metric) is bettered


def test_a_best_that_is_infinite_is_bettered_by_any_metric():
    for mode, threshold in (("min", 0.5), ("max", 1.0), ("max", 3.0)):
        scheduler = OURS.ReduceLROnPlateau(optimizer(), mode, threshold=threshold)
        scheduler.step(-5.0)
        assert scheduler.best == -5.0


def test_a_trainer_may_pass_a_plateau_the_last_epoch_that_every_scheduler_begins_with():
    scheduler = OURS.ReduceLROnPlateau(optimizer(), last_epoch=-1)
    assert scheduler.state_dict() == OURS.ReduceLROnPlateau(optimizer()).state_dict()
    opt = optimizer()
    with pytest.raises(ValueError, match="last_epoch must be -1, since no number says what the"):
        OURS.ReduceLROnPlateau(opt, last_epoch=3)
    assert rates(opt) == list(BASES)
