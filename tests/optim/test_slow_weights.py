"""Lookahead's slow weights: synchronized by hand, and lent for an evaluation."""

import copy

import pytest
import torch
from torch.nn import Parameter

import thalweg.optim as optim
from tests.optim.runs import (
    LOOKING_AHEAD,
    OURS,
    assert_close,
    assert_same,
    give_gradients,
    numbers,
    ours,
    values,
    walk,
    weights,
)
from thalweg.chain import chain
from thalweg.rules import SGD
from thalweg.stages import Lookahead

Slow = optim.optimizer(chain("Slow", SGD, Lookahead, lr=0.5, k=3, alpha=0.25))


def descended(steps: int) -> tuple[Parameter, torch.optim.Optimizer]:
    """One weight from 8.0 down by 0.5 a step."""
    p = Parameter(torch.tensor([8.0], dtype=torch.float64))
    opt = Slow([p])
    for _ in range(steps):
        p.grad = torch.ones(1, dtype=torch.float64)
        opt.step()
    return p, opt


def test_the_slow_weights_follow_as_computed_by_hand():
    # 7.5, 7, 6.5 -> 8 + (6.5 - 8) / 4 = 7.625; 7.125, 6.625, 6.125 -> 7.25
    assert [descended(n)[0].item() for n in range(1, 7)] == [7.5, 7.0, 7.625, 7.125, 6.625, 7.25]


def test_within_a_round_the_slow_weights_are_those_of_its_start():
    p, opt = descended(5)
    with opt.slow_weights():
        assert p.item() == 7.625
    assert p.item() == 6.625


def test_sync_takes_the_step_of_the_slow_weights_now():
    p, opt = descended(5)
    opt.sync()
    assert p.item() == 7.625 + (6.625 - 7.625) / 4
    assert opt.state[p]["slow_buffer"].item() == p.item()


def test_loaded_slow_weights_are_the_weights_and_nothing_else_changes():
    p, opt = descended(5)
    opt.load_slow_weights()
    assert p.item() == opt.state[p]["slow_buffer"].item() == 7.625
    assert opt.state[p]["step"] == 5.0
    p.grad = torch.ones(1, dtype=torch.float64)
    opt.step()  # the sixth: 7.125, so 7.625 + (7.125 - 7.625) / 4
    assert p.item() == 7.5


def test_inside_slow_weights_there_is_nothing_to_load():
    p, opt = descended(5)
    with opt.slow_weights():
        opt.load_slow_weights()
        assert p.item() == 7.625
    assert p.item() == 6.625


def test_loaded_slow_weights_are_those_that_were_lent():
    params = weights(dtype=torch.bfloat16)
    opt = ours("Ranger", params)
    walk(opt, 6)
    with opt.slow_weights():
        lent = values(params)
    opt.load_slow_weights()
    assert_same(params, lent)


def test_sync_leaves_the_count_of_steps_alone():
    p, opt = descended(4)
    opt.sync()  # 8 -> 7.625 at 3; 7.125 -> 7.5
    assert opt.state[p]["step"] == 4.0
    for want in (7.0, 7.5 + (6.5 - 7.5) / 4):
        p.grad = torch.ones(1, dtype=torch.float64)
        opt.step()
        assert p.item() == want


def test_a_second_sync_at_once_changes_nothing():
    p, opt = descended(5)
    opt.sync()
    before = p.item()
    opt.sync()
    assert p.item() == before


def test_sync_takes_each_groups_alpha():
    params = [Parameter(torch.tensor([8.0], dtype=torch.float64)) for _ in range(2)]
    opt = Slow([{"params": params[:1]}, {"params": params[1:], "alpha": 1.0}])
    for p in params:
        p.grad = torch.ones(1, dtype=torch.float64)
    opt.step()
    opt.sync()
    assert [p.item() for p in params] == [8 + (7.5 - 8) / 4, 7.5]


def test_slow_weights_come_back_bit_for_bit():
    params = weights()
    opt = ours("Ranger", params)
    walk(opt, 6)
    before = values(params)
    with opt.slow_weights():
        assert_same(params, [opt.state[p]["slow_buffer"] for p in params])
        assert not torch.equal(params[0], before[0])
    assert_same(params, before)


def test_slow_weights_come_back_after_an_exception():
    params = weights()
    opt = ours("Ranger", params)
    walk(opt, 6)
    before = values(params)
    with pytest.raises(ArithmeticError), opt.slow_weights():
        raise ArithmeticError
    assert_same(params, before)
    walk(opt, 1, start=6)  # and steps are allowed again


def test_a_step_on_slow_weights_is_refused():
    params = weights()
    opt = ours("Ranger", params)
    walk(opt, 2)
    give_gradients(params, 2)
    with opt.slow_weights():
        lent = values(params)
        with pytest.raises(RuntimeError, match=r"^Ranger: .*slow_weights\(\)"):
            opt.step()
        assert_same(params, lent)
    opt.step()


