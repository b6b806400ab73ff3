"""Every scheduler moves any hyper-parameter, with the curve it gives the learning rate."""

import copy

import pytest
import torch

from tests.schedules.twins import CASES, NEAR, OURS, advance, build, label, optimizer
from thalweg import optim
from thalweg.schedules import cosine, linear, per_group, warmup

PLATEAU = ("ReduceLROnPlateau", dict(patience=1))
SCHEDULE = ("ScheduleLR", dict(schedule=warmup(3) >> cosine(30, 0.1)))


def decaying(cls=torch.optim.AdamW):
    """An optimizer whose weight decay is what the learning rates of `optimizer` are."""
    opt = optimizer(cls)
    for group in opt.param_groups:
        group["weight_decay"], group["lr"] = group["lr"], 0.5
    return opt


@pytest.mark.parametrize(("name", "arguments"), [*CASES, PLATEAU, SCHEDULE], ids=label)
def test_weight_decay_takes_the_values_that_the_rate_would(name, arguments):
    opts = optimizer(torch.optim.AdamW), decaying()
    of_rate = build(OURS, opts[0], name, arguments)
    of_decay = build(OURS, opts[1], name, {**arguments, "param": "weight_decay"})
    for opt in opts:
        opt.step()
    untouched = [group["betas"] for group in opts[1].param_groups]
    for _ in range(60):
        have = [group["weight_decay"] for group in opts[1].param_groups]
        assert have == [group["lr"] for group in opts[0].param_groups]
        assert of_decay.get_last_lr() == have
        advance(of_rate)
        advance(of_decay)
    assert [group["lr"] for group in opts[1].param_groups] == [0.5, 0.5]
    assert [group["betas"] for group in opts[1].param_groups] == untouched


@pytest.mark.parametrize("param", ["lr", "weight_decay", "betas[0]", "betas[1]", "eps"])
def test_each_setting_of_an_optimizer_can_be_scheduled(param):
    opt = optim.Adam([torch.nn.Parameter(torch.zeros(1))], betas=(0.8, 0.9), weight_decay=0.1)
    before = copy.deepcopy(opt.param_groups[0])
    scheduler = OURS.ExponentialLR(opt, 0.5, param=param)
    opt.step()
    scheduler.step()
    (group,) = opt.param_groups
    changed = {key for key in before if key != "params" and group[key] != before[key]}
    assert changed == {param.partition("[")[0]}
    if param.startswith("betas"):
        i = int(param[6])
        want = [0.8, 0.9]
        want[i] /= 2
        assert group["betas"] == pytest.approx(tuple(want))
    else:
        assert group[param] == before[param] / 2
    assert scheduler.get_last_lr() == [group[f"initial_{param}"] / 2]


def test_a_momentum_is_scheduled_beside_the_rate():
    opt = optimizer()
    rate = OURS.ExponentialLR(opt, 0.5)
    momentum = OURS.LinearLR(opt, 0.5, 1.0, 4, param="momentum")
    opt.step()
    for t in range(1, 5):
        rate.step()
        momentum.step()
        (group, _) = opt.param_groups
        assert (group["lr"], group["momentum"]) == pytest.approx((0.1 / 2**t, 0.45 + 0.45 * t / 4))
    assert group["initial_lr"] == 0.1
    assert group["initial_momentum"] == 0.9


def test_schedulers_of_several_settings_stand_in_a_sequence_and_a_chain():
    opt = decaying()
    rate = OURS.StepLR(opt, 1, 0.5)
    decay = OURS.StepLR(opt, 1, 0.1, param="weight_decay")
    chain = OURS.ChainedScheduler([rate, decay])
    opt.step()
    chain.step()
    assert [group["lr"] for group in opt.param_groups] == [0.25, 0.25]
    assert chain.get_last_lr() == pytest.approx([0.01, 0.003])

    opt = decaying()
    members = [OURS.StepLR(opt, 1, 0.1, param="weight_decay") for _ in range(2)]
    sequence = OURS.SequentialLR(opt, members, [2])
    opt.step()
    have = []
    for _ in range(4):
        have.append(opt.param_groups[0]["weight_decay"])
        sequence.step()
    assert have == pytest.approx([0.1, 0.01, 0.1, 0.01])
    assert opt.param_groups[0]["lr"] == 0.5


def test_a_sequence_with_another_setting_than_the_rate_is_saved_and_rebuilt():
    def made(opt, **at):
        members = [
            OURS.LinearLR(opt, param="weight_decay"),
            OURS.CosineAnnealingLR(opt, 9, param="weight_decay"),
        ]
        return OURS.SequentialLR(opt, members, [4], **at)

    opt = decaying()
    scheduler = made(opt)
    opt.step()
    for _ in range(8):
        scheduler.step()
    again = decaying()
    made(again, last_epoch=7)
    assert [group["weight_decay"] for group in again.param_groups] == pytest.approx(
        [group["weight_decay"] for group in opt.param_groups], **NEAR
    )


