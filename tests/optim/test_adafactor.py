"""Adafactor takes torch's steps, and its numbers are as exact."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn import Parameter

from tests.optim.factored import SHAPES, Torchs, pair, params_of, states_of
from tests.optim.runs import (
    assert_close,
    assert_same,
    give_gradients,
    numbers,
    reloaded,
    walk,
    weights,
)
from thalweg.fuse.cpu import sweep
from thalweg.optim import Adafactor

pytestmark = pytest.mark.usefixtures("one_thread")

DTYPES = [torch.float64, torch.float32, torch.bfloat16]
SETTINGS = [
    {},
    {"lr": 0.1, "weight_decay": 0.01},
    {"maximize": True, "foreach": True, "lr": torch.tensor(0.05, dtype=torch.float64)},
    {"eps": (1e-3, 1e-2), "d": 1.5, "beta2_decay": -0.6, "foreach": False},
]


@pytest.mark.parametrize("given", SETTINGS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_steps_are_torchs(dtype, given):
    one, other = pair(dtype, **given)
    walk(one, 6)
    walk(other, 6)
    assert_close(params_of(one), params_of(other))
    assert_close(states_of(one), states_of(other))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_states_are_torchs_in_order_shape_and_type(dtype):
    one, other = pair(dtype)
    walk(one)
    walk(other)
    for p, q in zip(params_of(one), params_of(other), strict=True):
        held, theirs = one.state[p], other.state[q]
        assert list(held) == list(theirs)
        assert [(t.shape, t.dtype) for t in held.values()] == [
            (t.shape, t.dtype) for t in theirs.values()
        ]
    (mine,), (theirs,) = (opt.state_dict()["param_groups"] for opt in (one, other))
    assert {key: mine[key] for key in theirs} == theirs


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("classes", [(Adafactor, Torchs), (Torchs, Adafactor)])
def test_a_run_is_continued_by_the_other_class(classes, dtype):
    first, second = classes
    params, plain = weights(SHAPES, dtype), weights(SHAPES, dtype)
    begun, whole = first(params, lr=0.1), Torchs(plain, lr=0.1)
    walk(begun, 4)
    taken = second(params, lr=0.5)
    taken.load_state_dict(reloaded(begun.state_dict()))
    walk(taken, 4, start=4)
    walk(whole, 8)
    assert_close(params, plain)
    assert_close(states_of(taken), states_of(whole))


PATCHED = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@PATCHED
@given(
    shapes=st.lists(
        st.tuples(st.integers(1, 30), st.integers(1, 130))
        | st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 60)),
        min_size=1,
        max_size=5,
    ),
    block=st.integers(1, 4000),
    fewest=st.integers(1, 8),
)
def test_however_matrices_are_cut_the_step_is_the_same(monkeypatch, shapes, block, fewest):
    with monkeypatch.context() as patch:
        patch.setattr(sweep, "_block", lambda elements: block)
        patch.setattr(sweep, "_FEWEST_ROWS", fewest)
        one, other = pair(torch.float64, shapes, lr=0.1)
        walk(one, 2)
        walk(other, 2)
    assert not one._layout.odd
    assert_close(params_of(one), params_of(other))
    assert_close(states_of(one), states_of(other))


def test_settings_belong_to_groups_and_may_change():
    opts = []
    for make in (Adafactor, Torchs):
        params = weights(SHAPES)
        opt = make([{"params": params[::2], "lr": 0.1}, {"params": params[1::2], "d": 2.0}])
        walk(opt, 2)
        opt.param_groups[0]["maximize"] = True
        opt.param_groups[1]["weight_decay"] = 0.2
        opt.add_param_group({"params": weights([(7, 50)]), "eps": (0.1, 0.2)})
        walk(opt, 2, start=2)
        opts.append(opt)
    assert_close(params_of(opts[0]), params_of(opts[1]))


@pytest.mark.parametrize("shape", [(6, 40), (6, 4), (40,)])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_spreads_as_in_torch(shape, value):
    opts = Adafactor(weights([shape]), lr=0.1), Torchs(weights([shape]), lr=0.1)
    for opt in opts:
        for t in range(3):
            give_gradients(params_of(opt), t)
            if t == 1:
                params_of(opt)[0].grad.view(-1)[3] = value
            opt.step()
    have, want = (params_of(opt)[0].detach() for opt in opts)
    torch.testing.assert_close(have, want, equal_nan=True)
    assert not want.isfinite().all()


@pytest.mark.parametrize("shape", [(6, 40), (6, 4), (40,)])
def test_one_weight_that_is_not_a_number_spoils_no_other(shape):
    opts = Adafactor(weights([shape])), Torchs(weights([shape]))
    for opt in opts:
        with torch.no_grad():
            params_of(opt)[0].view(-1)[3] = float("nan")
        walk(opt, 2)
    have, want = (params_of(opt)[0].detach() for opt in opts)
    torch.testing.assert_close(have, want, equal_nan=True)
    assert want.isnan().sum() == 1


@pytest.mark.parametrize("first", [torch.bfloat16, torch.float64])
def test_each_type_has_its_own_precision_as_eps(first):
    """torch gives the precision of the group's first parameter to all of them."""
    small = 1e-5  # below bfloat16's precision, above float32's
    shapes = [(6, 40), (5, 4), (40,)]
    alone, mixed = weights(shapes, torch.float32), weights(shapes, torch.float32)
    others = weights([(3, 32)], first)
    for one in (alone, mixed, others):
        give_gradients(one, 0)
        for p in one:
            p.grad *= small
    Adafactor(alone, lr=0.1).step()
    Adafactor([*others, *mixed], lr=0.1).step()
    assert_same(mixed, alone)
    theirs = weights(shapes, torch.float32)
    for p, q in zip(theirs, alone, strict=True):
        p.grad = q.grad
    Torchs(theirs, lr=0.1).step()
    assert_close(alone, theirs)


