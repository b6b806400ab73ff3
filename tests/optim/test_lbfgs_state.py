"""The state of L-BFGS: torch's key by key, saved, copied, and refused where it does not fit."""

import copy
import pickle

import pytest
import torch
from torch.nn import Linear, Parameter, Sequential, Tanh

from tests.optim.runs import assert_same, numbers, reloaded, values
from tests.optim.valleys import FIXED, SEARCHES, WOLFE, Course, assert_agree, several, some
from thalweg.optim.lbfgs import LBFGS

pytestmark = pytest.mark.usefixtures("one_thread")

WAYS = pytest.mark.parametrize("way", ["ours to torch", "torch to ours"])


@SEARCHES
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_state_is_torchs_key_by_key(settings, steps):
    settings = {**settings, "max_iter": 1 if steps == 1 else 4, "history_size": 3}
    have, want = (
        Course(c, some(), several, **settings).walk(steps) for c in (LBFGS, torch.optim.LBFGS)
    )
    # A step length is interpolated from differences of losses, and has the digits that these have:
    # where a loss still falls by 1e-6 of itself, nine are left of fifteen.
    assert steps == 1 or want.losses[-3] - want.losses[-1] > 1e-6 * want.losses[-1]
    assert set(have.opt.state) == {have.params[0]}
    assert have.state.keys() == want.state.keys()
    for key, value in want.state.items():
        mine = have.state[key]
        if isinstance(value, list):
            assert len(mine) == len(value), key
            if key != "al":  # which torch writes to before it reads
                assert_agree(mine, value, rtol=1e-9)
        elif isinstance(value, torch.Tensor):
            assert_agree([torch.as_tensor(mine, dtype=value.dtype)], [value], rtol=1e-9)
        else:
            assert mine == pytest.approx(value, rel=1e-9), key


@WAYS
@SEARCHES
@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.complex64, torch.complex128], ids=str
)
def test_a_run_goes_on_in_the_other_class(dtype, k, settings, way):
    """Eight iterations: later the loss moves by less than float32 shows, and a search that looks
    at it may evaluate once more or once less."""
    settings = {**settings, "max_iter": 2, "history_size": 3}
    classes = (LBFGS, torch.optim.LBFGS)[:: 1 if way == "ours to torch" else -1]
    want = Course(torch.optim.LBFGS, some(dtype), several, **settings).walk(2 * k)
    start = Course(classes[0], some(dtype), several, **settings).walk(k)
    moved = [Parameter(p.detach().clone()) for p in start.params]
    after = Course(classes[1], moved, several, **settings)
    after.opt.load_state_dict(reloaded(start.opt.state_dict()))
    after.walk(k)
    assert start.losses[:1] + after.losses[-1:] == pytest.approx(
        want.losses[:1] + want.losses[-1:], rel=1e-3
    )
    is_wide = dtype in (torch.float64, torch.complex128)
    assert_agree(after.params, want.params, rtol=1e-9 if is_wide else 2e-3)
    assert after.state["func_evals"] == want.state["func_evals"]
    assert after.state["n_iter"] == want.state["n_iter"]


def test_a_checkpoint_made_before_the_first_iteration_loads_both_ways():
    """Its state has two counts and nothing else."""
    for first, then in ((LBFGS, torch.optim.LBFGS), (torch.optim.LBFGS, LBFGS)):
        start = Course(first, some(), several, tolerance_grad=1e9).walk(1)
        assert start.state == {"func_evals": 1, "n_iter": 0}
        after = Course(then, some(), several, **WOLFE)
        after.opt.load_state_dict(reloaded(start.opt.state_dict()))
        after.opt.param_groups[0]["tolerance_grad"] = 1e-7
        after.walk(2)
        assert after.losses[-1] < after.losses[0]


@pytest.mark.parametrize("lr", [1.0, torch.tensor(1.0)], ids=["number", "tensor"])
def test_a_distributed_checkpoint_prepares_the_state_and_moves_nothing(lr):
    """torch.distributed.checkpoint steps without a closure, at lr 0 along zeros."""
    checkpoint = pytest.importorskip("torch.distributed.checkpoint.state_dict")
    model, other = (Sequential(Linear(3, 4), Tanh(), Linear(4, 1)) for _ in range(2))
    data = numbers((8, 3), 0, torch.float32)
    opt = LBFGS(model.parameters(), **{**WOLFE, "lr": lr})
    before = values(model.parameters())
    saved = checkpoint.get_optimizer_state_dict(model, opt)
    assert_same(model.parameters(), before)
    assert set(opt.state) == {next(model.parameters())}
    assert opt.param_groups[0]["lr"] == 1.0
    assert set(saved["state"]["0.weight"]) >= {"func_evals", "n_iter", "d", "prev_flat_grad"}

    run = Course(LBFGS, model.parameters(), lambda *_: model(data).square().mean())
    run.opt = opt
    run.walk(2)
    saved = checkpoint.get_optimizer_state_dict(model, opt)
    other.load_state_dict(model.state_dict())
    fresh = LBFGS(other.parameters(), **WOLFE)
    # the state is under the first parameter, as torch has it, so the others have none
    partial = checkpoint.StateDictOptions(strict=False)
    checkpoint.set_optimizer_state_dict(other, fresh, copy.deepcopy(saved), options=partial)
    twin = Course(LBFGS, other.parameters(), lambda *_: other(data).square().mean())
    twin.opt = fresh
    run.walk(2)
    twin.walk(2)
    assert_same(other.parameters(), model.parameters())


