"""Gradients whose largest number has no reciprocal in their type."""

import pytest
import torch

import thalweg.optim as optim


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
