"""Which parameters a step moves, and what it leaves as it is."""

import copy
from contextlib import nullcontext

import numpy as np
import pytest

from tests.mytorch.networks import moved
from tests.mytorch.steps import (
    EVERY,
    assert_same,
    give_gradients,
    make,
    numbers,
    values,
    walk,
    weights,
)
from thalweg.mytorch import Tensor, nn, no_grad, optim


def test_parameters_without_gradients_stay_and_start_late():
    first, never, late = weights([(3,), (2, 2), (4,)])
    opt = optim.AdamW([first, never, late])
    before = values([first, never, late])
    first.grad = numbers((3,), 1)
    opt.step()
    late.grad = numbers((4,), 2)
    opt.step()
    assert moved([first, never, late], before) == [True, False, True]
    assert [opt.state.get(p, {}).get("step") for p in (first, never, late)] == [2.0, None, 1.0]


def test_a_late_parameter_steps_as_if_alone():
    late, alone = weights([(4,)])[0], weights([(4,)])[0]
    early = nn.Parameter(np.ones(3))
    both, one = optim.NAdam([early, late]), optim.NAdam([alone])
    early.grad = np.ones(3)
    both.step()
    for t in range(3):
        late.grad = alone.grad = numbers((4,), t)
        both.step()
        one.step()
    assert_same([late.data], [alone.data])


@pytest.mark.parametrize("name", EVERY)
def test_a_step_without_any_gradient_does_nothing(name):
    params = weights()
    opt = make(name, params)
    held = copy.deepcopy(opt.state_dict())
    before = values(params)
    opt.step()
    assert not any(moved(params, before))
    assert opt.state_dict()["state"].keys() == held["state"].keys()


def test_a_frozen_parameter_gets_no_gradient_and_stays():
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    net[0].weight.requires_grad = False
    opt = optim.AdamW(net)
    before = values(net.parameters())
    net(np.ones((2, 3), np.float32)).sum().backward()
    opt.step()
    assert moved(net.parameters(), before) == [False, True, True, True]


def test_a_shared_parameter_is_stepped_once():
    net = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))
    net[2].weight = net[0].weight
    opt = optim.SGD(net, lr=1.0)
    net(np.ones((1, 3), np.float32)).sum().backward()
    want = net[0].weight.data - net[0].weight.grad
    opt.step()
    np.testing.assert_array_equal(net[2].weight.data, want)


def test_zero_grad_forgets_or_fills():
    p, q = weights([(2,), (3,)])
    opt = optim.SGD([p, q])
    p.grad = np.ones(2)
    opt.zero_grad(set_to_none=False)
    assert_same([p.grad], [np.zeros(2)])
    assert q.grad is None
    opt.zero_grad()
    assert p.grad is None


@pytest.mark.parametrize("around", [nullcontext, no_grad])
def test_a_closure_is_called_once_before_the_step_with_gradients_on(around):
    (p,) = weights([(2,)])
    opt = optim.SGD([p], lr=0.1)
    seen = []

    def closure():
        opt.zero_grad()
        loss = (Tensor(np.ones(2)) * p).sum()
        loss.backward()
        seen.append(p.data.copy())
        return loss

    before = p.data.copy()
    with around():
        assert opt.step(closure).item() == pytest.approx(before.sum())
        recorded = (p * 1).requires_grad
    assert recorded == (around is nullcontext)
    assert_same(seen, [before])
    np.testing.assert_allclose(p.data, before - 0.1)


def test_a_step_under_no_grad_is_a_step():
    (p,) = weights([(2,)])
    opt, before = optim.SGD([p]), p.data.copy()
    p.grad = np.ones(2)
    with no_grad():
        opt.step()
    assert moved([p], [before]) == [True]


def test_a_parameter_stays_where_it_lies_and_its_gradient_as_it_is():
    params = weights()
    opt = optim.AdamW(params)
    give_gradients(params, 0)
    memory, grads = [p.data for p in params], [p.grad for p in params]
    kept = copy.deepcopy(grads)
    opt.step()
    assert all(p.data is old for p, old in zip(params, memory, strict=True))
    assert all(p.grad is old for p, old in zip(params, grads, strict=True))
    assert_same(grads, kept)


LAYOUTS = {
    "Fortran order": lambda g: np.asfortranarray(g),
    "a view with gaps": lambda g: np.repeat(g, 2, axis=1)[:, ::2],
    "reversed": lambda g: np.ascontiguousarray(g[::-1])[::-1],
    "read-only": lambda g: np.frombuffer(g.tobytes(), g.dtype).reshape(g.shape),
    "broadcast": lambda g: np.broadcast_to(g[:1], g.shape),
    "not aligned": lambda g: np.frombuffer(b"." + g.tobytes(), g.dtype, offset=1).reshape(g.shape),
    "the other byte order": lambda g: g.astype(g.dtype.newbyteorder()),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_gradient_may_lie_in_memory_as_it_likes(layout, dtype):
    p, want = weights([(4, 6)], dtype)[0], weights([(4, 6)], dtype)[0]
    opt, plain = optim.Ranger([p], k=2), optim.Ranger([want], k=2)
    for t in range(3):
        grad = LAYOUTS[layout](numbers((4, 6), t, dtype))
        p.grad, want.grad = grad, np.array(grad, dtype)
        opt.step()
        plain.step()
        assert p.grad is grad
    assert_same([p.data], [want.data])


def test_a_gradient_in_double_keeps_its_digits_on_a_single_parameter():
    p = nn.Parameter(np.zeros(1, np.float32))
    opt = optim.SGD([p], lr=1.0)
    for grad in (np.ones(1, np.float32), np.array([1 + 2**-20])):  # formats may alternate
        p.data[:] = 0
        p.grad = grad
        opt.step()
        assert p.data.dtype == np.float32
        assert p.data[0] == -np.float32(grad[0])


@pytest.mark.parametrize("name", EVERY)
def test_a_module_may_change_its_type_between_steps(name):
    """States stay as they are: in a type of their own, and no digit is lost."""
    net = nn.Linear(3, 4).double()
    opt = make(name, net, **({"lr": 1e-3}))
    walk(opt, 2)
    for dtype in (np.float32, np.float64):
        net.to(dtype)
        before = values(net.parameters())
        walk(opt, 2, start=2)
        assert all(moved(net.parameters(), before))
        assert {p.dtype for p in net.parameters()} == {np.dtype(dtype)}
        assert all(np.isfinite(p.data).all() for p in net.parameters())


def test_steps_in_a_changed_type_are_close_to_those_in_double():
    nets = [nn.Linear(3, 4).double() for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    opts = [optim.AdamW(net, lr=0.01) for net in nets]
    for t in range(9):
        nets[0].to(np.float32 if t in (3, 4, 5) else np.float64)
        for opt in opts:
            walk(opt, 1, start=t)
    for p, q in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        np.testing.assert_allclose(p.data, q.data, rtol=1e-5, atol=1e-6)


def test_states_that_a_user_replaced_are_used():
    p, q = weights([(3,)])[0], weights([(3,)])[0]
    opt, other = optim.SGD([p], lr=0.1, momentum=0.9), optim.SGD([q], lr=0.1, momentum=0.9)
    walk(opt)
    walk(other)
    opt.state[p]["momentum_buffer"] = np.zeros(3)
    other.state[q]["momentum_buffer"][:] = 0
    before = opt.state[p]["momentum_buffer"]
    walk(opt, 1, start=1)
    walk(other, 1, start=1)
    assert opt.state[p]["momentum_buffer"] is before
    assert_same([p.data], [q.data])
