"""Numbers drawn at random: a function of the seed, the step and the parameter's place."""

import copy

import numpy as np
import pytest
import torch

import thalweg.optim as optim
from thalweg import mytorch
from thalweg.chain import chain
from thalweg.requests import drawn, noise
from thalweg.rule import Rule, setting
from thalweg.rules import SGD, Adam
from thalweg.stages import GradientNoise

SHAPES = [(3, 4), (4,), (), (2, 3, 2, 2)]
NOISY = chain("Noisy", GradientNoise, Adam, noise_seed=7)


class Walk(Rule):
    lr: float = 0.1
    seed: int = setting(0, low=0)

    @staticmethod
    def update(g, t, lr, seed):
        u = 0 * g + lr * noise(seed, t // 3)
        return u


def on_torch(made, dtype=torch.float64, shapes=SHAPES, **settings):
    params = [torch.nn.Parameter(torch.ones(shape, dtype=dtype)) for shape in shapes]
    return params, optim.optimizer(made)(params, **settings)


def on_numpy(made, **settings):
    params = [mytorch.nn.Parameter(np.ones(shape)) for shape in SHAPES]
    return params, mytorch.optim.optimizer(made)(params, **settings)


def steps(params, opt, count, start=0):
    for t in range(start, start + count):
        for p in params:
            if isinstance(p, torch.nn.Parameter):
                p.grad = torch.full_like(p, 0.5 + t)
            else:
                p.grad = np.full_like(p.data, 0.5 + t)
        opt.step()


def values(params):
    torchs = [p for p in params if isinstance(p, torch.nn.Parameter)]
    return [p.detach().double().numpy() for p in torchs] or [p.data for p in params]


def test_a_gradient_gets_the_numbers_of_its_seed_step_and_place():
    params, opt = on_torch(chain("Noisy", GradientNoise, SGD, noise_eta=0.25), lr=1.0)
    expected = [np.ones(shape) for shape in SHAPES]
    for t in range(1, 6):
        steps(params, opt, 1, t - 1)
        size = np.sqrt(0.25 / t**0.55)
        for i, p in enumerate(expected):
            p -= 0.5 + (t - 1) + size * drawn(0, t, i, "noise1", p.shape)
    for one, other in zip(values(params), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-13)


def test_both_borders_draw_the_same():
    one, other = on_torch(NOISY, lr=0.1), on_numpy(NOISY, lr=0.1)
    for run in (one, other):
        steps(*run, 4)
    for a, b in zip(values(one[0]), values(other[0]), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-14)


def test_another_seed_is_another_walk_and_the_same_seed_the_same():
    runs = [on_numpy(Walk, seed=seed) for seed in (1, 1, 2)]
    for run in runs:
        steps(*run, 4)
    first, again, another = (np.concatenate([p.ravel() for p in values(r[0])]) for r in runs)
    np.testing.assert_array_equal(first, again)
    assert np.all(first != another)


def test_a_draw_that_is_asked_for_again_is_the_same():
    params, opt = on_torch(Walk, lr=1.0)
    steps(params, opt, 2)
    np.testing.assert_allclose(
        values(params)[0], 1 - 2 * drawn(0, 0, 0, "noise1", SHAPES[0]), rtol=0, atol=1e-14
    )


def test_what_is_drawn_is_normal():
    found = drawn(3, 5, 2, "noise1", (100_000,))
    assert abs(found.mean()) < 0.015
    assert abs(found.std() - 1) < 0.01
    assert abs(np.mean(found**3)) < 0.05


@pytest.mark.parametrize("start", [on_torch, on_numpy])
def test_a_run_that_goes_on_from_its_state_draws_on(start):
    params, opt = start(NOISY, lr=0.1)
    steps(params, opt, 3)
    others, fresh = start(NOISY, lr=0.1)
    for p, other in zip(params, others, strict=True):
        other.data = copy.deepcopy(p.data)
    fresh.load_state_dict(opt.state_dict())
    steps(params, opt, 3, 3)
    steps(others, fresh, 3, 3)
    for a, b in zip(values(params), values(others), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_late_parameter_draws_by_its_own_step():
    params, opt = on_torch(Walk, lr=1.0)
    for _ in range(4):
        params[0].grad = torch.zeros_like(params[0])
        opt.step()
    params[1].grad = torch.zeros_like(params[1])
    opt.step()
    expected = 1 - drawn(0, 0, 1, "noise1", SHAPES[1])
    np.testing.assert_allclose(values(params)[1], expected, rtol=0, atol=1e-14)


def test_a_strided_parameter_draws_as_a_dense_one_does():
    whole = torch.ones(4, 6, dtype=torch.float64)
    view = torch.nn.Parameter(whole[:, ::2])
    opt = optim.optimizer(Walk)([view], lr=1.0)
    steps([view], opt, 1)
    expected = 1 - drawn(0, 0, 0, "noise1", (4, 3))
    np.testing.assert_allclose(view.detach().numpy(), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_narrow_parameters_take_the_numbers_rounded(dtype):
    params, opt = on_torch(Walk, dtype, lr=1.0)
    steps(params, opt, 1)
    expected = torch.tensor(1 - drawn(0, 0, 0, "noise1", SHAPES[0]).astype(np.float32))
    np.testing.assert_allclose(
        params[0].detach().float(), expected.to(dtype).float(), rtol=0, atol=torch.finfo(dtype).eps
    )
