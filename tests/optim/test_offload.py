"""States and steps on the host: the same steps, whatever the buckets. The CPU stands for a device:
what runs is the same code, in which nobody has to wait."""

import gc
import pickle

import pytest
import torch
from torch.nn import Embedding, LayerNorm, Linear, Parameter, Sequential, Tanh
from torch.nn.utils import clip_grad_norm_

import thalweg.optim as optim
from tests.optim.runs import OURS, numbers, reloaded
from thalweg.averaging import EMA

SETTINGS = {**OURS, "CAME": {}, "Muon": {"lr": 0.02}, "SOAP": {"precondition_frequency": 2}}
SETTINGS |= {"AdamMini": {}, "Shampoo": {}, "Adafactor": {}}
BUCKETS = [1, 200, 1 << 26]  # bytes: a tensor each, some, all


def network(dtype=torch.float64):
    model = Sequential(Linear(6, 5, bias=False), Tanh(), Linear(5, 4, bias=False)).to(dtype)
    with torch.no_grad():
        for seed, p in enumerate(model.parameters()):
            p.copy_(numbers(p.shape, seed))
    return model


def backward(model, t):
    x = numbers((3, 6), 10 + t).to(next(model.parameters()).dtype)
    model(x).square().mean().backward()


def train(model, opt, steps=5, start=0, between=lambda model: None):
    for t in range(start, start + steps):
        opt.zero_grad()
        backward(model, t)
        between(model)
        opt.step()


def both(name="AdamW", dtype=torch.float64, params=lambda model: model, **more):
    """A model whose optimizer is offloaded, with one whose optimizer is not."""
    own = {k: more.pop(k) for k in ("bucket_bytes", "free_gradients") if k in more}
    cls, settings = getattr(optim, name), {**SETTINGS[name], **more}
    mine, plain = network(dtype), network(dtype)
    opt = optim.offload(params(mine), cls, **own, **settings)
    return mine, opt, plain, cls(params(plain), **settings)


def assert_same(mine, plain):
    for p, q in zip(mine.parameters(), plain.parameters(), strict=True):
        assert torch.equal(p, q)


@pytest.mark.parametrize("free_gradients", [False, True])
@pytest.mark.parametrize("bucket_bytes", BUCKETS)
@pytest.mark.parametrize("name", SETTINGS)
def test_an_offloaded_step_is_the_step_on_one_device(name, bucket_bytes, free_gradients):
    more = {"bucket_bytes": bucket_bytes, "free_gradients": free_gradients}
    mine, opt, plain, other = both(name, **more)
    train(mine, opt)
    train(plain, other)
    assert_same(mine, plain)
    assert all(p.grad is None for p in mine.parameters()) or not free_gradients


@pytest.mark.parametrize("name", ["AdamW", "Muon", "Prodigy"])
def test_its_state_dict_is_that_of_the_class_and_goes_on_both_ways(name):
    mine, opt, plain, other = both(name, bucket_bytes=200)
    train(mine, opt, 3)
    train(plain, other, 3)
    mine_too, opt_too, plain_too, other_too = both(name, bucket_bytes=1)
    mine_too.load_state_dict(plain.state_dict())
    opt_too.load_state_dict(reloaded(other.state_dict()))
    plain_too.load_state_dict(mine.state_dict())
    other_too.load_state_dict(reloaded(opt.state_dict()))
    for model, its in ((plain, other), (mine_too, opt_too), (plain_too, other_too)):
        train(model, its, 3, 3)
    assert_same(mine_too, plain)
    assert_same(plain_too, plain)


def test_a_gradient_that_is_clipped_after_the_backward_pass_is_seen():
    mine, opt, plain, other = both()

    def clipped(model):
        clip_grad_norm_(model.parameters(), 0.01)

    train(mine, opt, between=clipped)
    train(plain, other, between=clipped)
    assert_same(mine, plain)


@pytest.mark.parametrize("free_gradients", [False, True])
def test_gradients_of_several_passes_add_up(free_gradients):
    mine, opt, plain, other = both(free_gradients=free_gradients)
    for model, its in ((mine, opt), (plain, other)):
        for t in range(3):
            its.zero_grad()
            backward(model, 2 * t)
            backward(model, 2 * t + 1)
            its.step()
    assert_same(mine, plain)


def test_a_gradient_that_is_dropped_moves_nothing():
    mine, opt, plain, _ = both(free_gradients=True)
    backward(mine, 0)
    opt.zero_grad()
    opt.step()
    assert_same(mine, plain)


def test_schedulers_set_its_rates():
    mine, opt, plain, other = both(bucket_bytes=1)
    for model, its in ((mine, opt), (plain, other)):
        schedule = torch.optim.lr_scheduler.ExponentialLR(its, 0.5)
        for t in range(4):
            train(model, its, 1, t)
            schedule.step()
    assert_same(mine, plain)
    assert opt.state_dict()["param_groups"][0]["lr"] == other.param_groups[0]["lr"]


def test_a_closure_is_called_and_its_value_returned():
    mine, opt, plain, other = both()
    for model, its in ((mine, opt), (plain, other)):

        def closure(model=model):
            model.zero_grad()
            backward(model, 0)
            return 7.0

        assert its.step(closure) == 7.0
    assert_same(mine, plain)


def test_weights_that_a_program_writes_are_seen():
    mine, opt, plain, other = both()
    for model, its in ((mine, opt), (plain, other)):
        train(model, its, 2)
        with torch.no_grad():
            next(model.parameters()).mul_(0.5)
        train(model, its, 2, 2)
    assert_same(mine, plain)


