"""Groups come, go and move; rates are numbers of any kind; a step that fails changes nothing."""

import copy
import json
import pickle
from fractions import Fraction

import numpy as np
import pytest
import torch

from tests.optim.rebuilds import GROWING
from tests.optim.test_lr_scheduler_states import everything
from tests.schedules.twins import CASES, NEAR, OURS, TORCHS, advance, label, optimizer, pair, seen
from thalweg import optim
from thalweg.mytorch import nn
from thalweg.mytorch import optim as on_numpy
from thalweg.number import as_float, is_number, is_schedulable, plain
from thalweg.schedules import constant, cosine

# each with limits or functions of its own for the three groups, where it takes some
OWN = {
    **GROWING,
    "LambdaLR": lambda opt: OURS.LambdaLR(opt, [lambda t, i=i: 1 / (t + i) for i in (1, 2, 3)]),
    "ScheduleLR": lambda opt: OURS.ScheduleLR(opt, [cosine(9), constant(0.5), cosine(20)]),
    "CyclicLR": lambda opt: OURS.CyclicLR(opt, [0.01, 0.02, 0.03], [0.1, 0.2, 0.3], 4),
    "OneCycleLR": lambda opt: OURS.OneCycleLR(opt, [0.1, 0.2, 0.3], total_steps=50),
    "SWALR": lambda opt: OURS.SWALR(opt, [0.05, 0.04, 0.03]),
    "ReduceLROnPlateau": lambda opt: OURS.ReduceLROnPlateau(
        opt, patience=0, min_lr=[0.02, 0.004, 1e-9]
    ),
}


def three_groups():
    rates = (0.1, 0.03, 0.2)
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in rates]
    return torch.optim.SGD(groups, lr=0.1, momentum=0.9)


def values(opt):
    return [(float(group["lr"]), group["momentum"]) for group in opt.param_groups]


@pytest.mark.parametrize("keep", [[0, 1], [0, 2], [1, 2], [2], [2, 0, 1], [1, 0]], ids=repr)
@pytest.mark.parametrize("name", OWN)
def test_groups_that_are_left_keep_their_own_values_wherever_they_stand(name, keep):
    whole, some = three_groups(), three_groups()
    want, have = OWN[name](whole), OWN[name](some)
    whole.step()
    some.step()
    for _ in range(3):
        advance(want)
        advance(have)
    some.param_groups[:] = [some.param_groups[i] for i in keep]
    for _ in range(6):
        advance(want)
        advance(have)
        assert values(some) == [pytest.approx(values(whole)[i], **NEAR) for i in keep]


FOLLOWING = ("StepLR", "MultiStepLR", "ConstantLR", "LinearLR", "ExponentialLR", "PolynomialLR")


@pytest.mark.parametrize(("name", "arguments"), CASES, ids=label)
def test_a_group_popped_is_let_go_of_as_in_torch_where_torch_does(name, arguments):
    mine, theirs = pair(name, arguments)
    for scheduler in (mine, theirs):
        scheduler.step()
        scheduler.optimizer.param_groups.pop()
    mine.step()
    if name in FOLLOWING or name == "SWALR":
        theirs.step()
        assert seen(mine) == pytest.approx(seen(theirs), **NEAR)
    assert len(mine.get_last_lr()) == len(mine.base_lrs) == 1


def test_a_state_of_torchs_of_more_groups_than_are_left_goes_on():
    mine, theirs = pair("ExponentialLR", dict(gamma=0.5))
    for scheduler in (mine, theirs):
        scheduler.step()
        scheduler.optimizer.param_groups.pop(0)
        theirs.step()
    assert len(theirs.base_lrs) == 2
    mine.load_state_dict(theirs.state_dict())
    assert mine.base_lrs == [0.03]
    mine.step()


def test_limits_of_more_groups_than_are_left_are_refused_when_they_differ():
    three, two = OWN["CyclicLR"](three_groups()), OURS.CyclicLR(optimizer(), 0.1, 0.2)
    before = everything(two)
    with pytest.raises(ValueError, match="CyclicLR: max_lrs must have one value for each of the 2"):
        two.load_state_dict(three.state_dict())
    assert everything(two) == before


