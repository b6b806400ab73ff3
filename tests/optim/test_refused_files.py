"""`load_state_dict` looks at what it is given before anything changes."""

import copy

import pytest
import torch
from torch.nn import Parameter

import thalweg.optim as optim
from tests.optim.named import at, named, of
from tests.optim.runs import OURS, ours, walk, weights
from thalweg.averaging import EMA


def broken(change, cls=optim.AdamW, **settings):
    """A state_dict with one thing wrong."""
    saved = copy.deepcopy(at(2, cls=cls, **settings).state_dict())
    change(saved)
    return saved


def group(**values):
    return lambda saved: saved["param_groups"][0].update(values)


def state(**values):
    return lambda saved: saved["state"][1].update(values)


def without(key):
    return lambda saved: saved["state"][1].pop(key)


REFUSED = {
    "an unknown average": (group(average="polyak"), TypeError, r"average must be None, EMA"),
    "an average of another kind": (group(average=3), TypeError, r"average must be None, EMA"),
    "a filter that is none": (group(decay_filter=5), ValueError, "decay_filter must be None"),
    "a filter too short": (group(decay_filter=[True]), ValueError, "one truth value for each"),
    "a beta": (group(betas=(0.5, 2.0)), ValueError, r"betas\[1\] must be >= 0 and < 1, got 2\.0"),
    "a rate": (group(lr="fast"), TypeError, "lr must be a number, got 'fast'"),
    "NaN": (group(eps=float("nan")), ValueError, "eps must be >= 0, got nan"),
    "a type of states": (group(state_dtype="half"), ValueError, "state_dtype must be one of"),
    "decay of an average": (
        group(average="ema", average_decay=2.0),
        ValueError,
        r"average_decay must be >= 0 and <= 1, got 2\.0",
    ),
    "a shape": (state(exp_avg=torch.ones(7)), ValueError, r"'exp_avg' must be .* \(3,\), got a t"),
    "a list": (
        state(exp_avg=[1.0]),
        ValueError,
        r"'exp_avg' must be a tensor of shape \(3,\), got",
    ),
    "no count": (without("step"), ValueError, "the state of parameter 1 lacks 'step'; it has 'exp"),
    "no moment": (without("exp_avg_sq"), ValueError, "parameter 1 lacks 'exp_avg_sq'"),
    "a count below zero": (
        state(step=torch.tensor(-1.0)),
        ValueError,
        "'step' must be a whole number >= 0",
    ),
    "a count of NaN": (state(step=float("nan")), ValueError, "'step' must be .*>= 0 and finite"),
    "a count and a half": (state(step=1.5), ValueError, "'step' must be a whole number .*got 1.5"),
    "a moment of None": (
        state(exp_avg=None),
        ValueError,
        r"'exp_avg' must be a tensor of shape \(3,\), got None",
    ),
    "a complex moment": (
        state(exp_avg=torch.ones(3, dtype=torch.complex64)),
        ValueError,
        "'exp_avg' of a real parameter must be real, got one of torch.complex64",
    ),
    "a sparse moment": (
        state(exp_avg=torch.ones(3).to_sparse()),
        ValueError,
        "'exp_avg' must be dense, got one of torch.sparse_coo",
    ),
    "parameters that are none": (
        group(params=5),
        ValueError,
        "'params' of a group must be a list of the parameters' numbers, got 5",
    ),
    "a count of two": (state(step=torch.ones(2)), ValueError, "'step' must be one number, got a t"),
    "a count in words": (state(step="two"), ValueError, "'step' must be one number, got 'two'"),
    "a state that is none": (
        lambda saved: saved["state"].update({1: 3}),
        ValueError,
        "the state of a parameter must be a dict, got 3",
    ),
    "no groups": (lambda saved: saved.pop("param_groups"), ValueError, "a dict with 'state' and"),
    "no states": (lambda saved: saved.pop("state"), ValueError, "a dict with 'state' and"),
    "a group of nothing": (
        lambda saved: saved["param_groups"][0].pop("params"),
        ValueError,
        "must be a list of dicts with 'params'",
    ),
    "groups that are none": (
        lambda saved: saved.update(param_groups=3),
        ValueError,
        "must be a list of dicts with 'params', got 3",
    ),
    "two groups": (
        lambda saved: saved["param_groups"].append({"params": []}),
        ValueError,
        "different number of parameter groups",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_no_step_could_take_is_refused_before_anything_changes(what):
    change, kind, words = REFUSED[what]
    opt = optim.AdamW([p for _, p in named()])
    walk(opt, 3)
    states, groups = copy.deepcopy(opt.state_dict()), opt.param_groups
    held = opt.state
    with pytest.raises(kind, match=words):
        opt.load_state_dict(broken(change))
    assert opt.param_groups is groups
    assert opt.state is held
    assert repr(opt.state_dict()) == repr(states)
    walk(opt, 1, start=3)


def test_an_error_of_loading_says_so():
    with pytest.raises(ValueError, match=r"^AdamW\.load_state_dict: betas\[1\] must be"):
        at(1).load_state_dict(broken(group(betas=(0.5, 2.0))))


@pytest.mark.parametrize("given", [None, 3, [], {}, {"state": {}, "param_groups": [3]}], ids=repr)
@pytest.mark.parametrize("cls", [optim.AdamW, optim.Adafactor, optim.Muon, optim.LBFGS])
def test_what_is_no_state_dict_is_refused_in_a_sentence(cls, given):
    opt = cls([Parameter(torch.ones(2, 2))])
    with pytest.raises(ValueError, match=rf"^{cls.__name__}\.load_state_dict: .* must be .*, got "):
        opt.load_state_dict(given)


def test_groups_with_averages_of_two_kinds_are_refused():
    pair = [{"params": [p]} for p in weights()[:2]]
    saved = optim.SGD(pair, lr=0.1, average=EMA(0.9)).state_dict()
    saved["param_groups"][1].update(average="swa", average_start=1, average_every=1)
    opt = optim.SGD([{"params": [p]} for p in weights()[:2]], lr=0.1)
    with pytest.raises(ValueError, match="all groups must keep the same kind of average"):
        opt.load_state_dict(saved)
    assert opt.param_groups[0]["average"] is None


@pytest.mark.parametrize(
    ("key", "value"),
    [("row_var", torch.ones(3)), ("col_var", torch.ones(3, 1)), ("step", torch.ones(2))],
)
def test_adafactors_factors_must_fit(key, value):
    saved = broken(lambda saved: saved["state"][0].update({key: value}), optim.Adafactor)
    opt = at(1, cls=optim.Adafactor)
    with pytest.raises(ValueError, match=rf"^Adafactor\.load_state_dict: the state '{key}' must"):
        opt.load_state_dict(saved)
    assert of(opt)[0]["step"] == 1


def test_a_momentum_of_none_is_one_that_has_not_begun():
    """torch's SGD once wrote it."""
    opt, other = (optim.SGD(weights(), lr=0.1, momentum=0.9) for _ in range(2))
    walk(opt, 1)
    saved = opt.state_dict()
    for held in saved["state"].values():
        held["momentum_buffer"] = None
    other.load_state_dict(saved)
    walk(other, 1, start=1)
    assert all(held["momentum_buffer"] is not None for held in other.state.values())


def test_muons_momentum_must_fit():
    saved = optim.Muon([Parameter(torch.ones(2, 2))])
    walk(saved, 1)
    file = saved.state_dict()
    file["state"][0] = {"momentum_buffer": torch.ones(3)}
    opt = optim.Muon([Parameter(torch.ones(2, 2))])
    with pytest.raises(ValueError, match=r"'momentum_buffer' must be .*\(2, 2\), got .* \(3,\)"):
        opt.load_state_dict(file)
    assert not opt.state


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"d": torch.ones(4)}, "'d' must hold tensors of 15 numbers.*, got a tensor of shape"),
        ({"prev_flat_grad": 3}, "'prev_flat_grad' must hold tensors of 15 numbers.*, got 3"),
        ({"old_dirs": [torch.ones(2)]}, "'old_dirs' must hold tensors of 15 numbers"),
        ({"old_dirs": [torch.ones(15)]}, "'old_dirs', 'old_stps' and 'ro' must be of one length"),
    ],
    ids=["d", "gradient", "pairs", "lengths"],
)
def test_a_history_of_lbfgs_must_fit(change, words):
    saved, opt = (optim.LBFGS(named()) for _ in range(2))
    file = saved.state_dict()
    file["state"][0] = {"n_iter": 1, "func_evals": 1, **change}
    with pytest.raises(ValueError, match=rf"^LBFGS\.load_state_dict: the states? {words}"):
        opt.load_state_dict(file)
    assert not opt.state


def test_what_a_program_may_do_to_a_group_may_be_in_a_file():
    """Momentum of zero with nesterov is refused when made, and steps."""
    opt, other = (optim.SGD(weights(), lr=0.1, momentum=0.9, nesterov=True) for _ in range(2))
    opt.param_groups[0]["momentum"] = 0.0
    walk(opt, 1)
    other.load_state_dict(opt.state_dict())
    assert other.param_groups[0]["momentum"] == 0.0


@pytest.mark.parametrize("name", OURS)
def test_a_state_that_begins_later_may_be_missing(name):
    """An average, slow weights, a momentum that was zero."""
    opt = ours(name, weights())
    walk(opt, 2)
    saved = opt.state_dict()
    for held in saved["state"].values():
        held.pop("slow_buffer", None)
        held.pop("momentum_buffer", None)
    other = ours(name, weights())
    other.load_state_dict(saved)
    walk(other, 1, start=2)
    assert set(other.state_dict()["state"]) == set(range(5))
