"""A scheduler's state goes through every kind of file, and what cannot be used is refused whole."""

import copy
import json
from collections import Counter

import numpy as np
import pytest
import torch
import torch.distributed.checkpoint as dcp
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.optim.test_lr_scheduler import ALL, brief
from tests.schedules.twins import OURS, TORCHS, advance, build, optimizer, seen
from thalweg.schedules import cosine

PLATEAU = ("ReduceLROnPlateau", dict(patience=1))
SCHEDULE = ("ScheduleLR", dict(schedule=cosine(30)))
EVERY = [*ALL, PLATEAU, SCHEDULE]
every = pytest.mark.parametrize(("name", "arguments"), EVERY, ids=brief)


def made(name, arguments, module=OURS):
    scheduler = build(module, optimizer(), name, copy.deepcopy(arguments))
    scheduler.optimizer.step()
    return scheduler


def everything(scheduler):
    """All that a refused call must leave as it was."""
    members = [everything(member) for member in getattr(scheduler, "_schedulers", ())]
    groups = [
        {key: value for key, value in group.items() if key != "params"}
        for group in scheduler.optimizer.param_groups
    ]
    return copy.deepcopy((scheduler.state_dict(), groups, members))


def goes_on_as(want, state, name, arguments):
    have = made(name, arguments)
    have.optimizer.load_state_dict(want.optimizer.state_dict())
    have.load_state_dict(state)
    for _ in range(12):
        advance(want)
        advance(have)
        assert seen(have) == seen(want)
    assert have.state_dict() == want.state_dict()


@every
def test_it_goes_on_from_json(name, arguments):
    for steps in (0, 7):
        want = made(name, arguments)
        for _ in range(steps):
            advance(want)
        goes_on_as(want, json.loads(json.dumps(want.state_dict())), name, arguments)


@pytest.mark.filterwarnings("ignore:.*distributed.*")
@every
def test_it_goes_on_from_a_distributed_checkpoint(name, arguments, tmp_path):
    want = made(name, arguments)
    for _ in range(7):
        advance(want)
    dcp.save({"scheduler": want.state_dict()}, checkpoint_id=tmp_path, no_dist=True)
    state = {"scheduler": made(name, arguments).state_dict()}
    dcp.load(state, checkpoint_id=tmp_path, no_dist=True)
    goes_on_as(want, state["scheduler"], name, arguments)


SAME = [
    Counter({3: 1, 8: 2}),
    {3: 1, 8: 2},
    {"3": 1, "8": 2},
    {"3": 1, "8": 2, 3: 1, 8: 2},  # as a distributed checkpoint leaves it
    [3, 8, 8],
    (8, 3, 8),
    np.array([8, 3, 8]),
    torch.tensor([3, 8, 8]),
    {"0": 3, "1": 8, "2": 8},
]


@pytest.mark.parametrize("milestones", SAME[:-1], ids=repr)
def test_milestones_are_taken_in_any_container_that_says_the_same(milestones):
    want = made("MultiStepLR", dict(milestones=[3, 8, 8], gamma=0.5))
    state = {**want.state_dict(), "milestones": milestones}
    goes_on_as(want, state, "MultiStepLR", dict(milestones=[1, 2], gamma=0.1))


@pytest.mark.parametrize("key", ["base_lrs", "_last_lr", "max_lrs", "_schedule_phases"])
def test_a_list_may_come_as_a_tuple_or_by_position(key):
    name, arguments = ("OneCycleLR", dict(max_lr=0.5, total_steps=40))
    if key == "max_lrs":
        name, arguments = "CyclicLR", dict(base_lr=[0.1, 0.2], max_lr=[0.5, 0.7], step_size_up=3)
    for form in (tuple, lambda values: {str(i): value for i, value in enumerate(values)}):
        want = made(name, arguments)
        state = want.state_dict()
        goes_on_as(want, {**state, key: form(state[key])}, name, arguments)


