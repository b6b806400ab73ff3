"""L-BFGS with several groups, which torch's has not: one problem, and a rate for each."""

import copy
import itertools

import pytest
import torch
from torch.nn import Parameter

from tests.optim.runs import assert_same, values
from tests.optim.valleys import SEARCHES, WOLFE, Course, several, some
from thalweg.optim.lbfgs import LBFGS

pytestmark = pytest.mark.usefixtures("one_thread")


@SEARCHES
def test_several_groups_are_one_problem(settings):
    one, two = some(), some()
    together = Course(LBFGS, one, several, **settings).walk(3)
    apart = Course(LBFGS, two, several, **settings)
    apart.opt = LBFGS([{"params": two[:2]}, {"params": []}, {"params": two[2:]}], **settings)
    apart.walk(3)
    assert_same(two, one)
    assert set(apart.opt.state) == {two[0]}
    assert apart.losses == together.losses


def test_in_a_group_with_a_smaller_lr_the_step_is_shorter_in_proportion():
    whole, parts = some(), some()
    Course(LBFGS, whole, several, lr=0.4, max_iter=1).walk(1)
    run = Course(LBFGS, parts, several)
    groups = [{"params": parts[:2], "lr": 0.1}, {"params": parts[2:], "lr": 0.4}]
    run.opt = LBFGS(groups, max_iter=1)
    run.walk(1)
    before = some()
    ratios = [((p - b) / (w - b)).detach() for p, w, b in zip(parts, whole, before, strict=True)]
    assert all(torch.allclose(r, torch.full_like(r, 0.25)) for r in ratios[:2])
    assert all(torch.allclose(r, torch.ones_like(r)) for r in ratios[2:])


@SEARCHES
def test_a_group_with_lr_zero_rests_and_the_others_find_their_least(settings):
    params = some()
    before = values(params)
    run = Course(LBFGS, params, several)
    groups = [{"params": params[:2], "lr": 0.0}, {"params": params[2:]}]
    run.opt = LBFGS(groups, **{**settings, "max_iter": 40})
    run.walk(5)
    assert_same(params[:2], before[:2])
    assert params[2].item() == pytest.approx(1.6, abs=0.3)
    assert max(p.grad.abs().max() for p in params[2:4]) < 1e-3


def test_a_direction_that_the_rates_turn_uphill_is_dropped_with_its_pairs():
    """Newton's step moves x and y together; when y may hardly move, x must go the other way."""
    x, y = (Parameter(torch.tensor([v], dtype=torch.float64)) for v in (-1.0, 2.5))

    def valley(x, y):
        return (50 * (x - y) ** 2 + 0.5 * (x + y - 1) ** 2 + 0.1 * x**4).sum()

    run = Course(LBFGS, [x, y], valley)
    groups = [{"params": [x]}, {"params": [y]}]
    run.opt = LBFGS(groups, max_iter=1, max_eval=25, line_search_fn="strong_wolfe")
    run.walk(3)
    run.opt.param_groups[1]["lr"] = 1e-3
    slopes, pairs, heights = [], [], []
    for _ in range(5):
        run.walk(1)
        slopes.append(run.state["d"] @ run.state["prev_flat_grad"])
        pairs.append(len(run.state["old_dirs"]))
        heights.append(valley(x, y).item())
    assert pairs[:3] == [3, 0, 1]
    assert max(slopes) < 0
    assert all(b < a for a, b in itertools.pairwise(heights))


@pytest.mark.parametrize("name", ["max_iter", "history_size", "line_search_fn", "maximize"])
def test_what_belongs_to_the_problem_cannot_differ_between_groups(name):
    other = {"max_iter": 3, "history_size": 7, "line_search_fn": "strong_wolfe", "maximize": True}
    a, b = some()[:2]
    opt = LBFGS([{"params": [a], name: other[name]}, {"params": [b]}])
    assert opt.param_groups[1][name] == other[name]
    with pytest.raises(ValueError, match=f"LBFGS: {name} must be the same in all groups"):
        LBFGS([{"params": [a]}, {"params": [b], name: other[name]}])


@SEARCHES
def test_maximize_is_minimizing_the_negative(settings):
    up, down = some(), some()
    gain = Course(LBFGS, up, lambda *p: -several(*p), maximize=True, **settings).walk(3)
    loss = Course(LBFGS, down, several, **settings).walk(3)
    assert_same(up, down)
    assert gain.losses == [-value for value in loss.losses]
    assert gain.opt.step(gain.closure).item() == gain.losses[-1] or gain.losses[-1] <= 0


def test_a_group_added_in_mid_run_starts_the_history_anew():
    params = some()
    run = Course(LBFGS, params, lambda *p: several(*p[:2]), **WOLFE)
    run.opt = LBFGS(params[:2], **WOLFE)
    run.walk(3)
    evaluations = run.state["func_evals"]
    run.opt.add_param_group({"params": params[2:]})
    assert run.state == {"func_evals": evaluations, "n_iter": 0}
    now = Course(LBFGS, [Parameter(p.detach().clone()) for p in params], several, **WOLFE).walk(2)
    run.function = several
    run.walk(2)
    assert_same(run.params, now.params)
    torchs = torch.optim.LBFGS(params, **WOLFE)  # the state is one that torch can go on from
    saved = run.opt.state_dict()
    saved["param_groups"] = torchs.state_dict()["param_groups"]
    torchs.load_state_dict(copy.deepcopy(saved))
    torchs.step(run.closure)
