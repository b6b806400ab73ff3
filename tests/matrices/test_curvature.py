"""AdaHessian, and the curvature along a direction that it asks for."""

import numpy as np
import pytest
import torch

import thalweg.optim as optim
from thalweg import mytorch
from thalweg.elementwise import sign
from thalweg.requests import curvature, drawn
from thalweg.rule import Rule

SHAPES = [(3, 2), (4,)]
SEED = 2147483647
COUNT = 10
MIXED = np.random.default_rng(0).normal(size=(COUNT, COUNT))
MIXED = MIXED @ MIXED.T + np.eye(COUNT)  # every parameter's curvature depends on the others


class Newtonian(Rule):
    """Subtracts the curvature along the gradient."""

    lr: float = 0.1

    @staticmethod
    def update(g, lr):
        u = lr * curvature(g)
        return u


def split(flat):
    return [part.reshape(s) for part, s in zip(np.split(flat, [6]), SHAPES, strict=True)]


def start():
    return np.random.default_rng(1).normal(size=COUNT)


def gradient(w):
    return MIXED @ w + 4 * w**3


def hessian(w):
    return MIXED + 12 * np.diag(w**2)


def adahessian(w, steps, lr=0.1, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, **more):
    """Algorithm 1 of the paper with decoupled decay, on all parameters as one vector."""
    (b1, b2), power, each = betas, more.get("hessian_power", 1.0), more.get("update_each", 1)
    m = v = np.zeros_like(w)
    for t in range(1, steps + 1):
        if (t - 1) % each == 0:
            draws = [drawn(SEED, t, i, "noise1", shape) for i, shape in enumerate(SHAPES)]
            z = np.sign(np.concatenate([one.ravel() for one in draws]))
            d = z * (hessian(w) @ z)
        g = gradient(w)
        w = w - lr * weight_decay * w
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * d**2
        w = w - lr * (m / (1 - b1**t)) / ((v / (1 - b2**t)) ** (power / 2) + eps)
    return w


def on_torch(make, steps, **settings):
    params = [torch.nn.Parameter(torch.tensor(w)) for w in split(start())]
    opt = make(params, **settings)
    mixed = torch.tensor(MIXED)

    def loss():
        flat = torch.cat([p.reshape(-1) for p in params])
        return 0.5 * flat @ mixed @ flat + (flat**4).sum()

    for _ in range(steps):
        opt.zero_grad()
        loss().backward(create_graph=True)
        opt.step()
    return np.concatenate([p.detach().numpy().ravel() for p in params])


def on_numpy(make, steps, **settings):
    params = [mytorch.nn.Parameter(w.copy()) for w in split(start())]
    opt = make(params, **settings)

    def closure():
        flat = np.concatenate([p.data.ravel() for p in params])
        for p, g in zip(params, split(gradient(flat)), strict=True):
            p.grad = g

    for _ in range(steps):
        opt.step(closure)
    return np.concatenate([p.data.ravel() for p in params])


SETTINGS = [
    {},
    {"weight_decay": 0.1, "hessian_power": 0.5},
    {"lr": 0.05, "update_each": 4, "betas": (0.8, 0.9)},
]
# creating a graph from backward() warns of a cycle, which zero_grad() ends
pytestmark = pytest.mark.filterwarnings("ignore:Using backward.. with create_graph=True")


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_adahessian_takes_the_steps_of_its_paper(settings):
    expected = adahessian(start(), 50, **settings)
    found = on_torch(optim.AdaHessian, 50, **settings)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_on_numpy_the_curvature_is_that_of_differences(settings):
    expected = adahessian(start(), 50, **settings)
    found = on_numpy(mytorch.optim.AdaHessian, 50, **settings)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8)


def test_the_curvature_along_the_gradient_couples_all_parameters():
    w = start()
    expected = w - 0.1 * hessian(w) @ gradient(w)
    found = on_torch(optim.optimizer(Newtonian), 1)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)
    found = on_numpy(mytorch.optim.optimizer(Newtonian), 1)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_a_parameter_of_which_the_loss_is_linear_has_no_curvature():
    p, q = (torch.nn.Parameter(torch.ones(3, dtype=torch.float64)) for _ in range(2))
    opt = optim.AdaHessian([p, q], lr=0.1)
    ((p**3).sum() + q.sum()).backward(create_graph=True)
    opt.step()
    assert torch.equal(opt.state[q]["hessian_diag"], torch.zeros(3, dtype=torch.float64))
    assert torch.equal(opt.state[p]["hessian_diag"], torch.full((3,), 6.0, dtype=torch.float64))


def test_gradients_that_cannot_be_differentiated_are_refused_before_anything_moves():
    p = torch.nn.Parameter(torch.ones(3))
    opt = optim.AdaHessian([p], lr=0.1)
    (p**3).sum().backward()
    with pytest.raises(RuntimeError, match=r"AdaHessian: .*backward\(create_graph=True\)"):
        opt.step()
    assert torch.equal(p.detach(), torch.ones(3))
    assert not opt.state[p]


def test_on_numpy_a_step_without_a_closure_says_so():
    p = mytorch.nn.Parameter(np.ones(3))
    p.grad = np.ones(3)
    opt = mytorch.optim.AdaHessian([p], lr=0.1)
    with pytest.raises(RuntimeError, match=r"AdaHessian: .*step\(closure\)$"):
        opt.step()
    np.testing.assert_array_equal(p.data, np.ones(3))


def test_between_two_looks_no_graph_is_needed():
    p = torch.nn.Parameter(torch.ones(3))
    opt = optim.AdaHessian([p], lr=0.1, update_each=2)
    for each in (True, False, True):
        opt.zero_grad()
        (p**3).sum().backward(create_graph=each)
        opt.step()
    assert opt.state[p]["step"] == 3


def test_it_cannot_be_taken_in_two():
    p = torch.nn.Parameter(torch.ones(3))
    opt = optim.AdaHessian([p], lr=0.1)
    with pytest.raises(RuntimeError, match=r"first_step\(\) is for a rule that asks for one more"):
        opt.first_step()


class Signs(Rule):
    """Subtracts the curvature along signs."""

    lr: float = 1.0

    @staticmethod
    def update(g, lr):
        u = lr * curvature(sign(g))
        return u


def test_on_numpy_the_curvature_of_many_singles_has_three_digits():
    """Along signs every weight moves, and together they move far: of a quartic, past its middle."""
    draw = np.random.default_rng(0)
    w, z = draw.normal(size=40_000) / 200, np.sign(draw.normal(size=40_000))
    p = mytorch.nn.Parameter(w.astype(np.float32))
    opt = mytorch.optim.optimizer(Signs)([p])
    is_first = True

    def closure():  # of |p|^4 / 4
        nonlocal is_first
        data = p.data.astype(np.float64)
        p.grad = (z if is_first else (data @ data) * data).astype(np.float32)
        is_first = False

    opt.step(closure)
    expected = (w @ w) * z + 2 * (w @ z) * w
    np.testing.assert_allclose(w - p.data, expected, rtol=0, atol=1e-3)
