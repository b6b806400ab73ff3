"""Adafactor moves tensors however they lie, and neither keeps nor copies them."""

import tracemalloc
import weakref

import pytest
import torch
from torch.nn import Parameter

from tests.optim.factored import SHAPES, Torchs, params_of, states_of
from tests.optim.runs import (
    assert_close,
    assert_same,
    give_gradients,
    numbers,
    values,
    walk,
    weights,
)
from thalweg.optim import Adafactor

pytestmark = pytest.mark.usefixtures("one_thread")


def test_memory_changes_and_on_two_threads_as_on_one():
    """More rows than one piece has, and more work than one thread takes."""
    shapes = [(16387, 32), (300, 5000), (600, 600)]
    found = []
    for count in (1, 2):
        torch.set_num_threads(count)
        opt = Adafactor(weights(shapes, torch.float32), lr=0.1)
        walk(opt, 2)
        found.append((values(params_of(opt)), states_of(opt)))
    (params, states), (again, states_again) = found
    for p, start in zip(params, weights(shapes, torch.float32), strict=True):
        assert (p != start).float().mean() > 0.99
    assert all(bool(t.all()) for t in states)
    assert_same(params + states, again + states_again)


def lying(way: str) -> tuple[Parameter, torch.Tensor]:
    """A parameter and a gradient that lie in memory in some way."""
    p, g = numbers((4, 3, 36, 40), 0), numbers((4, 3, 36, 40), 1)
    if way == "channels last":
        p, g = (t.to(memory_format=torch.channels_last) for t in (p, g))
    elif way == "gradient channels last":
        g = g.to(memory_format=torch.channels_last)
    elif way == "transposed":
        p, g = p.transpose(-1, -2), g.transpose(-1, -2)
    elif way == "axes swapped":
        p, g = p.transpose(0, 2), g.transpose(0, 2)
    elif way == "a piece of a wider one":
        p, g = numbers((36, 90), 0)[:, 7:67], numbers((36, 90), 1)[:, 20:80]
    elif way == "every other column":
        p, g = numbers((36, 90), 0)[:, ::2], numbers((36, 90), 1)[:, ::2]
    elif way == "expanded gradient":
        p, g = numbers((36, 90), 0), numbers((90,), 1).expand(36, 90)
    elif way == "constant gradient":
        p, g = numbers((36, 90), 0), torch.tensor(0.5, dtype=torch.float64).expand(36, 90)
    elif way == "negated gradient":
        g = torch._neg_view(g)
    return Parameter(p), g


WAYS = [
    "contiguous",
    "channels last",
    "gradient channels last",
    "transposed",
    "axes swapped",
    "a piece of a wider one",
    "every other column",
    "expanded gradient",
    "constant gradient",
    "negated gradient",
]


