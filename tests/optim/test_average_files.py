"""The average that a step keeps is saved and loaded with the rest of a run."""

import pytest
import torch
from torch.nn import Parameter

from tests.optim.averages import averages_of, clones, continued, of_averages, params_of, ways
from tests.optim.runs import (
    assert_same,
    give_gradients,
    ours,
    reloaded,
    torchs,
    values,
    walk,
    weights,
)
from thalweg.averaging import EMA, SWA


def counts_of(opt) -> list[float]:
    return [opt.state[p]["n_averaged"].item() for p in params_of(opt)]


@ways
@of_averages
@pytest.mark.parametrize("at", [0, 1, 8])
@pytest.mark.parametrize("name", ["AdamW", "Ranger"])
def test_a_run_goes_on_with_its_average(name, at, average, way):
    whole = ours(name, weights(), average=average)
    walk(whole, at)
    after = continued(whole, way, lambda params: ours(name, params, average=average))
    walk(whole, 6, start=at)
    walk(after, 6, start=at)
    assert_same(params_of(after), params_of(whole))
    assert_same(averages_of(after), averages_of(whole))
    if isinstance(average, SWA):
        assert counts_of(after) == counts_of(whole)


@of_averages
@pytest.mark.parametrize("made_with", [None, EMA(0.25), SWA(2)], ids=repr)
def test_a_file_says_what_it_averages(made_with, average):
    """So that a run goes on, however the optimizer that loads it was made."""
    whole = ours("AdamW", weights(), average=average)
    walk(whole, 8)
    after = continued(whole, "file", lambda params: ours("AdamW", params, average=made_with))
    walk(whole, 6, start=8)
    walk(after, 6, start=8)
    assert_same(averages_of(after), averages_of(whole))
    again = continued(after, "file", lambda params: ours("AdamW", params))
    with again.averaged_weights():
        assert_same(params_of(again), averages_of(whole))


@pytest.mark.parametrize("state_dtype", ["param", "float32"])
def test_a_narrow_mean_keeps_its_count(state_dtype):
    """torch casts a loaded number to its parameter's type, and bf16 counts to 256."""
    whole = ours("SGD", weights(dtype=torch.bfloat16), average=SWA(), state_dtype=state_dtype)
    walk(whole, 2)
    for p in params_of(whole):
        whole.state[p]["n_averaged"].fill_(1001.0)
    after = continued(whole, "file", lambda params: ours("SGD", params))
    walk(whole, 2, start=2)
    walk(after, 2, start=2)
    assert counts_of(after) == counts_of(whole) == [1003.0] * len(params_of(whole))
    assert_same(averages_of(after), averages_of(whole))


@of_averages
@pytest.mark.parametrize("name", ["SGD", "AdamW", "NAdam"])
def test_torchs_class_loads_the_file_and_lets_the_average_be(name, average):
    mine = ours(name, weights(), average=average)
    walk(mine, 8)
    theirs, plain = torchs(name, clones(params_of(mine))), ours(name, clones(params_of(mine)))
    theirs.load_state_dict(reloaded(mine.state_dict()))
    before = values(averages_of(theirs))
    plain.load_state_dict(reloaded(mine.state_dict()))
    walk(theirs, 3, start=8)
    walk(plain, 3, start=8)
    # torch keeps numbers in float32, which is what a comparison in double sees
    for a, b in zip(params_of(theirs), params_of(plain), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)
    assert_same(averages_of(theirs), before)


def test_torchs_file_begins_an_average_at_the_next_step():
    theirs = torchs("AdamW", weights())
    walk(theirs, 3)
    mine = ours("AdamW", clones(params_of(theirs)), average=EMA(0.5))
    mine.load_state_dict(reloaded(theirs.state_dict()))
    with mine.averaged_weights():
        assert_same(params_of(mine), params_of(theirs))
    walk(mine, 1, start=3)
    assert_same(averages_of(mine), params_of(mine))
    walk(mine, 1, start=4)
    assert not torch.equal(averages_of(mine)[0], params_of(mine)[0])


def test_our_file_without_an_average_begins_one_at_the_next_step():
    """As torch's file does; who asks for an average in mid-run has just made up her mind."""
    before = ours("AdamW", weights())
    walk(before, 3)
    after = ours("AdamW", clones(params_of(before)), average=EMA(0.5))
    after.load_state_dict(reloaded(before.state_dict()))
    walk(after, 1, start=3)
    assert_same(averages_of(after), params_of(after))


def test_averages_go_by_name():
    names = ["a", "b", "c"]
    before = dict(zip(names, weights([(3,)] * 3), strict=True))
    whole = ours("AdamW", list(before.items()), average=EMA(0.5))
    walk(whole, 3)
    after = {name: Parameter(before[name].detach().clone()) for name in names[::-1]}
    opt = ours("AdamW", list(after.items()))
    opt.load_state_dict(reloaded(whole.state_dict()))
    assert_same(averages_of(opt)[::-1], averages_of(whole))


@ways
@of_averages
@pytest.mark.parametrize("name", ["SGD", "AdamW", "Ranger"])
def test_a_parameter_without_a_gradient_yet_is_in_the_file(name, average, way):
    """Its state is its average alone, and its first step is still to come."""

    def walk_but_the_last(opt, steps, start=0):
        for t in range(start, start + steps):
            give_gradients(params_of(opt)[:-1], t)
            opt.step()

    shapes = [(3, 4), (4,), (2, 3)]
    whole = ours(name, weights(shapes), average=average)
    walk_but_the_last(whole, 8)
    after = continued(whole, way, lambda params: ours(name, params, average=average))
    for opt in (whole, after):
        walk_but_the_last(opt, 2, start=8)
        walk(opt, 3, start=10)
    assert_same(params_of(after), params_of(whole))
    assert_same(averages_of(after), averages_of(whole))


def test_a_stepped_state_that_has_only_its_average_is_refused():
    whole = ours("AdamW", weights(), average=SWA())
    walk(whole, 2)
    broken = reloaded(whole.state_dict())
    del broken["state"][0]["exp_avg"], broken["state"][0]["exp_avg_sq"]
    with pytest.raises(ValueError, match=r"parameter 0 lacks 'exp_avg'"):
        ours("AdamW", weights(), average=SWA()).load_state_dict(broken)
