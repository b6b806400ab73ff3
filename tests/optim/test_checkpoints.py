"""Saved here and loaded in torch, saved in torch and loaded here: never stopped."""

import copy

import pytest
import torch
from torch.nn import Parameter

import thalweg.optim as optim
from tests.optim.runs import (
    LOOKING_AHEAD,
    NUMBERS,
    OURS,
    TWINS,
    all_arrays,
    arrays_of,
    assert_close,
    assert_same,
    assert_same_state,
    numbers,
    ours,
    reloaded,
    torchs,
    values,
    walk,
    weights,
)
from thalweg.optimizers import OPTIMIZERS

VARIANTS = [
    ("SGD", {}),
    ("SGD", {"momentum": 0, "nesterov": False}),
    ("SGD", {"nesterov": False, "dampening": 0.2}),
    ("Adam", {}),
    ("Adam", {"amsgrad": False}),
    ("AdamW", {}),
    ("AdamW", {"amsgrad": True, "maximize": True}),
    ("Adadelta", {}),
    ("Adadelta", {"rho": 0.8, "maximize": True}),
    ("Adagrad", {}),
    ("Adagrad", {"lr_decay": 0, "initial_accumulator_value": 0, "weight_decay": 0.1}),
    ("Adamax", {}),
    ("Adamax", {"weight_decay": 0, "maximize": True}),
    ("ASGD", {}),
    ("ASGD", {"t0": 1e6, "weight_decay": 0.1, "maximize": True}),
    ("NAdam", {}),
    ("NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RAdam", {}),
    ("RAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RMSprop", {}),
    ("RMSprop", {"momentum": 0, "centered": False}),
    ("RMSprop", {"centered": False, "weight_decay": 0.1, "maximize": True}),
    ("Rprop", {}),
    ("Rprop", {"etas": (0.4, 1.3), "maximize": True}),
]
DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.complex64]


def continued(first, then, dtype, steps=5):
    """Parameters after `steps` by one optimizer, a file, and `steps` by the other."""
    params = weights(dtype=dtype)
    start = first(params)
    walk(start, steps)
    moved = [Parameter(p.detach().clone()) for p in params]
    after = then(moved)
    after.load_state_dict(reloaded(start.state_dict()))
    walk(after, steps, start=steps)
    return moved


@pytest.mark.usefixtures("numbers_in_double")
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("name", "settings"), VARIANTS)
@pytest.mark.parametrize("way", ["ours to torch", "torch to ours"])
def test_a_run_goes_on_in_the_other_class(name, settings, dtype, way):
    # torch's fused Adam rounds to bf16 once per step, as ours does, and the plain loop after every
    # operation; the fused SGD of torch 2.13 is wrong in bf16 from 16 elements on
    fused = dtype == torch.bfloat16 and name in ("Adam", "AdamW")
    theirs = {**settings, "fused": True} if fused else settings

    def here(params):
        return ours(name, params, **settings)

    def there(params):
        return torchs(name, params, **theirs)

    order = (here, there) if way == "ours to torch" else (there, here)
    want = weights(dtype=dtype)
    walk(there(want), 10)
    assert_close(continued(*order, dtype), want)


@pytest.mark.usefixtures("numbers_in_double")
@pytest.mark.parametrize("way", ["ours to torch", "torch to ours"])
@pytest.mark.parametrize("name", TWINS)
def test_a_run_goes_on_in_the_other_class_on_channels_last(name, way):
    shape = (4, 3, 3, 3)

    def made():
        return [Parameter(numbers(shape, 5).to(memory_format=torch.channels_last))]

    makers = (ours, torchs) if way == "ours to torch" else (torchs, ours)
    params, want = made(), made()
    start = makers[0](name, params)
    walk(start, 4)
    after = makers[1](name, params)
    after.load_state_dict(reloaded(start.state_dict()))
    walk(after, 4, start=4)
    walk(torchs(name, want), 8)
    assert_close(params, want)


