"""autograd hears of every step, though it did not see the writes."""

import pytest
from torch.nn import Parameter

from tests.optim.runs import EVERY, give_gradients, numbers, ours, walk, weights


@pytest.fixture(params=EVERY)
def name(request):
    return request.param


@pytest.mark.parametrize("count", [5, 80])
def test_every_step_bumps_every_parameter_once(name, count):
    params = weights([(3, 4), (), (0, 3), (4,), (1,)] * (count // 5))
    opt = ours(name, params)
    for t in range(4):
        give_gradients(params, t)
        before = [p._version for p in params]
        opt.step()
        assert [p._version for p in params] == [v + 1 for v in before]


def test_a_parameter_without_a_gradient_is_not_bumped(name):
    params = weights()
    opt = ours(name, params)
    give_gradients(params[:2], 0)
    before = [p._version for p in params[2:]]
    opt.step()
    assert [p._version for p in params[2:]] == before


def test_a_backward_over_weights_that_a_step_has_changed_is_an_error(name):
    params = weights()
    opt = ours(name, params)
    loss = sum(p.pow(3).sum() for p in params)
    walk(opt)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_so_it_is_for_a_parameter_with_gaps(name):
    p = Parameter(numbers((4, 8), 1)[:, ::2])
    opt = ours(name, [p])
    loss = p.pow(3).sum()
    walk(opt)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_a_view_of_a_parameter_sees_the_bump(name):
    base = numbers((6,), 1)
    p = Parameter(base[2:4])
    opt = ours(name, [p])
    view, before = p[:1], p._version
    walk(opt)
    assert view._version == before + 1
