"""Hooks and the profiler see every step exactly once, whoever was made first."""

import subprocess
import sys

import pytest
import torch
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from torch.profiler import ProfilerActivity, profile

import thalweg.optim as optim
from tests.optim.runs import EVERY, assert_same, give_gradients, having, ours, values, walk, weights


@pytest.fixture(params=EVERY)
def name(request):
    return request.param


def test_hooks_run_around_the_step_in_torchs_order(name):
    params = weights()
    opt = ours(name, params)
    walk(opt, 1)  # ADOPT's first step moves nothing
    give_gradients(params, 1)
    before, seen = values(params), []

    def hook(label):
        def record(it, args, kwargs):
            moved = not all(map(torch.equal, params, before))
            seen.append((label, it is opt, args == (opt,), kwargs, moved))

        return record

    handles = [
        register_optimizer_step_pre_hook(hook("global pre")),
        opt.register_step_pre_hook(hook("pre")),
        opt.register_step_post_hook(hook("post")),
        register_optimizer_step_post_hook(hook("global post")),
    ]
    try:
        opt.step()
    finally:
        for handle in handles:
            handle.remove()
    assert seen == [
        ("global pre", True, True, {}, False),
        ("pre", True, True, {}, False),
        ("post", True, True, {}, True),
        ("global post", True, True, {}, True),
    ]


def test_a_pre_hook_may_replace_the_closure(name):
    params = weights()
    opt = ours(name, params)
    give_gradients(params, 0)
    opt.register_step_pre_hook(lambda it, args, kwargs: ((it, lambda: 7.0), {}))
    assert opt.step(lambda: 1.0) == 7.0


def begins_with_zeros(name):
    """Whether the moments are made by the first step, of zeros."""
    made = getattr(optim, name).chain
    moments = [slot for slot in made.slots if slot.key in ("exp_avg", "exp_avg_sq")]
    return not made.starts_at_construction and all(slot.state.start == 0 for slot in moments)


@pytest.mark.parametrize("name", [*filter(begins_with_zeros, having("betas"))])
def test_a_pre_hook_may_fill_the_states(name):
    """torchtitan does so, to have them in a type of its own."""
    params, plain = weights(dtype=torch.float32), weights(dtype=torch.float32)
    opt = ours(name, params)

    def fill(it, args, kwargs):
        for p in params:
            if not it.state[p]:
                it.state[p] |= {
                    "step": torch.tensor(0.0),
                    "exp_avg": torch.zeros_like(p, dtype=torch.bfloat16),
                    "exp_avg_sq": torch.zeros_like(p, dtype=torch.bfloat16),
                }

    opt.register_step_pre_hook(fill)
    walk(opt, 5)
    walk(ours(name, plain), 5)
    for p, q in zip(params, plain, strict=True):
        assert opt.state[p]["exp_avg"].dtype == torch.bfloat16
        # states of 8 bits, so steps of 8 bits
        torch.testing.assert_close(p, q, rtol=0.02, atol=0.02)


def test_a_removed_hook_is_gone(name):
    params = weights()
    opt = ours(name, params)
    seen = []
    opt.register_step_post_hook(lambda *_: seen.append(1)).remove()
    walk(opt)
    assert seen == []


def test_the_profiler_shows_one_range_per_step(name):
    params = weights()
    opt = ours(name, params)
    give_gradients(params, 0)
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        opt.step()
        opt.zero_grad()
    ranges = [e.name for e in recorded.events() if e.name.startswith("Optimizer.")]
    assert ranges == [f"Optimizer.step#{name}.step", f"Optimizer.zero_grad#{name}.zero_grad"]


def counted(opt) -> int:
    """How often the hooks of one step run."""
    seen = []
    handles = [
        opt.register_step_pre_hook(lambda *_: seen.append("pre")),
        opt.register_step_post_hook(lambda *_: seen.append("post")),
        register_optimizer_step_pre_hook(lambda *_: seen.append("global pre")),
        register_optimizer_step_post_hook(lambda *_: seen.append("global post")),
    ]
    try:
        walk(opt)
    finally:
        for handle in handles:
            handle.remove()
    assert len(seen) == len(set(seen)) * (len(seen) // 4)
    return len(seen) // 4


def plain_subclass(base):
    return type("Plain", (base,), {})


def stepping_subclass(base):
    class Stepping(base):
        def step(self, closure=None):
            return super().step(closure)

    return Stepping


@pytest.mark.parametrize("order", ["subclass first", "class first"])
@pytest.mark.parametrize("subclass", [plain_subclass, stepping_subclass])
def test_hooks_run_once_for_a_users_subclass(name, subclass, order):
    # a class of this test's own, on which no optimizer was made before
    base = optim.optimizer(getattr(optim, name).chain)
    derived = subclass(base)
    settings = EVERY[name]
    makers = [derived, base] if order == "subclass first" else [base, derived]
    made = {cls: cls(weights(), **settings) for cls in makers}
    assert counted(made[derived]) == 1
    assert counted(made[base]) == 1


def test_hooks_run_once_in_a_fresh_process_whatever_came_first():
    code = """
import itertools, torch
import thalweg.optim as optim
for order in itertools.permutations(["SGD", "Adam", "Optimizer"]):
    for first in order:
        p = torch.nn.Parameter(torch.ones(2))
        p.grad = torch.ones(2)
        if first == "Optimizer":
            torch.optim.Adam([p])
            continue
        opt = getattr(optim, first)([p])
        seen = []
        opt.register_step_pre_hook(lambda *_: seen.append(1))
        opt.step()
        print(len(seen))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["1"] * 12


class Proxy:
    """What Lightning puts around an optimizer: a class made on the spot, with its attributes."""

    def __init__(self, inner):
        self.__class__ = type("Proxy" + type(inner).__name__, (Proxy, type(inner)), {})
        self.__dict__.update({k: v for k, v in vars(inner).items() if k != "step"})
        self._inner = inner

    def step(self, closure=None):
        return self._inner.step(closure)


def test_a_proxy_class_around_an_optimizer_steps_it(name):
    mine, plain = weights(), weights()
    proxy = Proxy(ours(name, mine))
    assert isinstance(proxy, getattr(optim, name))
    walk(proxy, 6)
    walk(ours(name, plain), 6)
    assert_same(mine, plain)
    assert proxy.state is proxy._inner.state
