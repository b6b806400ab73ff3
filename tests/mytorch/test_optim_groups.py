"""What an optimizer is built from, which parameters a step moves, and what it refuses."""

import copy
import math
import re
from contextlib import nullcontext

import numpy as np
import pytest

from tests.mytorch.steps import (
    EVERY,
    assert_same,
    give_gradients,
    make,
    numbers,
    params_of,
    values,
    walk,
    weights,
)
from thalweg.averaging import EMA, SWA
from thalweg.chain import chain
from thalweg.elementwise import sign
from thalweg.mytorch import Tensor, nn, no_grad, optim
from thalweg.rule import Rule, setting, state
from thalweg.rules import RAdam
from thalweg.stages import Centralize, Lookahead


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def moved(params, before) -> list[bool]:
    return [not np.array_equal(p.data, old) for p, old in zip(params, before, strict=True)]


# What it is built from.


@pytest.mark.parametrize(
    "given",
    [
        lambda net: net,
        lambda net: net.parameters(),
        lambda net: list(net.named_parameters()),
        lambda net: [{"params": net}],
        lambda net: [{"params": net[0]}, {"params": net[1].parameters()}, {"params": net[2]}],
        lambda net: [{"params": list(net.named_parameters())}],
        lambda net: [{"params": p} for p in net.parameters()],
    ],
    ids=["module", "parameters", "named", "group", "groups", "named group", "single"],
)
def test_a_module_its_parameters_or_groups_of_them_are_the_same(given):
    net = network()
    want = copy.deepcopy(net)
    opt = optim.AdamW(given(net), lr=0.1)
    assert {id(p) for p in params_of(opt)} == {id(p) for p in net.parameters()}
    for one in (opt, optim.AdamW(want, lr=0.1)):
        walk(one, 3)
    assert_same(values(net.parameters()), values(want.parameters()))


def test_a_module_and_named_parameters_give_names():
    net = network()
    names = [name for name, _ in net.named_parameters()]
    for given in (net, net.named_parameters(), [{"params": net}]):
        assert optim.SGD(given).param_groups[0]["param_names"] == names
    assert "param_names" not in optim.SGD(net.parameters()).param_groups[0]


def test_each_group_keeps_its_own_settings():
    slow, fast = weights([(2,), (2,)])
    opt = optim.SGD([{"params": [slow], "lr": 0.5}, {"params": [fast]}], lr=2.0)
    before = values([slow, fast])
    slow.grad = fast.grad = np.ones(2)
    opt.step()
    np.testing.assert_allclose(before[0] - slow.data, 0.5)
    np.testing.assert_allclose(before[1] - fast.data, 2.0)


def test_a_group_added_later_is_stepped_from_then_on():
    p, q = weights([(2,), (3,)])
    opt = optim.Adam([p], lr=0.1)
    walk(opt, 2)
    opt.add_param_group({"params": [q], "lr": 0.01})
    walk(opt, 1, start=2)
    assert [opt.state[x]["step"] for x in (p, q)] == [3.0, 1.0]
    assert [group["lr"] for group in opt.param_groups] == [0.1, 0.01]
    assert opt.param_groups[1]["betas"] == opt.param_groups[0]["betas"]


def test_settings_changed_between_steps_count_from_the_next_one():
    (p,) = weights([(3,)])
    opt = optim.SGD([p], lr=1.0, momentum=0.9)
    p.grad = np.ones(3)
    opt.step()
    opt.param_groups[0].update(lr=0.5, momentum=0.0)
    before = p.data.copy()
    opt.step()
    np.testing.assert_allclose(before - p.data, 0.5)


def test_an_alias_is_the_setting_itself():
    opt = optim.Ranger(network(), N_sma_threshhold=7)
    assert opt.param_groups[0]["n_sma_threshold"] == 7
    opt = optim.Ranger([{"params": network(), "N_sma_threshhold": 8}])
    assert opt.param_groups[0]["n_sma_threshold"] == 8


@pytest.mark.parametrize("name", EVERY)
def test_the_old_spelling_of_the_first_mytorch_steps_every_layer(name):
    net = network()
    opt = make(name, net)
    before = values(net.parameters())
    walk(opt, 2)
    assert all(moved(net.parameters(), before))


# Which parameters a step moves.


