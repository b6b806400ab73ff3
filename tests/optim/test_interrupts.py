"""Ctrl-C in the middle of a step: it has happened whole, or not at all."""

import copy
import signal
import warnings

import numpy as np
import pytest
import torch
from torch.nn import Parameter

import thalweg.optim as optim
from tests.optim.interrupts import OURS, is_interrupted
from tests.optim.runs import assert_same, assert_same_state, numbers, ours, values, walk, weights
from thalweg.averaging import EMA, SWA
from thalweg.chain import chain
from thalweg.rules import SGD
from thalweg.stages import ClipNorm

Clipped = optim.optimizer(chain("Clipped", ClipNorm, SGD, lr=0.1, momentum=0.9, max_norm=0.5))


def gaps(seed):
    return Parameter(numbers((3, 4), seed)[:, ::2])


def alone():
    return weights([(3,), (2, 2)])


def mixed():
    """Two formats and two tensors that no kernel can reach."""
    return [*alone(), *weights([(3,)], torch.float32), gaps(5), gaps(6)]


def tables():
    """A vector, matrices that go row by row, one too narrow for it, two that share memory."""
    whole = Parameter(numbers((4, 80), 1))
    ours = weights([(3,), (2, 40), (40, 3), (3, 33)])
    return [*ours, whole, Parameter(whole.detach()[:, 1:40])]


def with_one_at_rest():
    params = alone()
    params[1].requires_grad_(False)
    return params


def sharing():
    whole = Parameter(numbers((4, 4), 1))
    return [whole, Parameter(whole.detach()[:, ::2])]


CASES = {
    "AdamW": lambda: ours("AdamW", alone()),
    "Ranger": lambda: ours("Ranger", alone(), k=2),
    "NAdam": lambda: ours("NAdam", alone()),
    "a global norm": lambda: Clipped(alone()),
    "many kinds": lambda: Clipped(mixed()),
    "an average": lambda: ours("SGD", with_one_at_rest(), average=EMA(0.9)),
    "a mean": lambda: ours("AdamW", with_one_at_rest(), average=SWA(1, 2)),
    "shared memory": lambda: ours("SGD", sharing()),
    "complex": lambda: ours("Adam", weights([(3,)], torch.complex128)),
    "Adafactor": lambda: optim.Adafactor(tables()),
    "Muon": lambda: optim.Muon([*tables()[1:4], gaps(5)]),
    "differentiable": lambda: ours("Adam", alone(), differentiable=True),
}


def give(opt, t):
    for i, p in enumerate(p for group in opt.param_groups for p in group["params"]):
        if p.requires_grad:
            p.grad = numbers(p.shape, 100 * t + i, p.dtype)


@torch.no_grad()
def move(opt):
    opt.step()


def step(opt, t):
    give(opt, t)
    move(opt)


def held(opt):
    """Everything that a step moves."""
    params = [p for group in opt.param_groups for p in group["params"]]
    states = [{k: v.clone() for k, v in one.items()} for one in map(opt.state.get, params) if one]
    return [p.detach().clone() for p in params], states, len(opt.calls)


def is_same(one, other):
    return (
        all(map(torch.equal, one[0], other[0]))
        and [list(state) for state in one[1]] == [list(state) for state in other[1]]
        and all(
            all(torch.equal(a[key], b[key]) for key in a)
            for a, b in zip(one[1], other[1], strict=True)
        )
        and one[2] == other[2]
    )


def made(case, steps):
    opt = CASES[case]()
    opt.calls = []
    opt.register_step_post_hook(lambda opt, *_: opt.calls.append(1))
    for t in range(steps):
        step(opt, t)
    return opt


