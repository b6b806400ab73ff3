"""Weight decay and maximize: one line each, in the place they are given."""

import numpy as np
import pytest

from tests.fuse.border import Border
from thalweg import rules
from thalweg.chain import chain
from thalweg.stages import Decay, DecoupledDecay, Maximize

engines = pytest.mark.parametrize("oracle", [False, True], ids=["fused", "oracle"])


def after(made, oracle, p=2.0, g=1.0, **settings):
    border = Border(made, ({"lr": 0.5, **settings}, [np.full(3, p)]), oracle=oracle)
    with np.errstate(all="ignore"):
        border.step([np.full(3, g)])
    assert (border.tensors[0].held["g"].values == g).all()  # never written
    return border.params[0].tolist()


@engines
def test_l2_goes_through_the_gradient(oracle):
    made = chain("L2", Decay, rules.SGD)
    assert after(made, oracle, weight_decay=0.25) == [2 - 0.5 * (1 + 0.25 * 2)] * 3


@engines
def test_decoupled_decay_shrinks_before_the_step(oracle):
    made = chain("Decoupled", DecoupledDecay, rules.SGD)
    assert after(made, oracle, weight_decay=0.25) == [2 * (1 - 0.5 * 0.25) - 0.5] * 3


@engines
def test_one_stage_is_both_by_a_switch(oracle):
    made = chain("Either", Decay, rules.SGD)
    settings = {"weight_decay": 0.25, "decoupled_weight_decay": True}
    assert after(made, oracle, **settings) == [2 * (1 - 0.5 * 0.25) - 0.5] * 3


@engines
@pytest.mark.parametrize("decoupled", [False, True])
def test_no_decay_is_no_arithmetic(decoupled, oracle):
    """Zero times an infinite weight would be NaN."""
    made = chain("None", Decay, rules.SGD)
    assert after(made, oracle, p=np.inf, decoupled_weight_decay=decoupled) == [np.inf] * 3


@engines
def test_maximize_goes_uphill(oracle):
    made = chain("Up", Maximize, rules.SGD)
    assert after(made, oracle, maximize=True) == [2.5] * 3
    assert after(made, oracle) == [1.5] * 3


@engines
def test_what_is_maximized_stands_before_the_decay_or_behind_it(oracle):
    first = chain("First", Maximize, Decay, rules.SGD, maximize=True, weight_decay=0.25)
    last = chain("Last", Decay, Maximize, rules.SGD, maximize=True, weight_decay=0.25)
    assert after(first, oracle) == [2 - 0.5 * (-1 + 0.5)] * 3
    assert after(last, oracle) == [2 - 0.5 * -(1 + 0.5)] * 3


@engines
def test_a_decay_of_everything_leaves_nothing(oracle):
    everything = {"lr": 0.1, "weight_decay": 10.0}  # 0.1 is a little more: 1 only once rounded
    made = chain("All", DecoupledDecay, rules.SGD)
    assert after(made, oracle, g=0.0, **everything) == [0.0] * 3
    assert after(chain("Mean", rules.ASGD), oracle, g=0.0, lr=0.1, lambd=10.0) == [0.0] * 3
