"""Averages of the weights: exponential ones, and plain means of chosen steps."""

import numpy as np
import pytest

from tests.fuse.border import Border
from thalweg import rules
from thalweg.chain import chain
from thalweg.stages import EqualAverage, ExponentialAverage, Lookahead

engines = pytest.mark.parametrize("oracle", [False, True], ids=["fused", "oracle"])
FIRST = 8.0
LR = 0.25


def walked(stages, steps, oracle=False, forms=("float64",) * 3, **settings):
    """The weights and their average after each step along gradients of one."""
    made = chain("Averaged", rules.SGD, *stages)
    group = {"lr": LR, **settings}, [np.full(3, FIRST)]
    border = Border(made, group, oracle=oracle, forms=forms)
    path = []
    for _ in range(steps):
        border.step([np.ones(3)])
        assert len(set(border.params[0])) == len(set(border.state("average"))) == 1
        path.append((border.params[0][0], border.state("average")[0]))
    return path


def weight(t: int) -> float:
    """The weight after step t."""
    return FIRST - LR * t


@engines
@pytest.mark.parametrize("decay", [0.0, 0.5, 0.75, 0.999, 1.0])
def test_an_exponential_average_begins_with_the_first_step_and_follows(decay, oracle):
    want, average = [], weight(1)
    for t in range(1, 13):
        average = decay * average + (1 - decay) * weight(t)
        want.append((weight(t), pytest.approx(average, rel=1e-14)))
    assert walked([ExponentialAverage], 12, oracle, decay=decay) == want
    assert walked([ExponentialAverage], 1, oracle, decay=decay) == [(weight(1), weight(1))]


@engines
@pytest.mark.parametrize("every", [1, 2, 5])
@pytest.mark.parametrize("start", [1, 2, 4, 12])
def test_an_equal_average_is_the_mean_of_the_chosen_steps(start, every, oracle):
    path = walked([EqualAverage], 12, oracle, start=start, every=every)
    for t, (p, average) in enumerate(path, start=1):
        chosen = [weight(i) for i in range(start, t + 1, every)]
        assert p == weight(t)
        # before the first of them there is no mean yet, and nobody is shown the array
        assert average == pytest.approx(np.mean(chosen) if chosen else FIRST, rel=1e-14)


def test_an_equal_average_counts_what_it_has_taken():
    made = chain("Counting", rules.SGD, EqualAverage, start=3, every=2)
    border = Border(made, ({"lr": LR}, [np.full(3, FIRST)]))
    counts = []
    for _ in range(7):
        border.step([np.ones(3)])
        counts.append(border.tensors[0].cells["n_averaged"])
    assert counts == [0, 0, 1, 1, 2, 2, 3]


@engines
def test_a_mean_from_a_later_start_does_not_know_the_weights_before(oracle):
    """Infinite ones, say: the first weights taken are copied and not averaged with what was."""
    made = chain("Late", rules.SGD, EqualAverage, start=2)
    border = Border(made, ({"lr": LR}, [np.full(3, np.inf)]), oracle=oracle)
    with np.errstate(all="ignore"):
        border.step([np.ones(3)])
        border.tensors[0].held["p"].stored[...] = 5.0
        border.step([np.ones(3)])
    assert border.state("average").tolist() == [4.75] * 3


@engines
def test_the_weights_do_not_notice(oracle):
    plain = Border(chain("Plain", rules.SGD), ({"lr": LR}, [np.full(3, FIRST)]), oracle=oracle)
    for _ in range(6):
        plain.step([np.ones(3)])
    for stage in (ExponentialAverage, EqualAverage):
        assert walked([stage], 6, oracle)[-1][0] == plain.params[0][0]


@engines
@pytest.mark.parametrize("stage", [ExponentialAverage, EqualAverage])
def test_an_average_takes_the_weights_that_lookahead_leaves(stage, oracle):
    settings = {"k": 2, "alpha": 0.5} | ({"decay": 0.5} if stage is ExponentialAverage else {})
    path = walked([Lookahead, stage], 6, oracle, **settings)
    fast = [7.75, 7.75, 7.5, 7.5, 7.25, 7.25]
    assert [p for p, _ in path] == fast
    average = fast[0]
    for i, (p, have) in enumerate(path):
        average += (p - average) * (0.5 if stage is ExponentialAverage else 1 / (i + 1))
        assert have == pytest.approx(average, rel=1e-14)


@engines
def test_decay_start_and_every_may_change_on_the_way(oracle):
    made = chain("Ema", rules.SGD, ExponentialAverage)
    border = Border(made, ({"lr": LR, "decay": 1.0}, [np.full(3, FIRST)]), oracle=oracle)
    for decay, want in ((1.0, weight(1)), (1.0, weight(1)), (0.5, 7.5), (0.0, weight(4))):
        border.groups[0]["decay"] = decay
        border.step([np.ones(3)])
        assert border.state("average").tolist() == [want] * 3
    made = chain("Swa", rules.SGD, EqualAverage, start=100)
    border = Border(made, ({"lr": LR}, [np.full(3, FIRST)]), oracle=oracle)
    for start, every, want in ((100, 1, FIRST), (2, 2, weight(2)), (2, 2, weight(2)), (2, 1, 7.25)):
        border.groups[0] |= {"start": start, "every": every}
        border.step([np.ones(3)])
        assert border.state("average").tolist() == [want] * 3


@pytest.mark.parametrize("stage", [ExponentialAverage, EqualAverage])
def test_an_average_keeps_its_own_format(stage):
    """A narrow parameter and a wide average, which is taken before the parameter is rounded."""
    forms = ("bfloat16", "bfloat16", "float32")
    made = chain("Wide", rules.SGD, stage)
    border = Border(made, ({"lr": 2**-10}, [np.ones(3)]), forms=forms)
    border.step([np.ones(3)])
    assert border.params[0].tolist() == [1.0] * 3
    assert border.state("average").tolist() == [1 - 2**-10] * 3


@pytest.mark.parametrize(
    ("stage", "setting", "value", "words"),
    [
        (ExponentialAverage, "decay", 1.01, ">= 0 and <= 1, got 1.01"),
        (ExponentialAverage, "decay", -1, ">= 0 and <= 1, got -1"),
        (EqualAverage, "start", 0, ">= 1, got 0"),
        (EqualAverage, "every", 0, ">= 1, got 0"),
    ],
)
def test_settings_out_of_range_are_named(stage, setting, value, words):
    made = chain("Averaged", rules.SGD, stage)
    with pytest.raises(ValueError, match=rf"^Averaged: {setting} must be {words}$"):
        made.check({setting: value})