def test_a_group_put_in_front_and_one_taken_from_the_middle_at_once():
    opt = three_groups()
    scheduler = OWN["CyclicLR"](opt)
    opt.step()
    scheduler.step()
    opt.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))]})
    opt.param_groups[-1].update(base_lr=0.5, max_lr=0.9)
    opt.param_groups[:] = [opt.param_groups[i] for i in (3, 2, 0)]
    scheduler.step()
    assert scheduler.base_lrs == [0.5, 0.03, 0.01]
    assert [group["lr"] for group in opt.param_groups] == pytest.approx([0.7, 0.165, 0.055])


def test_a_group_given_other_parameters_stays_the_group_it_was():
    opt = three_groups()
    scheduler = OWN["CyclicLR"](opt)
    opt.step()
    scheduler.step()
    opt.param_groups[1]["params"] = [torch.nn.Parameter(torch.zeros(2))]
    scheduler.step()
    assert scheduler.base_lrs == [0.01, 0.02, 0.03]


@pytest.mark.parametrize("how", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_a_copy_knows_its_groups_too(how):
    scheduler = how(OURS.CyclicLR(three_groups(), [0.01, 0.02, 0.03], 0.5, 4))
    scheduler.optimizer.step()
    del scheduler.optimizer.param_groups[1]
    scheduler.step()
    assert scheduler.base_lrs == [0.01, 0.03]


# What a number is

TENTH = [
    0.1,
    np.float64(0.1),
    np.array(0.1),
    Fraction(1, 10),
    torch.tensor(0.1, dtype=torch.float64),
    torch.tensor([0.1], dtype=torch.float64),
]
NO_NUMBERS = [None, "0.1", b"1", 1j, np.array([0.1]), np.array("x"), torch.zeros(2), [0.1]]


@pytest.mark.parametrize("value", TENTH, ids=lambda value: f"{type(value).__name__} {value}")
def test_one_place_says_what_a_number_is(value):
    assert is_number(value)
    assert is_schedulable(value)
    assert as_float(value) == 0.1


@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
def test_one_place_says_what_is_none(value):
    assert not is_number(value)
    with pytest.raises(TypeError):
        as_float(value)


def test_truth_values_and_numbers_of_truth_are_no_numbers_to_schedule():
    for value in (True, np.True_, np.array(True), torch.tensor(True), torch.tensor(1j)):
        assert not is_number(value)


def test_numbers_of_numpys_are_pythons_to_a_scheduler_and_tensors_stay():
    tensor = torch.tensor(0.1)
    assert type(plain(np.float32(0.5))) is float
    assert type(plain(np.array(3))) is int
    assert plain(tensor) is tensor


@pytest.mark.parametrize("module", [torch.optim, optim], ids=["torch", "ours"])
@pytest.mark.parametrize("value", TENTH[:3], ids=lambda value: f"{type(value).__name__} {value}")
@pytest.mark.parametrize("name", GROWING)
def test_a_rate_of_any_kind_is_scheduled_as_the_number_it_is(name, value, module):
    opts = [
        module.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9) for _ in range(2)
    ]
    opts[0].param_groups[0]["lr"] = value
    have, want = map(GROWING[name], opts)
    for opt in opts:
        opt.step()
    for _ in range(5):
        advance(have)
        advance(want)
        assert values(opts[0]) == values(opts[1])
    assert json.dumps(have.state_dict()) == json.dumps(want.state_dict())


@pytest.mark.parametrize("value", TENTH[:3], ids=lambda value: f"{type(value).__name__} {value}")
def test_a_rate_of_numpys_runs_at_both_borders(value):
    model = nn.Linear(2, 1)
    on_arrays = on_numpy.SGD(list(model.parameters()), lr=value)
    on_numpy.Scheduler(on_arrays, cosine(2)).step()
    assert on_arrays.param_groups[0]["lr"] == pytest.approx(0.05)
    p = torch.nn.Parameter(torch.zeros(1))
    p.grad = torch.ones(1)
    opt = optim.SGD([p], lr=value)
    scheduler = OURS.ExponentialLR(opt, 0.5)
    opt.step()
    scheduler.step()
    opt.step()
    assert p.item() == pytest.approx(-0.15)


