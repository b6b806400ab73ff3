"""`average=`: the average a step keeps is torch's AveragedModel, lent, loaded and saved."""

import copy
import itertools
import pickle

import pytest
import torch
from torch import nn
from torch.amp import GradScaler
from torch.nn import Module, Parameter
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn

import thalweg.optim as optim
from tests.optim.runs import (
    EVERY,
    TOLERANCE,
    assert_close,
    assert_same,
    give_gradients,
    numbers,
    ours,
    reloaded,
    torchs,
    values,
    walk,
    weights,
)
from thalweg.averaging import EMA, SWA
from thalweg.chain import chain, named
from thalweg.rules import SGD
from thalweg.stages import EqualAverage, ExponentialAverage, Lookahead

STEPS = 300
# the commonest two, one with a number of its own, and Lookahead
NAMES = ["SGD", "AdamW", "NAdam", "Ranger"]
AVERAGES = [EMA(0.9), SWA(), SWA(start=7, every=5)]
of_averages = pytest.mark.parametrize("average", AVERAGES, ids=repr)
ways = pytest.mark.parametrize("way", ["file", "deepcopy", "pickle"])


def params_of(opt) -> list[Parameter]:
    return [p for group in opt.param_groups for p in group["params"]]


def averages_of(opt) -> list[torch.Tensor]:
    return [opt.state[p]["average"] for p in params_of(opt)]


def counts_of(opt) -> list[float]:
    return [opt.state[p]["n_averaged"].item() for p in params_of(opt)]


def clones(params) -> list[Parameter]:
    return [Parameter(p.detach().clone()) for p in params]


class Torchs:
    """torch's average of the same parameters, told of every step."""

    def __init__(self, params, average, dtype=None):
        self.model = nn.ParameterList(params)
        function = get_ema_multi_avg_fn(average.decay) if isinstance(average, EMA) else None
        self.averaged = AveragedModel(self.model, multi_avg_fn=function)
        self.dtype = dtype
        self.average = average
        if dtype is not None:
            self.averaged.to(dtype)

    def hear_of(self, t: int) -> None:
        """Step t, from 1, has been taken."""
        if isinstance(self.average, SWA):
            since = t - self.average.start
            if since < 0 or since % self.average.every:
                return
        wide = copy.deepcopy(self.model).to(self.dtype) if self.dtype else self.model
        self.averaged.update_parameters(wide)

    def values(self) -> list[torch.Tensor]:
        return list(self.averaged.parameters())


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


# saved and resumed


def continued(opt, way, make=None):
    """The optimizer after a trip, over parameters of its own; `make` is the one that loads."""
    if way != "file":
        return copy.deepcopy(opt) if way == "deepcopy" else pickle.loads(pickle.dumps(opt))
    after = make(clones(params_of(opt)))
    after.load_state_dict(reloaded(opt.state_dict()))
    return after


@ways
@of_averages
@pytest.mark.parametrize("at", [0, 1, 8])
@pytest.mark.parametrize("name", ["AdamW", "Ranger"])
def test_a_run_goes_on_with_its_average(name, at, average, way):
    whole = ours(name, weights(), average=average)
    walk(whole, at)
    after = continued(whole, way, lambda params: ours(name, params, average=average))
    walk(whole, 6, start=at)
    walk(after, 6, start=at)
    assert_same(params_of(after), params_of(whole))
    assert_same(averages_of(after), averages_of(whole))
    if isinstance(average, SWA):
        assert counts_of(after) == counts_of(whole)


@of_averages
@pytest.mark.parametrize("made_with", [None, EMA(0.25), SWA(2)], ids=repr)
def test_a_file_says_what_it_averages(made_with, average):
    """So that a run goes on, however the optimizer that loads it was made."""
    whole = ours("AdamW", weights(), average=average)
    walk(whole, 8)
    after = continued(whole, "file", lambda params: ours("AdamW", params, average=made_with))
    walk(whole, 6, start=8)
    walk(after, 6, start=8)
    assert_same(averages_of(after), averages_of(whole))
    again = continued(after, "file", lambda params: ours("AdamW", params))
    with again.averaged_weights():
        assert_same(params_of(again), averages_of(whole))


