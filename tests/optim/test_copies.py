"""Copies of an optimizer, by deepcopy, pickle and processes, go on as the original would."""

import copy
import pickle

import pytest
import torch
from torch.nn import Linear

import thalweg.optim as optim
from tests.optim.runs import (
    EVERY,
    assert_same,
    assert_same_state,
    ours,
    tensors,
    values,
    walk,
    weights,
)
from thalweg.chain import chain
from thalweg.rules import Adam
from thalweg.stages import Centralize, Lookahead

Mine = optim.optimizer(chain("Mine", Centralize, Adam, Lookahead, k=3))


def make(name, params):
    return Mine(params, lr=0.01) if name == "Mine" else ours(name, params)


def by_pickle(opt):
    return pickle.loads(pickle.dumps(opt))


@pytest.mark.parametrize("way", [copy.deepcopy, by_pickle])
@pytest.mark.parametrize("name", [*EVERY, "Mine"])
def test_a_copy_goes_on_as_the_original(name, way):
    opt = make(name, weights())
    walk(opt, 3)
    twin = way(opt)
    assert type(twin) is type(opt)
    walk(opt, 4, start=3)
    walk(twin, 4, start=3)
    assert_same(twin.param_groups[0]["params"], opt.param_groups[0]["params"])
    assert_same_state(twin, opt)


@pytest.mark.parametrize("way", [copy.deepcopy, by_pickle])
@pytest.mark.parametrize("name", [*EVERY, "Mine"])
def test_a_copy_touches_nothing_of_the_original(name, way):
    params = weights()
    opt = make(name, params)
    walk(opt, 3)
    before = values(params)
    twin = way(opt)
    walk(twin, 2, start=3)
    assert_same(params, before)
    held = [t for state in opt.state.values() for t in tensors(state)]
    copied = {t.data_ptr() for state in twin.state.values() for t in tensors(state) if t.numel()}
    assert copied.isdisjoint({t.data_ptr() for t in held})


@pytest.mark.parametrize("name", EVERY)
def test_a_copy_made_before_the_first_step_works(name):
    opt, plain = ours(name, weights()), ours(name, weights())
    twin = copy.deepcopy(opt)
    walk(twin, 3)
    walk(plain, 3)
    assert_same(twin.param_groups[0]["params"], plain.param_groups[0]["params"])
    assert_same_state(opt, ours(name, weights()))


@pytest.mark.parametrize("name", EVERY)
def test_model_and_optimizer_copied_together_stay_together(name):
    model = Linear(3, 2)
    opt = ours(name, model.parameters())
    walk(opt, 2)
    other_model, other = copy.deepcopy((model, opt))
    walk(other, 2, start=2)
    walk(opt, 2, start=2)
    assert_same(other_model.parameters(), model.parameters())


@pytest.mark.parametrize("name", EVERY)
def test_a_copy_keeps_the_flags(name):
    opt = ours(name, weights(), fused=True)
    assert copy.deepcopy(opt)._step_supports_amp_scaling is True
    assert copy.deepcopy(ours(name, weights()))._step_supports_amp_scaling is False


@pytest.mark.parametrize("name", EVERY)
def test_a_saved_optimizer_is_read_back_whole(name, tmp_path):
    opt = ours(name, weights())
    walk(opt, 2)
    torch.save(opt, tmp_path / "opt.pt")
    twin = torch.load(tmp_path / "opt.pt", weights_only=False)
    walk(opt, 2, start=2)
    walk(twin, 2, start=2)
    assert_same(twin.param_groups[0]["params"], opt.param_groups[0]["params"])
