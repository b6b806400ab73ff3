"""Where torch's schedulers raise or go wrong: what torch does, and what ours do instead.

If a test that shows torch's failure fails one day, torch has repaired it, and what is said of it
under `Differs:` is out of date.
"""

import warnings

import pytest
import torch

from tests.optim.rebuilds import LAST, REBUILT, rates
from tests.schedules.twins import (
    BASES,
    OURS,
    TORCHS,
    optimizer,
    seen,
)


def warm_then_plateau(module, opt):
    members = [module.LinearLR(opt, 0.5, total_iters=2), module.ReduceLROnPlateau(opt, patience=0)]
    return module.SequentialLR(opt, members, [2])


def chain_with_plateau(module, opt):
    members = [module.ExponentialLR(opt, 0.5), module.ReduceLROnPlateau(opt, patience=0)]
    return module.ChainedScheduler(members)


@pytest.mark.parametrize("make", [warm_then_plateau, chain_with_plateau])
def test_torch_takes_no_plateau_among_others(make):
    with pytest.raises(ValueError, match="does not support `ReduceLROnPlateau`"):
        make(TORCHS, optimizer())


def test_a_plateau_follows_a_warm_up_and_begins_at_the_base_value():
    opt = optimizer()
    scheduler = warm_then_plateau(OURS, opt)
    opt.step()
    assert rates(opt) == [0.05, 0.015]
    scheduler.step()
    assert rates(opt) == pytest.approx([0.075, 0.0225])
    scheduler.step(7.0)  # the loss of the warm-up, which the plateau is not to be measured by
    assert rates(opt) == pytest.approx(BASES)
    for loss in (8.0, 8.0):  # the first is the best so far
        scheduler.step(loss)
    assert rates(opt) == pytest.approx([0.01, 0.003])
    assert scheduler.get_last_lr() == rates(opt)


def test_a_plateau_in_a_chain_lowers_what_the_others_leave():
    opt = optimizer()
    scheduler = chain_with_plateau(OURS, opt)
    opt.step()
    for loss in (1.0, 1.0, 0.5):
        scheduler.step(loss)
    assert rates(opt) == pytest.approx([base * 0.5**3 * 0.1 for base in BASES])
    assert scheduler.get_last_lr() == rates(opt)


@pytest.mark.parametrize("make", [warm_then_plateau, chain_with_plateau])
def test_a_plateau_among_others_is_saved_and_goes_on(make):
    losses = [3.0, 2.0, 2.0, 2.0, 1.0, 1.5, 1.5]
    for stop in range(len(losses)):
        straight, stopped, later = (make(OURS, optimizer()) for _ in range(3))
        for scheduler in (straight, stopped, later):
            scheduler.optimizer.step()
        for loss in losses[:stop]:
            straight.step(loss)
            stopped.step(loss)
        later.optimizer.load_state_dict(stopped.optimizer.state_dict())
        later.load_state_dict(stopped.state_dict())
        for loss in losses[stop:]:
            straight.step(loss)
            later.step(loss)
            assert rates(later.optimizer) == rates(straight.optimizer)


def test_a_plateau_of_torchs_may_be_a_member_too():
    opt = optimizer()
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(opt, patience=0)
    scheduler = OURS.SequentialLR(opt, [OURS.ConstantLR(opt, 0.5, 2), plateau], [2])
    opt.step()
    for loss in (3.0, 2.0, 1.0, 1.0):
        scheduler.step(loss)
    assert rates(opt) == pytest.approx([0.01, 0.003])


def test_a_trainer_sees_that_a_plateau_wants_a_metric():
    plateau = OURS.ReduceLROnPlateau(optimizer())
    assert isinstance(plateau, torch.optim.lr_scheduler.ReduceLROnPlateau)


# A step past the end of one cycle: pytorch#38170


def test_torch_overshoots_and_raises_past_the_end_of_one_cycle():
    opt = optimizer()
    scheduler = TORCHS.OneCycleLR(opt, 0.5, total_steps=5, anneal_strategy="linear")
    opt.step()
    for _ in range(5):
        scheduler.step()
    assert rates(opt)[0] < 0
    with pytest.raises(ValueError, match="Tried to step 6 times"):
        scheduler.step()