UNUSABLE = [
    ("MultiStepLR", "milestones", {"three": 1}, TypeError, "milestones: a step must be a number"),
    ("MultiStepLR", "milestones", {"3": -1}, ValueError, "milestones['3'] must be >= 0, got -1"),
    ("MultiStepLR", "milestones", {"3": "x"}, TypeError, "milestones['3'] must be a number"),
    ("MultiStepLR", "milestones", [3, None], TypeError, "milestones[1] must be a number, got None"),
    ("MultiStepLR", "milestones", [3, 0.5], TypeError, "milestones[1] must be an integer, got 0.5"),
    ("MultiStepLR", "milestones", np.ones((1, 2)), TypeError, "milestones must be a list, got arr"),
    ("MultiStepLR", "milestones", "3", TypeError, "milestones must be a list, got '3'"),
    ("MultiStepLR", "milestones", None, TypeError, "milestones must be a list, got None"),
    ("MultiStepLR", "gamma", "0.1", TypeError, "gamma must be a number, got '0.1'"),
    ("StepLR", "step_size", 0, ValueError, "step_size must be >= 1, got 0"),
    ("StepLR", "gamma", None, TypeError, "gamma must be a number, got None"),
    ("StepLR", "last_epoch", "5", TypeError, "last_epoch must be a number, got '5'"),
    ("StepLR", "last_epoch", -2, ValueError, "last_epoch must be >= -1, got -2"),
    ("StepLR", "_step_count", 1.5, TypeError, "_step_count must be an integer, got 1.5"),
    ("StepLR", "base_lrs", 0.1, TypeError, "base_lrs must be a list, got 0.1"),
    ("StepLR", "base_lrs", [0.1, "x"], TypeError, "base_lrs[1] must be a number, got 'x'"),
    ("ConstantLR", "factor", 2.0, ValueError, "factor must be >= 0 and <= 1, got 2.0"),
    ("LinearLR", "total_iters", -1, ValueError, "total_iters must be >= 0 and < inf, got -1"),
    ("PolynomialLR", "power", -1, ValueError, "power must be >= 0 and < inf, got -1"),
    ("ExponentialLR", "gamma", [0.9], TypeError, "gamma must be a number, got [0.9]"),
    ("CosineAnnealingLR", "T_max", 0, ValueError, "T_max must be > 0 and < inf, got 0"),
    ("CosineAnnealingWarmRestarts", "T_i", 0, ValueError, "T_i must be >= 1, got 0"),
    ("CosineAnnealingWarmRestarts", "T_cur", None, TypeError, "T_cur must be a number, got None"),
    ("CyclicLR", "mode", "square", ValueError, "mode must be one of 'triangular', "),
    ("CyclicLR", "total_size", 0, ValueError, "total_size must be > 0 and < inf, got 0"),
    ("CyclicLR", "max_lrs", [0.1], ValueError, "max_lrs must have one value for each of the 2"),
    ("CyclicLR", "_scale_fn_custom", {"rate": 1}, ValueError, "_scale_fn_custom must be an object"),
    ("OneCycleLR", "total_steps", 0, ValueError, "total_steps must be >= 1, got 0"),
    ("OneCycleLR", "_schedule_phases", [{}], ValueError, "_schedule_phases[0] must be a phase"),
    ("OneCycleLR", "_schedule_phases", 3, TypeError, "_schedule_phases must be a list, got 3"),
    ("OneCycleLR", "_anneal_func_type", "x", ValueError, "_anneal_func_type must be one of 'cos'"),
    ("SWALR", "_anneal_strategy", "x", ValueError, "_anneal_strategy must be one of 'cos', "),
    ("SWALR", "anneal_epochs", -1, ValueError, "anneal_epochs must be >= 0, got -1"),
    ("LambdaLR", "lr_lambdas", 3, TypeError, "lr_lambdas must be a list, got 3"),
    ("LambdaLR", "lr_lambdas", [{}, 3], TypeError, "lr_lambdas[1] must be a dictionary with names"),
    ("ReduceLROnPlateau", "best", "low", TypeError, "best must be a number, got 'low'"),
    ("ReduceLROnPlateau", "mode", "mid", ValueError, "mode must be one of 'min', 'max', got 'mid'"),
    ("ReduceLROnPlateau", "num_bad_epochs", -1, ValueError, "num_bad_epochs must be >= 0, got -1"),
    ("ReduceLROnPlateau", "default_min_lr", "x", TypeError, "default_min_lr must be a number"),
    ("ReduceLROnPlateau", "min_lrs", [None], TypeError, "min_lrs[0] must be a number, got None"),
    ("ScheduleLR", "base_lrs", [None, 1], TypeError, "base_lrs[0] must be a number, got None"),
    ("SequentialLR", "_milestones", [5, 3], ValueError, "milestones must be one fewer than the"),
    ("SequentialLR", "_schedulers", [{}], ValueError, "_schedulers must have 5 states, got 1"),
    ("SequentialLR", "_schedulers", None, TypeError, "_schedulers must be a list, got None"),
    ("ChainedScheduler", "_schedulers", [3] * 3, TypeError, "_schedulers[0] must be a dictionary"),
]


@pytest.mark.parametrize(("name", "key", "value", "kind", "sentence"), UNUSABLE)
def test_what_cannot_be_used_is_refused_and_nothing_changes(name, key, value, kind, sentence):
    arguments = next(arguments for case, arguments in EVERY if case == name)
    scheduler, other = made(name, arguments), made(name, arguments)
    for _ in range(3):
        advance(other)
    before = everything(scheduler)
    with pytest.raises(kind) as told:
        scheduler.load_state_dict({**other.state_dict(), key: value})
    assert str(told.value).startswith(f"{name}: {sentence}")
    assert everything(scheduler) == before


def test_every_class_has_an_unusable_state_above():
    assert {case[0] for case in UNUSABLE} | {"MultiplicativeLR"} == {name for name, _ in EVERY}


