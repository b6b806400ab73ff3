"""`differentiable=True`: autograd goes through the step."""

import pytest
import torch
from torch.autograd import gradcheck

from tests.optim.runs import OURS, TWINS, assert_close, numbers, ours, torchs

SHAPES = ((3, 2), (4,))
SETTINGS = {"Adam": {"amsgrad": False}, "Ranger": {"k": 2}}
# torch cuts the graph where momentum begins, so with momentum its slope is another one
AS_TORCH = {"SGD": {"momentum": 0, "nesterov": False}}
# torch writes over states of these that autograd needs, and fails in the second step
TORCH_STEPS_ONCE = ("Adamax", "RMSprop", "Rprop")


def loss_of(params) -> torch.Tensor:
    # of copies: a step changes its parameters in place, and autograd keeps what a loss was made of
    copies = [p.clone() for p in params]
    return sum((c.sin() * numbers(c.shape, 9)).sum() + c.abs().square().sum() for c in copies)


def learned(make, name, starts, steps=3, **settings) -> list[torch.Tensor]:
    """Weights after some steps of gradient descent on a loss, as functions of `starts`."""
    params = [start.clone() for start in starts]
    opt = make(name, params, differentiable=True, **SETTINGS.get(name, {}), **settings)
    for _ in range(steps):
        grads = torch.autograd.grad(loss_of(params), params, create_graph=True)
        for p, grad in zip(params, grads, strict=True):
            p.grad = grad
        opt.step()
    return params


def assert_slopes_close(have, want) -> None:
    # under this flag torch's Adam corrects its bias in float32
    for a, b in zip(have, want, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def starts() -> list[torch.Tensor]:
    return [numbers(shape, i).requires_grad_() for i, shape in enumerate(SHAPES)]


@pytest.mark.parametrize("name", TWINS)
def test_the_slope_through_steps_is_torchs(name):
    slopes, steps = [], 1 if name in TORCH_STEPS_ONCE else 3
    for make in (ours, torchs):
        origin = starts()
        moved = learned(make, name, origin, steps, **AS_TORCH.get(name, {}))
        outer = sum(p.pow(3).sum() for p in moved)
        slopes.append(torch.autograd.grad(outer, origin))
    assert all(slope.abs().min() > 0 for slope in slopes[0])
    assert_slopes_close(*slopes)


@pytest.mark.parametrize("name", OURS)
def test_the_slope_through_steps_is_that_of_finite_differences(name):
    assert gradcheck(lambda *origin: tuple(learned(ours, name, origin, steps=2)), starts())


@pytest.mark.parametrize("name", OURS)
def test_the_numbers_are_those_of_the_fused_pass(name):
    plain = [p.detach().clone().requires_grad_() for p in starts()]
    opt = ours(name, plain, **SETTINGS.get(name, {}))
    for _ in range(3):
        for p, grad in zip(plain, torch.autograd.grad(loss_of(plain), plain), strict=True):
            p.grad = grad
        opt.step()
    assert_close(learned(ours, name, starts()), plain)


@pytest.mark.parametrize("name", TWINS)
def test_the_slope_of_complex_weights_is_torchs(name):
    slopes, settings = [], SETTINGS.get(name, {}) | AS_TORCH.get(name, {})
    for make in (ours, torchs):
        origin = [numbers((3,), 1, torch.complex128).requires_grad_()]
        params = [origin[0].clone()]
        opt = make(name, params, differentiable=True, **settings)
        for _ in range(1 if name in TORCH_STEPS_ONCE else 2):
            copy = params[0].clone()
            loss = copy.abs().square().sum() + copy.real.pow(3).sum()
            (params[0].grad,) = torch.autograd.grad(loss, params, create_graph=True)
            opt.step()
        slopes.append(torch.autograd.grad(params[0].abs().sum(), origin))
    assert_slopes_close(*slopes)


@pytest.mark.parametrize("name", TWINS)
def test_a_leaf_is_refused_as_in_torch(name):
    for make in (ours, torchs):
        p = torch.nn.Parameter(torch.ones(2))
        p.grad = torch.ones(2)
        with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
            make(name, [p], differentiable=True).step()


@pytest.mark.parametrize("name", OURS)
def test_no_graph_is_made_without_the_flag(name):
    origin = numbers((3,), 1).requires_grad_()
    p = origin.clone().detach().requires_grad_()
    opt = ours(name, [p])
    p.grad = (origin * 2).detach()
    opt.step()
    assert p.is_leaf
    assert p.grad_fn is None
