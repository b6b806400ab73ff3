"""Tensors that share memory are moved one after the other, as torch does."""

import pytest
import torch
from torch.nn import Parameter

import thalweg.optim as optim
from tests.optim.runs import TWINS, numbers, ours, torchs
from thalweg.border.groups import Lot
from thalweg.optim.memory.seen import look

HALVES = {
    "columns": lambda base: base[:, ::2],
    "rows": lambda base: base[1:3],
    "all of it": lambda base: base.T,
    "one element": lambda base: base[2, 3],
}


def assert_alike(mine, theirs):
    """Close enough to tell the order by; NAdam keeps a product of rates in float32."""
    for p, q in zip(mine, theirs, strict=True):
        torch.testing.assert_close(p.detach(), q.detach(), rtol=1e-8, atol=1e-9)


def pair(made, name, views, **settings):
    base = numbers((4, 6), 1)
    params = [Parameter(base), *(Parameter(view(base)) for view in views)]
    return params, made(name, params, **settings)


def walk(params, opt, steps=3):
    for t in range(steps):
        for i, p in enumerate(params):
            p.grad = numbers(p.shape, 10 * t + i)
        opt.step()


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("name", TWINS)
def test_a_parameter_and_a_view_of_it_are_moved_in_torchs_order(name, half):
    mine, opt = pair(ours, name, [HALVES[half]])
    theirs, other = pair(torchs, name, [HALVES[half]], foreach=False)
    walk(mine, opt)
    walk(theirs, other)
    assert_alike(mine, theirs)


def test_three_that_overlap_are_moved_in_torchs_order():
    views = [HALVES["rows"], HALVES["columns"]]
    mine, opt = pair(ours, "AdamW", views)
    theirs, other = pair(torchs, "AdamW", views)
    walk(mine, opt)
    walk(theirs, other)
    assert_alike(mine, theirs)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.filterwarnings("ignore:optimizer contains a parameter group with duplicate")
def test_a_parameter_listed_twice_begins_twice_as_in_torch(momentum):
    found = []
    for library in (optim, torch.optim):
        p = Parameter(torch.ones(1, dtype=torch.float64))
        opt = library.SGD([p, p], lr=0.1, momentum=momentum, dampening=0.5)
        path = []
        for _ in range(4):
            p.grad = torch.full((1,), 2.0, dtype=torch.float64)
            opt.step()
            path.append(p.item())
        found.append(path)
    assert found[0] == pytest.approx(found[1], rel=1e-14)
    assert found[0][0] == pytest.approx(0.6)


@pytest.mark.parametrize("name", ["Adam", "AdamW", "NAdam", "RMSprop"])
def test_a_step_shared_by_two_parameters_is_counted_by_both(name):
    counts, moved = [], []
    for made in (ours, torchs):
        params = [Parameter(numbers((3,), i)) for i in range(2)]
        opt = made(name, params, **({} if made is ours else {"foreach": False}))
        walk(params, opt, 1)
        saved = opt.state_dict()
        shared = torch.tensor(0.0)
        for held in saved["state"].values():
            held["step"] = shared
        opt.load_state_dict(saved)
        walk(params, opt, 3)
        counts.append([opt.state[p]["step"].item() for p in params])
        moved.append(params)
    assert counts == [[6.0, 6.0], [6.0, 6.0]]
    assert_alike(*moved)


def test_neighbours_in_one_buffer_are_moved_at_once():
    flat = numbers((24,), 1)
    params = [Parameter(flat[:12].view(3, 4)), Parameter(flat[12:])]
    opt = ours("AdamW", params)
    walk(params, opt)
    assert opt._layout is not None


def test_interleaved_columns_that_share_nothing_are_moved_at_once():
    base = numbers((4, 6), 1)
    params = [Parameter(base[:, ::2]), Parameter(base[:, 1::2])]
    for p in params:
        p.grad = torch.ones_like(p)
    assert len(look([Lot({}, params)]).rounds()) == 1