@pytest.mark.parametrize("name", OURS)
def test_a_contiguous_checkpoint_loads_into_a_channels_last_model(name):
    plain = [Parameter(numbers((4, 3, 3, 3), 5))]
    start = ours(name, plain)
    walk(start, 3)
    turned = [Parameter(p.detach().clone().to(memory_format=torch.channels_last)) for p in plain]
    after = ours(name, turned)
    after.load_state_dict(reloaded(start.state_dict()))
    walk(after, 6, start=3)
    walk(start, 6, start=3)
    torch.testing.assert_close(turned[0], plain[0], rtol=1e-13, atol=0, check_stride=False)


DTYPES_OF_PARAMETERS = [torch.float32, torch.bfloat16, torch.float16, torch.complex64]


@pytest.mark.parametrize("dtype", DTYPES_OF_PARAMETERS, ids=str)
@pytest.mark.parametrize(
    ("name", "at"), [(n, 4) for n in OURS] + [(n, at) for n in LOOKING_AHEAD for at in (1, 3, 5, 6)]
)
def test_stopped_and_resumed_is_never_stopped_bit_for_bit(name, at, dtype):
    """Of those that look ahead k is 4: at 3 and 5 the slow weights are in the middle of a round."""
    want = weights(dtype=dtype)
    walk(whole := ours(name, want), 10)
    params = weights(dtype=dtype)
    start = ours(name, params)
    walk(start, at)
    moved = [Parameter(p.detach().clone()) for p in params]
    after = ours(name, moved)
    after.load_state_dict(reloaded(start.state_dict()))
    walk(after, 10 - at, start=at)
    assert_same(moved, want)
    assert_same_state(after, whole)


@pytest.mark.parametrize("name", OURS)
def test_loading_in_mid_run_takes_hold_at_the_next_step(name):
    """No address of the states that were there before is used again."""
    params, other = weights(), weights()
    opt, source = ours(name, params), ours(name, other)
    walk(opt, 4)
    walk(source, 2)
    opt.load_state_dict(copy.deepcopy(source.state_dict()))
    with torch.no_grad():
        for p, q in zip(params, other, strict=True):
            p.copy_(q)
    walk(opt, 5, start=2)
    walk(source, 5, start=2)
    assert_same(params, other)


@pytest.mark.usefixtures("numbers_in_double")
@pytest.mark.parametrize("name", [name for name in NUMBERS if name in TWINS])
def test_numbers_kept_as_python_numbers_are_read(name):
    """As torch wrote them, too, until 1.13."""
    theirs = weights()
    walk(whole := torchs(name, theirs), 5)
    mine = [Parameter(p.detach().clone()) for p in theirs]
    saved = copy.deepcopy(whole.state_dict())
    for held in saved["state"].values():
        held.update({key: float(held[key]) for key in NUMBERS[name]})
    opt = ours(name, mine)
    opt.load_state_dict(saved)
    walk(opt, 4, start=5)
    walk(whole, 4, start=5)
    assert_close(mine, theirs)
    for held, other in zip(opt.state.values(), whole.state.values(), strict=True):
        assert {k: (v.shape, v.dtype) for k, v in held.items()} == {
            k: (v.shape, v.dtype) for k, v in other.items()
        }


@pytest.mark.parametrize("dtype", [*DTYPES, torch.float16, torch.complex128], ids=str)
@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_keep_the_type_they_were_saved_in(name, dtype):
    """torch casts them to the parameter's: to bf16, of which a product of 1000 factors is soon
    wrong, and to float64, which a run that was never stopped does not have."""
    opt = ours(name, weights(dtype=dtype))
    walk(opt, 3)
    fresh = ours(name, weights(dtype=dtype))
    fresh.load_state_dict(reloaded(opt.state_dict()))
    assert_same_state(fresh, opt)
    chain = OPTIMIZERS[name]
    for key in chain.cells:
        kinds = {held[key].dtype for held in fresh.state.values()}
        assert kinds == {torch.float64 if key in chain.doubles else torch.float32}, key


