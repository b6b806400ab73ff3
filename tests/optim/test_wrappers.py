"""Wrapper classes made at run time out of the optimizer's own, as Lightning and Fabric make them.

The wrapper is an instance of the class and was never made by it: what the class lacks it forwards.
"""

import copy

import pytest
import torch
from torch.nn import Linear, Parameter

import thalweg.optim as optim
from tests.optim.runs import EVERY, assert_same, assert_same_state, ours, values, walk, weights
from thalweg.averaging import EMA

MATRIX = {"Adafactor": optim.Adafactor, "Muon": optim.Muon, "LBFGS": optim.LBFGS}


class Forwarding:
    """Lightning's way: the optimizer beside, and everything that the class lacks from it."""

    def __init__(self, optimizer):
        self._optimizer = optimizer
        kind = type(optimizer)
        self.__class__ = type("Lightning" + kind.__name__, (type(self), kind), {})

    def __getattr__(self, name):
        return getattr(self._optimizer, name)

    def step(self, closure=None):
        return self._optimizer.step(closure)


class Copying:
    """The older way: what the optimizer has in its `__dict__`, but for `step`, is the wrapper's."""

    def __init__(self, optimizer):
        kept = {k: v for k, v in vars(optimizer).items() if k not in ("step", "__del__")}
        vars(self).update(kept)
        kind = type(optimizer)
        self.__class__ = type("Fabric" + kind.__name__, (type(self), kind), {})
        self._optimizer = optimizer

    def step(self, closure=None):
        return self._optimizer.step(closure)


class Bare:
    """One that leaves even the step to the class."""

    def __init__(self, optimizer):
        vars(self)["_optimizer"] = optimizer
        kind = type(optimizer)
        self.__class__ = type("Bare" + kind.__name__, (type(self), kind), {})

    def __getattr__(self, name):
        return getattr(self._optimizer, name)


WRAPPERS = pytest.mark.parametrize("wrap", [Forwarding, Copying, Bare])


def named(seed=0):
    return [(name, p) for name, p in zip("abcde", weights(), strict=True)]


@pytest.mark.parametrize("average", [None, EMA(0.9)], ids=["", "average"])
@pytest.mark.parametrize("name", EVERY)
def test_nothing_that_the_class_has_is_on_the_instance_too(name, average):
    opt = ours(name, weights(), average=average)
    assert not set(vars(opt)) & set(dir(type(opt)))
    walk(opt, 1)
    again = copy.deepcopy(opt)
    assert not set(vars(again)) & set(dir(type(again)))


@pytest.mark.parametrize("name", MATRIX)
def test_nor_in_the_other_classes(name):
    opt = MATRIX[name]([Parameter(torch.ones(2, 2))])
    assert not set(vars(opt)) & set(dir(type(opt)))


@WRAPPERS
def test_the_averages_are_found(wrap):
    params, plain = weights(), weights()
    inner, other = (optim.AdamW(each, average=EMA(0.9)) for each in (params, plain))
    opt = wrap(inner)
    for each in (opt, other):
        walk(each, 4)
    with opt.averaged_weights(), other.averaged_weights():
        assert_same(params, plain)
        averaged = values(params)
        with pytest.raises(RuntimeError, match=r"^AdamW: step\(\) was called inside"):
            opt.step()
        with pytest.raises(RuntimeError, match=r"^AdamW: step\(\) was called inside"):
            inner.step()
        with opt.averaged_weights(), inner.averaged_weights():
            pass
    assert_same(params, plain)
    target = torch.nn.ParameterList([Parameter(torch.zeros_like(p)) for p in params])
    opt.load_averaged(target)
    assert_same(target, averaged)
    walk(opt, 1, start=4)


@WRAPPERS
def test_the_slow_weights_are_found(wrap):
    params, plain = weights(), weights()
    opt, other = wrap(ours("Ranger", params)), ours("Ranger", plain)
    for each in (opt, other):
        walk(each, 3)
        each.sync()
    assert_same(params, plain)
    for each in (opt, other):
        walk(each, 2, start=3)
    with opt.slow_weights(), other.slow_weights():
        assert_same(params, plain)
        with pytest.raises(RuntimeError, match=r"inside `with slow_weights\(\)`"):
            opt.step()
    assert_same(params, plain)


@WRAPPERS
def test_a_predicate_is_not_lost_and_messages_name_the_users_class(wrap):
    class Mine(optim.AdamW):
        pass

    def decays(name, p):
        return p.dim() > 1

    opt = wrap(Mine(named(), decay_filter=decays))
    more = [("f", Parameter(torch.ones(2, 2))), ("g", Parameter(torch.ones(2)))]
    opt.add_param_group({"params": more})
    assert opt.spared == [["b", "c"], ["g"]]
    assert opt._optimizer.param_groups is opt.param_groups
    walk(opt, 2)
    with pytest.raises(RuntimeError, match=r"^Mine\.load_state_dict: .*missing in it: 'f', 'g'"):
        opt.load_state_dict(Mine([*named(), *zip("hi", weights()[:2], strict=True)]).state_dict())
    with pytest.raises(ValueError, match=r"^Mine: a predicate as decay_filter needs"):
        Mine(weights(), decay_filter=decays)
    with pytest.warns(UserWarning, match=r"^Mine: a group has 'weigth_decay'"):
        opt.add_param_group({"params": [("z", Parameter(torch.ones(1)))], "weigth_decay": 0})


@WRAPPERS
@pytest.mark.parametrize("name", ["AdamW", "Ranger", "SGD"])
def test_loading_through_the_wrapper_loads_the_optimizer(wrap, name):
    params, others = weights(), weights()
    saved, inner = ours(name, params), ours(name, others)
    walk(saved, 3)
    opt = wrap(inner)
    opt.load_state_dict(saved.state_dict())
    assert_same_state(inner, saved)
    with torch.no_grad():
        for p, q in zip(others, params, strict=True):
            p.copy_(q)
    for each in (saved, opt):
        walk(each, 2, start=3)
    assert_same_state(inner, saved)
    assert_same(others, params)


@WRAPPERS
@pytest.mark.parametrize("name", EVERY)
def test_the_other_methods_reach_the_optimizer(wrap, name):
    model = Linear(3, 2)
    inner = ours(name, model.parameters())
    opt = wrap(inner)
    assert repr(opt.state_dict()) == repr(inner.state_dict())
    opt.share_memory()
    opt.add_param_group({"params": [Parameter(torch.ones(1))]})
    assert len(inner.param_groups) == 2
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    opt.zero_grad()
    assert all(p.grad is None for p in model.parameters())
    assert isinstance(opt, type(inner))
    assert opt.spared == [[], []]


@WRAPPERS
@pytest.mark.parametrize("name", MATRIX)
def test_the_other_classes_step_and_load_behind_a_wrapper(wrap, name):
    def make():
        return MATRIX[name]([Parameter(torch.full((2, 3), 2.0))])

    def step(opt):
        (p,) = opt.param_groups[0]["params"]

        def closure():
            opt.zero_grad()
            loss = (p**2).sum()
            loss.backward()
            return loss

        opt.step(closure)
        return p

    inner, plain = make(), make()
    opt = wrap(inner)
    for _ in range(2):
        assert_same([step(opt)], [step(plain)])
    fresh = make()
    wrap(fresh).load_state_dict(opt.state_dict())
    assert repr(fresh.state_dict()["state"]) == repr(plain.state_dict()["state"])