@pytest.mark.parametrize("shape", ["cos", "linear"])
def test_one_cycle_keeps_its_last_value_and_warns_once_past_its_end(shape):
    opt = optimizer()
    scheduler = OURS.OneCycleLR(opt, 0.5, total_steps=5, anneal_strategy=shape)
    opt.step()
    for _ in range(4):
        scheduler.step()
    last = seen(scheduler)
    assert last[0] == pytest.approx(0.5 / 25 / 1e4)
    scheduler.step()  # of a loop that steps after each batch, the last one too: no warning
    assert seen(scheduler) == last
    with pytest.warns(UserWarning, match="step 6 is past its end, total_steps=5") as found:
        scheduler.step()
    assert found[0].filename == __file__
    for _ in range(3):
        scheduler.step()
        assert seen(scheduler) == last


def test_one_cycle_begins_at_its_peak_if_the_way_up_is_one_step():
    with pytest.raises(ZeroDivisionError):
        TORCHS.OneCycleLR(optimizer(), 0.5, total_steps=10, pct_start=0.1)
    opt = optimizer()
    OURS.OneCycleLR(opt, 0.5, total_steps=10, pct_start=0.1)
    assert rates(opt) == [0.5, 0.5]


# Smaller ones


def test_a_factor_of_nothing_ends_at_the_base_value():
    for module in (TORCHS, OURS):
        opt = optimizer()
        scheduler = module.ConstantLR(opt, factor=0.0, total_iters=1)
        opt.step()
        if module is TORCHS:
            with pytest.raises(ZeroDivisionError):
                scheduler.step()
        else:
            scheduler.step()
            assert rates(opt) == list(BASES)


@pytest.mark.filterwarnings("ignore:The epoch parameter")
@pytest.mark.parametrize(("t_0", "t_mult", "epoch"), [(1, 3, 121), (1, 10, 111), (10, 10, 1110)])
def test_a_step_that_is_a_restart_is_taken_for_one(t_0, t_mult, epoch):
    for module, want in ((TORCHS, [0.0, 0.0]), (OURS, list(BASES))):
        opt = optimizer()
        module.CosineAnnealingWarmRestarts(opt, t_0, t_mult).step(epoch)
        assert rates(opt) == want


def chain_first(module):
    opt = optimizer()
    chain = module.ChainedScheduler([module.ExponentialLR(opt, 0.5)])
    scheduler = module.SequentialLR(opt, [chain, module.ConstantLR(opt)], [2])
    opt.step()
    return scheduler


def test_a_chain_at_the_head_of_a_sequence_begins_at_its_own_start():
    with pytest.warns(UserWarning, match="Detected call"):  # nobody has called it
        ahead = chain_first(TORCHS)
    assert rates(ahead.optimizer) == pytest.approx([0.05, 0.015])
    scheduler = chain_first(OURS)
    assert rates(scheduler.optimizer) == list(BASES)
    scheduler.step()
    assert rates(scheduler.optimizer) == pytest.approx([0.05, 0.015])


def chain_second(module):
    opt = optimizer()
    chain = module.ChainedScheduler([module.ExponentialLR(opt, 0.5), module.LinearLR(opt)])
    scheduler = module.SequentialLR(opt, [module.ConstantLR(opt), chain], [1])
    opt.step()
    return scheduler


def test_a_chain_later_in_a_sequence_begins_at_its_own_start():
    with pytest.raises(NotImplementedError):
        chain_second(TORCHS).step()
    scheduler = chain_second(OURS)
    scheduler.step()
    assert rates(scheduler.optimizer) == pytest.approx([base / 3 for base in BASES])
    scheduler.step()
    factor = 0.5 * (1 / 3 + 2 / 3 / 5)
    assert rates(scheduler.optimizer) == pytest.approx([base * factor for base in BASES])


@pytest.mark.parametrize("outer", [OURS, TORCHS], ids=["ours", "torch"])
def test_a_sequence_of_ours_inside_another_begins_at_its_own_start(outer):
    opt = optimizer()
    inner = OURS.SequentialLR(opt, [OURS.ConstantLR(opt, 0.5), OURS.ExponentialLR(opt, 0.1)], [2])
    scheduler = outer.SequentialLR(opt, [OURS.ConstantLR(opt, 0.25), inner], [2])
    opt.step()
    have = []
    for _ in range(6):
        have.append(rates(opt)[0])
        scheduler.step()
    assert have == pytest.approx([0.025, 0.025, 0.05, 0.05, 0.1, 0.01])


def test_nothing_else_warns():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for make in REBUILT.values():
            scheduler = make(optimizer(), last_epoch=LAST)
            scheduler.optimizer.step()
            scheduler.step()