def test_a_history_of_other_parameters_is_refused_before_anything_moves():
    start = Course(LBFGS, some(shapes=[(3, 4)]), several, **WOLFE).walk(2)
    params = some(shapes=[(5,)])
    run = Course(LBFGS, params, several, **WOLFE)
    with pytest.raises(ValueError, match=r"must hold tensors of 5 numbers, got a .* shape \(12,\)"):
        run.opt.load_state_dict(start.opt.state_dict())
    run.opt.state[params[0]].update(start.opt.state_dict()["state"][0])
    with pytest.raises(RuntimeError, match="history is of 12 numbers and the parameters have 5"):
        run.walk(1)
    assert_same(params, some(shapes=[(5,)]))


# --- interruptions, copies, changes in mid-run ---------------------------------------------------


@SEARCHES
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_a_copy_goes_on_by_itself(copied, settings):
    run = Course(LBFGS, some(), several, **settings).walk(2)
    twin = Course(LBFGS, some(), several)
    twin.opt = copied(run.opt)
    twin.params = twin.opt.param_groups[0]["params"]
    before = values(run.params)
    twin.walk(2)
    assert_same(run.params, before)
    run.walk(2)
    assert_same(twin.params, run.params)


@SEARCHES
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_stopped_and_resumed_is_never_stopped_bit_for_bit(dtype, settings):
    settings = {**settings, "max_iter": 3, "history_size": 4}
    whole = Course(LBFGS, some(dtype), several, **settings).walk(6)
    start = Course(LBFGS, some(dtype), several, **settings).walk(4)
    after = Course(LBFGS, [Parameter(p.detach().clone()) for p in start.params], several)
    after.opt.load_state_dict(reloaded(start.opt.state_dict()))
    after.walk(2)
    assert_same(after.params, whole.params)


def test_pairs_that_somebody_wrote_to_are_measured_again():
    """As torch.distributed.checkpoint does, which loads into the tensors that are there."""
    one, two = (Course(LBFGS, some(), several, **FIXED).walk(2) for _ in range(2))
    for run in (one, two):
        for vector in run.state["old_stps"]:
            vector *= 1.5
    two.opt.load_state_dict(copy.deepcopy(two.opt.state_dict()))  # remembers nothing
    one.walk(1)
    two.walk(1)
    assert_same(one.params, two.params)
    assert len(one.state["old_stps"]) > 5


def test_types_may_be_mixed_and_a_file_keeps_the_widest():
    """torch rounds what it loads to the type of the first parameter."""

    def mixed():
        return [*some(torch.float32, [(3,)]), *some(torch.float64, [(4,)])]

    def function(a, b):
        return several(a.double(), b)

    settings = {**WOLFE, "max_iter": 3}
    whole = Course(LBFGS, mixed(), function, **settings).walk(4)
    start = Course(LBFGS, mixed(), function, **settings).walk(2)
    after = Course(LBFGS, start.params, function, **settings)
    after.opt.load_state_dict(reloaded(start.opt.state_dict()))
    assert {v.dtype for v in after.state["old_dirs"]} == {torch.float64}
    after.walk(2)
    assert_same(after.params, whole.params)


def named(order):
    params = dict(zip("abcd", some(shapes=[(3, 4), (4,), (), (2, 3)]), strict=True))
    return [(name, params[name]) for name in order]


def by_letter(names):
    def function(*params):
        of = dict(zip(names, params, strict=True))
        return several(*(of[name] for name in sorted(of)))

    return function


@pytest.mark.parametrize("order", ["dcba", "bacd", "abdc"])
def test_names_bring_the_history_into_the_order_of_the_parameters(order):
    settings = {**WOLFE, "max_iter": 3}
    start = Course(LBFGS, [p for _, p in named("abcd")], by_letter("abcd"))
    start.opt = LBFGS(zip("abcd", start.params, strict=True), **settings)
    start.walk(2)
    held = dict(zip("abcd", start.params, strict=True))
    moved = [Parameter(held[name].detach().clone()) for name in order]
    after = Course(LBFGS, moved, by_letter(order))
    after.opt = LBFGS(zip(order, moved, strict=True), **settings)
    after.opt.load_state_dict(reloaded(start.opt.state_dict()))
    assert after.state["n_iter"] == start.state["n_iter"]
    start.walk(2)
    after.walk(2)
    assert_agree(moved, [held[name] for name in order], rtol=1e-9)


def test_other_names_are_an_error_or_a_new_history():
    start = Course(LBFGS, [p for _, p in named("abc")], by_letter("abc"))
    start.opt = LBFGS(zip("abc", start.params, strict=True), **WOLFE)
    start.walk(2)
    params = [p for _, p in named("bad")]
    run = Course(LBFGS, params, by_letter("bad"))
    run.opt = LBFGS(zip("bad", params, strict=True), **WOLFE)
    with pytest.raises(RuntimeError, match="missing in it: 'd'; unexpected in it: 'c'"):
        run.opt.load_state_dict(start.opt.state_dict())
    with pytest.warns(UserWarning, match="took the states of 2 of the optimizer's 3 parameters"):
        run.opt.load_state_dict(start.opt.state_dict(), strict=False)
    run.walk(1)
    assert run.losses[-1] < run.losses[0]
    assert run.state["d"].numel() == sum(p.numel() for p in params)
