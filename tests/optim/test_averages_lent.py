"""The average that a step keeps is lent to the weights for an evaluation."""

import copy

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import update_bn

from tests.optim.averages import averages_of, of_averages, trained
from tests.optim.runs import (
    assert_close,
    assert_same,
    give_gradients,
    numbers,
    ours,
    reloaded,
    values,
    walk,
    weights,
)
from thalweg.averaging import EMA, SWA

BLOCKS = ("averaged_weights", "slow_weights")


@of_averages
def test_the_weights_come_back_bit_for_bit(average):
    params, opt = trained(average)
    before = values(params)
    with opt.averaged_weights():
        assert_same(params, averages_of(opt))
        assert not torch.equal(params[0], before[0])
    assert_same(params, before)


def test_the_weights_come_back_after_an_exception():
    params, opt = trained()
    before = values(params)
    with pytest.raises(ArithmeticError), opt.averaged_weights():
        raise ArithmeticError
    assert_same(params, before)
    walk(opt, 1, start=8)  # and steps are allowed again


def test_a_step_on_averaged_weights_is_refused():
    params, opt = trained()
    give_gradients(params, 8)
    before = values(averages_of(opt))
    with opt.averaged_weights():
        lent = values(params)
        with pytest.raises(
            RuntimeError,
            match=r"^AdamW: step\(\) was called inside `with averaged_weights\(\)`; leave the",
        ):
            opt.step()
        assert_same(params, lent)
    assert_same(averages_of(opt), before)
    opt.step()


def test_averaged_weights_inside_averaged_weights_are_the_same():
    params, opt = trained()
    before = values(params)
    with opt.averaged_weights():
        with opt.averaged_weights():
            assert_same(params, averages_of(opt))
        assert_same(params, averages_of(opt))
        with pytest.raises(RuntimeError, match="averaged_weights"):
            opt.step()
    assert_same(params, before)


@pytest.mark.parametrize("blocks", [BLOCKS, BLOCKS[::-1]])
def test_averaged_and_slow_weights_are_lent_one_after_the_other_only(blocks):
    params, opt = trained(name="Ranger", steps=6)
    before = values(params)
    outer, inner = blocks
    with getattr(opt, outer)():
        lent = values(params)
        with (
            pytest.raises(
                RuntimeError,
                match=rf"^Ranger: {inner}\(\) was called inside `with {outer}\(\)`; leave that",
            ),
            getattr(opt, inner)(),
        ):
            pytest.fail("entered")
        assert_same(params, lent)
    assert_same(params, before)
    with getattr(opt, inner)():
        assert not torch.equal(params[0], lent[0])
    assert_same(params, before)


def test_before_the_first_step_the_weights_are_their_own_average():
    params = weights()
    opt = ours("AdamW", params, average=EMA(0.5))
    with opt.averaged_weights():
        assert_same(params, weights())
    opt.load_averaged(nn.ParameterList(params))
    assert_same(params, weights())
    assert not opt.state


def test_a_mean_that_has_not_begun_lends_nothing():
    params, opt = trained(SWA(start=9))
    before = values(params)
    with opt.averaged_weights():
        assert_same(params, before)
    walk(opt, 1, start=8)
    assert_same(averages_of(opt), params)


def test_a_file_written_inside_the_block_holds_the_average_all_the_same():
    _, opt = trained()
    want = values(averages_of(opt))
    with opt.averaged_weights():
        saved = reloaded(opt.state_dict())
        twin = copy.deepcopy(opt)
    assert_same([saved["state"][i]["average"] for i in range(len(want))], want)
    assert_same(averages_of(twin), want)
    walk(twin)  # the copy's weights are its own


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_wide_averages_are_lent_to_narrow_weights(dtype):
    params = weights(dtype=dtype)
    opt = ours("AdamW", params, average=EMA(0.5), state_dtype="float32")
    walk(opt, 4)
    before = values(params)
    with opt.averaged_weights():
        assert_same(params, [a.to(dtype) for a in averages_of(opt)])
    assert_same(params, before)


def test_autograd_hears_of_lent_weights():
    params, opt = trained()
    loss = sum(p.pow(3).sum() for p in params)
    with (
        opt.averaged_weights(),
        pytest.raises(RuntimeError, match="modified by an inplace operation"),
    ):
        loss.backward()


def test_update_bn_inside_the_block_makes_the_statistics_of_the_average():
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    opt = ours("SGD", model.parameters(), average=EMA(0.5))
    inputs = numbers((16, 4), 1, torch.float32)
    for _ in range(4):
        opt.zero_grad()
        model(inputs).square().sum().backward()
        opt.step()
    with opt.averaged_weights():
        update_bn([inputs], model)
        assert_close([model[1].running_mean], [model[0](inputs).mean(0)])


def test_an_optimizer_without_an_average_says_how_to_make_one():
    opt = ours("AdamW", weights())
    words = r"^AdamW keeps no average; make it with average=EMA\(\.\.\.\) or average=SWA\(\.\.\.\)$"
    with pytest.raises(RuntimeError, match=words), opt.averaged_weights():
        pytest.fail("entered")
    with pytest.raises(RuntimeError, match=words):
        opt.load_averaged(nn.Linear(2, 2))
