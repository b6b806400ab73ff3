"""What an optimizer keeps: saved and loaded, copied, and refused where it does not fit."""

import copy
import math
import pickle

import numpy as np
import pytest

from tests.mytorch.networks import two_layers
from tests.mytorch.steps import (
    EVERY,
    assert_same,
    assert_same_state,
    make,
    params_of,
    values,
    walk,
    weights,
)
from thalweg.averaging import EMA, SWA
from thalweg.mytorch import nn, optim

# beside the settings of a case: both kinds of average, a filter, and the document's decay of lr
VARIANTS = {name: (name, {}) for name in EVERY} | {
    "AdamW-EMA": ("AdamW", {"average": EMA(0.9)}),
    "Ranger-SWA": ("Ranger", {"average": SWA(start=2, every=2)}),
    "AdamW-filter": ("AdamW", {"decay_filter": "no_bias_norm"}),
    "SGD-lr_decay": ("SGD", {"lr_decay": 0.5}),
}


def built(variant: str, params) -> optim.Optimizer:
    name, settings = VARIANTS[variant]
    return make(name, params, **settings)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("at", [0, 5])
def test_a_loaded_state_goes_on_as_if_it_had_never_stopped(variant, at):
    params = weights()
    opt = built(variant, params)
    walk(opt, at)
    state = opt.state_dict()
    resumed = [nn.Parameter(p.data) for p in params]
    walk(opt, 5, start=at)
    other = built(variant, resumed)
    other.load_state_dict(state)
    walk(other, 5, start=at)
    assert_same(values(params), values(resumed))
    assert_same_state(opt.state_dict(), other.state_dict())


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))], ids=["copy", "pickle"]
)
def test_a_copy_with_its_model_goes_its_own_way(variant, copied):
    net = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4))
    opt = built(variant, net)
    walk(opt, 3)
    before = values(net.parameters())
    twin, other = copied((net, opt))
    assert {id(p) for p in params_of(other)} == {id(p) for p in twin.parameters()}
    walk(other, 3, start=3)
    assert_same(values(net.parameters()), before)
    walk(opt, 3, start=3)
    assert_same(values(net.parameters()), values(twin.parameters()))
    assert_same_state(opt.state_dict(), other.state_dict())


def test_a_copy_can_be_given_more_parameters():
    opt = copy.deepcopy(optim.AdamW(weights(), average=EMA(0.9)))
    opt.add_param_group({"params": weights([(2,)])})
    walk(opt)
    assert opt.param_groups[1]["average_decay"] == 0.9


def test_lr_decay_goes_on_from_its_count():
    p, q = weights([(3,)])[0], weights([(3,)])[0]
    opt, other = (optim.SGD([x], lr=0.1, lr_decay=0.5) for x in (p, q))
    walk(opt, 150)
    assert opt.state_dict()["param_groups"][0]["steps"] == 150
    other.load_state_dict(opt.state_dict())
    q.data = p.data
    before = p.data.copy()
    for _ in range(50):  # to step 200, where the second share goes
        for one in (opt, other):
            params_of(one)[0].grad = np.ones(3)
            one.step()
    assert_same([p.data], [q.data])
    np.testing.assert_allclose(before - p.data, 49 * 0.05 + 0.025)


def test_a_state_dict_is_apart_from_what_it_was_taken_of():
    params = weights()
    opt = optim.AdamW(params)
    walk(opt, 2)
    state = opt.state_dict()
    kept = copy.deepcopy(state)
    walk(opt, 2, start=2)
    assert_same_state(state, kept)
    other = optim.AdamW(weights())
    other.load_state_dict(state)
    walk(other, 2)
    assert_same_state(state, kept)


def test_a_loaded_state_brings_the_settings_of_the_groups():
    p, q = weights([(2,), (3,)])
    opt = optim.SGD([{"params": [p], "lr": 0.5}, {"params": [q]}], momentum=0.9)
    other = optim.SGD([{"params": [p]}, {"params": [q]}], lr=7.0)
    other.load_state_dict(opt.state_dict())
    assert [group["lr"] for group in other.param_groups] == [0.5, 1e-3]
    assert [group["momentum"] for group in other.param_groups] == [0.9, 0.9]


def test_states_go_by_name_whatever_the_order():
    net = two_layers()
    opt = optim.AdamW(net)
    walk(opt, 2)
    backwards = optim.AdamW(reversed(list(net.named_parameters())))
    backwards.load_state_dict(opt.state_dict())
    for p in net.parameters():
        assert_same([backwards.state[p]["exp_avg"]], [opt.state[p]["exp_avg"]])


