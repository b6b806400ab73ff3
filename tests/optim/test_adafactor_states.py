"""Adafactor's states: from files and copies, and before anything has moved; what is refused."""

import copy
import pickle

import pytest
import torch
from torch.nn import Parameter

from tests.optim.factored import SHAPES, pair, params_of
from tests.optim.runs import (
    assert_close,
    assert_same,
    assert_same_state,
    give_gradients,
    reloaded,
    values,
    walk,
    weights,
)
from thalweg.optim import Adafactor

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_wider_factor_from_a_file_keeps_its_digits():
    wide, narrow = Adafactor(weights([(6, 40)], torch.float32)), Adafactor(weights([(6, 40)], BF))
    walk(wide)
    narrow.load_state_dict(reloaded(wide.state_dict()))
    walk(narrow, 2, start=1)
    walk(wide, 2, start=1)
    (held,), (exact,) = narrow.state.values(), wide.state.values()
    assert held["row_var"].dtype == torch.float32
    torch.testing.assert_close(held["row_var"], exact["row_var"], rtol=1e-3, atol=0)


BF = torch.bfloat16


def test_factors_of_two_types_are_stepped_side_by_side():
    params = weights([(4, 3), (4, 3)], torch.float32)
    opt = Adafactor(params)
    walk(opt)
    for p in params:
        p.data = p.data.double()
        p.grad = None
    del opt.state[params[0]]  # it begins anew in float64, beside one in float32
    alone = [copy.deepcopy(opt) for _ in params]
    for one in (opt, *alone):
        its = one.param_groups[0]["params"]
        for t in range(1, 3):
            give_gradients(its, t)
            for i in range(2):  # each by itself in its own optimizer
                if one in alone and one is not alone[i]:
                    its[i].grad = None
            one.step()
    for i, p in enumerate(params):
        want = alone[i].param_groups[0]["params"][i]
        torch.testing.assert_close(p.detach(), want.detach(), rtol=1e-6, atol=1e-6)


def test_steps_are_counted_in_the_default_type(numbers_in_double):
    one, other = pair(torch.float64, lr=0.1)
    walk(one, 3)
    walk(other, 3)
    assert {held["step"].dtype for held in one.state.values()} == {torch.float64}
    assert_close(params_of(one), params_of(other))


def test_groups_may_be_empty():
    opt = Adafactor([{"params": []}, {"params": weights([(6, 40)])}, {"params": []}])
    walk(opt, 2)
    opt.zero_grad()
    opt.step()
    assert [held["step"].item() for held in opt.state.values()] == [2.0]


@pytest.mark.parametrize("way", [copy.deepcopy, lambda opt: pickle.loads(pickle.dumps(opt))])
def test_a_copy_goes_on_as_the_original(way):
    opt = Adafactor(weights(SHAPES), lr=0.1)
    walk(opt, 3)
    twin = way(opt)
    before = values(params_of(twin))
    walk(opt, 3, start=3)
    assert_same(params_of(twin), before)
    walk(twin, 3, start=3)
    assert_same(params_of(twin), params_of(opt))
    assert_same_state(twin, opt)


def test_a_checkpoint_with_a_whole_step_and_a_short_group_loads():
    opt, plain = Adafactor(weights(SHAPES)), Adafactor(weights(SHAPES))
    for one in (opt, plain):
        walk(one, 2)
    saved = opt.state_dict()
    for held in saved["state"].values():
        held["step"] = 2
    del saved["param_groups"][0]["foreach"]
    opt.load_state_dict(saved)
    walk(opt, 2, start=2)
    walk(plain, 2, start=2)
    assert_same(params_of(opt), params_of(plain))
    assert all(held["step"].item() == 4 for held in opt.state.values())


@pytest.mark.parametrize("rate", [0.0, torch.tensor(0.0)])
def test_an_initial_step_makes_every_state_and_moves_nothing(rate):
    """As torch.distributed.checkpoint takes it."""
    opt = Adafactor(weights(SHAPES), lr=rate, weight_decay=0.1)
    before = values(params_of(opt))
    for p in params_of(opt):
        p.grad = torch.zeros_like(p)
    opt.step(closure=None)
    assert_same(params_of(opt), before)
    assert [list(opt.state[p]) for p in params_of(opt)[-3:-1]] == [
        ["step", "row_var", "col_var"],
        ["step", "variance"],
    ]


def test_a_closure_and_the_hooks_run_once():
    opt = Adafactor(weights(SHAPES))
    seen = []
    opt.register_step_pre_hook(lambda *_: seen.append("before"))
    opt.register_step_post_hook(lambda *_: seen.append("after"))

    def closure():
        assert torch.is_grad_enabled()
        seen.append("closure")
        give_gradients(params_of(opt), 0)
        return 7.0

    assert opt.step(closure) == 7.0
    assert seen == ["before", "closure", "after"]


WRONG = [
    ({"lr": -1.0}, ValueError, "lr must be >= 0, got -1.0"),
    ({"lr": torch.tensor([0.1, 0.2])}, ValueError, "Tensor lr must be 1-element"),
    ({"lr": "fast"}, TypeError, "lr must be a number, got 'fast'"),
    ({"beta2_decay": 0.8}, ValueError, "beta2_decay should be <= 0"),
    ({"eps": (-1e-30, 1e-3)}, ValueError, "epsilon1 should be >= 0"),
    ({"eps": (None, -1.0)}, ValueError, r"eps\[1\] must be >= 0, got -1.0"),
    ({"eps": 1e-3}, TypeError, "eps must be 2 numbers, got 0.001"),
    ({"d": 0.0}, ValueError, "Clipping threshold d should be >= 1"),
    ({"weight_decay": -0.1}, ValueError, "weight_decay must be >= 0, got -0.1"),
    ({"d": float("nan")}, ValueError, "d must be >= 1, got nan"),
]


@pytest.mark.parametrize(("wrong", "kind", "words"), WRONG)
def test_wrong_settings_are_refused_in_a_sentence(wrong, kind, words):
    with pytest.raises(kind, match=f"^Adafactor: .*{words}"):
        Adafactor(weights(), **wrong)


def test_nothing_moves_when_one_gradient_is_refused():
    params = weights(SHAPES)
    give_gradients(params, 0)
    before = values(params)
    sparse = Parameter(torch.zeros(3, 4))
    sparse.grad = torch.eye(3, 4).to_sparse()
    with pytest.raises(RuntimeError, match="Adafactor does not support sparse gradients"):
        Adafactor([*params, sparse]).step()
    turning = Parameter(torch.zeros(3, 4, dtype=torch.complex64))
    turning.grad = torch.ones_like(turning)
    opt = Adafactor([*params, turning])
    with pytest.raises(RuntimeError, match="Adafactor does not support complex parameters"):
        opt.step()
    assert_same(params, before)
    assert opt.state_dict()["state"] == {}


def test_a_factor_of_another_shape_is_refused():
    opt = Adafactor(weights([(6, 40)]))
    walk(opt)
    (held,) = opt.state.values()
    held["row_var"] = torch.zeros(7, 1)
    with pytest.raises(RuntimeError, match=r"'row_var' must have the shape \(6, 1\)"):
        walk(opt)


def test_a_file_that_has_lost_the_count_is_refused():
    p = Parameter(torch.ones(3, 2))
    p.grad = torch.ones_like(p)
    opt = Adafactor([p])
    opt.step()
    file = opt.state_dict()
    del file["state"][0]["step"]
    with pytest.raises(ValueError, match="the state of parameter 0 lacks 'step'"):
        Adafactor([p]).load_state_dict(file)
