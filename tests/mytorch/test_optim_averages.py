"""Averages and slow weights of an optimizer: lent, loaded and given back."""

import copy
import math

import numpy as np
import pytest

from tests.mytorch.networks import two_layers
from tests.mytorch.steps import (
    assert_same,
    params_of,
    values,
    walk,
    weights,
)
from thalweg.averaging import EMA, SWA
from thalweg.mytorch import nn, optim


def test_an_exponential_average_is_lent_and_given_back():
    params = weights()
    opt, mean = optim.SGD(params, lr=0.1, average=EMA(0.75)), None
    for t in range(5):
        walk(opt, 1, start=t)
        now = values(params)
        pairs = zip(mean or now, now, strict=True)
        mean = [m + 0.25 * (p - m) for m, p in pairs] if mean else now
    before = values(params)
    with opt.averaged_weights():
        for p, want in zip(params, mean, strict=True):
            np.testing.assert_allclose(p.data, want, rtol=1e-13)
        with pytest.raises(RuntimeError, match=r"SGD: step\(\) was called inside"):
            opt.step()
    assert_same(values(params), before)
    opt.step()


def test_a_plain_mean_counts_every_so_many_steps():
    params = weights()
    opt, seen = optim.Adam(params, average=SWA(start=2, every=3)), []
    for t in range(9):
        walk(opt, 1, start=t)
        if t + 1 in (2, 5, 8):
            seen.append(values(params))
    with opt.averaged_weights():
        for p, *held in zip(params, *seen, strict=True):
            np.testing.assert_allclose(p.data, np.mean(held, axis=0), rtol=1e-12)


@pytest.mark.parametrize("named", [True, False])
def test_averages_are_loaded_into_another_model(named):
    net, other = two_layers(), two_layers()
    opt = optim.AdamW(net if named else net.parameters(), lr=0.1, average=EMA(0.5))
    walk(opt, 3)
    opt.load_averaged(other)
    with opt.averaged_weights():
        assert_same(values(other.parameters()), values(net.parameters()))
    with pytest.raises(ValueError, match=r"AdamW.load_averaged: the model"):
        opt.load_averaged(nn.Linear(9, 9))
    with pytest.raises(RuntimeError, match="SGD keeps no average"):
        optim.SGD(net).load_averaged(other)


def test_slow_weights_are_lent_and_synchronized():
    params = weights([(2, 3)])
    (p,) = params
    opt = optim.Ranger(params, lr=0.1, k=3, alpha=0.25)
    walk(opt, 5)
    fast, slow = p.data.copy(), opt.state[p]["slow_buffer"].copy()
    with opt.slow_weights():
        assert_same([p.data], [slow])
    assert_same([p.data], [fast])
    opt.sync()
    np.testing.assert_allclose(p.data, slow + 0.25 * (fast - slow), rtol=1e-14)
    assert_same([p.data], [opt.state[p]["slow_buffer"]])
    assert opt.state[p]["step"] == 5.0
    walk(opt, 1, start=5)
    assert math.isclose(opt.state[p]["step"], 6.0)


def test_slow_weights_come_back_after_an_error():
    params = weights()
    opt = optim.Ranger(params)
    walk(opt, 7)
    before = values(params)
    with pytest.raises(ArithmeticError), opt.slow_weights():
        raise ArithmeticError
    assert_same(values(params), before)
    opt.step()


def test_a_copy_made_while_the_slow_weights_are_lent_is_in_no_block():
    params = weights()
    opt = optim.Ranger(params)
    walk(opt, 7)
    with opt.slow_weights():
        _, other = copy.deepcopy((params, opt))
        assert_same(values(params_of(other)), values(params))
        walk(other)


def test_files_written_after_eval_hold_both_weights():
    params = weights()
    opt = optim.Ranger(params, lr=0.1, k=5)
    walk(opt, 3)
    own = values(params)
    opt.eval()
    others = [nn.Parameter(p.data.copy()) for p in params]
    fresh = optim.Ranger(others, lr=0.1, k=5)
    fresh.load_state_dict(opt.state_dict())
    with pytest.raises(RuntimeError, match="call train"):
        fresh.step()
    opt.train()
    fresh.train()
    assert_same(values(others), own)
    for one in (opt, fresh):
        walk(one, 3, start=3)
    assert_same(values(others), values(params))