def test_sync_on_slow_weights_changes_nothing():
    """The weights are the slow ones then, and a step from them to themselves is none."""
    params = weights()
    opt = ours("Ranger", params)
    walk(opt, 2)
    fast, slow = values(params), values(opt.state[p]["slow_buffer"] for p in params)
    with opt.slow_weights():
        opt.sync()
        assert_same(params, slow)
    assert_same(params, fast)
    assert_same([opt.state[p]["slow_buffer"] for p in params], slow)


def test_slow_weights_inside_slow_weights_are_the_same():
    params = weights()
    opt = ours("Ranger", params)
    walk(opt, 6)
    before = values(params)
    with opt.slow_weights():
        outer = values(params)
        with opt.slow_weights():
            assert_same(params, outer)
        assert_same(params, outer)
        with pytest.raises(RuntimeError, match="slow_weights"):
            opt.step()
    assert_same(params, before)


def test_before_the_first_step_the_weights_are_the_slow_weights():
    params = weights()
    opt = ours("Ranger", params)
    before = values(params)
    with opt.slow_weights():
        assert_same(params, before)
    opt.sync()
    assert_same(params, before)
    assert not opt.state


def test_parameters_never_stepped_stay_as_they_are():
    params = weights()
    opt = ours("Ranger", params)
    for t in range(3):
        give_gradients(params[:2], t)
        opt.step()
    before = values(params)
    with opt.slow_weights():
        assert not torch.equal(params[0], before[0])
        assert_same(params[2:], before[2:])
    assert_same(params, before)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_narrow_slow_weights_are_lent_and_synchronized(dtype):
    params = weights(dtype=dtype)
    opt = ours("Ranger", params)
    walk(opt, 6)
    slow = values(opt.state[p]["slow_buffer"] for p in params)
    fast = values(params)
    with opt.slow_weights():
        assert_same(params, slow)
    assert_same(params, fast)
    opt.sync()
    want = [
        (s.float() + 0.5 * (f.float() - s.float())).to(dtype)
        for s, f in zip(slow, fast, strict=True)
    ]
    assert_same(params, want)


def test_wide_slow_weights_of_a_narrow_model_are_synchronized_wide():
    params = weights(dtype=torch.bfloat16)
    opt = ours("Ranger", params)
    walk(opt, 3)
    for p in params:
        opt.state[p]["slow_buffer"] = opt.state[p]["slow_buffer"].float() + 1 / 256
    slow = [opt.state[p]["slow_buffer"].clone() for p in params]
    want = [s + 0.5 * (p.detach().float() - s) for s, p in zip(slow, params, strict=True)]
    opt.sync()
    assert_same([opt.state[p]["slow_buffer"] for p in params], want)
    assert_same(params, [w.bfloat16() for w in want])


def test_complex_weights_are_lent_and_synchronized():
    params = weights(dtype=torch.complex64)
    opt = ours("Ranger", params)
    walk(opt, 6)
    slow, fast = values(opt.state[p]["slow_buffer"] for p in params), values(params)
    with opt.slow_weights():
        assert_same(params, slow)
    opt.sync()
    assert_close(params, [s + 0.5 * (f - s) for s, f in zip(slow, fast, strict=True)])


def test_sync_and_kernel_agree_at_a_sync_step():
    """`k = 2` by the kernel, and by hand after every second step where it never would."""
    by_kernel, by_hand = weights(), weights()
    opt, other = ours("Ranger", by_kernel, k=2), ours("Ranger", by_hand, k=10**6)
    for t in range(6):
        walk(opt, 1, start=t)
        walk(other, 1, start=t)
        if t % 2:
            other.sync()
    assert_close(by_kernel, by_hand)


def test_autograd_hears_of_lent_weights():
    params = weights()
    opt = ours("Ranger", params)
    walk(opt, 6)
    loss = sum(p.pow(3).sum() for p in params)
    with opt.slow_weights(), pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_a_copy_made_on_slow_weights_can_be_stepped():
    params = weights()
    opt = ours("Ranger", params)
    walk(opt, 6)
    with opt.slow_weights():
        twin = copy.deepcopy(opt)
    moved = [p for group in twin.param_groups for p in group["params"]]
    before = [p.detach().clone() for p in moved]
    walk(twin, 1, start=6)
    assert all((p != b).all() for p, b in zip(moved, before, strict=True))


def test_a_chain_with_lookahead_has_slow_weights_and_others_have_not():
    assert hasattr(Slow, "slow_weights")
    having = [name for name in OURS if hasattr(getattr(optim, name), "slow_weights")]
    assert having == LOOKING_AHEAD


def test_parameters_with_gaps_are_lent_and_synchronized():
    p = Parameter(numbers((4, 8), 1)[:, ::2])
    opt = ours("Ranger", [p])
    walk(opt, 6)
    slow, fast = opt.state[p]["slow_buffer"].clone(), p.detach().clone()
    with opt.slow_weights():
        assert_same([p], [slow])
    assert_same([p], [fast])
    opt.sync()
    assert_close([p], [slow + 0.5 * (fast - slow)])
