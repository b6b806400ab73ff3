"""Lookahead: k steps forward, one step back."""

import numpy as np
import pytest

from tests.fuse.border import Border
from thalweg import rules
from thalweg.chain import chain
from thalweg.stages import Lookahead

engines = pytest.mark.parametrize("oracle", [False, True], ids=["fused", "oracle"])


def border_of(oracle=False, forms=("float64",) * 3, **settings):
    made = chain("Ahead", rules.SGD, Lookahead)
    return Border(made, ({"lr": 0.25, **settings}, [np.full(3, 8.0)]), oracle=oracle, forms=forms)


@engines
def test_the_slow_weights_follow_every_k_steps(oracle):
    border = border_of(oracle, k=3, alpha=0.5)
    path = []
    for _ in range(7):
        border.step([np.ones(3)])
        path.append((border.params[0][0], border.state("slow_buffer")[0]))
    assert path == [
        *((7.75, 8), (7.5, 8), (7.625, 7.625)),
        *((7.375, 7.625), (7.125, 7.625), (7.25, 7.25)),
        (7.0, 7.25),
    ]


@engines
def test_alpha_one_and_k_one_are_the_rule_alone(oracle):
    border = border_of(oracle, k=1, alpha=1.0)
    for t in range(1, 5):
        border.step([np.ones(3)])
        assert border.params[0].tolist() == [8 - 0.25 * t] * 3
        assert border.state("slow_buffer").tolist() == border.params[0].tolist()


@engines
def test_alpha_zero_goes_back_to_the_start(oracle):
    border = border_of(oracle, k=2, alpha=0.0)
    for expected in (7.75, 8.0, 7.75, 8.0):
        border.step([np.ones(3)])
        assert border.params[0].tolist() == [expected] * 3


def test_alpha_and_k_may_change_on_the_way():
    border = border_of(k=2)
    border.step([np.ones(3)])
    border.groups[0] |= {"k": 3, "alpha": 1.0}
    for _ in range(2):
        border.step([np.ones(3)])
    assert border.params[0].tolist() == border.state("slow_buffer").tolist() == [7.25] * 3


def test_slow_weights_keep_their_format_between_syncs():
    border = border_of(forms=("bfloat16", "bfloat16", "float32"), k=2)
    border.step([np.ones(3)])
    border.step([np.ones(3)])
    assert border.tensors[0].held["lookahead__slow"].form == "float32"
    assert border.state("slow_buffer").tolist() == border.params[0].tolist() == [7.75] * 3


@pytest.mark.parametrize("k", [1, 2, 5])
def test_slow_and_fast_weights_are_equal_after_a_sync_and_only_then(k):
    border = border_of(k=k)
    for t in range(1, 11):
        border.step([np.ones(3)])
        equal = bool((border.params[0] == border.state("slow_buffer")).all())
        assert equal is (t % k == 0)


AROUND = ["Adagrad", "AdaPNM", "Lion", "MARS", "NovoGrad", "Prodigy", "Rprop", "ScheduleFreeSGD"]


@engines
@pytest.mark.parametrize("name", AROUND)
def test_around_any_rule_the_fast_weights_are_that_rule_s(name, oracle):
    """The rule alone, whose weights are set to the slow ones at each sync, goes the same way."""
    rule, rng = getattr(rules, name), np.random.default_rng(0)
    values = [rng.standard_normal((4, 3)), rng.standard_normal(5)]
    around = Border(chain("Around", rule, Lookahead), ({"k": 3}, values), oracle=oracle)
    alone = Border(chain("Alone", rule), ({}, values), oracle=oracle)
    slow = values
    for t in range(1, 8):
        grads = [rng.standard_normal(value.shape) for value in values]
        around.step(grads)
        alone.step(grads)
        if t % 3 == 0:
            slow = [s + 0.5 * (p - s) for s, p in zip(slow, alone.params, strict=True)]
            for tensor, s in zip(alone.tensors, slow, strict=True):
                tensor.held["p"].stored[...] = s
        for ours, theirs in zip(around.params, alone.params, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-15)