def test_parameters_without_gradients_stay_and_start_late():
    first, never, late = weights([(3,), (2, 2), (4,)])
    opt = optim.AdamW([first, never, late])
    before = values([first, never, late])
    first.grad = numbers((3,), 1)
    opt.step()
    late.grad = numbers((4,), 2)
    opt.step()
    assert moved([first, never, late], before) == [True, False, True]
    assert [opt.state.get(p, {}).get("step") for p in (first, never, late)] == [2.0, None, 1.0]


def test_a_late_parameter_steps_as_if_alone():
    late, alone = weights([(4,)])[0], weights([(4,)])[0]
    early = nn.Parameter(np.ones(3))
    both, one = optim.NAdam([early, late]), optim.NAdam([alone])
    early.grad = np.ones(3)
    both.step()
    for t in range(3):
        late.grad = alone.grad = numbers((4,), t)
        both.step()
        one.step()
    assert_same([late.data], [alone.data])


@pytest.mark.parametrize("name", EVERY)
def test_a_step_without_any_gradient_does_nothing(name):
    params = weights()
    opt = make(name, params)
    held = copy.deepcopy(opt.state_dict())
    before = values(params)
    opt.step()
    assert not any(moved(params, before))
    assert opt.state_dict()["state"].keys() == held["state"].keys()


def test_a_frozen_parameter_gets_no_gradient_and_stays():
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    net[0].weight.requires_grad = False
    opt = optim.AdamW(net)
    before = values(net.parameters())
    net(np.ones((2, 3), np.float32)).sum().backward()
    opt.step()
    assert moved(net.parameters(), before) == [False, True, True, True]


def test_a_shared_parameter_is_stepped_once():
    net = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))
    net[2].weight = net[0].weight
    opt = optim.SGD(net, lr=1.0)
    net(np.ones((1, 3), np.float32)).sum().backward()
    want = net[0].weight.data - net[0].weight.grad
    opt.step()
    np.testing.assert_array_equal(net[2].weight.data, want)


def test_zero_grad_forgets_or_fills():
    p, q = weights([(2,), (3,)])
    opt = optim.SGD([p, q])
    p.grad = np.ones(2)
    opt.zero_grad(set_to_none=False)
    assert_same([p.grad], [np.zeros(2)])
    assert q.grad is None
    opt.zero_grad()
    assert p.grad is None


@pytest.mark.parametrize("around", [nullcontext, no_grad])
def test_a_closure_is_called_once_before_the_step_with_gradients_on(around):
    (p,) = weights([(2,)])
    opt = optim.SGD([p], lr=0.1)
    seen = []

    def closure():
        opt.zero_grad()
        loss = (Tensor(np.ones(2)) * p).sum()
        loss.backward()
        seen.append(p.data.copy())
        return loss

    before = p.data.copy()
    with around():
        assert opt.step(closure).item() == pytest.approx(before.sum())
        recorded = (p * 1).requires_grad
    assert recorded == (around is nullcontext)
    assert_same(seen, [before])
    np.testing.assert_allclose(p.data, before - 0.1)


def test_a_step_under_no_grad_is_a_step():
    (p,) = weights([(2,)])
    opt, before = optim.SGD([p]), p.data.copy()
    p.grad = np.ones(2)
    with no_grad():
        opt.step()
    assert moved([p], [before]) == [True]


def test_a_parameter_stays_where_it_lies_and_its_gradient_as_it_is():
    params = weights()
    opt = optim.AdamW(params)
    give_gradients(params, 0)
    memory, grads = [p.data for p in params], [p.grad for p in params]
    kept = copy.deepcopy(grads)
    opt.step()
    assert all(p.data is old for p, old in zip(params, memory, strict=True))
    assert all(p.grad is old for p, old in zip(params, grads, strict=True))
    assert_same(grads, kept)


