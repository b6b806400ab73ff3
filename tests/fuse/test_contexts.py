"""Tensors of one launch with steps, numbers and plans of their own."""

import numpy as np
import pytest

from tests.fuse.border import Border
from thalweg import rules
from thalweg.chain import chain
from thalweg.elementwise import lerp, sqrt
from thalweg.optimizers import OPTIMIZERS
from thalweg.rule import Rule, setting, state
from thalweg.stages import ClipNorm

torch = pytest.importorskip("torch")

SHAPES = [(4, 3), (5,), (), (2, 3)]


class Nesterov(Rule):
    """NAdam, which carries a product of its momenta from step to step."""

    lr: float = setting(2e-3, low=0)
    betas: tuple[float, float] = setting((0.9, 0.999), low=0, below=1)
    eps: float = setting(1e-8, low=0)
    momentum_decay: float = setting(4e-3, low=0)

    m = state("exp_avg")
    v = state("exp_avg_sq")
    mu_product = state("mu_product", start=1.0, per="tensor")

    @staticmethod
    def update(g, m, v, mu_product, t, lr, betas, eps, momentum_decay):
        b1, b2 = betas
        mu = b1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))
        mu_next = b1 * (1 - 0.5 * 0.96 ** ((t + 1) * momentum_decay))
        mu_product = mu_product * mu
        of_g = lr * (1 - mu) / (1 - mu_product)
        of_m = lr * mu_next / (1 - mu_product * mu_next)
        m = lerp(m, g, 1 - b1)
        v = b2 * v + (1 - b2) * g * g
        root = sqrt(v / (1 - b2**t)) + eps
        u = of_g * g / root + of_m * m / root
        return u, m, v, mu_product


def gradients(seed, steps, late=()):
    """Gradients of all tensors at each step; None for the first few steps of the late ones."""
    rng = np.random.default_rng(seed)
    waits = dict(late)
    for t in range(steps):
        grads = [rng.standard_normal(shape) for shape in SHAPES]
        yield [None if t < waits.get(i, 0) else grad for i, grad in enumerate(grads)]


def starts():
    rng = np.random.default_rng(1)
    return [rng.standard_normal(shape) for shape in SHAPES]


def together_and_apart(made, steps, late, *groups_of):
    """All tensors in one optimizer, and each in an optimizer of its own."""
    settings = [dict(group) for group, _ in groups_of] or [{}]
    members = [list(numbers) for _, numbers in groups_of] or [list(range(len(SHAPES)))]
    order = [i for numbers in members for i in numbers]
    values = starts()
    groups = [(s, [values[i] for i in m]) for s, m in zip(settings, members, strict=True)]
    whole = Border(made, *groups)
    group_of = {i: s for s, m in zip(settings, members, strict=True) for i in m}
    single = {i: Border(made, (group_of[i], [values[i]])) for i in order}
    for grads in gradients(2, steps, late):
        whole.step([grads[i] for i in order])
        for i in order:
            if grads[i] is not None:
                single[i].step([grads[i]])
    for number, i in enumerate(order):
        for name, array in whole.states[number].items():
            np.testing.assert_array_equal(array, single[i].states[0][name], err_msg=name)
        assert whole.tensors[number].cells == single[i].tensors[0].cells
    return whole


@pytest.mark.parametrize("oracle", [False, True], ids=["fused", "oracle"])
def test_a_number_is_carried_from_step_to_step(oracle):
    values = starts()
    border = Border(chain("Nesterov", Nesterov), ({}, values), oracle=oracle)
    params = [torch.tensor(value, requires_grad=True) for value in values]
    opt = torch.optim.NAdam(params, foreach=False)
    for grads in gradients(0, 50):
        border.step(grads)
        for p, grad in zip(params, grads, strict=True):
            p.grad = torch.tensor(grad)
        opt.step()
    for ours, p in zip(border.tensors, params, strict=True):
        # fifty steps in double; torch keeps its product in float32, which is why it is no closer
        np.testing.assert_allclose(ours.held["p"].values, p.detach().numpy(), rtol=1e-7, atol=1e-9)
        assert ours.cells["step"] == 50
        product = np.prod([0.9 * (1 - 0.5 * 0.96 ** (t * 4e-3)) for t in range(1, 51)])
        assert ours.cells["mu_product"] == pytest.approx(product, rel=1e-14)


def test_numbers_start_where_they_are_declared_to_start():
    border = Border(chain("Nesterov", Nesterov), ({}, [np.ones(3)]))
    views = border.chain.views(border.groups[0])
    assert border.chain.first_cells(views) == {"step": 0.0, "mu_product": 1.0}


def test_a_number_may_start_as_a_setting_is():
    asgd = OPTIMIZERS["ASGD"]
    assert asgd.first_cells(asgd.views({"lr": 0.3})) == {"step": 0.0, "eta": 0.3, "mu": 1.0}