@pytest.mark.parametrize("state_dtype", ["param", "float32"])
def test_a_narrow_mean_keeps_its_count(state_dtype):
    """torch casts a loaded number to its parameter's type, and bf16 counts to 256."""
    whole = ours("SGD", weights(dtype=torch.bfloat16), average=SWA(), state_dtype=state_dtype)
    walk(whole, 2)
    for p in params_of(whole):
        whole.state[p]["n_averaged"].fill_(1001.0)
    after = continued(whole, "file", lambda params: ours("SGD", params))
    walk(whole, 2, start=2)
    walk(after, 2, start=2)
    assert counts_of(after) == counts_of(whole) == [1003.0] * len(params_of(whole))
    assert_same(averages_of(after), averages_of(whole))


@of_averages
@pytest.mark.parametrize("name", ["SGD", "AdamW", "NAdam"])
def test_torchs_class_loads_the_file_and_lets_the_average_be(name, average):
    mine = ours(name, weights(), average=average)
    walk(mine, 8)
    theirs, plain = torchs(name, clones(params_of(mine))), ours(name, clones(params_of(mine)))
    theirs.load_state_dict(reloaded(mine.state_dict()))
    before = values(averages_of(theirs))
    plain.load_state_dict(reloaded(mine.state_dict()))
    walk(theirs, 3, start=8)
    walk(plain, 3, start=8)
    # torch keeps numbers in float32, which is what a comparison in double sees
    for a, b in zip(params_of(theirs), params_of(plain), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)
    assert_same(averages_of(theirs), before)


def test_torchs_file_begins_an_average_at_the_next_step():
    theirs = torchs("AdamW", weights())
    walk(theirs, 3)
    mine = ours("AdamW", clones(params_of(theirs)), average=EMA(0.5))
    mine.load_state_dict(reloaded(theirs.state_dict()))
    with mine.averaged_weights():
        assert_same(params_of(mine), params_of(theirs))
    walk(mine, 1, start=3)
    assert_same(averages_of(mine), params_of(mine))
    walk(mine, 1, start=4)
    assert not torch.equal(averages_of(mine)[0], params_of(mine)[0])


def test_our_file_without_an_average_begins_one_at_the_next_step():
    """As torch's file does; who asks for an average in mid-run has just made up her mind."""
    before = ours("AdamW", weights())
    walk(before, 3)
    after = ours("AdamW", clones(params_of(before)), average=EMA(0.5))
    after.load_state_dict(reloaded(before.state_dict()))
    walk(after, 1, start=3)
    assert_same(averages_of(after), params_of(after))


def test_averages_go_by_name():
    names = ["a", "b", "c"]
    before = dict(zip(names, weights([(3,)] * 3), strict=True))
    whole = ours("AdamW", list(before.items()), average=EMA(0.5))
    walk(whole, 3)
    after = {name: Parameter(before[name].detach().clone()) for name in names[::-1]}
    opt = ours("AdamW", list(after.items()))
    opt.load_state_dict(reloaded(whole.state_dict()))
    assert_same(averages_of(opt)[::-1], averages_of(whole))


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


# lent for an evaluation

BLOCKS = ("averaged_weights", "slow_weights")


def trained(average=None, name="AdamW", steps=8, **settings):
    params, average = weights(), average or EMA(0.5)
    opt = ours(name, params, average=average, **settings)
    walk(opt, steps)
    return params, opt


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


# loaded into a model


