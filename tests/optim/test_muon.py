"""Muon takes torch's steps: the same products in bfloat16, around them the fused pass."""

import copy
import pickle

import pytest
import torch
from torch.nn import Parameter

from tests.optim.runs import (
    assert_close,
    assert_same,
    assert_same_state,
    give_gradients,
    numbers,
    reloaded,
    values,
    walk,
    weights,
)
from thalweg.optim import Muon

Torchs = torch.optim.Muon

SHAPES = [(5, 37), (37, 5), (16, 16), (1, 7)]
DTYPES = [torch.float64, torch.float32, torch.bfloat16]
SETTINGS = [
    {},
    {"lr": 0.02, "momentum": 0.8, "weight_decay": 0.01},
    {"nesterov": False, "lr": torch.tensor(0.01, dtype=torch.float64)},
    {"adjust_lr_fn": "original", "ns_steps": 2, "eps": 1e-3},
    {"adjust_lr_fn": "match_rms_adamw", "ns_coefficients": (2, -1.5, 0.5)},
]


@pytest.fixture(autouse=True)
def one_thread():
    """Threads that wait for each other are slow on a busy machine, and little here is large."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pair(dtype=torch.float32, shapes=SHAPES, **given):
    """Ours and torch's on the same weights."""
    return Muon(weights(shapes, dtype), **given), Torchs(weights(shapes, dtype), **given)


def params_of(opt):
    return [p for group in opt.param_groups for p in group["params"]]


def momenta_of(opt):
    return [opt.state[p]["momentum_buffer"] for p in params_of(opt)]


# torch divides the momentum itself by its norm where it is bfloat16 and nothing looks ahead
COMPARABLE = [
    (dtype, given)
    for dtype in DTYPES
    for given in SETTINGS
    if dtype != torch.bfloat16 or given.get("nesterov", True)
]


@pytest.mark.parametrize(("dtype", "given"), COMPARABLE, ids=str)
def test_steps_are_torchs(dtype, given):
    one, other = pair(dtype, **given)
    walk(one, 6)
    walk(other, 6)
    assert_close(params_of(one), params_of(other))
    assert_close(momenta_of(one), momenta_of(other))


@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_directions_are_torchs_to_the_last_bit_of_bfloat16(dtype, nesterov):
    """Where the last bits of u differ, some of it falls to another bfloat16, and x is another."""
    shapes = [(64, 256), (256, 64)]  # the adjustment is 1 and 2, which rounds nothing
    found = []
    for make in (Muon, Torchs):
        params = [Parameter(torch.zeros(shape, dtype=dtype)) for shape in shapes]
        walk(make(params, lr=0.5, weight_decay=0.0, nesterov=nesterov), 3)
        found.append(params)
    for ours, theirs in zip(*found, strict=True):
        assert len(ours.unique()) > 1000
        if dtype == torch.float64 or not nesterov:
            assert torch.equal(ours, theirs)
        else:  # torch rounds the momentum before it takes it from one
            torch.testing.assert_close(ours, theirs, rtol=2**-6, atol=2**-9)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("classes", [(Muon, Torchs), (Torchs, Muon)])
def test_a_run_is_continued_by_the_other_class(classes, dtype):
    first, second = classes
    params, plain = weights(SHAPES, dtype), weights(SHAPES, dtype)
    begun, whole = first(params, lr=0.01), Torchs(plain, lr=0.01)
    walk(begun, 4)
    taken = second(params, lr=0.5)
    taken.load_state_dict(reloaded(begun.state_dict()))
    walk(taken, 4, start=4)
    walk(whole, 8)
    assert_close(params, plain)
    assert_close(momenta_of(taken), momenta_of(whole))


def test_states_and_groups_are_torchs():
    one, other = pair(torch.bfloat16)
    walk(one)
    walk(other)
    described = [
        [[(k, t.shape, t.dtype, t.stride()) for k, t in opt.state[p].items()] for p in ps]
        for opt, ps in ((one, params_of(one)), (other, params_of(other)))
    ]
    assert described[0] == described[1]
    (mine,), (theirs,) = (opt.state_dict()["param_groups"] for opt in (one, other))
    shown = {key: value for key, value in theirs.items() if key != "adjust_lr_fn"}
    assert mine.items() >= shown.items()
    assert (mine["adjust_lr_fn"], theirs["adjust_lr_fn"]) == ("original", None)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", [*DTYPES, torch.float16], ids=str)