def test_a_name_that_is_missing_is_an_error_unless_it_is_not_strict():
    net = two_layers()
    opt, other = optim.AdamW(net[0].named_parameters()), optim.AdamW(two_layers())
    walk(opt, 2)
    walk(other, 3)
    before = other.state_dict()
    with pytest.raises(RuntimeError, match=r"AdamW\.load_state_dict: .*missing in it: '0\.bias'"):
        other.load_state_dict(opt.state_dict())
    with pytest.raises(RuntimeError, match=r"none of the file's 2 parameters has the name of one"):
        other.load_state_dict(opt.state_dict(), strict=False)
    assert_same_state(before, other.state_dict())
    part = optim.AdamW([(f"0.{name}", p) for name, p in net[0].named_parameters()])
    walk(part, 7)
    with pytest.warns(UserWarning, match="the states of 2 of the optimizer's 4 parameters"):
        other.load_state_dict(part.state_dict(), strict=False)
    assert sorted(held["step"] for held in other.state.values()) == [3.0, 3.0, 7.0, 7.0]


def test_a_filter_decided_by_a_predicate_is_saved_with_the_names():
    net = two_layers()
    opt = optim.AdamW(net, decay_filter=lambda name, p: name == "1.weight")
    backwards = optim.AdamW(reversed(list(net.named_parameters())))
    backwards.load_state_dict(opt.state_dict())
    assert opt.param_groups[0]["decay_filter"] == [False, False, True, False]
    assert backwards.param_groups[0]["decay_filter"] == [False, True, False, False]
    with pytest.raises(ValueError, match="a new group needs its own decay_filter"):
        backwards.add_param_group({"params": weights()})


# What does not fit.


def emptied(state):
    del state["param_groups"]


def misshapen(state):
    state["state"][1]["exp_avg"] = np.zeros((2, 2))


def integer(state):
    state["state"][1]["exp_avg_sq"] = np.zeros((4,), int)


def numberless(state):
    state["state"][1]["step"] = "seven"


def several(state):
    state["state"][1]["step"] = np.ones(3)


def short(state):
    state["param_groups"][0]["params"].pop()


def grouped(state):
    state["param_groups"] *= 2


def out_of_range(state):
    state["param_groups"][0]["lr"] = -1.0


def averaged(state):
    state["param_groups"][0]["average"] = "mean"


def filtered(state):
    state["param_groups"][0]["decay_filter"] = [True]


def with_state(number, **entries):
    """A state in which a parameter has these entries; None stands for its not having one."""

    def spoil(state):
        state["state"][number] = state["state"].get(number, {}) | entries

    return spoil


def listed(state):
    state["state"][1] = [1.0]


@pytest.mark.parametrize(
    ("spoil", "error", "sentence"),
    [
        (emptied, ValueError, "the state must be what state_dict gave"),
        (
            misshapen,
            ValueError,
            r"'exp_avg' must be .* shape \(4,\), got float64 of shape \(2, 2\)",
        ),
        (integer, ValueError, r"'exp_avg_sq' must be .*, got int64 of shape \(4,\)"),
        (numberless, ValueError, "the state 'step' must be a whole number from 0 .* got 'seven'"),
        (several, ValueError, "the state 'step' must be a whole number from 0 .* got array"),
        (with_state(1, step=-1.0), ValueError, "parameter 1: the state 'step' must be .* got -1.0"),
        (with_state(1, step=1.5), ValueError, "parameter 1: the state 'step' must be .* got 1.5"),
        (with_state(1, step=math.nan), ValueError, "the state 'step' must be .* got nan"),
        (with_state(1, step=2.0**60), ValueError, "the state 'step' must be .* got 1.15"),
        (with_state(1, step=None), ValueError, "parameter 1: the state must have 'step' too"),
        (with_state(1, exp_avg=None), ValueError, "parameter 1: the state must have 'exp_avg' too"),
        (with_state(9, step=1.0), ValueError, "in a group, got states of 9"),
        (listed, ValueError, r"parameter 1: a state must be a dict, got \[1.0\]"),
        (
            short,
            ValueError,
            r"the groups must have \[5\] parameters, as the optimizer's, got \[4\]",
        ),
        (grouped, ValueError, r"must have \[5\] parameters, as the optimizer's, got \[5, 5\]"),
        (out_of_range, ValueError, "AdamW: lr must be >= 0, got -1.0"),
        (averaged, TypeError, "AdamW: average must be None, EMA"),
        (filtered, ValueError, "AdamW: decay_filter must be"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(spoil, error, sentence):
    opt, other = optim.AdamW(weights(), lr=0.5), optim.AdamW(weights())
    walk(opt, 2)
    walk(other, 1)
    state, before = opt.state_dict(), other.state_dict()
    spoil(state)
    with pytest.raises(error, match=sentence):
        other.load_state_dict(state)
    assert_same_state(before, other.state_dict())
    walk(other, 1, start=1)
    want = optim.AdamW(weights())
    walk(want, 2)
    assert_same(values(params_of(other)), values(params_of(want)))


def test_what_is_no_state_is_said_to_be_none():
    with pytest.raises(ValueError, match=r"SGD\.load_state_dict: the state must be .* got list"):
        optim.SGD(weights()).load_state_dict([])
