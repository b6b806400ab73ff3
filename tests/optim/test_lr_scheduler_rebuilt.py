"""A scheduler rebuilt with `last_epoch=N` and nothing loaded, which torch cannot: what ours do."""

import pytest

from tests.optim.rebuilds import LAST, NOW, REBUILT, rates
from tests.schedules.twins import BASES, NEAR, OURS, TORCHS, optimizer, seen


def uninterrupted(make, steps):
    opt = optimizer()
    scheduler = make(opt)
    opt.step()
    for _ in range(steps):
        scheduler.step()
    return scheduler


@pytest.mark.parametrize("make", REBUILT.values(), ids=REBUILT)
def test_rebuilt_at_a_step_it_goes_on_as_the_uninterrupted_one(make):
    want = uninterrupted(make, NOW)
    opt = optimizer()
    have = make(opt, last_epoch=LAST)
    opt.step()
    for _ in range(30):
        assert seen(have) == pytest.approx(seen(want), **NEAR)
        have.step()
        want.step()


@pytest.mark.parametrize("make", REBUILT.values(), ids=REBUILT)
def test_rebuilt_with_the_optimizers_state_it_is_the_same(make):
    want = uninterrupted(make, NOW)
    opt = optimizer()
    opt.load_state_dict(want.optimizer.state_dict())
    have = make(opt, last_epoch=LAST)
    opt.step()
    for _ in range(30):
        assert seen(have) == pytest.approx(seen(want), **NEAR)
        have.step()
        want.step()


def test_a_rate_edited_before_saving_is_kept_when_rebuilt_with_the_optimizers_state():
    want = uninterrupted(lambda opt: OURS.ExponentialLR(opt, 0.9), NOW)
    for group in want.optimizer.param_groups:
        group["lr"] = 0.07
    opt = optimizer()
    opt.load_state_dict(want.optimizer.state_dict())
    have = OURS.ExponentialLR(opt, 0.9, last_epoch=LAST)
    opt.step()
    assert rates(opt) == [0.07, 0.07]
    have.step()
    assert rates(opt) == pytest.approx([0.063, 0.063])


def test_one_cycle_is_rebuilt_with_the_limits_that_the_groups_have():
    def made(module, **at):
        opt = optimizer()
        scheduler = module.OneCycleLR(opt, 0.5, total_steps=30)
        opt.step()
        for _ in range(NOW):
            scheduler.step()
        again = module.OneCycleLR(opt, 0.9, total_steps=30, last_epoch=LAST)
        again.step()
        return seen(again)

    assert made(OURS) == pytest.approx(made(TORCHS), **NEAR)


def test_torch_starts_over_at_the_base_rate():
    opt = optimizer()
    for group in opt.param_groups:
        group["initial_lr"] = group["lr"]  # without it torch raises
    TORCHS.MultiStepLR(opt, [5, 10], last_epoch=LAST)
    assert rates(opt) == pytest.approx(BASES)
    OURS.MultiStepLR(opt, [5, 10], last_epoch=LAST)
    assert rates(opt) == pytest.approx([base / 100 for base in BASES])


def test_torch_decays_a_second_time_when_rebuilt_on_a_milestone():
    for module, factor in ((TORCHS, 0.01), (OURS, 0.1)):
        opt = optimizer()
        scheduler = module.StepLR(opt, 12)
        opt.step()
        for _ in range(12):
            scheduler.step()
        module.StepLR(opt, 12, last_epoch=LAST)
        assert rates(opt) == pytest.approx([base * factor for base in BASES])