def test_what_has_no_gradient_stays():
    mine, opt, plain, other = both(bucket_bytes=1)
    for model, its in ((mine, opt), (plain, other)):
        for t in range(4):
            its.zero_grad()
            backward(model, t)
            if t % 2:
                model[0].weight.grad = None
            its.step()
    assert_same(mine, plain)


def test_a_model_decides_what_decays():
    made = []
    for _ in range(2):
        torch.manual_seed(0)
        made.append(Sequential(Linear(4, 4), Sequential(LayerNorm((4, 4)), Linear(4, 4))))
    more = {"weight_decay": 0.5, "decay_filter": "no_bias_norm", "lr": 0.1}
    opt = optim.offload(made[0], optim.AdamW, bucket_bytes=1, **more)
    other = optim.AdamW(made[1], **more)
    for model, its in zip(made, (opt, other), strict=True):
        for t in range(3):
            its.zero_grad()
            model(numbers((2, 4, 4), t).float()).square().sum().backward()
            its.step()
    assert_same(*made)


def test_groups_have_settings_of_their_own_and_may_join():
    mine, opt, plain, other = both(params=lambda m: [{"params": [m[0].weight], "lr": 0.5}])
    for model, its in ((mine, opt), (plain, other)):
        train(model, its, 2)
        its.add_param_group({"params": [model[2].weight], "lr": 0.25})
        train(model, its, 2, 2)
    assert_same(mine, plain)
    assert [group["lr"] for group in opt.param_groups] == [0.5, 0.25]


@pytest.mark.parametrize("state_dtype", ["param", "float32"])
def test_narrow_weights_have_states_in_16_or_32_bits(state_dtype):
    mine, opt, plain, other = both("AdamW", torch.bfloat16, state_dtype=state_dtype)
    train(mine, opt)
    train(plain, other)
    assert_same(mine, plain)
    wanted = torch.bfloat16 if state_dtype == "param" else torch.float32
    assert all(held["exp_avg"].dtype == wanted for held in opt.state.values())


def test_master_weights_are_kept_wide_on_the_host():
    mine = network(torch.bfloat16)
    plain = [Parameter(p.detach().float()) for p in mine.parameters()]
    opt = optim.offload(mine, optim.AdamW, lr=1e-4, master_weights=True)
    other = optim.AdamW(plain, lr=1e-4)
    for t in range(20):
        opt.zero_grad()
        backward(mine, t)
        for p, q in zip(mine.parameters(), plain, strict=True):
            q.grad = p.grad.float()
        opt.step()
        other.step()
    for p, q in zip(mine.parameters(), plain, strict=True):
        assert torch.equal(p, q.bfloat16())


@pytest.mark.parametrize(
    "wrong", [optim.LBFGS, optim.SAM, optim.Sophia, torch.optim.AdamW, "AdamW"]
)
def test_a_class_that_no_host_can_step_is_refused(wrong):
    with pytest.raises(TypeError, match=r"must be a class of thalweg\.optim"):
        optim.offload(network(), wrong)


def test_settings_are_refused_as_the_class_refuses_them():
    with pytest.raises(ValueError, match="AdamW: lr must be"):
        optim.offload(network(), optim.AdamW, lr=-1.0)
    with pytest.raises(ValueError, match="bucket_bytes must be a whole number >= 1, got 0"):
        optim.offload(network(), optim.AdamW, bucket_bytes=0)
    with pytest.raises(TypeError, match="no average of the weights"):
        optim.offload(network(), optim.AdamW, average=EMA(0.9))


def test_gradients_that_it_cannot_take_are_refused_before_anything_moves():
    model = Embedding(5, 3, sparse=True)
    before = model.weight.detach().clone()
    opt = optim.offload(model, optim.AdamW)
    model(torch.tensor([1, 2])).sum().backward()
    with pytest.raises(RuntimeError, match="must have a dense gradient"):
        opt.step()
    assert torch.equal(before, model.weight)


def test_a_parameter_that_was_frozen_is_refused_once_it_moves():
    model = network()
    model[0].weight.requires_grad_(False)
    opt = optim.offload(model, optim.AdamW)
    model[0].weight.requires_grad_(True)
    backward(model, 0)
    with pytest.raises(RuntimeError, match="was frozen when the optimizer was made"):
        opt.step()


def test_it_says_how_it_is_saved_instead_of_pickled():
    with pytest.raises(TypeError, match=r"save its state_dict\(\)"):
        pickle.dumps(optim.offload(network(), optim.AdamW))


def test_a_number_for_all_tensors_is_one_for_all_groups_too():
    mine, opt, plain, other = both("Prodigy", bucket_bytes=1, params=lambda m: [m[0].weight])
    for model, its in ((mine, opt), (plain, other)):
        train(model, its, 3)
        its.add_param_group({"params": [model[2].weight]})
        train(model, its, 3, 3)
    assert_same(mine, plain)
    assert len({float(held["d"]) for held in opt.state.values()}) == 1


def test_an_optimizer_that_is_gone_leaves_no_hooks():
    model = network()
    opt = optim.offload(model, optim.AdamW)
    assert all(p._post_accumulate_grad_hooks for p in model.parameters())
    del opt
    gc.collect()
    assert not any(p._post_accumulate_grad_hooks for p in model.parameters())