def test_memory_changes(dtype, threads):
    torch.set_num_threads(threads)
    shapes = [*SHAPES, (300, 500)]  # the last is more than one thread takes alone
    opt = Muon(weights(shapes, dtype), lr=0.5)
    walk(opt)
    for p, start, m in zip(params_of(opt), weights(shapes, dtype), momenta_of(opt), strict=True):
        assert (p != start).float().mean() > 0.9
        assert m.bool().float().mean() > 0.99


def lying(way: str) -> tuple[Parameter, torch.Tensor]:
    """A parameter and a gradient that lie in memory in some way."""
    p, g = numbers((20, 30), 0), numbers((20, 30), 1)
    if way == "transposed":
        p, g = p.T, g.T
    elif way == "gradient transposed":
        g = numbers((30, 20), 1).T
    elif way == "a piece of a wider one":
        p, g = numbers((20, 50), 0)[:, 7:37], numbers((20, 50), 1)[:, 20:50]
    elif way == "expanded gradient":
        g = numbers((30,), 1).expand(20, 30)
    elif way == "negated gradient":
        g = torch._neg_view(g)
    return Parameter(p), g


@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize(
    "way",
    [
        "contiguous",
        "transposed",
        "gradient transposed",
        "a piece of a wider one",
        "expanded gradient",
        "negated gradient",
    ],
)
def test_the_step_is_torchs_however_the_tensors_lie(way, nesterov):
    (p, g), (q, _) = lying(way), lying(way)
    around = p.detach().as_strided((p.untyped_storage().size() // 8,), (1,), 0)
    untouched = torch.ones_like(around, dtype=torch.bool)
    untouched.as_strided(p.shape, p.stride(), p.storage_offset()).fill_(False)
    before = around.clone()
    one, other = Muon([p], nesterov=nesterov), Torchs([q], nesterov=nesterov)
    for _ in range(3):
        p.grad, q.grad = g, g.clone()
        one.step()
        other.step()
    assert_close([p], [q])
    assert torch.equal(around[untouched], before[untouched])
    assert p.grad is g


def test_a_momentum_without_nesterov_stays_what_it_is():
    """torch divides the bfloat16 one by its norm at every step."""
    narrow, wide = (
        Muon(weights([(8, 12)], dtype), nesterov=False) for dtype in (torch.bfloat16, torch.float32)
    )
    for t in range(4):
        give_gradients(params_of(narrow), t)
        params_of(wide)[0].grad = params_of(narrow)[0].grad.float()
        narrow.step()
        wide.step()
    have, want = momenta_of(narrow)[0].float(), momenta_of(wide)[0]
    torch.testing.assert_close(have, want, rtol=2e-2, atol=2e-3)  # rounded four times


def test_a_state_in_another_layout_is_brought_to_the_parameters():
    params, twins = weights([(20, 30)]), weights([(20, 30)])
    one, other = Muon(params), Muon(twins)
    walk(one, 2)
    walk(other, 2)
    held = one.state[params[0]]
    held["momentum_buffer"] = held["momentum_buffer"].T.contiguous().T
    walk(one, 2, start=2)
    walk(other, 2, start=2)
    assert_same(params, twins)
    assert_same(momenta_of(one), momenta_of(other))


def test_gradients_are_read_only_and_autograd_hears_of_the_writes():
    params = [*weights(SHAPES), Parameter(numbers((20, 50), 0)[:, ::2])]
    give_gradients(params, 0)
    before = [(p.grad, p.grad.clone(), p._version) for p in params]
    Muon(params).step()
    for p, (grad, copied, version) in zip(params, before, strict=True):
        assert p.grad is grad
        assert torch.equal(grad, copied)
        assert p._version > version


def test_gradients_may_come_late_and_empty_matrices_are_left_alone():
    params, twins = weights([(4, 9), (9, 4), (0, 3), (3, 0)]), weights([(4, 9), (9, 4)])
    one, other = Muon(params), Torchs(twins)
    for t in range(4):
        for some in (params, twins):
            give_gradients(some, t)
            if t < 2:
                some[1].grad = None
        one.step()
        other.step()
    assert_close(params[:2], twins)
    assert [one.state[p]["momentum_buffer"].shape for p in params[2:]] == [(0, 3), (3, 0)]


@pytest.mark.parametrize("way", [copy.deepcopy, lambda opt: pickle.loads(pickle.dumps(opt))])
def test_a_copy_goes_on_as_the_original(way):
    opt = Muon(weights(SHAPES))
    walk(opt, 3)
    twin = way(opt)
    walk(opt, 3, start=3)
    walk(twin, 3, start=3)
    assert_same(params_of(twin), params_of(opt))
    assert_same_state(twin, opt)


def test_a_checkpoint_with_short_groups_loads():
    opt, plain = Muon(weights(SHAPES)), Muon(weights(SHAPES))
    saved = opt.state_dict()
    saved["param_groups"] = [{"params": [0, 1, 2, 3], "lr": 1e-3}]
    opt.load_state_dict(saved)
    walk(opt, 2)
    walk(plain, 2)
    assert_same(params_of(opt), params_of(plain))


def test_an_initial_step_makes_every_state_and_moves_nothing():
    """As torch.distributed.checkpoint takes it."""
    opt = Muon(weights(SHAPES), lr=0.0)
    before = values(params_of(opt))
    for p in params_of(opt):
        p.grad = torch.zeros_like(p)
    opt.step(closure=None)
    assert_same(params_of(opt), before)
    assert all(not m.any() for m in momenta_of(opt))


def test_a_closure_and_the_hooks_run_once():
    opt = Muon(weights(SHAPES))
    seen = []
    opt.register_step_pre_hook(lambda *_: seen.append("before"))
    opt.register_step_post_hook(lambda *_: seen.append("after"))

    def closure():
        seen.append("closure")
        give_gradients(params_of(opt), 0)
        return 7.0

    assert opt.step(closure) == 7.0
    assert seen == ["before", "closure", "after"]


WRONG = [
    ({"lr": -1.0}, ValueError, "lr must be >= 0, got -1.0"),
    ({"lr": torch.tensor([0.1, 0.2])}, ValueError, "Tensor lr must be 1-element"),
    ({"momentum": -0.1}, ValueError, "momentum must be >= 0, got -0.1"),
    ({"weight_decay": -0.1}, ValueError, "weight_decay must be >= 0, got -0.1"),
    (
        {"adjust_lr_fn": "arbitrary"},
        ValueError,
        "learning rate function arbitrary is not supported",
    ),
    ({"ns_steps": 100}, ValueError, "ns_steps must be < 100, got 100 .*must be less than 100"),
    ({"ns_coefficients": (1.0, 2.0)}, TypeError, "ns_coefficients must be 3 numbers"),
    ({"ns_steps": 2.5}, TypeError, "ns_steps must be an integer, got 2.5"),
    ({"eps": None}, TypeError, "eps must be a number, got None"),
]


@pytest.mark.parametrize(("wrong", "kind", "words"), WRONG)
def test_wrong_settings_are_refused_in_a_sentence(wrong, kind, words):
    with pytest.raises(kind, match=f"^Muon: .*{words}"):
        Muon(weights([(3, 4)]), **wrong)


def test_a_setting_that_went_wrong_later_is_refused_by_the_step():
    opt = Muon(weights([(3, 4)]))
    opt.param_groups[0]["ns_steps"] = 100
    with pytest.raises(ValueError, match="Muon: ns_steps must be < 100, got 100"):
        walk(opt)
    assert_same(params_of(opt), weights([(3, 4)]))


@pytest.mark.parametrize("shape", [(3,), (), (2, 3, 4)])
def test_only_matrices_are_accepted_and_a_refused_group_is_not_kept(shape):
    with pytest.raises(ValueError, match="Muon only supports 2D parameters"):
        Muon(weights([(3, 4), shape]))
    opt = Muon(weights([(3, 4)]))
    with pytest.raises(ValueError, match="Muon only supports 2D parameters"):
        opt.add_param_group({"params": weights([shape])})
    assert len(opt.param_groups) == 1


def test_nothing_moves_when_one_gradient_is_refused():
    params = weights(SHAPES)
    give_gradients(params, 0)
    before = values(params)
    sparse = Parameter(torch.zeros(3, 4))
    sparse.grad = torch.eye(3, 4).to_sparse()
    with pytest.raises(RuntimeError, match="Muon does not support sparse gradients"):
        Muon([*params, sparse]).step()
    turning = Parameter(torch.zeros(3, 4, dtype=torch.complex64))
    turning.grad = torch.ones_like(turning)
    with pytest.raises(RuntimeError, match="Muon does not support complex parameters"):
        Muon([*params, turning]).step()
    assert_same(params, before)