@pytest.mark.parametrize("shape", [(6, 40), (6, 4), (40,)])
def test_an_eps_too_small_to_be_squared_still_counts(shape):
    """The eps that other implementations recommend: torch divides zero by zero."""
    p = weights([shape], torch.float32)[0]
    before = p.detach().clone()
    opt = Adafactor([p], eps=(1e-30, 1e-3))
    p.grad = torch.zeros_like(p)
    opt.step()
    assert torch.equal(p, before)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32], ids=str)
def test_a_step_is_no_farther_from_the_truth_than_torchs(dtype):
    """The truth is torch in float64 from the same start along the same gradients."""
    shapes = [(80, 200), (200, 8), (300,)]
    mine, theirs = weights(shapes, dtype), weights(shapes, dtype)
    truth = [Parameter(p.detach().double()) for p in mine]
    eps = (torch.finfo(dtype).eps, 1e-3)
    opts = [make(ps, lr=0.1, eps=eps) for make, ps in ((Adafactor, mine), (Torchs, theirs))]
    opts.append(Torchs(truth, lr=0.1, eps=eps))
    for t in range(8):
        give_gradients(mine, t)
        for p, q, exact in zip(mine, theirs, truth, strict=True):
            q.grad, exact.grad = p.grad.clone(), p.grad.double()
        for opt in opts:
            opt.step()

    def distance(params):
        errors = [p.double() - e for p, e in zip(params, truth, strict=True)]
        return torch.cat([e.detach().flatten() for e in errors]).square().mean().sqrt()

    assert distance(mine) <= 1.05 * distance(theirs)


def test_sums_over_many_rows_keep_their_digits():
    """Added up one after the other in single precision, a column loses two of them."""
    p = Parameter(torch.zeros(60000, 32))
    p.grad = numbers(p.shape, 1, torch.float32)
    opt = Adafactor([p])
    opt.step()
    exact = p.grad.double().square().mean(0, keepdim=True).float()
    torch.testing.assert_close(opt.state[p]["col_var"], exact, rtol=3e-7, atol=0)
