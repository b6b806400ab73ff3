"""Parameter groups: re-read at every step, whatever was done to them in between."""

from collections import defaultdict

import pytest
import torch
from torch.nn import Linear, Parameter

import thalweg.optim as optim
from tests.optim.runs import (
    APART,
    CHANGED,
    OURS,
    SHAPES,
    TWINS,
    assert_close,
    assert_same,
    assert_same_state,
    give_gradients,
    having,
    ours,
    torchs,
    values,
    walk,
    weights,
)

TWO_BETAS = [n for n in having("betas") if len(getattr(optim, n).chain.defaults["betas"]) == 2]


def pair(name, **settings):
    """The same parameters under our class and under torch's."""
    mine, theirs = weights(), weights()
    return ours(name, mine, **settings), torchs(name, theirs, **settings), mine, theirs


@pytest.mark.usefixtures("numbers_in_double")
@pytest.mark.parametrize("name", TWINS)
def test_settings_of_a_group_are_its_own(name):
    decay = {"weight_decay": 0.1} if name in having("weight_decay") else {}
    one, other = weights(), weights()
    for params, make in ((one, ours), (other, torchs)):
        groups = [
            {"params": params[:2]},
            {"params": params[2:4], "lr": 0.05, **decay},
            {"params": params[4:], "maximize": True},
        ]
        walk(make(name, groups, lr=0.02), 7)
    assert_close(one, other)


@pytest.mark.parametrize("name", APART)
def test_groups_with_different_settings_are_as_separate_optimizers(name):
    together, apart = weights(), weights()
    settings = [{"lr": 0.01}, {"lr": 0.02, **CHANGED[name]}]
    halves = [slice(0, 2), slice(2, None)]
    groups = [{"params": together[h], **s} for h, s in zip(halves, settings, strict=True)]
    one = ours(name, groups)
    two = [ours(name, apart[h], **s) for h, s in zip(halves, settings, strict=True)]
    for t in range(9):
        give_gradients(together, t)
        give_gradients(apart, t)
        for opt in (one, *two):
            opt.step()
    assert_same(together, apart)


def test_a_group_takes_what_it_does_not_name_from_the_constructor():
    opt = optim.AdamW([{"params": weights(), "lr": 0.5}], lr=0.1, weight_decay=0.3)
    (group,) = opt.param_groups
    assert (group["lr"], group["weight_decay"]) == (0.5, 0.3)


def test_a_class_between_ours_and_torchs_sees_every_group():
    seen = []

    class Between(torch.optim.Optimizer):
        def add_param_group(self, param_group):
            seen.append(len(param_group["params"]))
            super().add_param_group(param_group)

    class Both(optim.SGD, Between):
        pass

    Both([{"params": weights()[:1]}, {"params": weights()[1:]}], lr=0.1)
    assert seen == [1, len(weights()) - 1]


def test_a_group_may_be_one_tensor():
    p = Parameter(torch.ones(2))
    assert optim.SGD([{"params": p}]).param_groups[0]["params"] == [p]


def test_parameters_may_come_from_a_generator():
    model = Linear(2, 2)
    assert len(optim.Adam(p for p in model.parameters()).param_groups[0]["params"]) == 2


@pytest.mark.usefixtures("numbers_in_double")
@pytest.mark.parametrize("name", TWINS)
def test_settings_changed_between_steps_count_from_the_next_step_on(name):
    one, other, mine, theirs = pair(name)
    for opt in (one, other):
        walk(opt, 3)
        (group,) = opt.param_groups
        group.update(CHANGED[name], lr=0.03)
        if name in having("weight_decay"):
            group["weight_decay"] = 0.2
        walk(opt, 3, start=3)
        group["maximize"] = True
        walk(opt, 3, start=6)
    assert_close(mine, theirs)


@pytest.mark.parametrize("dampening", [0, 0.3])
def test_momentum_switched_on_in_mid_run_starts_with_the_gradient(dampening):
    mine, theirs = weights(), weights()
    for params, module in ((mine, optim), (theirs, torch.optim)):
        opt = module.SGD(params, lr=0.1, dampening=dampening)
        walk(opt, 2)
        assert not opt.state
        opt.param_groups[0]["momentum"] = 0.9
        walk(opt, 3, start=2)
        opt.param_groups[0]["momentum"] = 0  # and the buffer is kept for the next time
        walk(opt, 2, start=5)
        opt.param_groups[0]["momentum"] = 0.9
        walk(opt, 2, start=7)
    assert_close(mine, theirs)


