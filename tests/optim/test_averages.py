"""`average=`: the average that a step keeps is torch's AveragedModel."""

import copy
import itertools

import pytest
import torch
from torch.amp import GradScaler
from torch.nn import Parameter

import thalweg.optim as optim
from tests.optim.averages import (
    AVERAGES,
    Torchs,
    averages_of,
    continued,
    of_averages,
    params_of,
    ways,
)
from tests.optim.runs import (
    TOLERANCE,
    assert_close,
    assert_same,
    give_gradients,
    numbers,
    ours,
    values,
    walk,
    weights,
)
from thalweg.averaging import EMA, SWA
from thalweg.chain import chain
from thalweg.rules import SGD
from thalweg.stages import Lookahead

STEPS = 300
# the commonest two, one with a number of its own, and Lookahead
NAMES = ["SGD", "AdamW", "NAdam", "Ranger"]


# equal to torch


@pytest.mark.parametrize(
    ("name", "average"),
    [
        *itertools.product(NAMES, AVERAGES),
        ("Adagrad", EMA(0.9)),
    ],
    ids=str,
)
def test_the_average_is_torchs_step_by_step(name, average):
    params, plain = weights([(3, 4), ()]), weights([(3, 4), ()])
    opt, other = ours(name, params, average=average), ours(name, plain)
    theirs = Torchs(params, average)
    for t in range(STEPS):
        give_gradients(params, t % 20)
        give_gradients(plain, t % 20)
        opt.step()
        other.step()
        theirs.hear_of(t + 1)
        if theirs.averaged.n_averaged > 0:
            assert_close(averages_of(opt), theirs.values())
    assert_same(params, plain)  # and the weights have not noticed


@of_averages
@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64, torch.bfloat16], ids=str)
def test_the_average_is_torchs_in_other_types(dtype, average):
    params = weights([(3, 4), ()], dtype)
    opt = ours("AdamW", params, average=average)
    theirs = Torchs(params, average)
    for t in range(30):
        walk(opt, 1, start=t)
        theirs.hear_of(t + 1)
        if theirs.averaged.n_averaged > 0:
            assert {a.dtype for a in averages_of(opt)} == {dtype}
            assert_close(averages_of(opt), theirs.values())


@of_averages
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_a_wide_average_of_narrow_weights_is_torchs_to_their_digits(dtype, average):
    params = weights([(64,)], dtype)
    opt = ours("AdamW", params, average=average, state_dtype="float32")
    theirs = Torchs(params, average, torch.float32)
    for t in range(30):
        walk(opt, 1, start=t)
        theirs.hear_of(t + 1)
        (have,) = averages_of(opt)
        assert have.dtype == torch.float32
        if theirs.averaged.n_averaged > 0:
            torch.testing.assert_close(have, theirs.values()[0].detach(), **TOLERANCE[dtype])


def test_a_wide_average_is_of_the_weights_before_they_are_rounded():
    """torch's has the rounded ones only."""
    p = Parameter(torch.ones(4, dtype=torch.bfloat16))
    opt = optim.SGD([p], lr=1.0, average=EMA(0.5), state_dtype="float32")
    p.grad = torch.full_like(p, 2**-12)
    opt.step()
    assert p.tolist() == [1.0] * 4
    assert averages_of(opt)[0].tolist() == [1 - 2**-12] * 4


def test_a_narrow_average_needs_a_wide_state():
    """A thousandth of the way is less than bf16 can hold; `state_dtype` is the way out."""
    moved = {}
    for state_dtype in ("param", "float32"):
        p = Parameter(torch.ones(4, dtype=torch.bfloat16))
        opt = optim.SGD([p], lr=0.0, average=EMA(0.999), state_dtype=state_dtype)
        p.grad = torch.zeros_like(p)
        opt.step()
        with torch.no_grad():
            p.fill_(2.0)
        opt.step()
        moved[state_dtype] = opt.state[p]["average"][0].item() - 1
    assert moved == {"param": 0.0, "float32": pytest.approx(1e-3, rel=1e-3)}