@pytest.mark.parametrize("name", [name for name in NUMBERS if name in TWINS])
def test_numbers_that_torch_has_rounded_to_a_narrow_type_go_on_in_a_wide_one(name):
    theirs = weights(dtype=torch.bfloat16)
    walk(source := torchs(name, theirs), 3)
    source.load_state_dict(copy.deepcopy(source.state_dict()))
    key = NUMBERS[name][0]
    assert {held[key].dtype for held in source.state.values()} == {torch.bfloat16}
    opt = ours(name, [Parameter(p.detach().clone()) for p in theirs])
    opt.load_state_dict(reloaded(source.state_dict()))
    walk(opt, 2, start=3)
    assert {held[key].dtype for held in opt.state.values()} == {torch.float32}


@pytest.mark.usefixtures("numbers_in_double")
@pytest.mark.parametrize("name", TWINS)
def test_a_checkpoint_that_lacks_group_keys_gets_the_defaults(name):
    """As files from before a setting existed do."""
    mine, theirs = weights(), weights()
    one, other = ours(name, mine), torchs(name, theirs)
    walk(other, 3)
    saved = copy.deepcopy(other.state_dict())
    late = ("maximize", "foreach", "capturable", "differentiable", "fused", "amsgrad", "nesterov")
    for group in saved["param_groups"]:
        for key in (*late, "decoupled_weight_decay"):
            group.pop(key, None)
    with torch.no_grad():
        for p, q in zip(mine, theirs, strict=True):
            p.copy_(q)
    one.load_state_dict(copy.deepcopy(saved))
    other.load_state_dict(copy.deepcopy(saved))
    walk(one, 3, start=3)
    walk(other, 3, start=3)
    assert_close(mine, theirs)


def test_a_momentum_buffer_saved_as_none_is_one_not_made_yet():
    mine, theirs = weights(), weights()
    for params, module in ((mine, optim), (theirs, torch.optim)):
        opt = module.SGD(params, lr=0.1, momentum=0.9, dampening=0.5)
        saved = opt.state_dict()
        saved["state"] = {i: {"momentum_buffer": None} for i in range(len(params))}
        opt.load_state_dict(saved)
        walk(opt, 4)
    assert_close(mine, theirs)


def test_an_adam_checkpoint_loads_into_adamw_as_in_torch():
    mine, theirs = weights(), weights()
    source = torch.optim.Adam(weights(), lr=0.01, weight_decay=0.1)
    walk(source, 3)
    for params, module in ((mine, optim), (theirs, torch.optim)):
        opt = module.AdamW(params)
        opt.load_state_dict(copy.deepcopy(source.state_dict()))
        assert opt.param_groups[0]["decoupled_weight_decay"] is True
        walk(opt, 4, start=3)
    assert_close(mine, theirs)


@pytest.mark.parametrize("name", ["Adam", "AdamW", "SGD"])
def test_a_file_written_by_torchs_fused_form_loads(name):
    theirs = weights(dtype=torch.float32)
    source = torchs(name, theirs, fused=True)
    walk(source, 3)
    mine = [Parameter(p.detach().clone()) for p in theirs]
    opt = ours(name, mine)
    opt.load_state_dict(reloaded(source.state_dict()))
    walk(opt, 3, start=3)
    walk(source, 3, start=3)
    assert_close(mine, theirs)


@pytest.mark.parametrize("name", ["Adam", "AdamW", "SGD"])
def test_our_file_loads_into_torchs_fused_form(name):
    mine = weights(dtype=torch.float32)
    source = ours(name, mine)
    walk(source, 3)
    theirs = [Parameter(p.detach().clone()) for p in mine]
    opt = torchs(name, theirs, fused=True)
    saved = reloaded(source.state_dict())
    for group in saved["param_groups"]:
        group["fused"] = True  # the file says how its writer worked, and torch obeys it
    opt.load_state_dict(saved)
    walk(opt, 3, start=3)
    walk(source, 3, start=3)
    assert_close(mine, theirs)