LAYOUTS = {
    "Fortran order": lambda g: np.asfortranarray(g),
    "a view with gaps": lambda g: np.repeat(g, 2, axis=1)[:, ::2],
    "reversed": lambda g: np.ascontiguousarray(g[::-1])[::-1],
    "read-only": lambda g: np.frombuffer(g.tobytes(), g.dtype).reshape(g.shape),
    "broadcast": lambda g: np.broadcast_to(g[:1], g.shape),
    "not aligned": lambda g: np.frombuffer(b"." + g.tobytes(), g.dtype, offset=1).reshape(g.shape),
    "the other byte order": lambda g: g.astype(g.dtype.newbyteorder()),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_gradient_may_lie_in_memory_as_it_likes(layout, dtype):
    p, want = weights([(4, 6)], dtype)[0], weights([(4, 6)], dtype)[0]
    opt, plain = optim.Ranger([p], k=2), optim.Ranger([want], k=2)
    for t in range(3):
        grad = LAYOUTS[layout](numbers((4, 6), t, dtype))
        p.grad, want.grad = grad, np.array(grad, dtype)
        opt.step()
        plain.step()
        assert p.grad is grad
    assert_same([p.data], [want.data])


def test_a_gradient_in_double_keeps_its_digits_on_a_single_parameter():
    p = nn.Parameter(np.zeros(1, np.float32))
    opt = optim.SGD([p], lr=1.0)
    for grad in (np.ones(1, np.float32), np.array([1 + 2**-20])):  # formats may alternate
        p.data[:] = 0
        p.grad = grad
        opt.step()
        assert p.data.dtype == np.float32
        assert p.data[0] == -np.float32(grad[0])


@pytest.mark.parametrize("name", EVERY)
def test_a_module_may_change_its_type_between_steps(name):
    """States stay as they are: in a type of their own, and no digit is lost."""
    net = nn.Linear(3, 4).double()
    opt = make(name, net, **({"lr": 1e-3}))
    walk(opt, 2)
    for dtype in (np.float32, np.float64):
        net.to(dtype)
        before = values(net.parameters())
        walk(opt, 2, start=2)
        assert all(moved(net.parameters(), before))
        assert {p.dtype for p in net.parameters()} == {np.dtype(dtype)}
        assert all(np.isfinite(p.data).all() for p in net.parameters())


def test_steps_in_a_changed_type_are_close_to_those_in_double():
    nets = [nn.Linear(3, 4).double() for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    opts = [optim.AdamW(net, lr=0.01) for net in nets]
    for t in range(9):
        nets[0].to(np.float32 if t in (3, 4, 5) else np.float64)
        for opt in opts:
            walk(opt, 1, start=t)
    for p, q in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        np.testing.assert_allclose(p.data, q.data, rtol=1e-5, atol=1e-6)


def test_states_that_a_user_replaced_are_used():
    p, q = weights([(3,)])[0], weights([(3,)])[0]
    opt, other = optim.SGD([p], lr=0.1, momentum=0.9), optim.SGD([q], lr=0.1, momentum=0.9)
    walk(opt)
    walk(other)
    opt.state[p]["momentum_buffer"] = np.zeros(3)
    other.state[q]["momentum_buffer"][:] = 0
    before = opt.state[p]["momentum_buffer"]
    walk(opt, 1, start=1)
    walk(other, 1, start=1)
    assert opt.state[p]["momentum_buffer"] is before
    assert_same([p.data], [q.data])


# A user's own rules.


class Signs(Rule):
    """Steps of lr, whatever the gradient."""

    lr: float = setting(0.1, low=0)
    last = state("last")

    @staticmethod
    def update(p, g, last, lr):
        p = p - lr * sign(g)
        last = g
        return p, last


def test_a_rule_of_ones_own_becomes_an_optimizer():
    Own = optim.optimizer(Signs)
    assert (Own.__name__, Own.__module__) == ("Signs", __name__)
    (p,) = weights([(3,)])
    before = p.data.copy()
    opt = Own([p], lr=0.25)
    p.grad = np.array([3.0, -2.0, 0.5])
    opt.step()
    np.testing.assert_allclose(before - p.data, [0.25, -0.25, 0.25])
    assert_same([opt.state[p]["last"]], [p.grad])


def test_a_chain_of_ones_own_becomes_an_optimizer():
    Own = optim.optimizer(chain("Own", Centralize, RAdam, Lookahead, lr=0.01, k=2))
    p, q = weights([(4, 3)])[0], weights([(4, 3)])[0]
    same = optim.Ranger([q], lr=0.01, k=2, betas=(0.9, 0.999), eps=1e-8)
    opt = Own([p])
    for one in (opt, same):
        walk(one, 10)
    np.testing.assert_allclose(p.data, q.data, rtol=1e-12)
    with opt.slow_weights():
        assert_same([p.data], [opt.state[p]["slow_buffer"]])


@pytest.mark.parametrize("given", [3, "Adam", Signs()], ids=["number", "name", "made"])
def test_only_rules_and_chains_become_optimizers(given):
    with pytest.raises(TypeError, match="optimizer takes a rule or a chain, got"):
        optim.optimizer(given)


# Which parameters decay.


@pytest.mark.parametrize(
    "decays",
    ["no_bias_norm", lambda name, p: p.ndim > 1, [True, False, False, False, True, False]],
    ids=["words", "predicate", "list"],
)
def test_a_decay_filter_spares_biases_and_norms(decays):
    net = network()
    opt = optim.AdamW(net, lr=0.1, weight_decay=0.5, decay_filter=decays)
    for p in net.parameters():
        p.data[...] = 1
        p.grad = np.zeros_like(p.data)
    opt.step()
    want = [p.ndim > 1 for p in net.parameters()]
    assert [bool(np.all(p.data < 1)) for p in net.parameters()] == want
    assert [bool(np.all(p.data == 1)) for p in net.parameters()] == [not one for one in want]


def test_a_predicate_decides_for_groups_added_later_too():
    net, more = network(), nn.Linear(2, 2)
    opt = optim.AdamW(net, decay_filter=lambda name, p: name.endswith("weight"))
    opt.add_param_group({"params": more})
    assert opt.param_groups[1]["decay_filter"] == [True, False]
    opt.add_param_group({"params": nn.Linear(1, 1), "decay_filter": None})
    assert opt.param_groups[2]["decay_filter"] is None


# What it refuses: a sentence each, and nothing changes.

p = nn.Parameter(np.ones(2))
REFUSED = {
    "no parameters": (lambda: optim.SGD([]), ValueError, "SGD: params must hold at least one"),
    "an empty module": (lambda: optim.SGD(nn.ReLU()), ValueError, "must hold at least one"),
    "one parameter": (lambda: optim.SGD(p), TypeError, "must be a Module, .* got Parameter"),
    "a dict": (lambda: optim.SGD({"params": [p]}), TypeError, "must be a Module, .* got dict"),
    "a set": (lambda: optim.SGD({p}), TypeError, "in order .* got set"),
    "a number": (lambda: optim.SGD(3), TypeError, "must be a Module, .* got int"),
    "arrays": (lambda: optim.SGD([np.ones(2)]), TypeError, "must be a Parameter, got ndarray"),
    "a tensor": (lambda: optim.SGD([Tensor([1.0])]), TypeError, "be a Parameter, got Tensor"),
    "a mixture": (lambda: optim.SGD([p, {"params": [p]}]), TypeError, "Parameter, got dict"),
    "a group of none": (lambda: optim.SGD([{"lr": 1}]), ValueError, r"have 'params', got \['lr'\]"),
    "a group's number": (lambda: optim.SGD([{"params": 3}]), TypeError, "of a group .* got int"),
    "a group's set": (lambda: optim.SGD([{"params": {p}}]), TypeError, "in order, got set"),
    "twice": (lambda: optim.SGD([p, p]), ValueError, "SGD: a parameter comes twice"),
    "two groups": (
        lambda: optim.SGD([{"params": [p]}, {"params": [p]}]),
        ValueError,
        "SGD: a parameter is in more than one group",
    ),
    "half named": (lambda: optim.SGD([("a", p), nn.Parameter([1.0])]), ValueError, "or none"),
    "lr < 0": (lambda: optim.SGD([p], lr=-1), ValueError, "SGD: lr must be >= 0, got -1"),
    "lr in words": (lambda: optim.SGD([p], lr="1"), TypeError, "SGD: lr must be a number, got '1'"),
    "a group's lr": (lambda: optim.SGD([{"params": [p], "lr": math.nan}]), ValueError, "lr must"),
    "lr_decay": (lambda: optim.SGD([p], lr_decay=1), ValueError, "lr_decay must be >= 0 and < 1"),
    "its steps": (lambda: optim.SGD([{"params": [p], "steps": -1}]), ValueError, "SGD: steps must"),
    "half a step": (lambda: optim.SGD([{"params": [p], "steps": 0.5}]), TypeError, "SGD: steps"),
    "its lr_decay": (lambda: optim.SGD([{"params": [p], "lr_decay": -1}]), ValueError, "lr_decay"),
    "nesterov": (lambda: optim.SGD([p], nesterov=True), ValueError, "SGD: .*momentum"),
    "a typing error": (lambda: optim.SGD([p], momentun=1), TypeError, "did you mean 'momentum'"),
    "betas": (lambda: optim.Adam([p], betas=0.9), TypeError, "betas must be 2 numbers, got 0.9"),
    "beta1 > 1": (lambda: optim.Adam([p], beta1=2.0), ValueError, r"betas\[0\] must be"),
    "both betas": (
        lambda: optim.Adam([p], betas=(0.9, 0.9), beta1=0.9),
        TypeError,
        "Adam: give either betas or beta1 and beta2",
    ),
    "a filter": (lambda: optim.AdamW([p], decay_filter="all"), ValueError, "decay_filter must be"),
    "its length": (lambda: optim.AdamW([p], decay_filter=[True] * 2), ValueError, "filter must be"),
    "a predicate": (
        lambda: optim.AdamW([p], decay_filter=lambda name, p: True),
        ValueError,
        "needs the parameters' names",
    ),
    "no decay": (lambda: optim.Rprop([p], decay_filter="no_bias_norm"), TypeError, "has none"),
    "an average": (lambda: optim.SGD([p], average=0.9), TypeError, "average must be None, EMA"),
    "two averages": (
        lambda: optim.SGD([{"params": [p], "average": SWA()}], average=EMA()),
        ValueError,
        "the same kind of average",
    ),
    "the base class": (lambda: optim.Optimizer([p]), TypeError, "what optimizer.rule. builds upon"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_an_optimizer_is_said_in_a_sentence(what):
    attempt, error, sentence = REFUSED[what]
    with pytest.raises(error, match=sentence):
        attempt()


GRADIENTS = {
    "another shape": (np.ones(3), r"of its parameter's shape \(2,\), got float64 of shape \(3,\)"),
    "integers": (np.ones(2, int), r"float32 or float64 array .* got int64"),
    "half precision": (np.ones(2, np.float16), "got float16"),
    "complex": (np.ones(2, complex), "got complex128"),
    "a list": ([1.0, 1.0], r"got list of shape \(2,\)"),
    "a tensor": (Tensor(np.ones(2)), "got float64"),
    "a number": (1.0, r"got float of shape \(\)"),
}


@pytest.mark.parametrize("what", GRADIENTS)
def test_a_gradient_that_does_not_fit_moves_nothing(what):
    gradient, sentence = GRADIENTS[what]
    params = weights([(3,), (2,)])
    opt = optim.SGD(params, momentum=0.9, lr_decay=0.5)
    before = values(params)
    params[0].grad, params[1].grad = np.ones(3), gradient
    with pytest.raises(ValueError, match=f"^SGD: a gradient must be a {'.*'}{sentence}"):
        opt.step()
    assert not any(moved(params, before))
    assert opt.state == {}
    assert opt.param_groups[0]["steps"] == 0


def test_a_step_that_fails_leaves_no_state_behind(monkeypatch):
    """Else the next one would not know that it is the first: a buffer starts as the gradient."""
    from thalweg.fuse.work import Work

    p, q = weights([(3,)])[0], weights([(3,)])[0]
    opt, other = optim.SGD([p], momentum=0.9), optim.SGD([q], momentum=0.9)
    p.grad = np.ones(3)

    def fail(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Work, "prepare", fail)
        with pytest.raises(KeyboardInterrupt):
            opt.step()
    assert opt.state == {}
    for one in (opt, other):
        walk(one, 2)
    assert_same(
        [p.data, opt.state[p]["momentum_buffer"]], [q.data, other.state[q]["momentum_buffer"]]
    )


@pytest.mark.parametrize(
    ("group", "error", "sentence"),
    [
        ({"params": [p], "lr": -1}, ValueError, "lr must be >= 0"),
        ({"lr": 1}, ValueError, "must have 'params'"),
        ([p], TypeError, "a group must be a dict, got list"),
        ({"params": [p], "average": EMA()}, ValueError, "the same kind of average"),
    ],
)
def test_a_group_that_does_not_fit_is_not_added(group, error, sentence):
    opt = optim.SGD(network())
    with pytest.raises(error, match=sentence):
        opt.add_param_group(group)
    assert len(opt.param_groups) == 1


def test_a_state_that_no_engine_could_read_is_refused():
    (p,) = weights([(2, 3)])
    opt = optim.SGD([p], momentum=0.9)
    walk(opt)
    before = p.data.copy()
    for bad in (np.zeros((3, 2)), np.zeros((2, 3), int), np.zeros((3, 2)).T, 0.0):
        opt.state[p]["momentum_buffer"] = bad
        with pytest.raises(ValueError, match="SGD: the state 'momentum_buffer' must be a C-contig"):
            opt.step()
    assert_same([p.data], [before])


def test_repr_shows_the_settings_of_each_group():
    text = repr(optim.SGD([{"params": network(), "lr": 0.5}, {"params": [p]}], momentum=0.9))
    assert re.search(r"^SGD \(\n  group 0: 6 parameters, .*lr=0.5.*\n  group 1: 1 param", text)
    assert text.count("momentum=0.9") == 2
    assert "params" not in text
