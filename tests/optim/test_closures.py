"""A closure is called once, with gradients on, and its value is handed back."""

import pytest
import torch

from tests.optim.runs import EVERY, assert_same, give_gradients, ours, tensors, walk, weights


@pytest.fixture(params=EVERY)
def name(request):
    return request.param


def test_a_closure_is_called_once_and_its_value_returned_unchanged(name):
    params = weights()
    opt = ours(name, params)
    calls, losses = [], [torch.tensor(1.5), None, 2.0]

    def closure():
        calls.append(torch.is_grad_enabled())
        return losses[len(calls) - 1]

    give_gradients(params, 0)
    assert opt.step(closure) is losses[0]
    assert opt.step(closure=closure) is losses[1]
    with torch.no_grad():
        assert opt.step(closure) is losses[2]
    assert calls == [True, True, True]


def test_a_step_without_a_closure_returns_none(name):
    params = weights()
    opt = ours(name, params)
    give_gradients(params, 0)
    assert opt.step() is None
    assert opt.step(None) is None
    assert opt.step(closure=None) is None


def test_a_closure_may_make_the_gradients(name):
    """Lightning runs forward, zero_grad and backward inside the step."""
    mine, plain = weights(), weights()
    opt, outside = ours(name, mine), ours(name, plain)

    def loss_of(params):
        return sum(p.square().sum() for p in params)

    def closure():
        opt.zero_grad()
        loss = loss_of(mine)
        loss.backward()
        return loss

    for _ in range(5):
        loss = opt.step(closure)
        outside.zero_grad()
        want = loss_of(plain)
        want.backward()
        outside.step()
        assert torch.equal(loss, want)
    assert_same(mine, plain)


def test_gradients_stay_off_outside_the_closure(name):
    params = weights()
    opt = ours(name, params)
    give_gradients(params, 0)
    opt.step()
    assert torch.is_grad_enabled()
    with torch.no_grad():
        opt.step()
        assert not torch.is_grad_enabled()
    assert all(p.is_leaf and p.requires_grad and p.grad_fn is None for p in params)
    held = [t for state in opt.state.values() for t in tensors(state)]
    assert not any(t.requires_grad for t in held)


def test_a_closure_that_fails_leaves_everything_as_it_was(name):
    params = weights()
    opt = ours(name, params)
    walk(opt, 2)
    before = [p.detach().clone() for p in params]

    def closure():
        raise ArithmeticError("no loss today")

    with pytest.raises(ArithmeticError, match="no loss today"):
        opt.step(closure)
    assert_same(params, before)
    assert torch.is_grad_enabled()
