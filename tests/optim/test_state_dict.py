"""What lies in `state` and in a state_dict: torch's keys, shapes, types, and when they appear."""

import copy
from types import MappingProxyType

import pytest
import torch
from torch.nn import Parameter

import thalweg.optim as optim
from tests.optim.runs import (
    COUNTING,
    EVERY,
    LOOKING_AHEAD,
    OURS,
    SHAPES,
    TWINS,
    assert_same,
    assert_same_state,
    give_gradients,
    numbers,
    ours,
    reloaded,
    torchs,
    walk,
    weights,
)

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.complex64]


def described(opt) -> dict:
    """Everything of a state_dict's state but the numbers."""
    return {
        i: {k: (v.shape, v.dtype, v.stride(), v.device, v.requires_grad) for k, v in held.items()}
        for i, held in opt.state_dict()["state"].items()
    }


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", TWINS)
def test_states_are_torchs_in_key_order_shape_and_type(name, dtype):
    one, other = ours(name, weights(dtype=dtype)), torchs(name, weights(dtype=dtype))
    walk(one)
    walk(other)
    assert described(one) == described(other)
    assert [list(s) for s in one.state.values()] == [list(s) for s in other.state.values()]


VARIANTS = [
    ("SGD", {"momentum": 0, "nesterov": False}),
    ("SGD", {"momentum": 0.5, "nesterov": False}),
    ("Adam", {"amsgrad": False}),
    ("AdamW", {"amsgrad": True}),
    ("AdamW", {"capturable": True, "foreach": True}),
    ("Adagrad", {"initial_accumulator_value": 0, "lr_decay": 0}),
    ("NAdam", {"decoupled_weight_decay": True}),
    ("RAdam", {"decoupled_weight_decay": True}),
    ("RMSprop", {"momentum": 0, "centered": False}),
    ("RMSprop", {"momentum": 0, "centered": True}),
    ("RMSprop", {"momentum": 0.5, "centered": False}),
]


@pytest.mark.parametrize(("name", "settings"), VARIANTS)
def test_states_are_torchs_under_every_switch_that_decides_them(name, settings):
    one = ours(name, weights(), **settings)
    walk(one)
    other = torchs(name, weights(), **{k: v for k, v in settings.items() if k != "capturable"})
    walk(other)
    assert described(one) == described(other)


def test_rangers_states_have_the_reference_names():
    opt = ours("Ranger", weights())
    walk(opt)
    for p, held in opt.state.items():
        assert list(held) == ["step", "exp_avg", "exp_avg_sq", "slow_buffer"]
        assert {k: v.shape for k, v in held.items() if k != "step"} == dict.fromkeys(
            ["exp_avg", "exp_avg_sq", "slow_buffer"], p.shape
        )


@pytest.mark.usefixtures("numbers_in_double")
@pytest.mark.parametrize(
    ("name", "settings"),
    [(name, {}) for name in TWINS] + [(n, {"fused": True}) for n in ("Adam", "AdamW", "Adagrad")],
)
def test_numbers_have_torchs_type_where_the_default_type_is_float64(name, settings):
    one, other = (make(name, weights(dtype=torch.float64), **settings) for make in (ours, torchs))
    walk(one)
    walk(other)
    assert described(one) == described(other)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", TWINS)
def test_states_before_the_first_step_are_torchs(name, dtype):
    """Mostly none; Adagrad's sums are there from the start."""
    one, other = ours(name, weights(dtype=dtype)), torchs(name, weights(dtype=dtype))
    assert described(one) == described(other)
    assert bool(one.state) is one.chain.starts_at_construction
    for mine, theirs in zip(one.state.values(), other.state.values(), strict=True):
        assert_same(mine.values(), theirs.values())


def test_ranger_has_no_state_before_the_first_step():
    opt = ours("Ranger", weights())
    assert not opt.state
    assert opt.state_dict()["state"] == {}


@pytest.mark.parametrize("name", OURS)
def test_a_parameter_without_a_gradient_gets_no_state(name):
    params = weights()
    opt = ours(name, params)
    before = {p: list(held) for p, held in opt.state.items()}
    give_gradients(params[:2], 0)
    opt.step()
    assert {p: list(opt.state[p]) for p in opt.state if p not in set(params[:2])} == {
        p: keys for p, keys in before.items() if p not in set(params[:2])
    }
    assert all(opt.state[p] for p in params[:2])