def test_a_setting_that_is_a_tensor_is_filled_in_place():
    betas = (torch.tensor(0.5, dtype=torch.float64), torch.tensor(0.9, dtype=torch.float64))
    parameter = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    opt = torch.optim.AdamW([parameter], lr=torch.tensor(0.1), betas=betas, foreach=False)
    scheduler = OURS.ExponentialLR(opt, 0.5, param="betas[1]")
    opt.step()
    scheduler.step()
    (group,) = opt.param_groups
    assert group["betas"][1] is betas[1]
    assert betas[1] == 0.45
    assert scheduler.get_last_lr()[0] is not betas[1]


def test_the_state_says_which_setting_and_is_refused_for_another():
    opt = decaying()
    decay = OURS.StepLR(opt, 3, param="weight_decay")
    rate = OURS.StepLR(opt, 3)
    assert decay.state_dict()["param"] == "weight_decay"
    assert "param" not in rate.state_dict()
    with pytest.raises(ValueError, match="StepLR: param must be 'lr' in the state, got 'weight_de"):
        rate.load_state_dict(decay.state_dict())
    with pytest.raises(ValueError, match="param must be 'weight_decay' in the state, got 'lr'"):
        decay.load_state_dict(rate.state_dict())


def test_a_cycle_of_another_setting_leaves_the_momentum_alone():
    for cls, arguments in (
        (OURS.OneCycleLR, dict(max_lr=0.5, total_steps=10)),
        (OURS.CyclicLR, dict(base_lr=0.1, max_lr=0.5)),
    ):
        opt = optimizer()
        scheduler = cls(opt, **arguments, param="weight_decay")
        opt.step()
        scheduler.step()
        assert opt.param_groups[0]["momentum"] == 0.9
        assert opt.param_groups[0]["lr"] == 0.1
        assert opt.param_groups[0]["weight_decay"] > 0


def test_the_schedulers_of_two_settings_do_not_disturb_each_other():
    """Among them OneCycleLR, which keeps its limits in the groups."""
    opt, alone = optimizer(torch.optim.AdamW), optimizer(torch.optim.AdamW)
    rate = OURS.OneCycleLR(opt, 0.5, total_steps=40)
    decay = OURS.OneCycleLR(opt, 0.2, total_steps=30, param="weight_decay")
    lonely = OURS.OneCycleLR(alone, 0.5, total_steps=40)
    opt.step()
    alone.step()
    for _ in range(25):
        for scheduler in (rate, decay, lonely):
            scheduler.step()
        for group, want in zip(opt.param_groups, alone.param_groups, strict=True):
            assert (group["lr"], group["betas"]) == (want["lr"], want["betas"])


class TestSchedules:
    """`ScheduleLR`, which runs a functional schedule."""

    def test_it_has_the_values_of_the_schedule_in_every_group(self):
        opt = optimizer()
        schedule = warmup(5) >> cosine(20, floor=0.1)
        scheduler = OURS.ScheduleLR(opt, schedule)
        opt.step()
        for t in range(30):
            want = [0.1 * schedule(t), 0.03 * schedule(t)]
            assert [group["lr"] for group in opt.param_groups] == want
            assert scheduler.get_last_lr() == want
            assert scheduler.lr_at(t) == want
            assert scheduler.preview(30)[t].tolist() == want
            scheduler.step()

    @pytest.mark.parametrize("form", [list, lambda schedules: per_group(*schedules)])
    def test_each_group_may_have_a_schedule_of_its_own(self, form):
        opt = optimizer()
        schedules = [cosine(10), linear(4, 1.0, 0.5)]
        scheduler = OURS.ScheduleLR(opt, form(schedules))
        opt.step()
        scheduler.step()
        assert [group["lr"] for group in opt.param_groups] == [
            0.1 * schedules[0](1),
            0.03 * schedules[1](1),
        ]

    def test_it_is_saved_without_its_schedule_and_goes_on(self):
        def made():
            opt = optimizer()
            scheduler = OURS.ScheduleLR(opt, warmup(5) >> cosine(20))
            opt.step()
            return scheduler

        straight, stopped = made(), made()
        for _ in range(30):
            assert "schedules" not in stopped.state_dict()
            later = made()
            later.load_state_dict(stopped.state_dict())
            stopped = later
            straight.step()
            stopped.step()
            assert stopped.get_last_lr() == straight.get_last_lr()

    @pytest.mark.filterwarnings("ignore:The epoch parameter")
    def test_it_goes_to_any_step(self):
        opt = optimizer()
        scheduler = OURS.ScheduleLR(opt, cosine(20))
        opt.step()
        scheduler.step(7)
        assert scheduler.get_last_lr() == scheduler.lr_at(7)

    def test_a_schedule_is_a_function_for_torchs_own_scheduler_too(self):
        schedule = warmup(5) >> cosine(20)
        opts = optimizer(), optimizer()
        ours = OURS.ScheduleLR(opts[0], schedule)
        theirs = torch.optim.lr_scheduler.LambdaLR(opts[1], schedule)
        for opt in opts:
            opt.step()
        for _ in range(30):
            ours.step()
            theirs.step()
            assert ours.get_last_lr() == theirs.get_last_lr()