class Net(Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(3, 3, dtype=torch.float64)
        self.norm = nn.BatchNorm1d(3, dtype=torch.float64)
        self.outer = nn.Linear(3, 3, dtype=torch.float64)
        self.outer.bias = self.inner.bias  # tied


def fitted(groups=lambda model: model.parameters(), **settings):
    model = Net()
    opt = ours("AdamW", groups(model), average=EMA(0.5), **settings)
    walk(opt, 4)
    average = {p: opt.state[p]["average"] for p in model.parameters()}
    return model, opt, {n: average[p].clone() for n, p in model.named_parameters()}


def in_two_groups(model):
    named = list(model.named_parameters())
    return [{"params": [pair for pair in named if pair[1].dim() == d]} for d in (1, 2)]


def test_the_optimizers_own_model_takes_its_averages():
    model, opt, want = fitted()
    model.norm.running_mean.fill_(7.0)
    opt.load_averaged(model)
    assert_same(model.parameters(), want.values())
    assert model.outer.bias is model.inner.bias
    assert model.norm.running_mean.tolist() == [7.0] * 3
    walk(opt, 1, start=4)


@pytest.mark.parametrize(
    "groups",
    [
        lambda model: model.parameters(),
        lambda model: model.named_parameters(),
        in_two_groups,
        lambda model: list(model.named_parameters())[::-1],
    ],
    ids=["by order", "by name", "by name in groups", "by name in another order"],
)
def test_another_model_takes_the_averages(groups):
    model, opt, want = fitted(groups)
    other, before = copy.deepcopy(model), values(model.parameters())
    opt.load_averaged(other)
    assert_same([dict(other.named_parameters())[n] for n in want], want.values())
    assert_same(model.parameters(), before)
    assert all(p.requires_grad and p.is_leaf for p in other.parameters())


def test_groups_without_names_are_not_taken_for_the_models_order():
    """Weights first and biases after them: a norm's weight and another's bias are of one shape."""
    model = nn.Sequential(nn.LayerNorm(3), nn.LayerNorm(3)).double()
    groups = [{"params": [norm.weight for norm in model]}, {"params": [n.bias for n in model]}]
    opt = ours("AdamW", groups, average=EMA(0.5))
    walk(opt, 3)
    other = copy.deepcopy(model)
    with pytest.raises(ValueError, match=r"^AdamW\.load_averaged: .*named_parameters"):
        opt.load_averaged(other)
    opt.load_averaged(model)
    assert_same(model.parameters(), [opt.state[p]["average"] for p in model.parameters()])


def test_a_named_optimizer_may_be_of_a_part_of_the_model():
    model = Net()
    pairs = [("outer.weight", model.outer.weight)]
    opt = ours("AdamW", pairs, average=EMA(0.5))
    walk(opt, 3)
    other = copy.deepcopy(model)
    opt.load_averaged(other)
    assert_same([other.outer.weight], [opt.state[model.outer.weight]["average"]])
    assert_same([other.inner.weight], [model.inner.weight])


def test_averages_are_loaded_into_another_type():
    model, opt, want = fitted()
    other = copy.deepcopy(model).bfloat16()
    opt.load_averaged(other)
    assert_same(other.parameters(), [value.bfloat16() for value in want.values()])


def test_a_parameter_without_an_average_is_loaded_as_it_is():
    params = weights([(3,), (2,)])
    opt = ours("AdamW", params, average=EMA(0.5))
    for t in range(3):
        give_gradients(params[:1], t)
        opt.step()
    other = nn.ParameterList(torch.zeros_like(p) for p in params)
    opt.load_averaged(other)
    assert_same(other, [opt.state[params[0]]["average"], params[1]])


REFUSED = {
    "missing names": (
        lambda model: model.named_parameters(),
        lambda: nn.Linear(3, 3, dtype=torch.float64),
        r"the model must have the optimizer's parameters; it lacks 'inner\.weight', 'inner\.bias', "
        r"'norm\.weight', 'norm\.bias', 'outer\.weight'$",
    ),
    "another number": (
        lambda model: model.parameters(),
        lambda: nn.Linear(3, 3, dtype=torch.float64),
        r"the model must have the optimizer's 5 parameters, got 2; made from named_parameters\(\)",
    ),
    "other shapes": (
        lambda model: model.parameters(),
        lambda: nn.ParameterList(torch.zeros(s) for s in ((3, 3), (3,), (3,), (3,), (1, 3))),
        r"the model's parameters must have the shapes of the optimizer's, got \(1, 3\) for \(3",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_model_that_does_not_fit_is_refused_and_stays_as_it_is(what):
    groups, make, words = REFUSED[what]
    _, opt, _ = fitted(groups)
    other = make()
    before = values(other.parameters())
    with pytest.raises(ValueError, match=rf"^AdamW\.load_averaged: {words}"):
        opt.load_averaged(other)
    assert_same(other.parameters(), before)


# elsewhere in the library


@pytest.fixture
def forget_compiled_code():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.slow
@pytest.mark.usefixtures("forget_compiled_code")
@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")
@of_averages
def test_a_compiled_step_averages(average):
    mine, plain = weights(), weights()
    opt, other = ours("AdamW", mine, average=average), ours("AdamW", plain, average=average)
    step = torch.compile(opt.step, backend="aot_eager", fullgraph=True)
    for t in range(9):
        give_gradients(mine, t)
        give_gradients(plain, t)
        step()
        other.step()
    assert_same(mine, plain)
    assert_same(averages_of(opt), averages_of(other))


def test_a_users_chain_may_hold_an_average():
    made = optim.optimizer(chain("Mine", SGD, ExponentialAverage, lr=0.1, decay=0.75))
    params = weights()
    opt = made(params, decay=0.5)
    assert opt.param_groups[0]["decay"] == 0.5
    theirs = Torchs(params, EMA(0.5))
    for t in range(5):
        walk(opt, 1, start=t)
        theirs.hear_of(t + 1)
    with opt.averaged_weights():
        assert_close(params, theirs.values())


def test_two_averages_are_two_and_the_last_is_lent():
    inner = named(EqualAverage, avg="swa", n_averaged="n", start="swa_start", every="swa_every")
    made = optim.optimizer(chain("Both", SGD, inner, lr=0.1, swa_start=3))
    params = weights([(3,)])
    opt = made(params, average=EMA(0.5))
    ema, swa = Torchs(params, EMA(0.5)), Torchs(params, SWA(3))
    for t in range(5):
        walk(opt, 1, start=t)
        ema.hear_of(t + 1)
        swa.hear_of(t + 1)
        with opt.averaged_weights():
            assert_close(params, ema.values())
    assert_close([opt.state[params[0]]["swa"]], swa.values())


def test_two_averages_under_one_key_are_refused():
    made = optim.optimizer(chain("Twice", SGD, ExponentialAverage))
    with pytest.raises(TypeError, match=r"^Twice: .* both keep a state 'average'"):
        made(weights(), average=SWA())


@pytest.mark.parametrize(
    "name",
    EVERY,
)
def test_every_class_begins_its_average_with_the_first_step(name):
    params = weights()
    opt = ours(name, params, average=EMA(0.9))
    walk(opt)
    assert_same(averages_of(opt), params)


# bad input

SENTENCES = {
    "decay": (lambda: EMA(1.5), ValueError, r"EMA: decay must be >= 0 and <= 1, got 1\.5"),
    "nan": (lambda: EMA(float("nan")), ValueError, r"EMA: decay must be >= 0 and <= 1, got nan"),
    "text": (lambda: EMA("high"), TypeError, r"EMA: decay must be a number, got 'high'"),
    "start": (lambda: SWA(start=0), ValueError, r"SWA: start must be >= 1, got 0"),
    "every": (lambda: SWA(every=0), ValueError, r"SWA: every must be >= 1, got 0"),
    "fraction": (lambda: SWA(every=1.5), TypeError, r"SWA: every must be an integer, got 1\.5"),
}


@pytest.mark.parametrize("what", SENTENCES)
def test_a_setting_out_of_range_is_named(what):
    make, kind, words = SENTENCES[what]
    with pytest.raises(kind, match=rf"^{words}$"):
        make()


NONE_IS = (
    r"^AdamW: average must be None, EMA\(\.\.\.\) or SWA\(\.\.\.\) from thalweg\.averaging, got "
)


@pytest.mark.parametrize("value", [0.999, True, EMA, "sma", []], ids=repr)
def test_what_is_no_average_is_refused(value):
    with pytest.raises(TypeError, match=NONE_IS):
        ours("AdamW", weights(), average=value)
    opt = ours("AdamW", weights([(3,)]))
    with pytest.raises(TypeError, match=NONE_IS):
        opt.add_param_group({"params": weights([(2,)]), "average": value})
    assert len(opt.param_groups) == 1


@pytest.mark.parametrize("other", [None, SWA()], ids=repr)
def test_groups_keep_the_same_kind_of_average(other):
    params = weights([(3,), (2,)])
    words = r"^AdamW: all groups must keep the same kind of average, got 'ema', "
    groups = [{"params": params[:1]}, {"params": params[1:], "average": other}]
    with pytest.raises(ValueError, match=words):
        ours("AdamW", groups, average=EMA(0.5))
    opt = ours("AdamW", params[:1], average=EMA(0.5))
    with pytest.raises(ValueError, match=words):
        opt.add_param_group(groups[1])
    assert len(opt.param_groups) == 1
    walk(opt)


@of_averages
def test_the_groups_of_an_optimizer_make_another(average):
    """As they do for torch's classes, and for ours without an average."""
    params, opt = trained(average)
    other = optim.AdamW(opt.param_groups, average=average)
    assert other.param_groups == opt.param_groups
    assert_same(params_of(other), params)
    walk(other)


def test_the_word_for_an_average_is_the_average():
    """A group holds it, so somebody will write it."""
    (group,) = ours("AdamW", weights(), average="ema").param_groups
    assert (group["average"], group["average_decay"]) == ("ema", 0.999)


@pytest.mark.parametrize("kind", ["ema", "swa"])
@pytest.mark.parametrize("name", ["SGD", "AdamW", "SparseAdam", "NAdam"])
def test_averages_move_without_a_gradient_as_torchs_averaged_model_does(name, kind):
    params = weights([(3, 4), (4,), (2,)])
    params[2].requires_grad_(False)
    model = torch.nn.ParameterList(params)
    average = EMA(0.9) if kind == "ema" else SWA(1, 1)
    fn = get_ema_multi_avg_fn(0.9) if kind == "ema" else None
    opt, judge = ours(name, params, average=average), AveragedModel(model, multi_avg_fn=fn)
    for t in range(40):
        give_gradients(params, t)
        params[2].grad = None
        if t % 3 == 1 or t > 20:
            params[1].grad = None
        if t == 7:
            params[0].grad = params[1].grad = None
        opt.step()
        judge.update_parameters(model)
    assert_close([opt.state[p]["average"] for p in params], list(judge.module.parameters()))


def test_a_mean_starts_at_the_optimizers_step_and_not_at_the_parameters():
    params = weights([(2,), (2,)])
    opt, taken = ours("SGD", params, average=SWA(start=5, every=2)), []
    for t in range(10):
        give_gradients(params, t)
        if t % 2:
            params[1].grad = None
        opt.step()
        if t + 1 in (5, 7, 9):
            taken.append(values(params))
    for p, path in zip(params, zip(*taken, strict=True), strict=True):
        assert_close([opt.state[p]["average"]], [torch.stack(path).mean(0)])
    assert [opt.state[p]["n_missed"].item() for p in params] == [0, 5]
    assert [opt.state[p]["step"].item() for p in params] == [10, 5]


def test_what_moves_without_a_gradient_is_laid_out_once():
    params = weights([(2,), (2,)])
    params[1].requires_grad_(False)
    opt = ours("AdamW", params, average=EMA(0.9))
    found = set()
    for t in range(5):
        params[0].grad = numbers((2,), t)
        opt.step()
        if t > 1:
            found.add((id(opt._layout), id(opt._rest)))
    assert len(found) == 1
    assert opt._rest is not None
