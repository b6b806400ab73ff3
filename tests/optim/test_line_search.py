"""L-BFGS's line search where the loss is not defined: a trial that is not finite went too far."""

import math

import pytest
import torch
from torch.nn import Parameter

import thalweg.optim as optim

NAN, INF = float("nan"), float("inf")


def minimized(function, start, steps=6, dtype=torch.float64, **settings):
    """Take steps; returns the parameter, and the loss that each step began with."""
    x = Parameter(torch.tensor(start, dtype=dtype))
    opt = optim.LBFGS([x], line_search_fn="strong_wolfe", **settings)

    def closure():
        opt.zero_grad()
        loss = function(x)
        loss.backward()
        return loss

    losses = [float(opt.step(closure).detach()) for _ in range(steps)]
    return x.detach(), losses, opt


def with_a_wall(x):
    return (x[0] - 3).sqrt() + x[1] ** 2


def barrier(x):
    """Minus the logarithm of the way to the walls, and a pull: the least value is inside."""
    return -torch.log(1 - x).sum() - torch.log(1 + x).sum() + 30 * (x.sum() - 0.5) ** 2


def overflowing(x):
    return torch.cosh(x).sum()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_search_turns_back_from_where_the_root_is_of_less_than_nothing(dtype):
    x, losses, _ = minimized(with_a_wall, [5.0, 2.0], dtype=dtype)
    assert torch.isfinite(x).all()
    assert x[0] >= 3
    assert all(math.isfinite(loss) for loss in losses)
    assert losses[-1] < 0.2 < losses[0]


def test_torchs_puts_nan_into_the_weights_there():
    x = Parameter(torch.tensor([5.0, 2.0], dtype=torch.float64))
    opt = torch.optim.LBFGS([x], line_search_fn="strong_wolfe")

    def closure():
        opt.zero_grad()
        loss = with_a_wall(x)
        loss.backward()
        return loss

    for _ in range(6):
        opt.step(closure)
    assert x.isnan().all()


@pytest.mark.parametrize("lr", [1.0, 100.0])
def test_a_minimum_between_walls_is_found(lr):
    x, losses, _ = minimized(barrier, [0.0, -0.9], steps=8, lr=lr)
    assert losses == sorted(losses, reverse=True)
    x.requires_grad_()
    (g,) = torch.autograd.grad(barrier(x), x)
    assert float(g.abs().max()) < 1e-3
    assert 0 < x.detach().sum() < 1


def test_a_loss_that_overflows_is_too_far():
    x, losses, _ = minimized(overflowing, [50.0, -3.0], dtype=torch.float32, lr=1e4)
    assert torch.isfinite(x).all()
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 1e-10 * losses[0]


def test_a_gradient_of_nan_under_a_finite_loss_is_too_far():
    """0 * inf: where |x| < 1 the root's branch is not taken, and its gradient still multiplied."""

    def function(x):
        return torch.where(x > 1, x, torch.sqrt(x - 1).nan_to_num(0.0) * 0 + x).sum()

    x, losses, _ = minimized(function, [3.0, 2.5], steps=3)
    assert torch.isfinite(x).all()
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
@pytest.mark.parametrize("at", [2, 3, 5])
def test_one_bad_evaluation_does_not_stay(bad, at):
    calls = [0]

    def function(x):
        calls[0] += 1
        return ((x - 1) ** 4).sum() * (bad if calls[0] == at else 1.0)

    x, losses, opt = minimized(function, [3.0, -2.0], max_iter=2)
    assert torch.isfinite(x).all()
    assert losses[-1] < losses[0]
    assert all(torch.isfinite(opt.state[p]["d"]).all() for p in opt.state)


@pytest.mark.parametrize("bad", [NAN, INF])
def test_from_a_point_that_is_not_finite_no_step_is_taken(bad):
    x, losses, opt = minimized(lambda x: x.sum() * bad, [3.0, -2.0], steps=2)
    assert x.tolist() == [3.0, -2.0]
    assert not any(map(math.isfinite, losses))
    (held,) = opt.state.values()
    assert held == {"func_evals": 2, "n_iter": 0}


def test_where_every_trial_is_too_far_the_weights_stay_where_they_are():
    def function(x):
        return x.sum() if (x == 3).all() else x.sum() * NAN

    x, losses, _ = minimized(function, [3.0, 3.0], steps=2)
    assert x.tolist() == [3.0, 3.0]
    assert losses == [6.0, 6.0]