def test_arguments_are_numbers_of_any_kind_and_saved_as_pythons():
    for gamma in (np.float64(0.5), np.array(0.5), torch.tensor(0.5)):
        opt = optimizer()
        scheduler = OURS.ExponentialLR(opt, gamma)
        opt.step()
        scheduler.step()
        assert opt.param_groups[0]["lr"] == 0.05
        assert json.loads(json.dumps(scheduler.state_dict()))["gamma"] == 0.5


def test_momenta_that_are_an_array_are_scheduled_one_by_one():
    opt = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])
    opt.param_groups[0]["betas"] = np.array([0.8, 0.9])
    scheduler = OURS.ExponentialLR(opt, 0.5, param="betas[0]")
    opt.step()
    scheduler.step()
    assert opt.param_groups[0]["betas"] == (0.4, 0.9)


# Tensors of integers

INTEGERS = [
    torch.tensor(1),
    torch.tensor([2], dtype=torch.int32),
    torch.tensor(3, dtype=torch.uint8),
]


def with_rate(rate):
    opt = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
    opt.param_groups[0]["lr"] = rate
    return opt


@pytest.mark.parametrize("rate", INTEGERS, ids=repr)
@pytest.mark.parametrize("name", sorted(GROWING.keys() - {"SequentialLR", "ChainedScheduler"}))
def test_a_tensor_of_integers_is_no_rate_to_schedule(name, rate):
    opt = with_rate(rate)
    before = dict(opt.param_groups[0])
    sentence = f"^{name}: lr must be a number or a floating-point tensor of one element, got "
    with pytest.raises(TypeError, match=sentence):
        GROWING[name](opt)
    assert opt.param_groups[0] == before


@pytest.mark.parametrize("name", GROWING)
def test_a_tensor_of_integers_put_there_later_is_refused_and_nothing_changes(name):
    opt = optimizer()
    scheduler = GROWING[name](opt)
    opt.step()
    opt.param_groups[1]["lr"] = torch.tensor(1)
    before = everything(scheduler)
    with pytest.raises(TypeError, match="lr must be a number or a floating-point tensor of one"):
        advance(scheduler)
    assert everything(scheduler) == before


def test_torch_fills_it_with_nothing():
    opt = with_rate(torch.tensor(1))
    scheduler = TORCHS.ExponentialLR(opt, 0.5)
    opt.step()
    scheduler.step()
    assert opt.param_groups[0]["lr"] == 0


# What fails changes nothing


def chain(opt, *more):
    members = [OURS.ExponentialLR(opt, 0.5), *more, OURS.ReduceLROnPlateau(opt, patience=0)]
    return OURS.ChainedScheduler(members)


METRICLESS = {
    "chain": chain,
    "chain in a chain": lambda opt: OURS.ChainedScheduler([OURS.StepLR(opt, 1), chain(opt)]),
    "chain in a sequence": lambda opt: OURS.SequentialLR(
        opt, [chain(opt), OURS.StepLR(opt, 3)], [3]
    ),
    "sequence in a chain": lambda opt: OURS.ChainedScheduler(
        [
            OURS.StepLR(opt, 1),
            OURS.SequentialLR(opt, [OURS.ReduceLROnPlateau(opt), OURS.StepLR(opt, 3)], [3]),
        ]
    ),
    "sequence": lambda opt: OURS.SequentialLR(
        opt, [OURS.ReduceLROnPlateau(opt), OURS.StepLR(opt, 3)], [3]
    ),
    "torch's plateau": lambda opt: OURS.ChainedScheduler(
        [OURS.StepLR(opt, 1), TORCHS.ReduceLROnPlateau(opt)]
    ),
}