def test_lookaheads_synchronization_comes_before_the_average():
    """By hand: 8 goes down by 1 a step, and every second step halfway back."""
    made = optim.optimizer(chain("Slow", SGD, Lookahead, lr=1.0, k=2, alpha=0.5))
    p = Parameter(torch.tensor([8.0]))
    opt = made([p], average=SWA())
    path = []
    for _ in range(4):
        p.grad = torch.ones(1)
        opt.step()
        path.append((p.item(), opt.state[p]["average"].item()))
    assert path == [(7, 7), (7, 7), (6, pytest.approx(20 / 3)), (6, pytest.approx(6.5))]


@pytest.mark.parametrize("average", [EMA(0.0), SWA(start=10**6)], ids=repr)
def test_at_one_end_of_the_range_the_average_is_the_weights(average):
    """Decay 0 keeps the last ones; a mean that has not begun keeps none."""
    params = weights()
    opt = ours("AdamW", params, average=average)
    walk(opt, 4)
    want = values(params)
    with opt.averaged_weights():
        assert_same(params, want)


def test_at_the_other_end_the_average_is_the_first_weights():
    params = weights()
    opt = ours("AdamW", params, average=EMA(1.0))
    walk(opt)
    first = values(params)
    walk(opt, 5, start=1)
    assert_same(averages_of(opt), first)


def test_without_average_there_is_none():
    opt = ours("AdamW", weights())
    walk(opt)
    assert opt.param_groups[0]["average"] is None
    assert not any("average" in held for held in opt.state.values())


def test_the_group_says_what_is_averaged_in_plain_words():
    ema = ours("AdamW", weights(), average=EMA(0.9)).param_groups[0]
    swa = ours("AdamW", weights(), average=SWA(5, 2)).param_groups[0]
    assert (ema["average"], ema["average_decay"]) == ("ema", 0.9)
    assert (swa["average"], swa["average_start"], swa["average_every"]) == ("swa", 5, 2)


def test_the_decay_may_change_on_the_way():
    params = weights()
    opt = ours("SGD", params, average=EMA(0.9))
    walk(opt, 3)
    before = values(averages_of(opt))
    opt.param_groups[0]["average_decay"] = 0.25
    walk(opt, 1, start=3)
    want = [a + 0.75 * (p - a) for a, p in zip(before, params, strict=True)]
    assert_close(averages_of(opt), want)


def test_each_group_has_a_decay_of_its_own():
    params = weights([(3,), (3,)])
    groups = [{"params": params[:1]}, {"params": params[1:], "average": EMA(0.5)}]
    opt = ours("SGD", groups, average=EMA(0.9))
    theirs = [Torchs([params[0]], EMA(0.9)), Torchs([params[1]], EMA(0.5))]
    for t in range(5):
        walk(opt, 1, start=t)
        for each in theirs:
            each.hear_of(t + 1)
    assert_close(averages_of(opt), [*theirs[0].values(), *theirs[1].values()])


# groups, gradients that come late or never


def test_a_group_added_later_is_averaged_from_its_first_step():
    params, late = weights([(3,)]), weights([(2,)])
    opt = ours("AdamW", params, average=EMA(0.5))
    walk(opt, 3)
    opt.add_param_group({"params": late})
    assert opt.param_groups[1]["average_decay"] == 0.5
    with opt.averaged_weights():
        assert_same(late, weights([(2,)]))
    walk(opt, 1, start=3)
    assert_same(averages_of(opt)[1:], late)
    assert not torch.equal(averages_of(opt)[0], params[0])


@ways
def test_a_group_added_to_a_loaded_average_is_averaged_with_the_rest(way):
    whole = ours("AdamW", weights([(3,)]), average=EMA(0.5))
    walk(whole, 3)
    opt = continued(whole, "file", lambda params: ours("AdamW", params))
    opt.add_param_group({"params": weights([(2,)])})
    walk(opt, 2, start=3)
    assert [g["average_decay"] for g in opt.param_groups] == [0.5, 0.5]
    again = continued(opt, way, lambda p: ours("AdamW", [{"params": p[:1]}, {"params": p[1:]}]))
    with again.averaged_weights():
        assert_same(params_of(again), averages_of(opt))


