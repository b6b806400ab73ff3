"""A schedule sets what the groups hold, step by step."""

import copy
import json
import math
import pickle

import pytest

from tests.mytorch.agreement import needs_torch
from tests.mytorch.steps import assert_same, params_of, values, walk, weights
from thalweg.mytorch import optim
from thalweg.mytorch.optim import Scheduler
from thalweg.schedules import constant, cosine, exponential, linear, per_group, warmup


def followed(opt, scheduler, steps, read=lambda group: group["lr"]) -> list:
    """The values that each step was taken with."""
    seen = []
    for t in range(steps):
        seen.append([read(group) for group in opt.param_groups])
        walk(opt, 1, start=t)
        scheduler.step()
    return seen


def test_the_value_is_the_base_value_times_the_schedule():
    opt = optim.AdamW(weights(), lr=0.5)
    schedule = warmup(4) >> cosine(10, floor=0.1)
    seen = followed(opt, Scheduler(opt, schedule), 20)
    assert seen == [[0.5 * schedule(t)] for t in range(20)]
    assert seen[0] == [0.0]
    assert seen[4] == [0.5]
    assert seen[-1] == [pytest.approx(0.05)]


def test_a_step_is_taken_with_the_value():
    (p,) = weights([(2,)])
    opt = optim.SGD([p], lr=1.0)
    scheduler = Scheduler(opt, exponential(0.5))
    before = p.data.copy()
    for _ in range(3):
        p.grad = before * 0 + 1
        opt.step()
        scheduler.step()
    assert_same([p.data], [before - 1 - 0.5 - 0.25])


@needs_torch
def test_the_values_are_those_of_thalweg_on_torch():
    import torch

    import thalweg.optim
    from thalweg.optim.lr_scheduler import ScheduleLR

    opt = optim.SGD(weights(), lr=0.3)
    other = thalweg.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.3)
    schedule = warmup(3) >> linear(10, 1.0, 0.2)
    one, two = Scheduler(opt, schedule), ScheduleLR(other, schedule)
    for _ in range(15):
        assert one.get_last_lr() == two.get_last_lr()
        other.step()
        one.step()
        two.step()


@pytest.mark.parametrize("several", [list, lambda pair: per_group(*pair), tuple])
def test_each_group_may_have_a_schedule_of_its_own(several):
    p, q = weights([(2,), (3,)])
    opt = optim.SGD([{"params": [p], "lr": 1.0}, {"params": [q], "lr": 2.0}])
    scheduler = Scheduler(opt, several([exponential(0.5), constant()]))
    assert followed(opt, scheduler, 3) == [[1.0, 2.0], [0.5, 2.0], [0.25, 2.0]]


@pytest.mark.parametrize(
    ("param", "read", "base"),
    [
        ("betas[0]", lambda group: group["betas"][0], 0.9),
        ("betas[1]", lambda group: group["betas"][1], 0.999),
        ("weight_decay", lambda group: group["weight_decay"], 0.01),
        ("eps", lambda group: group["eps"], 1e-8),
    ],
)
def test_any_setting_of_the_groups_can_be_scheduled(param, read, base):
    opt = optim.AdamW(weights())
    others = {k: v for k, v in opt.param_groups[0].items() if k != param.partition("[")[0]}
    scheduler = Scheduler(opt, exponential(0.5), param=param)
    assert followed(opt, scheduler, 3, read) == [[base], [base / 2], [base / 4]]
    assert {k: opt.param_groups[0][k] for k in others} == others


def test_momentum_and_rate_can_be_scheduled_together():
    opt = optim.SGD(weights(), lr=0.1, momentum=0.8)
    rate = Scheduler(opt, warmup(2))
    momentum = Scheduler(opt, linear(2, 1.0, 0.5), param="momentum")
    seen = []
    for t in range(3):
        seen.append((opt.param_groups[0]["lr"], opt.param_groups[0]["momentum"]))
        walk(opt, 1, start=t)
        rate.step()
        momentum.step()
    assert seen == [(0.0, 0.8), (0.05, pytest.approx(0.6)), (0.1, 0.4)]


def test_a_group_added_later_joins_at_the_next_step():
    opt = optim.SGD(weights(), lr=1.0)
    scheduler = Scheduler(opt, exponential(0.5))
    scheduler.step()
    opt.add_param_group({"params": weights([(2,)]), "lr": 8.0})
    assert scheduler.get_last_lr() == [0.5, 8.0]
    scheduler.step()
    assert scheduler.get_last_lr() == [0.25, 2.0]


