"""Divisors that have no reciprocal in their type: sums of tiny gradients, numbers that are kept."""

import pytest
import torch

import thalweg.optim as optim
from thalweg.chain import chain
from thalweg.rule import Rule, state


class ByKept(Rule):
    """Divides by what is kept, per tensor and for all, and by a setting."""

    lr: float = 0.1
    size: float = 1.0
    d = state("d", per="tensor", start="size")
    a = state("a", per="all", start="size")

    @staticmethod
    def update(g, d, a, lr, size):
        u = lr * (g / d + g / a + g / size)
        d = 0.5 * d
        return u, d


@pytest.mark.parametrize(("dtype", "size"), [(torch.float32, 1e-40), (torch.float64, 1e-310)])
def test_what_is_divided_by_a_tiny_kept_number_is_as_it_is_written(dtype, size):
    fused, plain = torch.zeros(16, dtype=dtype), torch.zeros(16, dtype=dtype)
    for p, plainly in ((fused, False), (plain, True)):
        opt = optim.optimizer(chain("ByKept", ByKept))([p], size=size, differentiable=plainly)
        for turn in range(3):
            p.grad = torch.linspace(-1, turn, 16, dtype=dtype) * size
            opt.step()
    assert fused.isfinite().all()
    assert fused.abs().max() > 0.1
    torch.testing.assert_close(fused, plain)


@pytest.mark.parametrize(("dtype", "size"), [(torch.float32, 1e-40), (torch.float64, 1e-310)])
def test_what_is_divided_by_a_tiny_sum_is_as_it_is_written(dtype, size):
    start = torch.linspace(-1, 1, 16, dtype=dtype)
    fused, plain = start.clone(), start.clone()
    for p, plainly in ((fused, False), (plain, True)):
        opt = optim.StableSPAM([p], differentiable=plainly)
        for turn in range(3):
            p.grad = torch.linspace(-1, turn, 16, dtype=dtype) * size
            opt.step()
    assert fused.isfinite().all()
    torch.testing.assert_close(fused, plain)