@pytest.mark.parametrize("way", WAYS)
def test_the_step_is_torchs_however_the_tensors_lie(way):
    (p, g), (q, _) = lying(way), lying(way)
    around = p.detach().as_strided((p.untyped_storage().size() // 8,), (1,), 0)
    untouched = torch.ones_like(around, dtype=torch.bool)
    untouched.as_strided(p.shape, p.stride(), p.storage_offset()).fill_(False)
    before = around.clone()
    one, other = Adafactor([p], lr=0.1), Torchs([q], lr=0.1)
    for _ in range(3):
        p.grad, q.grad = g, g.clone()
        one.step()
        other.step()
    assert_close([p], [q])
    assert torch.equal(around[untouched], before[untouched])
    assert p.grad is g


def test_gradients_are_read_only():
    params = weights(SHAPES)
    give_gradients(params, 0)
    before = [(p.grad, p.grad.clone(), p.grad._version) for p in params]
    Adafactor(params, maximize=True).step()
    for p, (grad, copied, version) in zip(params, before, strict=True):
        assert p.grad is grad
        assert torch.equal(grad, copied)
        assert grad._version == version


def test_gradients_are_let_go():
    params = weights(SHAPES)
    opt = Adafactor(params)
    for t in range(2):
        give_gradients(params, t)
        kept = [weakref.ref(p.grad) for p in params]
        opt.step()
        opt.zero_grad()
        assert [ref() for ref in kept] == [None] * len(params)


def test_autograd_hears_of_every_write():
    params = weights(SHAPES)
    versions = [p._version for p in params]
    opt = Adafactor(params)
    walk(opt, 2)
    assert all(p._version > v for p, v in zip(params, versions, strict=True))


def test_gradients_may_come_late_and_stay_away():
    params, twins = weights(SHAPES), weights(SHAPES)
    opts = [Adafactor(params, lr=0.3), Torchs(twins, lr=0.3)]
    for t in range(6):
        for some in (params, twins):
            give_gradients(some, t)
            for i, p in enumerate(some):
                if (i + t) % 3 == 0:
                    p.grad = None
        for opt in opts:
            opt.step()
    assert_close(params, twins)
    assert [opts[0].state[p]["step"].item() for p in params] == [4.0] * len(SHAPES)


@pytest.mark.parametrize("what", ["parameters", "states", "dtype"])
def test_parameters_may_move_and_states_may_be_replaced(what):
    params, twins = weights(SHAPES), weights(SHAPES)
    one, other = Adafactor(params, lr=0.1), Torchs(twins, lr=0.1)
    walk(one, 2)
    walk(other, 2)
    left_behind = [p.data for p in params]
    for p in params:
        if what == "parameters":
            p.data = p.data.clone()
        elif what == "states":
            one.state[p].update({key: held.clone() for key, held in one.state[p].items()})
    if what == "dtype":
        for p in [*params, *twins]:
            p.grad, p.data = None, p.data.float()
        for opt in (one, other):
            opt.load_state_dict(opt.state_dict())  # which brings the states to the new type
    before = values(left_behind)
    walk(one, 2, start=2)
    walk(other, 2, start=2)
    if what != "states":
        assert_same(left_behind, before)
    if what == "dtype":
        twins = [p.double() for p in twins]
        for p, q in zip(params, twins, strict=True):
            torch.testing.assert_close(p.double(), q, rtol=1e-5, atol=1e-6)
    else:
        assert_close(params, twins)
        assert_close(states_of(one), states_of(other))


@pytest.mark.filterwarnings("ignore:.*duplicate parameters")
def test_a_parameter_listed_twice_is_moved_twice():
    p, q = weights([(6, 40)])[0], weights([(6, 40)])[0]
    one, other = Adafactor([p, p], lr=0.1), Torchs([q, q], lr=0.1)
    walk(one, 3)
    walk(other, 3)
    assert_close([p], [q])
    assert one.state[p]["step"].item() == 6


@pytest.mark.parametrize("shape", [(0,), (0, 40), (40, 0), (2, 0, 40)])
def test_empty_parameters_count_their_steps(shape):
    params = weights([shape, (4, 40)])
    opt = Adafactor(params)
    walk(opt, 2)
    held = opt.state[params[0]]
    assert held["step"].item() == 2
    assert all(bool((t == 0).all()) for key, t in held.items() if key != "step")
    assert opt.state[params[1]]["row_var"].all()


def test_a_wide_gradient_of_a_narrow_parameter_is_taken_as_it_is():
    p, q = (weights([(6, 40)], torch.bfloat16)[0] for _ in range(2))
    p.grad_dtype = torch.float32
    p.grad = numbers(p.shape, 1, torch.float32)
    q.grad = p.grad.bfloat16()
    one, other = Adafactor([p], lr=0.1), Adafactor([q], lr=0.1)
    one.step()
    other.step()
    assert_close([p], [q])
    assert one.state[p]["row_var"].dtype == torch.bfloat16


def test_a_step_allocates_nothing_of_a_parameters_size():
    shapes = [(40000, 64), (600, 4200)]
    opt = Adafactor(weights(shapes, torch.float32))
    walk(opt, 2)
    give_gradients(params_of(opt), 2)
    tracemalloc.start()
    opt.step()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    half = 0.5 * 4 * 40000 * 64
    assert peak < half
    with torch.profiler.profile(profile_memory=True) as seen:
        opt.step()
    assert sum(max(event.self_cpu_memory_usage, 0) for event in seen.events()) < half
