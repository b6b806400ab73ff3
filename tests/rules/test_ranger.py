"""Ranger as its users have it: the nine things that public versions got wrong."""

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")
optim = pytest.importorskip("thalweg.optim")

K = 6  # the default; the tests below are about what happens at, before and after it


def parameter(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()


def gradients(*shape, steps, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(steps)]


def run(opt, params, grads):
    """Step through `grads`, one list of gradients per parameter."""
    for step in zip(*grads, strict=True):
        for p, grad in zip(params, step, strict=True):
            p.grad = None if grad is None else grad.clone()
        opt.step()


def after(steps=2 * K + 1, shape=(4, 3), **settings):
    """Where a fresh parameter of this shape stands after some steps."""
    p = parameter(*shape)
    run(optim.Ranger([p], **settings), [p], [gradients(*shape, steps=steps)])
    return p.detach()


def test_1_a_quadratic_is_descended_from_the_first_step_on():
    x = torch.ones(1, dtype=torch.float64, requires_grad=True)
    opt = optim.Ranger([x], lr=0.1)
    path = []
    for _ in range(8):
        opt.zero_grad()
        (0.5 * x * x).sum().backward()
        opt.step()
        path.append(x.item())
    expected = [0.9, 0.805128, 0.71529, 0.630387, 0.550317, 0.773915, 0.770741, 0.76697]
    np.testing.assert_allclose(path, expected, rtol=0, atol=5e-7)  # as printed: six digits


def test_2_weight_decay_leaves_the_momentum_alone():
    held = []
    for weight_decay in (0.0, 0.1):
        p = parameter(4, 3)
        opt = optim.Ranger([p], weight_decay=weight_decay)
        run(opt, [p], [gradients(4, 3, steps=1)])
        held.append((opt.state[p]["exp_avg"], opt.state[p]["exp_avg_sq"], p.detach()))
    assert torch.equal(held[0][0], held[1][0])
    assert torch.equal(held[0][1], held[1][1])
    assert not torch.equal(held[0][2], held[1][2])


def test_3_centralization_is_for_weights_and_not_for_biases():
    assert not torch.allclose(after(shape=(4, 3)), after(shape=(4, 3), use_gc=False))
    assert torch.equal(after(shape=(12,)), after(shape=(12,), use_gc=False))


def test_3_conv_only_is_for_convolutions():
    kernel = (4, 3, 2, 2)
    assert torch.equal(after(shape=kernel, gc_conv_only=True), after(shape=kernel))
    assert not torch.allclose(after(shape=kernel), after(shape=kernel, use_gc=False))
    assert torch.equal(after(shape=(4, 3), gc_conv_only=True), after(shape=(4, 3), use_gc=False))


def test_4_two_groups_are_two_optimizers():
    first, second = {"betas": (0.9, 0.99)}, {"betas": (0.5, 0.9), "lr": 0.01}
    together = [parameter(4, 3, seed=1), parameter(5, seed=2)]
    apart = [parameter(4, 3, seed=1), parameter(5, seed=2)]
    grads = [gradients(4, 3, steps=13, seed=3), gradients(5, steps=13, seed=4)]
    groups = [{"params": [together[0]], **first}, {"params": [together[1]], **second}]
    run(optim.Ranger(groups), together, grads)
    for p, settings, own in zip(apart, (first, second), grads, strict=True):
        run(optim.Ranger([p], **settings), [p], [own])
    assert all(map(torch.equal, together, apart))


def test_5_a_late_parameter_counts_its_own_steps():
    late = 4
    early, p, alone = parameter(4, 3), parameter(5, seed=2), parameter(5, seed=2)
    grads = gradients(5, steps=2 * K)
    opt = optim.Ranger([early, p])
    run(opt, [early, p], [gradients(4, 3, steps=2 * K + late), [None] * late + grads])
    run(optim.Ranger([alone]), [alone], [grads])
    assert torch.equal(p, alone)
    assert opt.state[p]["step"] == 2 * K
    assert opt.state[early]["step"] == 2 * K + late


def test_5_slow_weights_are_those_before_the_first_own_step():
    p = parameter(5)
    start = p.detach().clone()
    opt = optim.Ranger([p])
    run(opt, [p], [[None, None, *gradients(5, steps=1)]])
    assert torch.equal(opt.state[p]["slow_buffer"], start)
    assert not torch.equal(p, start)


@pytest.mark.parametrize("stop", [1, K - 1, K + 2])
def test_6_saved_and_continued_is_never_stopped(stop):
    grads = gradients(4, 3, steps=3 * K)
    whole, p = parameter(4, 3), parameter(4, 3)
    run(optim.Ranger([whole], weight_decay=0.1), [whole], [grads])

    opt = optim.Ranger([p], weight_decay=0.1)
    run(opt, [p], [grads[:stop]])
    saved = copy.deepcopy(opt.state_dict())
    fresh = p.detach().clone().requires_grad_()
    opt = optim.Ranger([fresh])
    opt.load_state_dict(saved)
    run(opt, [fresh], [grads[stop:]])
    assert torch.equal(fresh, whole)


def test_7_ranger_that_always_syncs_fully_is_radam_on_centralized_gradients():
    grads = gradients(4, 3, steps=20)
    theirs = parameter(4, 3)
    opt = torch.optim.RAdam([theirs], lr=1e-3, betas=(0.95, 0.999), eps=1e-5)
    centralized = [grad - grad.mean(dim=1, keepdim=True) for grad in grads]
    run(opt, [theirs], [centralized])
    ours = after(20, k=1, alpha=1.0)
    # the same steps in another order of operations: doubles, twenty of them
    torch.testing.assert_close(ours, theirs.detach(), rtol=1e-12, atol=1e-14)


def test_7_with_alpha_zero_every_sync_goes_back_to_the_start():
    assert torch.equal(after(2 * K, alpha=0.0), parameter(4, 3))
    assert not torch.equal(after(2 * K - 1, alpha=0.0), parameter(4, 3))


def test_7_centralized_steps_keep_each_row_s_sum():
    p = parameter(4, 3, 5)
    opt = optim.Ranger([p])
    run(opt, [p], [gradients(4, 3, 5, steps=3)])
    sums = opt.state[p]["exp_avg"].sum(dim=(1, 2))
    # fifteen elements of about one, rounded to double
    torch.testing.assert_close(sums, torch.zeros(4, dtype=torch.float64), rtol=0, atol=1e-14)


def test_8_weights_loaded_before_the_first_step_are_respected():
    p, loaded = parameter(5), parameter(5, seed=9)
    opt = optim.Ranger([p])
    with torch.no_grad():
        p.copy_(loaded)
    run(opt, [p], [gradients(5, steps=K)])
    alone = parameter(5, seed=9)
    run(optim.Ranger([alone]), [alone], [gradients(5, steps=K)])
    assert torch.equal(p, alone)


@pytest.mark.parametrize("settings", [{}, {"gc_normalize": True}, {"maximize": True}], ids=str)
def test_9_the_gradient_is_left_as_it_was(settings):
    p = parameter(4, 3)
    opt = optim.Ranger([p], weight_decay=0.1, **settings)
    for grad in gradients(4, 3, steps=K):
        p.grad = grad.clone()
        opt.step()
        assert torch.equal(p.grad, grad)


def test_the_author_s_spelling_of_the_threshold_is_accepted():
    p = parameter(5)
    opt = optim.Ranger([p], N_sma_threshhold=4)
    assert opt.param_groups[0]["n_sma_threshold"] == 4
    assert "N_sma_threshhold" not in opt.param_groups[0]
    assert torch.equal(after(5, N_sma_threshhold=4), after(5, n_sma_threshold=4))
    assert not torch.equal(after(5, n_sma_threshold=4), after(5))


def test_while_rho_is_small_a_step_may_be_skipped():
    p = parameter(5)
    opt = optim.Ranger([p], warmup_mode="skip")
    run(opt, [p], [gradients(5, steps=5)])
    assert torch.equal(p, parameter(5))
    assert opt.state[p]["exp_avg"].any()
    assert not torch.equal(after(6, shape=(5,), warmup_mode="skip", alpha=1.0), parameter(5))
