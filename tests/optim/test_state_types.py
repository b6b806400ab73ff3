"""`state_dtype`: states in single precision for narrow parameters, from birth to file and back."""

import copy
import pickle

import pytest
import torch
from torch.nn import Parameter

import thalweg.optim as optim
from tests.optim.runs import (
    EVERY,
    NUMBERS,
    OURS,
    TWINS,
    all_arrays,
    arrays_of,
    assert_close,
    assert_same,
    assert_same_state,
    give_gradients,
    ours,
    reloaded,
    torchs,
    type_of_number,
    walk,
    weights,
)

NARROW = [torch.bfloat16, torch.float16]


def types(opt) -> set[torch.dtype]:
    return {state[key].dtype for state, key in all_arrays(opt)}


@pytest.mark.parametrize(
    ("parameter", "state"),
    [
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float32),
        (torch.complex64, torch.complex64),
        (torch.complex128, torch.complex64),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", EVERY)
def test_states_are_made_and_kept_in_single_precision(name, parameter, state):
    params = weights(dtype=parameter)
    opt = ours(name, params, state_dtype="float32")
    walk(opt, 3)
    assert types(opt) == {state}
    assert {p.dtype for p in params} == {parameter}
    assert all(a.shape == p.shape for p in params for a in arrays_of(opt, p).values())


@pytest.mark.parametrize("parameter", [*NARROW, torch.complex64], ids=str)
@pytest.mark.parametrize("name", EVERY)
def test_states_are_made_in_the_parameters_type_by_default(name, parameter):
    opt = ours(name, weights(dtype=parameter))
    walk(opt)
    assert opt.param_groups[0]["state_dtype"] == "param"
    assert types(opt) == {parameter}


@pytest.mark.parametrize("dtype", NARROW, ids=str)
@pytest.mark.parametrize("name", EVERY)
def test_a_step_rounds_the_parameter_alone(name, dtype):
    """As a run in float32 whose weights, and nothing else, are rounded after each step.

    Kernels of other types may differ in the last bit: states agree to float32's digits, where
    narrow ones would not, and a weight may fall to the other side when it is rounded.
    """
    narrow = weights(dtype=dtype)
    wide = [Parameter(p.detach().float()) for p in narrow]
    opt, other = ours(name, narrow, state_dtype="float32"), ours(name, wide)
    for t in range(7):
        give_gradients(narrow, t)
        for p, q in zip(narrow, wide, strict=True):
            q.grad = p.grad.float()
        opt.step()
        other.step()
        for q in wide:
            q.data = q.data.to(dtype).float()
    for p, q in zip(narrow, wide, strict=True):
        torch.testing.assert_close(p.float(), q, rtol=torch.finfo(dtype).eps, atol=1e-6)
        assert_close(arrays_of(opt, p).values(), arrays_of(other, q).values())


# the states of ASGD and Rprop are weights, and steps that grow to a bound: no means of gradients
@pytest.mark.parametrize("name", [n for n in TWINS if n not in ("ASGD", "Rprop")])
def test_small_gradients_add_up_where_narrow_states_lose_them(name):
    """What the setting is for: bf16 has 8 bits, and a mean of 1000 values needs more."""
    exact = weights([(64,)], torch.float32)
    errors = {}
    want = ours(name, exact)
    for t in range(60):
        give_gradients(exact, t)
        exact[0].grad = exact[0].grad.bfloat16().float()
        want.step()
    for state_dtype in ("param", "float32"):
        params = weights([(64,)], torch.bfloat16)
        opt = ours(name, params, state_dtype=state_dtype, lr=0.0)
        walk(opt, 60)
        key, have = next(iter(arrays_of(opt, params[0]).items()))
        truth = want.state[exact[0]][key]
        errors[state_dtype] = (have.float() - truth).square().mean().sqrt()
    assert errors["float32"] < errors["param"]


@pytest.mark.parametrize("dtype", [*NARROW, torch.complex64], ids=str)
@pytest.mark.parametrize("way", ["a file", "deepcopy", "pickle"])
@pytest.mark.parametrize("name", EVERY)
def test_a_run_with_wide_states_resumes_bit_for_bit(name, way, dtype):
    whole = ours(name, weights(dtype=dtype), state_dtype="float32")
    walk(whole, 8)
    start = ours(name, weights(dtype=dtype), state_dtype="float32")
    walk(start, 3)
    if way == "a file":
        params = [Parameter(p.detach().clone()) for p in start.param_groups[0]["params"]]
        after = ours(name, params)  # the file says in what type its states are
        after.load_state_dict(reloaded(start.state_dict()))
    else:
        after = copy.deepcopy(start) if way == "deepcopy" else pickle.loads(pickle.dumps(start))
    walk(after, 5, start=3)
    assert_same(after.param_groups[0]["params"], whole.param_groups[0]["params"])
    assert_same_state(after, whole)
    assert after.param_groups[0]["state_dtype"] == "float32"


@pytest.mark.parametrize("name", TWINS)
def test_torch_reads_our_wide_states_and_rounds_them(name):
    params = weights(dtype=torch.bfloat16)
    opt = ours(name, params, state_dtype="float32")
    walk(opt, 3)
    other = torchs(name, [Parameter(p.detach().clone()) for p in params])
    other.load_state_dict(reloaded(opt.state_dict()))
    for p, q in zip(params, other.param_groups[0]["params"], strict=True):
        for key, value in arrays_of(opt, p).items():
            assert_same([other.state[q][key]], [value.bfloat16()])
    walk(other, 1, start=3)


@pytest.mark.parametrize("name", TWINS)
def test_a_narrow_file_of_torchs_is_widened_where_wide_states_were_asked_for(name):
    """The file has no such setting, and what it does not say stays as it was."""
    theirs = weights(dtype=torch.bfloat16)
    source = torchs(name, theirs)
    walk(source, 3)
    params = [Parameter(p.detach().clone()) for p in theirs]
    opt = ours(name, params, state_dtype="float32")
    opt.load_state_dict(reloaded(source.state_dict()))
    assert opt.param_groups[0]["state_dtype"] == "float32"
    assert types(opt) == {torch.float32}
    for p, q in zip(params, theirs, strict=True):
        for key, value in arrays_of(opt, p).items():
            assert_same([value], [source.state[q][key].float()])
    walk(opt, 1, start=3)
    assert types(opt) == {torch.float32}


def test_a_group_may_have_a_type_of_its_own():
    params = weights([(3, 4), (3, 4), (3, 4)], torch.bfloat16)
    opt = ours("Adam", [{"params": params[:1]}, {"params": params[1:2], "state_dtype": "float32"}])
    opt.add_param_group({"params": params[2:], "state_dtype": "float32"})
    walk(opt, 2)
    kinds = [opt.state[p]["exp_avg"].dtype for p in params]
    assert kinds == [torch.bfloat16, torch.float32, torch.float32]


@pytest.mark.parametrize("name", ["SGD", "AdamW", "Ranger"])
def test_a_type_changed_in_a_group_is_that_of_states_made_from_then_on(name):
    """Those that exist stay as they are, and both kinds go on."""
    params, plain = weights(dtype=torch.bfloat16), weights(dtype=torch.bfloat16)
    opt, other = ours(name, params), ours(name, plain)
    for t in range(6):
        give_gradients(params[:2] if t < 3 else params, t)
        give_gradients(plain[:2], t)
        opt.step()
        other.step()
        opt.param_groups[0]["state_dtype"] = "float32"
    assert_same(params[:2], plain[:2])
    assert {a.dtype for p in params[:2] for a in arrays_of(opt, p).values()} == {torch.bfloat16}
    assert {a.dtype for p in params[2:] for a in arrays_of(opt, p).values()} == {torch.float32}


def test_adagrads_sums_are_wide_before_the_first_step():
    p = Parameter(torch.ones(3, dtype=torch.bfloat16))
    opt = optim.Adagrad([p], initial_accumulator_value=0.1, state_dtype="float32")
    assert_same([opt.state[p]["sum"]], [torch.full((3,), 0.1)])


def test_a_parameter_with_gaps_has_wide_states_too():
    """The plain run makes them in the same way."""
    p = Parameter(torch.ones(4, 6, dtype=torch.bfloat16)[:, ::2])
    opt = ours("Adam", [p], state_dtype="float32")
    walk(opt, 2)
    assert types(opt) == {torch.float32}


@pytest.mark.parametrize("value", ["float16", "bfloat16", torch.float32, None, ""])
@pytest.mark.parametrize("name", ["SGD", "SparseAdam", "Ranger"])
def test_another_type_is_refused(name, value):
    sentence = f"^{name}: state_dtype must be one of 'param', 'float32', got "
    with pytest.raises(ValueError, match=sentence):
        ours(name, weights(), state_dtype=value)
    opt = ours(name, weights())
    with pytest.raises(ValueError, match=sentence):
        opt.add_param_group({"params": weights(), "state_dtype": value})
    assert len(opt.param_groups) == 1


@pytest.mark.parametrize("name", OURS)
def test_the_numbers_beside_the_states_stay_as_torch_has_them(name):
    narrow, plain = (
        ours(name, weights(dtype=torch.bfloat16), state_dtype="float32"),
        ours(name, weights(dtype=torch.bfloat16)),
    )
    for opt in (narrow, plain):
        walk(opt)
    keys = narrow.chain.cells
    kinds = [
        {key: held[key].dtype for held in opt.state.values() for key in keys}
        for opt in (narrow, plain)
    ]
    assert kinds[0] == kinds[1] == {key: type_of_number(name, key) for key in keys}


@pytest.mark.usefixtures("numbers_in_double")
@pytest.mark.parametrize("name", NUMBERS)
def test_the_numbers_of_a_parameter_without_axes_are_no_states(name):
    """They have its shape, and are as wide after a file as before."""
    opt = ours(name, weights([()]), state_dtype="float32")
    walk(opt, 2)
    fresh = ours(name, weights([()]), state_dtype="float32")
    fresh.load_state_dict(reloaded(opt.state_dict()))
    assert_same_state(fresh, opt)