def test_amsgrad_switched_on_in_mid_run_starts_its_maximum_at_zero():
    p = Parameter(torch.ones(3, dtype=torch.float64))
    opt = optim.Adam([p])
    walk(opt, 2)
    opt.param_groups[0]["amsgrad"] = True
    walk(opt, 1, start=2)
    assert_same([opt.state[p]["max_exp_avg_sq"]], [opt.state[p]["exp_avg_sq"]])


@pytest.mark.usefixtures("numbers_in_double")
@pytest.mark.parametrize("name", TWINS)
def test_a_learning_rate_may_be_a_tensor_that_is_changed_in_place(name):
    rate = torch.tensor(0.02, dtype=torch.float64)
    mine, theirs = weights(), weights()
    one, other = ours(name, mine, lr=rate), torchs(name, theirs, lr=0.02)
    walk(one, 3)
    walk(other, 3)
    rate.fill_(0.1)
    other.param_groups[0]["lr"] = 0.1
    walk(one, 3, start=3)
    walk(other, 3, start=3)
    assert one.param_groups[0]["lr"] is rate
    assert_close(mine, theirs)


@pytest.mark.parametrize("name", TWO_BETAS)
@pytest.mark.parametrize(
    "made",
    [
        list,
        lambda betas: tuple(torch.tensor(beta, dtype=torch.float64) for beta in betas),
        lambda betas: torch.tensor(betas, dtype=torch.float64),
    ],
    ids=["list", "tensors", "one tensor"],
)
def test_betas_may_be_a_list_or_tensors(name, made):
    plain, fancy = weights(), weights()
    betas = (0.9, 0.95, 0.8)[: len(getattr(optim, name).chain.defaults["betas"])]
    walk(ours(name, plain, betas=betas), 7)
    walk(ours(name, fancy, betas=made(betas)), 7)
    assert_same(fancy, plain)


@pytest.mark.parametrize("name", OURS)
def test_unknown_keys_are_kept_and_left_alone(name):
    mine, plain = weights(), weights()
    extra = {"name": "head", "lr_scale": 0.1, "initial_lr": 0.01, "use_fallback": True}
    opt = ours(name, [{"params": mine, **extra}])
    opt.param_groups[0]["swa_lr"] = 1e-3
    walk(opt, 5)
    walk(ours(name, plain), 5)
    assert_same(mine, plain)
    saved = opt.state_dict()["param_groups"][0]
    assert {key: saved[key] for key in extra} == extra


@pytest.mark.parametrize("name", OURS)
def test_empty_groups_take_part(name):
    mine, plain = weights(), weights()
    opt = ours(name, [{"params": []}, {"params": mine}, {"params": [], "lr": 1.0}])
    walk(opt, 5)
    walk(ours(name, plain), 5)
    assert_same(mine, plain)


@pytest.mark.parametrize("name", OURS)
def test_a_step_without_any_gradient_changes_nothing(name):
    params = weights()
    opt = ours(name, params)
    before = values(params)
    opt.step()
    assert_same(params, before)
    assert_same_state(opt, ours(name, weights()))
    walk(opt)
    after = values(params)
    opt.zero_grad()
    opt.step()
    assert_same(params, after)


@pytest.mark.parametrize("name", OURS)
def test_all_groups_may_be_empty(name):
    opt = ours(name, [{"params": []}])
    opt.step()
    opt.add_param_group({"params": weights()})
    walk(opt)
    assert len(opt.state) == len(SHAPES)


@pytest.mark.parametrize("name", APART)
def test_groups_stepped_one_at_a_time_as_deepspeed_does_are_as_all_at_once(name):
    mine, plain = weights(), weights()
    opt = ours(name, [{"params": mine[:2]}, {"params": mine[2:], "lr": 0.05}])
    whole = ours(name, [{"params": plain[:2]}, {"params": plain[2:], "lr": 0.05}])
    groups = opt.param_groups
    for t in range(9):
        give_gradients(mine, t)
        for group in groups:
            opt.param_groups = [group]
            opt.step()
        opt.param_groups = groups
    walk(whole, 9)
    assert_same(mine, plain)
    assert_same_state(opt, whole)


@pytest.mark.parametrize("name", APART)
def test_parameters_swapped_in_and_out_of_a_group_keep_their_own_states(name):
    mine, plain = weights(), weights()
    opt, whole = ours(name, mine), ours(name, plain)
    group = opt.param_groups[0]
    for t in range(9):
        give_gradients(mine, t)
        for p in mine:
            group["params"] = [p]
            opt.step()
            group["params"] = []
        group["params"] = mine
    walk(whole, 9)
    assert_same(mine, plain)


