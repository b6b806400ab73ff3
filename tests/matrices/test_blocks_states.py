"""What is kept of a matrix in blocks: its form, its files, its averages."""

import copy
import functools
import io
import pickle

import numpy as np
import pytest
import torch

import thalweg.optim as optim
from tests.matrices.blocks import RULES, Run, numbers
from thalweg.averaging import EMA
from thalweg.chain import chain
from thalweg.matrices import newton_schulz
from thalweg.reductions import norm
from thalweg.rule import Rule, state

BORDERS = ["torch", "numpy"]
# two even blocks of 4 x 3; four blocks, those at the edges smaller; one
START = [numbers((8, 3), 0), numbers((5, 7), 1), numbers((3, 3), 2)]
made = functools.partial(Run, block_size=4)


def test_states_are_kept_in_one_array_of_all_blocks():
    run = made("torch", "SOAP", START)
    run.walk(2)
    plain = {"step": (), "exp_avg": (3, 3), "exp_avg_sq": (3, 3), "left": (3, 3), "right": (3, 3)}
    assert run.kept(2) == {**plain, "left_basis": (3, 3), "right_basis": (3, 3)}
    even = run.kept(0)
    assert even["exp_avg"] == even["exp_avg_sq"] == (8, 3)
    assert even["left"] == even["left_basis"] == (2, 4, 4)
    assert even["right"] == even["right_basis"] == (2, 3, 3)
    edged = run.kept(1)
    assert edged["exp_avg"] == (5, 7)
    assert edged["left"] == (4 * 4 + 4 * 4 + 1 + 1,)  # of blocks 4 x 4, 4 x 3, 1 x 4 and 1 x 3
    assert edged["right"] == (4 * 4 + 3 * 3 + 4 * 4 + 3 * 3,)