@pytest.mark.parametrize("name", OURS)
def test_states_are_laid_out_as_their_parameters_are(name):
    p = Parameter(numbers((4, 3, 2, 2), 0).to(memory_format=torch.channels_last))
    opt = ours(name, [p])
    walk(opt)
    held = [s for s in opt.state[p].values() if s.dim()]
    assert held
    assert all(s.is_contiguous(memory_format=torch.channels_last) for s in held)


@pytest.mark.parametrize("name", OURS)
def test_the_step_counts_up_in_the_tensor_it_is_kept_in(name):
    params = weights()
    opt = ours(name, params)
    walk(opt)
    if name not in COUNTING:
        assert all("step" not in held for held in opt.state.values())
        return
    tensors = [held["step"] for held in opt.state.values()]
    walk(opt, 4)
    assert [held["step"] for held in opt.state.values()] == [5.0] * len(SHAPES)
    assert all(held["step"] is t for held, t in zip(opt.state.values(), tensors, strict=True))


@pytest.mark.parametrize("name", OURS)
def test_a_state_dict_has_groups_and_packed_numbers(name):
    opt = ours(name, [{"params": weights()[:2]}, {"params": weights()[2:]}])
    walk(opt)
    saved = opt.state_dict()
    assert [group["params"] for group in saved["param_groups"]] == [[0, 1], [2, 3, 4]]
    assert sorted(saved["state"]) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("name", OURS)
def test_a_state_dict_shares_its_tensors_with_the_optimizer(name):
    opt = ours(name, weights())
    walk(opt)
    saved = opt.state_dict()["state"]
    for held, live in zip(saved.values(), opt.state.values(), strict=True):
        assert all(held[k] is live[k] for k in live)


@pytest.mark.parametrize("name", OURS)
def test_a_state_dict_holds_nothing_that_a_careful_reader_refuses(name):
    opt = ours(name, weights(), lr=torch.tensor(0.01))
    walk(opt, 7)
    saved = opt.state_dict()
    again = reloaded(saved)
    assert again["param_groups"] == saved["param_groups"]
    kinds = {type(v) for held in again["state"].values() for v in held.values()}
    assert kinds == {torch.Tensor}


def test_a_parameters_state_may_be_any_mapping():
    opt, fresh = (optim.AdamW([Parameter(torch.ones(3))]) for _ in range(2))
    walk(opt, 2)
    saved = opt.state_dict()
    held = {number: MappingProxyType(one) for number, one in saved["state"].items()}
    fresh.load_state_dict({**saved, "state": held})
    assert_same_state(fresh, opt)


def test_one_tensor_in_two_places_of_a_file_is_one_copy():
    opt = optim.AdamW([Parameter(torch.ones(3)), Parameter(torch.ones(3))])
    walk(opt, 2)
    saved = opt.state_dict()
    one = saved["state"][0]["exp_avg"]
    saved["state"] = {i: {**held, "exp_avg": one} for i, held in saved["state"].items()}
    opt.load_state_dict(saved)
    first, second = (held["exp_avg"] for held in opt.state.values())
    assert first is second
    assert first is not one


@pytest.mark.parametrize("name", OURS)
def test_hooks_on_saving_and_loading_run(name):
    opt = ours(name, weights())
    walk(opt)
    seen = []
    opt.register_state_dict_pre_hook(lambda it: seen.append("pre save"))
    opt.register_state_dict_post_hook(lambda it, saved: seen.append("post save"))
    opt.register_load_state_dict_pre_hook(lambda it, given: seen.append("pre load"))
    opt.register_load_state_dict_post_hook(lambda it: seen.append("post load"))
    opt.load_state_dict(opt.state_dict())
    assert seen == ["pre save", "post save", "pre load", "post load"]


@pytest.mark.parametrize("name", OURS)
def test_a_hook_before_loading_may_hand_in_another_state(name):
    opt, other = ours(name, weights()), ours(name, weights())
    walk(other, 3)
    wanted = other.state_dict()
    opt.register_load_state_dict_pre_hook(lambda it, given: wanted)
    opt.load_state_dict(ours(name, weights()).state_dict())
    assert described(opt) == described(other)


@pytest.mark.parametrize("name", OURS)
def test_hooks_stay_as_many_as_they_were(name):
    opt = ours(name, weights())
    walk(opt)
    for _ in range(3):
        opt.load_state_dict(opt.state_dict())
    assert len(opt._optimizer_load_state_dict_pre_hooks) == 0


