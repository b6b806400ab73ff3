"""What an optimizer is built from: a module, groups, a rule of one's own."""

import copy
import re

import numpy as np
import pytest

from tests.mytorch.networks import moved, network
from tests.mytorch.steps import (
    EVERY,
    assert_same,
    make,
    params_of,
    values,
    walk,
    weights,
)
from thalweg.chain import chain
from thalweg.elementwise import sign
from thalweg.mytorch import nn, optim
from thalweg.rule import Rule, setting, state
from thalweg.rules import RAdam
from thalweg.stages import Centralize, Lookahead


@pytest.mark.parametrize(
    "given",
    [
        lambda net: net,
        lambda net: net.parameters(),
        lambda net: list(net.named_parameters()),
        lambda net: [{"params": net}],
        lambda net: [{"params": net[0]}, {"params": net[1].parameters()}, {"params": net[2]}],
        lambda net: [{"params": list(net.named_parameters())}],
        lambda net: [{"params": p} for p in net.parameters()],
    ],
    ids=["module", "parameters", "named", "group", "groups", "named group", "single"],
)
def test_a_module_its_parameters_or_groups_of_them_are_the_same(given):
    net = network()
    want = copy.deepcopy(net)
    opt = optim.AdamW(given(net), lr=0.1)
    assert {id(p) for p in params_of(opt)} == {id(p) for p in net.parameters()}
    for one in (opt, optim.AdamW(want, lr=0.1)):
        walk(one, 3)
    assert_same(values(net.parameters()), values(want.parameters()))


def test_a_module_and_named_parameters_give_names():
    net = network()
    names = [name for name, _ in net.named_parameters()]
    for given in (net, net.named_parameters(), [{"params": net}]):
        assert optim.SGD(given).param_groups[0]["param_names"] == names
    assert "param_names" not in optim.SGD(net.parameters()).param_groups[0]


def test_each_group_keeps_its_own_settings():
    slow, fast = weights([(2,), (2,)])
    opt = optim.SGD([{"params": [slow], "lr": 0.5}, {"params": [fast]}], lr=2.0)
    before = values([slow, fast])
    slow.grad = fast.grad = np.ones(2)
    opt.step()
    np.testing.assert_allclose(before[0] - slow.data, 0.5)
    np.testing.assert_allclose(before[1] - fast.data, 2.0)


def test_a_group_added_later_is_stepped_from_then_on():
    p, q = weights([(2,), (3,)])
    opt = optim.Adam([p], lr=0.1)
    walk(opt, 2)
    opt.add_param_group({"params": [q], "lr": 0.01})
    walk(opt, 1, start=2)
    assert [opt.state[x]["step"] for x in (p, q)] == [3.0, 1.0]
    assert [group["lr"] for group in opt.param_groups] == [0.1, 0.01]
    assert opt.param_groups[1]["betas"] == opt.param_groups[0]["betas"]


def test_settings_changed_between_steps_count_from_the_next_one():
    (p,) = weights([(3,)])
    opt = optim.SGD([p], lr=1.0, momentum=0.9)
    p.grad = np.ones(3)
    opt.step()
    opt.param_groups[0].update(lr=0.5, momentum=0.0)
    before = p.data.copy()
    opt.step()
    np.testing.assert_allclose(before - p.data, 0.5)


def test_an_alias_is_the_setting_itself():
    opt = optim.Ranger(network(), N_sma_threshhold=7)
    assert opt.param_groups[0]["n_sma_threshold"] == 7
    opt = optim.Ranger([{"params": network(), "N_sma_threshhold": 8}])
    assert opt.param_groups[0]["n_sma_threshold"] == 8


@pytest.mark.parametrize("name", EVERY)
def test_the_old_spelling_of_the_first_mytorch_steps_every_layer(name):
    net = network()
    opt = make(name, net)
    before = values(net.parameters())
    walk(opt, 2)
    assert all(moved(net.parameters(), before))


# A user's own rules.


class Signs(Rule):
    """Steps of lr, whatever the gradient."""

    lr: float = setting(0.1, low=0)
    last = state("last")

    @staticmethod
    def update(p, g, last, lr):
        p = p - lr * sign(g)
        last = g
        return p, last


def test_a_rule_of_ones_own_becomes_an_optimizer():
    Own = optim.optimizer(Signs)
    assert (Own.__name__, Own.__module__) == ("Signs", __name__)
    (p,) = weights([(3,)])
    before = p.data.copy()
    opt = Own([p], lr=0.25)
    p.grad = np.array([3.0, -2.0, 0.5])
    opt.step()
    np.testing.assert_allclose(before - p.data, [0.25, -0.25, 0.25])
    assert_same([opt.state[p]["last"]], [p.grad])


def test_a_chain_of_ones_own_becomes_an_optimizer():
    Own = optim.optimizer(chain("Own", Centralize, RAdam, Lookahead, lr=0.01, k=2))
    p, q = weights([(4, 3)])[0], weights([(4, 3)])[0]
    same = optim.Ranger([q], lr=0.01, k=2, betas=(0.9, 0.999), eps=1e-8)
    opt = Own([p])
    for one in (opt, same):
        walk(one, 10)
    np.testing.assert_allclose(p.data, q.data, rtol=1e-12)
    with opt.slow_weights():
        assert_same([p.data], [opt.state[p]["slow_buffer"]])


@pytest.mark.parametrize("given", [3, "Adam", Signs()], ids=["number", "name", "made"])
def test_only_rules_and_chains_become_optimizers(given):
    with pytest.raises(TypeError, match="optimizer takes a rule or a chain, got"):
        optim.optimizer(given)


# Which parameters decay.


@pytest.mark.parametrize(
    "decays",
    ["no_bias_norm", lambda name, p: p.ndim > 1, [True, False, False, False, True, False]],
    ids=["words", "predicate", "list"],
)
def test_a_decay_filter_spares_biases_and_norms(decays):
    net = network()
    opt = optim.AdamW(net, lr=0.1, weight_decay=0.5, decay_filter=decays)
    for p in net.parameters():
        p.data[...] = 1
        p.grad = np.zeros_like(p.data)
    opt.step()
    want = [p.ndim > 1 for p in net.parameters()]
    assert [bool(np.all(p.data < 1)) for p in net.parameters()] == want
    assert [bool(np.all(p.data == 1)) for p in net.parameters()] == [not one for one in want]


def test_a_predicate_decides_for_groups_added_later_too():
    net, more = network(), nn.Linear(2, 2)
    opt = optim.AdamW(net, decay_filter=lambda name, p: name.endswith("weight"))
    opt.add_param_group({"params": more})
    assert opt.param_groups[1]["decay_filter"] == [True, False]
    opt.add_param_group({"params": nn.Linear(1, 1), "decay_filter": None})
    assert opt.param_groups[2]["decay_filter"] is None


def test_repr_shows_the_settings_of_each_group():
    text = repr(
        optim.SGD(
            [{"params": network(), "lr": 0.5}, {"params": [nn.Parameter(np.ones(2))]}], momentum=0.9
        )
    )
    assert re.search(r"^SGD \(\n  group 0: 6 parameters, .*lr=0.5.*\n  group 1: 1 param", text)
    assert text.count("momentum=0.9") == 2
    assert "params" not in text
