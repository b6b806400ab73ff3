"""Tensors with gaps between their elements are stepped where they lie, as torch steps them."""

import pytest
import torch
from torch.nn import Parameter

import thalweg.optim as optim
from tests.optim.runs import assert_close, numbers
from thalweg.fuse.walk import walk_of

pytestmark = pytest.mark.usefixtures("numbers_in_double")

SGD, ADAMW, LAMB = ("SGD", {"lr": 0.1}), ("AdamW", {"lr": 0.1}), ("LAMB", {"lr": 0.1})


def every_second(shape, seed):
    *rest, last = shape
    return numbers((*rest, 2 * last), seed)[..., ::2]


def left_part(shape, seed):
    *rest, last = shape
    return numbers((*rest, last + 3), seed)[..., :last]


def every_third_row_from_the_second(shape, seed):
    return numbers((3 * shape[0] + 1, *shape[1:]), seed)[1::3]


def turned(shape, seed):
    return every_second(shape[::-1], seed).permute(*range(len(shape))[::-1])


LAYOUTS = [every_second, left_part, every_third_row_from_the_second]


def two_sides(name, settings, value):
    """A parameter that lies as `value` does, the same without gaps, and the optimizer of each."""
    made = [Parameter(value), Parameter(value.clone(memory_format=torch.contiguous_format))]
    return [(p, getattr(optim, name)([p], **settings)) for p in made]


def step(sides, layout, t):
    for p, opt in sides:
        p.grad = layout(p.shape, t)
        opt.step()
    assert_close([sides[0][0]], [sides[1][0]])


@pytest.mark.parametrize(("name", "settings"), [SGD, ADAMW, LAMB])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_parameter_with_gaps_is_stepped_where_it_lies(name, settings, layout):
    sides = two_sides(name, settings, layout((4, 3, 5), 0))
    for t in range(6):
        step(sides, numbers, t)
    assert sides[0][1]._prepared.taken == 4  # of what is copied for a step none is prepared


@pytest.mark.parametrize(("name", "settings"), [SGD, ADAMW])
@pytest.mark.parametrize("layout", [every_second, left_part, every_third_row_from_the_second])
@pytest.mark.parametrize("whose", [every_second, numbers])
def test_so_is_one_whose_gradient_has_gaps(name, settings, layout, whose):
    sides = two_sides(name, settings, whose((4, 3), 0))
    for t in range(6):
        step(sides, layout, t)
    assert sides[0][1]._prepared.taken == 4


def test_so_are_states_that_have_gaps():
    sides = two_sides(*ADAMW, every_second((4, 3), 0))
    p, opt = sides[0]
    step(sides, numbers, 0)
    before = dict(opt.state[p])
    for key in ("exp_avg", "exp_avg_sq"):
        wide = torch.zeros(4, 9, dtype=before[key].dtype)
        opt.state[p][key] = wide[:, ::3].copy_(before[key])
    held = dict(opt.state[p])
    for t in range(1, 7):
        step(sides, numbers, t)
    assert all(opt.state[p][key] is held[key] for key in held)
    assert opt._prepared.taken == 5


def test_a_gradient_that_shows_one_number_everywhere_is_read_as_it_lies():
    sides = two_sides(*ADAMW, every_second((4, 3), 0))
    for t in range(6):
        step(sides, lambda shape, t: numbers((), t).expand(shape), t)
    assert sides[0][1]._prepared.taken == 4


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float16])
def test_gaps_lie_between_elements_of_any_type(kind):
    value = every_second((64, 33), 0).to(torch.float32)
    bucket = torch.zeros(64, 70, dtype=kind)
    p = Parameter(bucket[:, 2:68:2].copy_(value))
    q = Parameter(p.detach().contiguous())
    for one in (p, q):
        opt = optim.AdamW([one], lr=0.1)
        for t in range(4):
            one.grad = numbers(one.shape, t).to(kind)
            opt.step()
    assert torch.equal(p, q)
    assert bucket[:, 1::2].count_nonzero() == 0
    assert bucket[:, 68:].count_nonzero() == 0


@pytest.mark.parametrize(("name", "settings"), [SGD, ADAMW])
def test_a_gradient_is_brought_into_the_order_of_its_parameter(name, settings):
    sides = two_sides(name, settings, turned((4, 3, 5), 0))
    for t in range(4):
        step(sides, numbers, t)


def test_what_needs_more_than_two_strides_goes_as_a_copy():
    value = numbers((4, 6, 8), 0)[::2, ::3, ::4]
    sides = two_sides(*ADAMW, value)
    for t in range(4):
        step(sides, numbers, t)
    assert sides[0][1]._prepared.taken == 0


def test_parameters_that_lie_in_each_others_gaps_are_stepped_together():
    both = numbers((300, 200, 2), 0)
    ours = [Parameter(both[..., i]) for i in range(2)]
    plain = [Parameter(p.detach().clone()) for p in ours]
    opts = [optim.AdamW(ours), torch.optim.AdamW(plain)]
    for t in range(5):
        for params, opt in zip((ours, plain), opts, strict=True):
            for i, p in enumerate(params):
                p.grad = numbers(p.shape, 9 * t + i)
            opt.step()
    assert_close(ours, plain)
    assert opts[0]._prepared.taken == 3


def test_a_walk_is_as_short_as_the_strides_allow():
    assert walk_of((4, 3, 5), [(15, 5, 1), (30, 10, 2)]) == walk_of((60,), [(1,), (2,)])
    assert walk_of((4, 6), [(12, 1), (6, 1)]).length == 6
    assert walk_of((4, 6), [(12, 1), None]).strides == ((12, 1), (0, 1))
    assert walk_of((4, 6), [(6, 1), (1, 4)]) is None  # across its rows
    assert walk_of((2, 3, 4), [(100, 10, 1), (12, 4, 1)]) is None  # three strides