def check(case, first_step, every):
    """Interrupt a step of one optimizer at every so-many-th line, beside a twin that is let be."""
    path = [made(case, steps) for steps in (0, 1, 2)]  # what compiles has then been compiled
    before, after, last = map(held, path)
    line, seen = 1, {True: 0, False: 0}
    opt, other = made(case, 1), made(case, 1)
    t = 1
    while True:
        if first_step:
            opt = made(case, 0)
        give(opt, 0 if first_step else t)
        if not is_interrupted(lambda: move(opt), line):  # noqa: B023
            break
        assert torch.is_grad_enabled()
        now = held(opt)
        if not first_step:
            before = held(other)
            step(other, t)
            after = held(other)
        begun = is_same(now, after)
        assert begun or is_same(now, before)
        seen[begun] += 1
        if not begun:
            step(opt, 0 if first_step else t)
        if first_step:
            step(opt, 1)
            assert is_same(held(opt), last)
        else:
            assert is_same(held(opt), after)
        line, t = line + every, t + 1
    assert all(seen.values())


@pytest.mark.slow
@pytest.mark.parametrize("first_step", [True, False], ids=["first", "later"])
@pytest.mark.parametrize("case", ["AdamW", "Ranger", "a global norm"])
def test_a_step_interrupted_at_a_line_is_whole_or_not_begun(case, first_step):
    """And the steps after it are those that would have come anyway, hooks and all."""
    check(case, first_step, every=5 if first_step else 1)


@pytest.mark.slow
@pytest.mark.parametrize("first_step", [True, False], ids=["first", "later"])
@pytest.mark.parametrize("case", [case for case in CASES if case not in ("AdamW", "Ranger")])
def test_a_step_interrupted_at_many_lines_is_whole_or_not_begun(case, first_step):
    check(case, first_step, every=17)


@pytest.fixture
def alarm():
    """Sets a time after which KeyboardInterrupt is raised, as by Ctrl-C, once."""
    before, errors = signal.signal(signal.SIGALRM, signal.default_int_handler), np.geterr()
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
    np.seterr(**errors)  # what is raised where a `with` ends leaves what it had set


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer here")
def test_ctrl_c_at_a_hundred_moments_leaves_whole_steps(alarm):
    shapes = [(300, 200), (200,), (50, 60, 3)]
    params, plain = weights(shapes, torch.float32), weights(shapes, torch.float32)
    for p, q in zip(params, plain, strict=True):
        p.grad, q.grad = numbers(p.shape, 1, p.dtype), numbers(p.shape, 1, p.dtype)
    opt, other = ours("AdamW", params), ours("AdamW", plain)
    calls = []
    opt.register_step_post_hook(lambda *_: calls.append(1))
    opt.step()

    def train(seconds):
        alarm(seconds)
        while True:
            opt.step()

    outside = 0
    for i in range(100):
        with pytest.raises(KeyboardInterrupt) as caught:
            train(0.002 + 0.00003 * i)
        outside += not str(caught.traceback[-1].path).startswith(OURS)
    count = int(opt.state[params[0]]["step"])
    for _ in range(count):
        other.step()
    assert_same(params, plain)
    assert_same_state(opt, other)
    assert count - len(calls) <= outside  # torch's own lines around the hooks are not ours


def test_the_first_step_that_is_interrupted_leaves_no_state():
    opt = ours("AdamW", alone())
    give(opt, 0)
    assert is_interrupted(opt.step, 200)
    assert opt.state_dict()["state"] == {}


def test_hooks_run_once_where_a_subclass_calls_our_step():
    class Mine(optim.AdamW):
        def step(self, closure=None):
            return super().step(closure)

    opt, calls = Mine(alone()), []
    opt.register_step_pre_hook(lambda *_: calls.append("before"))
    opt.register_step_post_hook(lambda *_: calls.append("after"))
    walk(opt, 2)
    assert calls == ["before", "after"] * 2


def test_an_error_in_a_hook_is_the_hooks_own():
    opt = ours("AdamW", alone())

    def fail(*_):
        raise ArithmeticError("mine")

    handle = opt.register_step_post_hook(fail)
    with pytest.raises(ArithmeticError, match="mine"):
        walk(opt)
    handle.remove()
    twin = copy.deepcopy(opt)
    walk(opt, 1, start=1)
    walk(twin, 1, start=1)
    assert_same_state(opt, twin)
    assert values(opt.state)[0].shape == (3,)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        walk(opt, 1, start=2)