def test_frozen_parameters_are_averaged_and_have_no_other_state():
    params = weights([(3,), (2,), (4,)])
    opt = ours("AdamW", params, average=EMA(0.5))
    own = values(params)
    for t in range(4):
        opt.zero_grad()
        give_gradients(params[: 1 + (t > 1)], t)
        opt.step()
    first, late, frozen = params
    assert opt.state[late]["step"] == 2.0
    assert list(opt.state[frozen]) == ["average"]
    before = values(params)
    with opt.averaged_weights():
        assert_same([first, late], [opt.state[p]["average"] for p in (first, late)])
        assert_same([frozen], [own[2]])
    assert_same(params, before)


def test_a_decay_filter_and_an_average_go_together():
    settings = {"weight_decay": 0.5, "decay_filter": "no_bias_norm"}
    params, plain = weights([(3, 4), (4,)]), weights([(3, 4), (4,)])
    opt, other = (
        ours("AdamW", params, average=EMA(0.5), **settings),
        ours("AdamW", plain, **settings),
    )
    theirs = Torchs(plain, EMA(0.5))
    for t in range(5):
        walk(opt, 1, start=t)
        walk(other, 1, start=t)
        theirs.hear_of(t + 1)
    assert_same(params, plain)
    assert_close(averages_of(opt), theirs.values())


@pytest.mark.parametrize("fused", [None, True])
@of_averages
def test_a_step_that_the_scaler_skips_is_none_for_the_average(average, fused):
    params = weights(dtype=torch.float32)
    opt = ours("AdamW", params, average=average, fused=fused)
    walk(opt, 8)
    before = copy.deepcopy(opt.state_dict()["state"])
    scaler = GradScaler("cpu", init_scale=16.0)
    give_gradients(params, 9)
    params[0].grad[0, 0] = float("inf")
    scaler.scale(torch.ones(()))
    scaler.step(opt)
    after = opt.state_dict()["state"]
    for i in before:
        assert_same(after[i].values(), before[i].values())


def test_rows_that_a_sparse_gradient_lacks_are_averaged_too():
    dense, sparse = weights([(5, 3)]), weights([(5, 3)])
    opt, other = (
        ours("SGD", p, momentum=0.0, nesterov=False, average=EMA(0.5)) for p in (dense, sparse)
    )
    for t in range(4):
        give_gradients(dense, t)
        dense[0].grad[t:] = 0
        sparse[0].grad = dense[0].grad.to_sparse(1)
        opt.step()
        other.step()
    assert_close(sparse, dense)
    assert_close(averages_of(other), averages_of(opt))


def test_sparse_adam_leaves_missing_rows_alone_or_says_that_it_cannot():
    """With zeros in the missing rows their moments would move them, which torch's do not."""
    params, plain = weights([(5, 3)]), weights([(5, 3)])
    opt, other = ours("SparseAdam", params, average=EMA(0.5)), ours("SparseAdam", plain)
    for t in range(4):
        grad = torch.zeros(5, 3, dtype=torch.float64)
        grad[t % 2] = numbers((3,), t)
        for p, each in ((params[0], opt), (plain[0], other)):
            p.grad = grad.to_sparse(1)
            try:
                each.step()
            except RuntimeError:
                return
    assert_same(params, plain)


def test_parameters_in_any_layout_are_averaged():
    params = [
        Parameter(numbers((2, 3, 4, 5), 1).to(memory_format=torch.channels_last)),
        Parameter(numbers((3, 10), 2)[:, ::2]),
        Parameter(numbers((3, 4), 3).T),
    ]
    plain = [Parameter(p.detach().clone(memory_format=torch.contiguous_format)) for p in params]
    opt, other = (ours("AdamW", each, average=EMA(0.5)) for each in (params, plain))
    walk(opt, 4)
    walk(other, 4)
    assert_close(averages_of(opt), averages_of(other))
    before = values(params)
    with opt.averaged_weights():
        assert_same(params, averages_of(opt))
    assert_same(params, before)


@of_averages
def test_a_differentiable_step_keeps_the_average_too(average):
    plain = weights([(3,)])
    opt = ours("SGD", plain, average=average)
    p = numbers((3,), 0).requires_grad_()
    params = [p.clone()]
    other = ours("SGD", params, average=average, differentiable=True)
    for t in range(8):
        give_gradients(plain, t)
        params[0].grad = plain[0].grad.clone()
        opt.step()
        other.step()
    assert_close(averages_of(other), averages_of(opt))