@pytest.mark.parametrize("name", OURS)
def test_a_narrow_model_with_wide_states_resumes_bit_for_bit(name):
    def with_wide_states(params):
        opt = ours(name, params)
        walk(opt)
        for state, key in all_arrays(opt):
            state[key] = state[key].float()
        return opt

    want = weights(dtype=torch.bfloat16)
    walk(with_wide_states(want), 8, start=1)
    params = weights(dtype=torch.bfloat16)
    start = with_wide_states(params)
    walk(start, 3, start=1)
    after = ours(name, params)
    after.load_state_dict(reloaded(start.state_dict()))
    walk(after, 5, start=4)
    assert_same(params, want)


@pytest.mark.parametrize("name", OURS)
def test_accelerate_may_load_an_empty_state_at_once(name):
    params, plain = weights(), weights()
    opt = ours(name, params)
    opt.load_state_dict(opt.state_dict())
    walk(opt, 3)
    walk(ours(name, plain), 3)
    assert_same(params, plain)


@pytest.mark.parametrize("name", OURS)
def test_weights_loaded_before_the_first_step_are_the_ones_that_count(name):
    """Lookahead must not have kept a copy of the weights of the constructor's time."""
    params, plain = weights(), weights()
    opt = ours(name, params)
    new = [numbers(p.shape, 77 + i) for i, p in enumerate(params)]
    with torch.no_grad():
        for group in (params, plain):
            for p, value in zip(group, new, strict=True):
                p.copy_(value)
    walk(opt, 6)
    walk(ours(name, plain), 6)
    assert_same(params, plain)


@pytest.mark.parametrize("name", OURS)
def test_loading_does_not_write_into_the_given_dictionary(name):
    params = weights(dtype=torch.bfloat16)
    opt = ours(name, params)
    walk(opt, 2)
    saved = reloaded(opt.state_dict())
    kept = copy.deepcopy(saved)
    ours(name, weights(dtype=torch.bfloat16)).load_state_dict(saved)
    assert saved["param_groups"] == kept["param_groups"]
    for i, held in kept["state"].items():
        assert_same(saved["state"][i].values(), held.values())


@pytest.mark.parametrize("name", OURS)
def test_a_failed_load_leaves_the_run_as_it_was(name):
    params, plain = weights(), weights()
    opt = ours(name, params)
    walk(opt, 3)
    with pytest.raises(ValueError, match="parameter group"):
        opt.load_state_dict(ours(name, weights()[:1]).state_dict())
    before = values(params)
    walk(opt, 3, start=3)
    walk(ours(name, plain), 6)
    assert_same(params, plain)
    assert not torch.equal(before[0], params[0])


@pytest.mark.parametrize("shape", [(4,), (1, 4), (12,)], ids=str)
@pytest.mark.parametrize("name", OURS)
def test_a_state_of_another_shape_is_refused_before_anything_moves(name, shape):
    """Put there by a program; a file that has one is refused at loading, where torch takes it."""
    params = weights([(4,), (3, 4)])
    opt = ours(name, params)
    walk(opt)
    saved = copy.deepcopy(opt.state_dict())
    key = next(iter(arrays_of(opt, params[1])))
    saved["state"][1][key] = torch.zeros(shape)
    before = values(params)
    with pytest.raises(ValueError, match=rf"the state '{key}' must be a tensor of shape \(3, 4\)"):
        opt.load_state_dict(saved)
    opt.state[params[1]][key] = torch.zeros(shape)
    with pytest.raises(RuntimeError):
        walk(opt)
    assert_same(params, before)