@pytest.mark.parametrize("name", APART)
def test_parameters_put_in_the_place_of_others_start_anew(name):
    first, mine, plain = weights(), weights(), weights()
    opt = ours(name, first)
    walk(opt, 5)
    moved = values(first)
    opt.param_groups[0]["params"] = mine
    walk(opt, 5)
    walk(ours(name, plain), 5)
    assert_same(mine, plain)
    assert_same(first, moved)


@pytest.mark.parametrize("name", OURS)
def test_a_state_replaced_by_an_empty_one_starts_anew(name):
    mine, plain = weights(), weights()
    opt = ours(name, mine)
    walk(opt, 5)
    opt.state = defaultdict(dict)  # as fastai's clear_state
    with torch.no_grad():
        for p, q in zip(mine, plain, strict=True):
            p.copy_(q)
    walk(opt, 5)
    walk(ours(name, plain), 5)
    assert_same(mine, plain)


@pytest.mark.parametrize("name", OURS)
def test_states_put_in_by_somebody_else_are_used_and_kept(name):
    params = weights()
    plain = ours(name, weights())
    walk(plain, 3)
    opt = ours(name, params)
    for p, q in zip(params, plain.param_groups[0]["params"], strict=True):
        opt.state[p] = {k: v.clone() for k, v in plain.state[q].items()} | {"theirs": torch.ones(2)}
        with torch.no_grad():
            p.copy_(q)
    walk(opt, 3, start=3)
    walk(plain, 3, start=3)
    assert_same(params, plain.param_groups[0]["params"])
    assert all(torch.equal(opt.state[p]["theirs"], torch.ones(2)) for p in params)


@pytest.mark.usefixtures("numbers_in_double")
@pytest.mark.parametrize("name", TWINS)
def test_a_group_added_in_mid_run_starts_its_own_count(name):
    results = []
    for make in (ours, torchs):
        params = weights()
        opt = make(name, params[:2])
        walk(opt, 3)
        opt.add_param_group({"params": params[2:], "lr": 0.05})
        walk(opt, 6, start=3)
        results.append(params)
    assert_close(*results)


@pytest.mark.parametrize("name", OURS)
def test_named_parameters_are_taken_and_their_names_kept(name):
    model = Linear(3, 2)
    opt = ours(name, model.named_parameters())
    walk(opt)
    assert opt.param_groups[0]["param_names"] == ["weight", "bias"]
    assert opt.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]


@pytest.mark.parametrize("name", APART)
def test_late_gradients_start_their_own_count(name):
    """A parameter first reached at step 3 moves as one of an optimizer made then."""
    early, late, alone = weights(), weights(), weights()
    opt = ours(name, [p for pair in zip(early, late, strict=True) for p in pair])
    for t in range(12):
        give_gradients(early, t)
        if t >= 3:
            give_gradients(late, t)
        opt.step()
    walk(ours(name, alone), 9, start=3)
    assert_same(late, alone)


@pytest.mark.parametrize("name", APART)
def test_gradients_that_come_and_go_count_only_the_steps_they_came_for(name):
    mine, plain = weights(), weights()
    opt = ours(name, mine)
    for t in range(8):
        for half in (mine[:2], mine[2:]):
            opt.zero_grad()
            give_gradients(mine, t)
            for p in mine:
                if all(p is not q for q in half):
                    p.grad = None
            opt.step()
    walk(ours(name, plain), 8)
    assert_same(mine, plain)


@pytest.mark.parametrize("name", OURS)
def test_torchs_swap_in_context_steps_the_tensors_swapped_in(name):
    live, others, plain = weights(), weights(), weights()
    opt = ours(name, live)
    walk(opt, 2)
    kept = values(live)
    twin = ours(name, plain)
    walk(twin, 2)
    saved = twin.state_dict()
    with torch.no_grad():
        for p, q in zip(others, plain, strict=True):
            p.copy_(q)
    named = {str(i): p for i, p in enumerate(others)}
    swapped = {**saved, "state": {i: dict(s) for i, s in saved["state"].items()}}
    swapped["state"] = {
        i: {k: v.clone() for k, v in s.items()} for i, s in swapped["state"].items()
    }
    with torch.optim.swap_in_optimizer_params_and_state(opt, named, swapped):
        walk(opt, 1, start=2)
    walk(twin, 1, start=2)
    assert_same(others, plain)
    assert_same(live, kept)
