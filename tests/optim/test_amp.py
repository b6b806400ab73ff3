"""Gradient scalers: unscaled before the step, or by it when `fused=True` says so."""

import copy
import inspect

import pytest
import torch
from torch.amp import GradScaler
from torch.nn import Parameter

from tests.optim.runs import (
    OURS,
    TWINS,
    assert_close,
    assert_same,
    give_gradients,
    numbers,
    ours,
    torchs,
    values,
    walk,
    weights,
)

# torch has no fused form of the others to compare with
FUSED = [n for n in TWINS if "fused" in inspect.signature(getattr(torch.optim, n)).parameters]


def scaled_walk(opt, scaler, steps, start=0) -> None:
    """Steps as `walk` takes them, along scaled gradients."""
    params = [p for group in opt.param_groups for p in group["params"]]
    for t in range(start, start + steps):
        opt.zero_grad()
        grads = [numbers(p.shape, 1000 * (t + 1) + i, p.dtype) for i, p in enumerate(params)]
        loss = sum((p * g).sum() for p, g in zip(params, grads, strict=True))
        scaler.scale(loss).backward()
        scaler.step(opt)
        scaler.update()


def made(dtype=torch.float32):
    return weights(dtype=dtype)


@pytest.mark.parametrize("fused", [None, True])
@pytest.mark.parametrize("name", OURS)
def test_scaled_gradients_move_as_plain_ones(name, fused):
    params, plain = made(), made()
    # a power of two, so that scaling and unscaling lose nothing
    scaled_walk(ours(name, params, fused=fused), GradScaler("cpu", init_scale=4096.0), 6)
    walk(ours(name, plain), 6)
    assert_close(params, plain)


@pytest.mark.parametrize(
    ("name", "settings"), [(n, {}) for n in TWINS] + [(n, {"fused": True}) for n in FUSED]
)
def test_scaled_gradients_move_as_in_torch(name, settings):
    mine, theirs = made(), made()
    for params, make in ((mine, ours), (theirs, torchs)):
        scaled_walk(make(name, params, **settings), GradScaler("cpu", init_scale=1000.0), 6)
    assert_close(mine, theirs)


@pytest.mark.parametrize("name", OURS)
def test_only_fused_classes_take_the_unscaling_over(name):
    assert getattr(ours(name, made()), "_step_supports_amp_scaling", False) is False
    assert ours(name, made(), fused=True)._step_supports_amp_scaling is True
    assert ours(name, made(), fused=False)._step_supports_amp_scaling is False


@pytest.mark.parametrize("name", OURS)
def test_the_fused_step_leaves_unscaled_gradients_behind(name):
    """As torch's fused classes do; whoever logs gradient norms relies on it."""
    p = Parameter(torch.ones(2))
    opt = ours(name, [p], fused=True)
    scaler = GradScaler("cpu", init_scale=4.0)
    scaler.scale((p * torch.tensor([2.0, 3.0])).sum()).backward()
    assert p.grad.tolist() == [8.0, 12.0]
    scaler.step(opt)
    assert p.grad.tolist() == [2.0, 3.0]


@pytest.mark.parametrize("bad", [float("inf"), float("nan")])
@pytest.mark.parametrize("fused", [None, True])
@pytest.mark.parametrize("name", OURS)
def test_an_infinite_gradient_leaves_everything_untouched(name, fused, bad):
    params = made()
    opt = ours(name, params, fused=fused)
    scaler = GradScaler("cpu", init_scale=16.0)
    scaled_walk(opt, scaler, 2)
    before = values(params)
    held = copy.deepcopy(opt.state_dict()["state"])
    give_gradients(params, 5)
    params[0].grad[0, 0] = bad
    scaler.step(opt)
    scaler.update()
    assert_same(params, before)
    for i, kept in held.items():
        assert_same(opt.state_dict()["state"][i].values(), kept.values())
    assert scaler.get_scale() == 8.0


@pytest.mark.parametrize("fused", [None, True])
@pytest.mark.parametrize("name", OURS)
def test_an_infinite_gradient_at_the_first_step_makes_no_count(name, fused):
    params, plain = made(), made()
    opt = ours(name, params, fused=fused)
    scaler = GradScaler("cpu", init_scale=16.0, growth_interval=1000)
    give_gradients(params, 0)
    params[0].grad.fill_(float("inf"))
    scaler.scale(torch.ones(()))
    scaler.step(opt)
    scaler.update()
    scaled_walk(opt, scaler, 3)
    walk(ours(name, plain), 3)
    assert_close(params, plain)


@pytest.mark.parametrize("fused", [None, True])
@pytest.mark.parametrize("name", OURS)
def test_gradients_that_the_user_unscaled_are_not_unscaled_again(name, fused):
    params, plain = made(), made()
    opt = ours(name, params, fused=fused)
    scaler = GradScaler("cpu", init_scale=64.0)
    for t in range(3):
        give_gradients(params, t)
        for p in params:
            p.grad.mul_(64.0)
        scaler.scale(torch.ones(()))
        scaler.unscale_(opt)
        scaler.step(opt)
        scaler.update()
    walk(ours(name, plain), 3)
    assert_close(params, plain)


@pytest.mark.parametrize("fused", [None, True])
@pytest.mark.parametrize("name", OURS)
def test_a_closure_given_by_position_reaches_the_step(name, fused):
    """accelerate and Ray call `scaler.step(opt, closure)`, with None or a closure."""
    params = made()
    opt = ours(name, params, fused=fused)
    scaler = GradScaler("cpu", init_scale=2.0)
    give_gradients(params, 0)
    scaler.scale(torch.ones(()))
    assert scaler.step(opt, None) is None
    scaler.update()
    give_gradients(params, 1)
    assert scaler.step(opt, lambda: 3.0) == 3.0


@pytest.mark.parametrize("name", OURS)
def test_a_copied_optimizer_still_takes_the_unscaling_over(name):
    params, plain = made(), made()
    opt = copy.deepcopy(ours(name, params, fused=True))
    scaled_walk(opt, GradScaler("cpu", init_scale=256.0), 3)
    walk(ours(name, plain), 3)
    assert_close(opt.param_groups[0]["params"], plain)


@pytest.mark.parametrize("name", OURS)
def test_a_fused_class_takes_a_file_of_one_that_is_not(name):
    """torch's own AdamW(fused=True) fails an assertion here."""
    source = ours(name, made())
    walk(source, 2)
    params = [Parameter(p.detach().clone()) for p in source.param_groups[0]["params"]]
    opt = ours(name, params, fused=True)
    opt.load_state_dict(copy.deepcopy(source.state_dict()))
    scaled_walk(opt, GradScaler("cpu", init_scale=32.0), 2, start=2)
    walk(source, 2, start=2)
    assert_close(params, source.param_groups[0]["params"])


@pytest.mark.parametrize("name", OURS)
def test_a_fused_step_without_any_gradient_is_none(name):
    opt = ours(name, made(), fused=True)
    opt.grad_scale, opt.found_inf = torch.tensor(4.0), 0  # as a scaler leaves them then
    before = copy.deepcopy(opt.state_dict()["state"])  # Adagrad's are made with it
    assert opt.step() is None
    assert str(opt.state_dict()["state"]) == str(before)


@pytest.mark.parametrize("name", OURS)
def test_a_disabled_scaler_changes_nothing(name):
    params, plain = made(), made()
    scaled_walk(ours(name, params, fused=True), GradScaler("cpu", enabled=False), 3)
    walk(ours(name, plain), 3)
    assert_close(params, plain)