def test_of_numbers_each_block_has_its_own():
    run = made("torch", "APOLLO", START)
    run.walk(2)
    assert [run.kept(i)["scaled_grad"] for i in range(3)] == [(2,), (4,), ()]
    assert all(run.kept(i)["step"] == () for i in range(3))


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("name", RULES)
def test_a_file_in_mid_run_is_as_if_there_were_none(name, border):
    whole, begun = made(border, name, START), made(border, name, START)
    whole.walk(7)
    begun.walk(3)
    saved = begun.opt.state_dict()
    if border == "torch":
        file = io.BytesIO()
        torch.save(saved, file)
        file.seek(0)
        saved = torch.load(file, weights_only=True)
    second = made(border, name, begun.values)
    second.opt.load_state_dict(saved)
    second.walk(4, start=3)
    for a, b in zip(second.values, whole.values, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "way", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))], ids=["deepcopy", "pickle"]
)
@pytest.mark.parametrize("name", ["APOLLO", "SOAP"])
def test_a_copy_goes_on_as_the_original(name, way):
    run, twin = made("torch", name, START), made("torch", name, START)
    run.walk(3)
    twin.opt = way(run.opt)
    twin.params = [p for group in twin.opt.param_groups for p in group["params"]]
    run.walk(3, start=3)
    twin.walk(3, start=3)
    for a, b in zip(twin.values, run.values, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("has_names", [False, True])
def test_a_file_brings_its_own_blocks(border, has_names):
    begun, other = (Run(border, "SOAP", START, block_size=size) for size in (4, 3))
    if has_names:
        for run in (begun, other):
            names = ["a", "b", "c"]
            params = zip(names, run.params, strict=True)
            run.opt = type(run.opt)(params, block_size=4 if run is begun else 3)
    begun.walk(2)
    other.opt.load_state_dict(begun.opt.state_dict())
    assert other.opt.param_groups[0]["block_size"] == 4
    other.walk(1)


@pytest.mark.parametrize("border", BORDERS)
def test_states_of_other_blocks_are_refused_by_load(border):
    begun, other = (Run(border, "SOAP", START, block_size=size) for size in (0, 4))
    begun.walk(2)
    other.walk(2)
    before, saved = other.values, begun.opt.state_dict()
    del saved["param_groups"][0]["block_size"]  # as in a file of before there were any
    with pytest.raises(ValueError, match=r"'left' must be .*shape\s+\(2, 4, 4\), got .*\(8, 8\)"):
        other.opt.load_state_dict(saved)
    other.walk(1, start=2)
    assert not np.array_equal(before[0], other.values[0])


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("size", [3, 0])
def test_other_blocks_in_mid_run_are_refused_before_anything_moves(border, size):
    run = made(border, "Shampoo", START)
    run.walk(2)
    before = run.values
    run.opt.param_groups[0]["block_size"] = size
    with pytest.raises((RuntimeError, ValueError), match=r"the state 'left' .*shape .*got .*"):
        run.walk(1, start=2)
    for a, b in zip(run.values, before, strict=True):
        np.testing.assert_array_equal(a, b)
    run.opt.param_groups[0]["block_size"] = 4
    run.walk(1, start=2)


@pytest.mark.parametrize("name", ["APOLLO", "PSGDKron"])
def test_numbers_of_other_blocks_are_refused_in_a_sentence(name):
    run = made("torch", name, START[:1])
    run.walk(2)
    before = run.values
    run.opt.param_groups[0]["block_size"] = 2
    with pytest.raises(RuntimeError, match=r"in blocks must have the shape .* begun with"):
        run.walk(1, start=2)
    for a, b in zip(run.values, before, strict=True):
        np.testing.assert_array_equal(a, b)


class Counted(Rule):
    """A rule on matrices that keeps a number of each, and nothing else."""

    lr: float = 0.1
    length = state("length", per="tensor")

    @staticmethod
    def update(g, length, lr):
        length = length + norm(g)
        u = lr * newton_schulz(g, (3.4445, -4.775, 2.0315), 5, 1e-7) / length
        return u, length


def test_numbers_of_blocks_that_are_none_any_more_are_refused_in_a_sentence():
    p = torch.nn.Parameter(torch.tensor(START[0]))
    p.grad = torch.ones_like(p)
    opt = optim.optimizer(chain("Counted", Counted))([p], block_size=4)
    opt.step()
    opt.param_groups[0]["block_size"] = 0
    with pytest.raises(RuntimeError, match="'length' must be one number, got a tensor of shape"):
        opt.step()


@pytest.mark.parametrize("border", BORDERS)
def test_blocks_that_a_program_begins_with_in_mid_run_are_not_overlooked(border):
    """Muon keeps nothing that is of a block's shape."""
    run, blocked = Run(border, "Muon", START), Run(border, "Muon", START)
    for t in range(4):
        blocked.opt.param_groups[0]["block_size"] = 4 * (t > 2)
        run.walk(1, start=t)
        blocked.walk(1, start=t)
        assert np.array_equal(run.values[1], blocked.values[1]) == (t < 3)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("name", ["Muon", "SOAP"])
def test_an_average_is_kept_of_what_the_weights_were(name, border):
    run = made(border, name, START, average=EMA(0.5))
    mean = None
    for t in range(5):
        run.walk(1, start=t)
        now = run.values
        mean = now if mean is None else [(a + b) / 2 for a, b in zip(mean, now, strict=True)]
    for p, wanted in zip(run.params, mean, strict=True):
        np.testing.assert_allclose(run.opt.state[p]["average"], wanted, rtol=1e-12, atol=1e-13)
    with run.opt.evaluation():
        np.testing.assert_allclose(run.values[1], mean[1], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("border", BORDERS)
def test_an_average_goes_on_without_a_gradient(border):
    run = made(border, "SOAP", START, average=EMA(0.5))
    run.walk(2)
    before = np.asarray(run.opt.state[run.params[1]]["average"]).copy()
    for p in run.params:
        p.grad = None
    run.opt.step()
    wanted = (before + run.values[1]) / 2
    np.testing.assert_allclose(run.opt.state[run.params[1]]["average"], wanted, rtol=1e-12)


@pytest.mark.parametrize("name", ["Dion", "PSGDKron", "SOAP"])
def test_narrow_weights_keep_wide_states(name):
    run = made("torch", name, START, state_dtype="float32")
    for p in run.params:
        p.data = p.data.bfloat16()
    run.walk(3)
    arrays = [one for held in run.opt.state.values() for one in held.values() if one.dim()]
    assert {one.dtype for one in arrays} <= {torch.float32, torch.float64}
    assert all(np.isfinite(one).all() for one in run.values)


@pytest.mark.parametrize("border", BORDERS)
def test_a_step_that_fails_moves_nothing_and_begins_nothing(border):
    run = made(border, "Shampoo", START, precondition_frequency=1)
    before, gradients = run.values, [numbers(one.shape, 5) for one in START]
    gradients[1][4, 6] = np.inf
    with pytest.raises(ArithmeticError, match="inverse_root"):
        run.step(gradients)
    assert not any(run.opt.state.get(p) for p in run.params)
    for a, b in zip(run.values, before, strict=True):
        np.testing.assert_array_equal(a, b)
    twin = made(border, "Shampoo", START, precondition_frequency=1)
    for one in (run, twin):
        one.walk(3)
    for a, b in zip(run.values, twin.values, strict=True):
        np.testing.assert_array_equal(a, b)


def test_parameters_and_states_stay_the_objects_that_they_are():
    """But for counts, which torch's tensors hold alone."""
    run = made("torch", "SOAP", START)
    run.walk(1)
    where = {k: one for held in run.opt.state.values() for k, one in held.items() if one.dim()}
    seen = [p._version for p in run.params]
    run.walk(1, start=1)
    now = {k: one for held in run.opt.state.values() for k, one in held.items() if one.dim()}
    assert all(now[key] is one for key, one in where.items())
    assert all(p._version > before for p, before in zip(run.params, seen, strict=True))


def test_groups_have_blocks_of_their_own():
    params = [torch.nn.Parameter(torch.tensor(one)) for one in START]
    groups = [{"params": params[:1], "block_size": 2}, {"params": params[1:]}]
    opt = optim.SOAP(groups, block_size=4)
    for p in params:
        p.grad = torch.ones_like(p)
    opt.step()
    assert tuple(opt.state[params[0]]["left"].shape) == (8, 2, 2)
    assert tuple(opt.state[params[1]]["left"].shape) == (34,)
    assert [group["block_size"] for group in opt.param_groups] == [2, 4]


def test_matrices_in_blocks_beside_another_rule_for_the_rest():
    model = torch.nn.Sequential(torch.nn.Linear(9, 6), torch.nn.Linear(6, 2))
    opt = optim.Muon(model, lr=0.02, block_size=4, others=optim.AdamW, others_lr=1e-3)
    for _ in range(3):
        opt.zero_grad()
        model(torch.ones(2, 9)).square().sum().backward()
        opt.step()
    twin = optim.Muon(model, lr=0.02, block_size=4, others=optim.AdamW, others_lr=1e-3)
    twin.load_state_dict(opt.state_dict())
    assert [group["block_size"] for group in twin.param_groups] == [4, 4]