def test_a_group_added_to_schedules_that_differ_has_none():
    opt = optim.SGD([{"params": [p]} for p in weights([(2,), (3,)])], lr=1.0)
    scheduler = Scheduler(opt, [exponential(0.5), constant()])
    opt.add_param_group({"params": weights([(2,)])})
    with pytest.raises(ValueError, match="the schedules differ, so that the 1 groups added"):
        scheduler.step()
    assert scheduler.last_epoch == 0
    assert scheduler.get_last_lr() == [1.0, 1.0, 1.0]


def test_a_state_goes_on_where_it_was_even_through_json():
    schedule = warmup(5) >> cosine(10)
    runs = []
    for stop in (12, 4):
        opt = optim.AdamW(weights(), lr=0.1)
        scheduler = Scheduler(opt, schedule)
        seen = followed(opt, scheduler, stop)
        if stop == 4:
            held, state = opt.state_dict(), json.dumps(scheduler.state_dict())
            before = values(params_of(opt))
            opt = optim.AdamW(weights(), lr=7.0)
            for p, old in zip(params_of(opt), before, strict=True):
                p.data = old
            scheduler = Scheduler(opt, schedule)
            opt.load_state_dict(held)
            scheduler.load_state_dict(json.loads(state))
            for t in range(4, 12):
                seen.append([opt.param_groups[0]["lr"]])
                walk(opt, 1, start=t)
                scheduler.step()
        runs.append((seen, values(params_of(opt))))
    assert runs[0][0] == runs[1][0]
    assert_same(runs[0][1], runs[1][1])


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_moves_the_copied_optimizer(copied):
    opt = optim.SGD(weights(), lr=1.0)
    scheduler = copied(Scheduler(opt, exponential(0.5)))
    scheduler.step()
    assert scheduler.get_last_lr() == [0.5]
    assert opt.param_groups[0]["lr"] == 1.0


@pytest.mark.parametrize(
    ("attempt", "error", "sentence"),
    [
        (lambda opt: Scheduler(3, constant()), TypeError, "optimizer must be an Optimizer, got 3"),
        (lambda opt: Scheduler(opt, 0.5), TypeError, "one of thalweg.schedules, .* got 0.5"),
        (lambda opt: Scheduler(opt, "cosine"), TypeError, "one of thalweg.schedules, .*'cosine'"),
        (lambda opt: Scheduler(opt, [math.cos]), TypeError, r"schedule\[0\] must be a schedule"),
        (lambda opt: Scheduler(opt, [constant()] * 2), ValueError, "each of the 1 groups, got 2"),
        (lambda opt: Scheduler(opt, constant(), "rate"), ValueError, "one of 'lr', .* got 'rate'"),
        (lambda opt: Scheduler(opt, constant(), "betas"), ValueError, "param must be one of"),
        (lambda opt: Scheduler(opt, constant(), "betas[2]"), ValueError, "got 'betas\\[2\\]'"),
        (lambda opt: Scheduler(opt, constant(), "amsgrad"), ValueError, "param must be one of"),
    ],
)
def test_what_cannot_be_scheduled_is_said_and_nothing_changes(attempt, error, sentence):
    opt = optim.Adam(weights(), lr=0.5)
    before = opt.state_dict()
    with pytest.raises(error, match=f"^Scheduler: .*{sentence}"):
        attempt(opt)
    assert opt.state_dict() == before


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        ({"param": "eps"}, "param must be 'lr' in the state, got 'eps'"),
        ({"base_values": [1.0, 2.0]}, "must have 1 base values, one for each group, got 2"),
        (None, "must be what state_dict gave, it lacks base_values, param"),
    ],
)
def test_a_state_of_another_scheduler_changes_nothing(spoil, sentence):
    opt = optim.SGD(weights(), lr=1.0)
    scheduler = Scheduler(opt, exponential(0.5))
    scheduler.step()
    state = scheduler.state_dict()
    other = {"last_epoch": 5} if spoil is None else {**state, "last_epoch": 5, **spoil}
    with pytest.raises(ValueError, match=sentence):
        scheduler.load_state_dict(other)
    assert scheduler.state_dict() == state
    assert scheduler.get_last_lr() == [0.5]
