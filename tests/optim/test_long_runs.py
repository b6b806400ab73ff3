"""Long runs: the numbers stay right, and nothing is kept that is not needed."""

import gc
import sys

import pytest
import torch
from torch.nn import Parameter

import thalweg.optim as optim
from tests.optim.runs import assert_close, numbers, ours, weights
from thalweg.fuse.cpu.cache import compiled

SHAPE = (3, 2)
GRADIENTS = [numbers(SHAPE, t) for t in range(50)]


def give(params, t) -> None:
    for i, p in enumerate(params):
        p.grad = GRADIENTS[(7 * t + i) % 50]


@pytest.mark.slow
def test_ten_thousand_steps_with_a_parameter_added_every_thousand():
    mine, theirs = weights([SHAPE]), weights([SHAPE])
    settings = {"lr": 1e-3, "weight_decay": 0.1}
    opt, other = optim.AdamW(mine, **settings), torch.optim.AdamW(theirs, **settings)
    kept = {}
    for t in range(10_000):
        if t and t % 1000 == 0:
            for params, one in ((mine, opt), (theirs, other)):
                params.append(Parameter(numbers(SHAPE, t)))
                one.add_param_group({"params": params[-1:], "lr": 1e-3 * (1 + t / 10_000)})
        give(mine, t)
        give(theirs, t)
        opt.step()
        other.step()
        if t in (9_100, 9_900):
            gc.collect()
            kept[t] = sys.getallocatedblocks()
    assert_close(mine, theirs)
    assert [int(opt.state[p]["step"]) for p in mine] == [10_000 - 1000 * i for i in range(10)]
    # what 800 steps have left behind: less than a quarter of an object for each
    assert kept[9_900] - kept[9_100] < 200


def test_no_kernel_is_made_after_every_kind_of_step_has_been_seen():
    """Ranger has four: with and without rectification, with and without a synchronization."""
    params = weights([SHAPE])
    opt = ours("Ranger", params)
    for t in range(600):
        give(params, t)
        opt.step()
        if t == 50:
            seen = compiled.cache_info()
    assert compiled.cache_info().misses == seen.misses
