"""Files of other forms: other programs', other types', and with a step kept as a number."""

import copy

import pytest
import torch
from torch.nn import Parameter

import thalweg.optim as optim
from tests.optim.runs import (
    COUNTING,
    OURS,
    SHAPES,
    TWINS,
    all_arrays,
    assert_close,
    assert_same,
    assert_same_state,
    ours,
    reloaded,
    torchs,
    type_of_number,
    walk,
    weights,
)

FULL = [shape for shape in SHAPES if 0 not in shape]


@pytest.mark.usefixtures("numbers_in_double")
@pytest.mark.parametrize("name", [n for n in TWINS if n in COUNTING])
def test_a_step_kept_as_a_number_is_read(name):
    """As torch wrote it until 1.11."""
    params, want = weights(), weights()
    walk(whole := torchs(name, want), 4)
    saved = copy.deepcopy(whole.state_dict())
    for held in saved["state"].values():
        held["step"] = int(held["step"])
    params = [Parameter(p.detach().clone()) for p in want]
    opt = ours(name, params)
    opt.load_state_dict(saved)
    assert all(isinstance(held["step"], torch.Tensor) for held in opt.state.values())
    walk(opt, 4, start=4)
    walk(whole, 4, start=4)
    assert_close(params, want)


@pytest.mark.parametrize("name", COUNTING)
def test_a_step_kept_as_a_number_is_read_to_its_last_digit(name):
    """Also where the default type is too narrow for it, as bf16 is for 1001."""
    opt = ours(name, weights())
    walk(opt)
    saved = copy.deepcopy(opt.state_dict())
    for held in saved["state"].values():
        held["step"] = 1001
    torch.set_default_dtype(torch.bfloat16)
    try:
        opt.load_state_dict(saved)
        walk(opt)
    finally:
        torch.set_default_dtype(torch.float32)
    assert {float(held["step"]) for held in opt.state.values()} == {1002.0}


@pytest.mark.parametrize("dtype", [torch.float64, torch.int64], ids=str)
@pytest.mark.parametrize("name", COUNTING)
def test_a_step_kept_in_another_type_is_read(name, dtype):
    params, want = weights(FULL), weights(FULL)
    opt, plain = ours(name, params), ours(name, want)
    walk(opt, 3)
    saved = copy.deepcopy(opt.state_dict())
    for held in saved["state"].values():
        held["step"] = held["step"].to(dtype)
    opt.load_state_dict(saved)
    walk(opt, 4, start=3)
    walk(plain, 7)
    assert_close(params, want)
    assert [float(held["step"]) for held in opt.state.values()] == [7.0] * len(FULL)


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_wide_states_of_a_narrow_model_stay_wide(name, dtype):
    """torch rounds every state to the parameter's type when it loads."""
    params = weights(dtype=dtype)
    opt = ours(name, params)
    for p in params:
        p.grad = torch.zeros_like(p)
    opt.step()
    for state, key in all_arrays(opt):
        state[key] = state[key].float() + 1 / 3
    fresh = ours(name, weights(dtype=dtype))
    fresh.load_state_dict(reloaded(opt.state_dict()))
    assert_same_state(fresh, opt)
    for held in fresh.state.values():
        want = {key: type_of_number(name, key) for key in held}
        assert {key: one.dtype for key, one in held.items()} == want


def lessw_checkpoint(params, steps: int) -> dict:
    """A state_dict as the authors' ranger.py writes it, from a run of ours."""
    opt = ours("Ranger", params)
    walk(opt, steps)
    saved = copy.deepcopy(opt.state_dict())
    for held in saved["state"].values():
        held["step"] = int(held["step"])
    for group in saved["param_groups"]:
        kept = {k: group[k] for k in ("lr", "alpha", "k", "betas", "eps", "weight_decay", "params")}
        group.clear()
        # its steps since the last synchronization are in `step` alone, its cache outside the file
        group.update(kept, step_counter=0, N_sma_threshhold=5)
    return saved


def test_a_checkpoint_of_the_authors_ranger_loads():
    params, want = weights(), weights()
    saved = lessw_checkpoint(params, 5)
    opt = optim.Ranger(params)
    opt.load_state_dict(reloaded(saved))
    (group,) = opt.param_groups
    assert group["n_sma_threshold"] == 5
    assert "N_sma_threshhold" not in group
    walk(opt, 6, start=5)
    walk(ours("Ranger", want), 11)
    assert_same(params, want)