@pytest.mark.parametrize("metrics", [(), (None,), ([1.0],), ("low",)], ids=repr)
@pytest.mark.parametrize("make", METRICLESS.values(), ids=METRICLESS)
def test_a_step_without_the_metric_that_a_member_wants_moves_no_member(make, metrics):
    opt = optimizer()
    scheduler = make(opt)
    opt.step()
    before = everything(scheduler)
    with pytest.raises(TypeError, match="metrics must be a number at a step of ReduceLROnPlateau"):
        scheduler.step(*metrics)
    assert everything(scheduler) == before


def test_after_a_refused_step_the_next_one_is_the_first():
    opt = optimizer()
    scheduler = chain(opt)
    opt.step()
    with pytest.raises(TypeError):
        scheduler.step()
    scheduler.step(1.0)
    assert opt.param_groups[0]["lr"] == 0.05


class Failing:
    """A function of the step that fails when it is told to."""

    def __init__(self):
        self.fails = False

    def __call__(self, t):
        if self.fails:
            raise OSError("no curve today")
        return 0.5


RUINED = {
    "LambdaLR": lambda opt, f: OURS.LambdaLR(opt, f),
    "MultiplicativeLR": lambda opt, f: OURS.MultiplicativeLR(opt, [f, f]),
    "CyclicLR": lambda opt, f: OURS.CyclicLR(opt, 0.1, 0.2, scale_fn=f),
    "chain": lambda opt, f: OURS.ChainedScheduler([OURS.StepLR(opt, 1), OURS.LambdaLR(opt, f)]),
    "chain of torch's": lambda opt, f: OURS.ChainedScheduler(
        [TORCHS.StepLR(opt, 1), TORCHS.LambdaLR(opt, f)]
    ),
    "sequence": lambda opt, f: OURS.SequentialLR(
        opt, [OURS.StepLR(opt, 1), OURS.LambdaLR(opt, f)], [1]
    ),
}


@pytest.mark.parametrize("tensors", [False, True], ids=["numbers", "tensors"])
@pytest.mark.parametrize("make", RUINED.values(), ids=RUINED)
def test_a_function_that_raises_leaves_the_step_untaken(make, tensors):
    opt, function = optimizer(), Failing()
    if tensors:
        for group in opt.param_groups:
            group["lr"] = torch.tensor(group["lr"], dtype=torch.float64)
    scheduler = make(opt, function)
    opt.step()
    before = everything(scheduler)
    function.fails = True
    with pytest.raises(OSError, match="no curve today"):
        scheduler.step()
    function.fails = False
    assert everything(scheduler) == before


@pytest.mark.filterwarnings("error")
def test_a_warning_that_is_an_error_leaves_the_step_untaken():
    for call in (lambda s: s.step(), lambda s: s.step(3)):
        scheduler = OURS.StepLR(optimizer(), 1)  # whose optimizer has not stepped
        before = everything(scheduler)
        with pytest.raises(UserWarning):
            call(scheduler)
        assert everything(scheduler) == before


def test_a_group_for_which_nothing_is_known_stays_out_until_it_is():
    opt = optimizer()
    scheduler = OURS.CyclicLR(opt, [0.1, 0.2], 0.4, 2)
    opt.step()
    opt.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))]})
    before = everything(scheduler)
    with pytest.raises(ValueError, match="base_lr must have a value for the parameter group that"):
        scheduler.step()
    assert everything(scheduler) == before
    opt.param_groups[2]["base_lr"] = 0.3
    scheduler.step()
    assert opt.param_groups[2]["lr"] == pytest.approx(0.35)


def test_a_plateau_that_knows_no_least_value_for_a_new_group_changes_nothing():
    opt = optimizer()
    scheduler = OURS.ReduceLROnPlateau(opt, patience=0, min_lr=[0.1, 0.01])
    scheduler.step(1.0)
    opt.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))]})
    before = everything(scheduler)
    with pytest.raises(RuntimeError, match="min_lrs must have a value for each of the 3 parameter"):
        scheduler.step(1.0)
    assert everything(scheduler) == before
    scheduler.min_lrs = [0.1, 0.01, 0.0]
    scheduler.step(1.0)
    assert [group["lr"] for group in opt.param_groups] == pytest.approx([0.1, 0.01, 0.01])