@pytest.mark.parametrize("name", OURS)
def test_a_state_for_other_groups_is_refused_as_in_torch(name):
    saved = ours(name, weights()).state_dict()
    two = [{"params": weights()[:1]}, {"params": weights()[1:]}]
    with pytest.raises(ValueError, match="different number of parameter groups"):
        ours(name, two).load_state_dict(saved)
    with pytest.raises(ValueError, match="doesn't match the size"):
        ours(name, weights()[:2]).load_state_dict(saved)


def initial_step(opt, rate) -> None:
    """What torch.distributed.checkpoint does to an optimizer without states."""
    for group in opt.param_groups:
        group["lr"] = rate
        for p in group["params"]:
            p.grad = torch.zeros_like(p)
    opt.step(closure=None)
    opt.zero_grad(set_to_none=True)


@pytest.mark.parametrize("rate", [0.0, torch.tensor(0.0)], ids=["number", "tensor"])
@pytest.mark.parametrize("name", OURS)
def test_an_initial_step_makes_every_state_and_moves_nothing(name, rate):
    params, full = weights(), ours(name, weights())
    before = [p.detach().clone() for p in params]
    opt = ours(name, params, **({"k": 1} if name in LOOKING_AHEAD else {}))
    initial_step(opt, rate)
    assert all(torch.equal(p, q) for p, q in zip(params, before, strict=True))
    walk(full, 9)
    assert {i: set(s) for i, s in opt.state_dict()["state"].items()} == {
        i: set(s) for i, s in full.state_dict()["state"].items()
    }


@pytest.mark.parametrize("name", OURS)
def test_torchs_distributed_checkpoint_reads_and_restores_an_optimizer(name):
    state_dict = pytest.importorskip("torch.distributed.checkpoint.state_dict")
    get, put = state_dict.get_optimizer_state_dict, state_dict.set_optimizer_state_dict
    model, other = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    opt = ours(name, model.parameters())
    walk(opt, 5)
    before = [p.detach().clone() for p in other.parameters()]
    fresh = ours(name, other.parameters())
    put(other, fresh, get(model, opt))
    assert all(torch.equal(p, q) for p, q in zip(other.parameters(), before, strict=True))
    for p, q in zip(model.parameters(), other.parameters(), strict=True):
        for key, held in opt.state[p].items():
            assert torch.equal(fresh.state[q][key], held)


@pytest.mark.parametrize("flat", [False, True], ids=["nested", "flat"])
@pytest.mark.parametrize("name", EVERY)
def test_torchs_distributed_checkpoint_makes_every_state_and_moves_nothing(name, flat):
    """It steps an optimizer without states with zero gradients and lr = 0, to see them."""
    dcp = pytest.importorskip("torch.distributed.checkpoint.state_dict")
    options = dcp.StateDictOptions(flatten_optimizer_state_dict=flat)
    model = torch.nn.Linear(3, 2)
    before = [p.detach().clone() for p in model.parameters()]
    opt = ours(name, model.parameters(), **({"k": 1} if name in LOOKING_AHEAD else {}))
    fresh = dcp.get_optimizer_state_dict(model, opt, options=options)
    assert_same(model.parameters(), before)
    assert all(p.grad is None for p in model.parameters())
    if not flat:
        full = ours(name, [torch.nn.Parameter(p.clone()) for p in before])
        walk(full, 9)
        made = {path: list(state) for path, state in fresh["state"].items()}
        wanted = [list(state) for state in full.state.values()]
        assert made == dict(zip(["weight", "bias"], wanted, strict=True))
    again = ours(name, model.parameters())
    dcp.set_optimizer_state_dict(model, again, fresh, options=options)
    assert_same_state(again, opt)
    assert_same(model.parameters(), before)


def test_a_decay_filter_goes_through_torchs_distributed_checkpoint():
    dcp = pytest.importorskip("torch.distributed.checkpoint.state_dict")
    model = torch.nn.Linear(3, 2)
    decays = {"weight_decay": 0.3, "decay_filter": lambda name, p: name == "weight"}
    opt = optim.AdamW(model.named_parameters(), **decays)
    walk(opt, 2)
    opt.zero_grad()  # of a model with gradients torch reads no states
    other = copy.deepcopy(model)
    fresh = optim.AdamW(other.named_parameters(), **decays)
    dcp.set_optimizer_state_dict(other, fresh, reloaded(dcp.get_optimizer_state_dict(model, opt)))
    walk(opt, 2, start=2)
    walk(fresh, 2, start=2)
    assert_same(other.parameters(), model.parameters())


def test_sgd_without_momentum_keeps_nothing():
    opt = optim.SGD(weights(), lr=0.1)
    walk(opt, 3)
    assert opt.state_dict()["state"] == {}
    assert not opt.state