@pytest.mark.parametrize("made", [chain("Nesterov", Nesterov), OPTIMIZERS["RAdam"]], ids=str)
def test_tensors_at_different_steps_share_a_launch(made):
    whole = together_and_apart(made, 12, late={1: 1, 2: 7, 3: 5}.items())
    assert [tensor.cells["step"] for tensor in whole.tensors] == [12, 11, 5, 7]


def test_slow_weights_sync_for_the_tensors_whose_turn_it_is():
    made, k = OPTIMIZERS["Ranger"], 6
    late = {1: 1, 2: 4, 3: 3}
    whole = together_and_apart(made, 2 * k, late.items())
    rng = np.random.default_rng(3)
    before = [tensor.held["p"].values.copy() for tensor in whole.tensors]
    slow_before = [whole.state("slow_buffer", i).copy() for i in range(4)]
    for _ in range(late[3]):  # the last one's twelfth step
        whole.step([rng.standard_normal(shape) for shape in SHAPES])
    steps = [int(tensor.cells["step"]) for tensor in whole.tensors]
    assert steps == [15, 14, 11, 12]
    synced = [bool((whole.state("slow_buffer", i) != slow_before[i]).any()) for i in range(4)]
    assert synced == [False, True, False, True]
    on_slow = [bool((whole.params[i] == whole.state("slow_buffer", i)).all()) for i in range(4)]
    assert on_slow == [False, False, False, True]
    assert all((p != b).any() for p, b in zip(whole.params, before, strict=True))


def test_groups_keep_their_own_settings():
    together_and_apart(
        OPTIMIZERS["Ranger"],
        13,
        {0: 2}.items(),
        ({"lr": 0.1, "betas": (0.5, 0.9)}, [0, 1]),
        ({"lr": 0.2, "k": 3, "weight_decay": 0.1, "use_gc": False}, [2, 3]),
    )


def test_groups_may_differ_in_which_states_they_keep():
    plain, heavy = {"lr": 0.1}, {"lr": 0.1, "momentum": 0.9}
    whole = together_and_apart(OPTIMIZERS["SGD"], 5, (), (plain, [0, 1]), (heavy, [2, 3]))
    assert ["sgd__b" in arrays for arrays in whole.states] == [False, False, True, True]


def test_formats_may_differ_from_tensor_to_tensor():
    made = OPTIMIZERS["Adam"]
    values = [np.ones(5), np.ones(5)]
    mixed = Border(made, ({}, values))
    mixed.tensors[1] = Border(made, ({}, values[:1]), forms=["bfloat16"] * 3).tensors[0]
    mixed.step([np.full(5, 0.5), np.full(5, 0.5)])
    assert [tensor.held["p"].form for tensor in mixed.tensors] == ["float64", "bfloat16"]
    np.testing.assert_allclose(mixed.params[0], 0.999, rtol=1e-7)
    np.testing.assert_allclose(mixed.params[1], 0.999, rtol=2**-8)
    assert mixed.is_intact


def test_settings_may_change_between_steps():
    """As a scheduler does it: the next step uses what the group says then."""
    border = Border(OPTIMIZERS["SGD"], ({"lr": 0.1}, [np.zeros(3)]))
    border.step([np.ones(3)])
    border.groups[0]["lr"] = 0.5
    border.step([np.ones(3)])
    np.testing.assert_allclose(border.params[0], -0.6, rtol=1e-15)


def test_engines_may_be_mixed_in_one_step():
    made = chain("Clipped", ClipNorm, rules.RAdam)
    values = starts()
    borders = [Border(made, ({}, values), oracle=oracle) for oracle in ((), (1, 3), True)]
    for grads in gradients(4, 7):
        for border in borders:
            border.step([10 * grad for grad in grads])
    for fused, mixed, oracle in zip(*(border.params for border in borders), strict=True):
        np.testing.assert_allclose(fused, oracle, rtol=1e-12)
        np.testing.assert_allclose(mixed, oracle, rtol=1e-12)


def test_the_first_step_of_a_part_is_its_own():
    """SGD seeds its buffer with the gradient, at the first step that has a buffer at all."""
    settings = {"lr": 1.0, "momentum": 0.5, "dampening": 0.5}
    border = Border(OPTIMIZERS["SGD"], (settings, [np.zeros(2)]))
    border.step([np.ones(2)])
    assert border.state("momentum_buffer").tolist() == [1.0, 1.0]
    border.step([np.ones(2)])
    assert border.state("momentum_buffer").tolist() == [1.0, 1.0]
    border.step([np.full(2, 3.0)])
    assert border.state("momentum_buffer").tolist() == [2.0, 2.0]
