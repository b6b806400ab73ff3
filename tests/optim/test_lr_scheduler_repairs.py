"""Where torch's schedulers raise or go wrong: what torch does, and what ours do instead.

If a test that shows torch's failure fails one day, torch has repaired it, and what is said of it
under `Differs:` is out of date.
"""

import warnings

import pytest
import torch

from tests.schedules.twins import BASES, CASES, NEAR, OURS, TORCHS, build, label, optimizer, seen
from thalweg.schedules import constant, cosine, inverse_sqrt, warmup


def rates(opt) -> list[float]:
    return [float(group["lr"]) for group in opt.param_groups]


# A plateau among other schedulers: pytorch#68978


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


# Rebuilding with last_epoch=N and nothing loaded: pytorch#162591, #29697

LAST = 11
# In torch `last_epoch=N` is followed by a step, so that the scheduler is at N + 1 once made.
NOW = LAST + 1

COMPOSED = {
    "sequence": lambda opt, **at: OURS.SequentialLR(
        opt,
        [
            OURS.LinearLR(opt),
            OURS.CosineAnnealingWarmRestarts(opt, 2),
            OURS.MultiplicativeLR(opt, lambda t: 0.9),
        ],
        [4, 9],
        **at,
    ),
    "sequence with a member left out": lambda opt, **at: OURS.SequentialLR(
        opt,
        [
            OURS.LinearLR(opt),
            OURS.MultiplicativeLR(opt, lambda t: 0.5),
            OURS.MultiplicativeLR(opt, lambda t: 0.9),
        ],
        [4, 4],
        **at,
    ),
    "sequence of a chain": lambda opt, **at: OURS.SequentialLR(
        opt,
        [
            OURS.LinearLR(opt),
            OURS.ChainedScheduler([OURS.StepLR(opt, 2), OURS.CosineAnnealingLR(opt, 9, 0.01)]),
        ],
        [5],
        **at,
    ),
    "sequence with SWALR": lambda opt, **at: OURS.SequentialLR(
        opt, [OURS.ExponentialLR(opt, 0.9), OURS.SWALR(opt, 0.05, 6)], [8], **at
    ),
    "sequence of torch's": lambda opt, **at: OURS.SequentialLR(
        opt,
        [TORCHS.LinearLR(opt), TORCHS.MultiplicativeLR(opt, lambda t: 0.9)],
        [6],
        **at,
    ),
    "schedule": lambda opt, **at: OURS.ScheduleLR(opt, warmup(4) >> cosine(20), **at),
    "chain": lambda opt, **at: OURS.ChainedScheduler(
        [
            OURS.LinearLR(opt, 0.1, total_iters=20, **at),
            OURS.ExponentialLR(opt, 0.9, **at),
            OURS.StepLR(opt, 5, **at),
        ]
    ),
}
REBUILT = {
    **{
        f"{name} {label(arguments)}": lambda opt, name=name, arguments=arguments, **at: build(
            OURS, opt, name, {**arguments, **at}
        )
        for name, arguments in CASES
    },
    **COMPOSED,
}


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


# A group added after the scheduler was made: pytorch#79888

GROWING = {
    "LambdaLR": lambda opt: OURS.LambdaLR(opt, lambda t: 1 / (t + 1)),
    "MultiplicativeLR": lambda opt: OURS.MultiplicativeLR(opt, lambda t: 0.9),
    "StepLR": lambda opt: OURS.StepLR(opt, 3),
    "MultiStepLR": lambda opt: OURS.MultiStepLR(opt, [2, 8]),
    "ConstantLR": lambda opt: OURS.ConstantLR(opt, total_iters=8),
    "LinearLR": lambda opt: OURS.LinearLR(opt, total_iters=8),
    "ExponentialLR": lambda opt: OURS.ExponentialLR(opt, 0.9),
    "PolynomialLR": lambda opt: OURS.PolynomialLR(opt, 20, 2.0),
    "CosineAnnealingLR": lambda opt: OURS.CosineAnnealingLR(opt, 10, 0.01),
    "CosineAnnealingWarmRestarts": lambda opt: OURS.CosineAnnealingWarmRestarts(opt, 4),
    "CyclicLR": lambda opt: OURS.CyclicLR(opt, 0.01, 0.1, 4),
    "OneCycleLR": lambda opt: OURS.OneCycleLR(opt, 0.5, total_steps=50),
    "ReduceLROnPlateau": lambda opt: OURS.ReduceLROnPlateau(opt, patience=1, cooldown=1),
    "SWALR": lambda opt: OURS.SWALR(opt, 0.05),
    "ScheduleLR": lambda opt: OURS.ScheduleLR(opt, warmup(4) >> inverse_sqrt(4)),
    "SequentialLR": lambda opt: OURS.SequentialLR(
        opt, [OURS.LinearLR(opt), OURS.CosineAnnealingLR(opt, 9)], [3]
    ),
    "ChainedScheduler": lambda opt: OURS.ChainedScheduler(
        [OURS.LinearLR(opt), OURS.ExponentialLR(opt, 0.9)]
    ),
}


def test_a_group_for_every_scheduler_is_tried():
    assert set(GROWING) == {*OURS.__all__} - {"LRScheduler", "Scheduler"}


def advance(scheduler):
    scheduler.step(*([1.0] if isinstance(scheduler, OURS.ReduceLROnPlateau) else []))


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