@pytest.mark.parametrize("state", [None, 3, [1], {1: 2}], ids=repr)
@every
def test_a_state_that_is_no_dictionary_with_names_is_told(name, arguments, state):
    with pytest.raises(TypeError, match=f"{name}: state_dict must be a dictionary with names"):
        made(name, arguments).load_state_dict(state)


@pytest.mark.parametrize("name", ["ChainedScheduler", "SequentialLR"])
def test_a_member_that_cannot_use_its_state_leaves_the_others_as_they_were(name):
    arguments = next(arguments for case, arguments in EVERY if case == name)
    scheduler, other = made(name, arguments), made(name, arguments)
    for _ in range(3):
        advance(other)
    state = other.state_dict()
    state["_schedulers"][-1]["base_lrs"] = "x"
    before = everything(scheduler)
    with pytest.raises(TypeError, match="base_lrs must be a list, got 'x'"):
        scheduler.load_state_dict(state)
    assert everything(scheduler) == before


def test_a_member_of_torchs_that_raises_leaves_the_others_as_they_were():
    def chain():
        opt = optimizer()
        members = [OURS.StepLR(opt, 3), TORCHS.LambdaLR(opt, lambda t: 1.0)]
        opt.step()
        return OURS.ChainedScheduler(members)

    scheduler, other = chain(), chain()
    other.step()
    state = other.state_dict()
    del state["_schedulers"][1]["lr_lambdas"]
    before = everything(scheduler)
    with pytest.raises(KeyError):
        scheduler.load_state_dict(state)
    assert everything(scheduler) == before


@every
def test_two_schedulers_with_one_state_do_not_share_it(name, arguments):
    one, other = made(name, arguments), made(name, arguments)
    other.load_state_dict(one.state_dict())
    alone = everything(other)
    for key, value in vars(one).items():
        if isinstance(value, list) and key not in ("_known", "_schedulers"):
            value.clear()
        elif isinstance(value, dict):
            value["9"] = 9
    assert everything(other) == alone


@every
def test_loading_leaves_the_given_state_alone(name, arguments):
    one, other = made(name, arguments), made(name, arguments)
    state = json.loads(json.dumps(one.state_dict()))
    kept = copy.deepcopy(state)
    other.load_state_dict(state)
    advance(other)
    assert state == kept


@settings(max_examples=60, deadline=None)
@given(
    milestones=st.lists(st.integers(1, 12), max_size=6),
    form=st.sampled_from(
        [list, tuple, Counter, lambda m: {str(k): c for k, c in Counter(m).items()}]
    ),
)
def test_any_milestones_in_any_form_give_torchs_values(milestones, form):
    theirs = made("MultiStepLR", dict(milestones=milestones), TORCHS)
    mine = made("MultiStepLR", dict(milestones=[1]))
    mine.load_state_dict({**theirs.state_dict(), "milestones": form(milestones)})
    for _ in range(14):
        mine.step()
        theirs.step()
        assert seen(mine) == pytest.approx(seen(theirs), rel=1e-12)


def test_an_old_state_of_torchs_cyclic_scheduler_with_its_bound_method_is_taken():
    arguments = dict(base_lr=0.1, max_lr=0.2, step_size_up=3)
    theirs = made("CyclicLR", arguments, TORCHS)
    mine = made("CyclicLR", arguments)
    mine.load_state_dict({**theirs.state_dict(), "_scale_fn_ref": theirs._scale_fn_ref})
    assert "_scale_fn_ref" not in mine.state_dict()
    assert mine._scale_fn_ref(2.0) == theirs._scale_fn_ref(2.0)


@pytest.mark.parametrize("rate", [torch.tensor(0.1), torch.tensor([0.1], dtype=torch.float64)])
def test_base_values_that_are_tensors_are_copied_in_and_out(rate):
    def with_tensor():
        opt = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate.clone())
        scheduler = OURS.LambdaLR(opt, lambda t: 0.5**t)
        opt.step()
        return scheduler

    one, other = with_tensor(), with_tensor()
    state = one.state_dict()
    other.load_state_dict(state)
    state["base_lrs"][0].zero_()
    one.base_lrs[0].zero_()
    other.step()
    assert float(other.get_last_lr()[0]) == pytest.approx(0.05)


def test_an_edited_gamma_of_cyclic_lr_counts_once_a_state_is_loaded():
    arguments = {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 3, "mode": "exp_range"}
    mine, theirs = (build(of, optimizer(), "CyclicLR", arguments) for of in (OURS, TORCHS))
    for one in (mine, theirs):
        one.optimizer.step()
    for loads in (False, True):
        for one in (mine, theirs):
            one.gamma = 0.5
            if loads:
                one.load_state_dict(one.state_dict())
            one.step()
        assert mine.get_last_lr() == pytest.approx(theirs.get_last_lr(), rel=1e-12)
