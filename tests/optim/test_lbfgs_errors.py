"""What L-BFGS refuses, and how a run goes on after a step that failed."""

import pytest
import torch

from tests.optim.runs import assert_same, values
from tests.optim.valleys import SEARCHES, WOLFE, Course, several, some
from thalweg.optim.lbfgs import LBFGS

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_closure_is_needed_and_must_return_the_loss():
    params = some()
    opt = LBFGS(params)
    sentence = "LBFGS: step needs a closure that computes the gradients anew"
    with pytest.raises(TypeError, match=sentence):
        opt.step()
    opt.param_groups[0]["lr"] = 0.0
    several(*params).backward()
    with pytest.raises(TypeError, match=sentence):
        opt.step(None)
    with pytest.raises(TypeError, match="the closure must return the loss, got None"):
        opt.step(lambda: None)
    assert_same(params, some())


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "value", "error", "sentence"),
    [
        ("lr", -1.0, ValueError, "lr must be >= 0, got -1.0"),
        ("lr", "fast", TypeError, "lr must be a number, got 'fast'"),
        ("lr", torch.ones(2), ValueError, "lr must be a number or a tensor of one element"),
        ("max_iter", -1, ValueError, "max_iter must be >= 0, got -1"),
        ("max_iter", 2.5, TypeError, "max_iter must be an integer, got 2.5"),
        ("max_eval", -3, ValueError, "max_eval must be >= 0, got -3"),
        ("history_size", 0, ValueError, "history_size must be >= 1, got 0"),
        ("tolerance_grad", float("nan"), ValueError, "tolerance_grad must be a number, got nan"),
        ("tolerance_change", None, TypeError, "tolerance_change must be a number, got None"),
        ("line_search_fn", "armijo", ValueError, "must be 'strong_wolfe' or None, got 'armijo'"),
    ],
)
def test_a_bad_setting_is_refused_at_once_in_a_sentence(setting, value, error, sentence):
    with pytest.raises(error, match=f"LBFGS: .*{sentence}"):
        LBFGS(some(), **{setting: value})
    opt = LBFGS(some()[:1])
    with pytest.raises(error):
        opt.add_param_group({"params": some()[1:], setting: value})


@SEARCHES
@pytest.mark.parametrize("failing", [1, 2, 4, 9])
def test_after_a_closure_that_fails_the_run_goes_on(failing, settings):
    plain = Course(LBFGS, some(), several, **settings)
    run = Course(LBFGS, some(), several, **settings)
    calls = [0]

    def closure():
        calls[0] += 1
        if calls[0] == failing:
            raise ArithmeticError("no loss today")
        return run.closure()

    accepted = [p.clone() for p in run.params]
    while calls[0] < failing:
        accepted = [p.detach().clone() for p in run.params]
        try:
            run.opt.step(closure)
        except ArithmeticError:
            break
    if failing == 1:
        assert_same(run.params, accepted)
        assert not run.opt.state
    assert torch.is_grad_enabled()
    before = several(*run.params).item()
    for _ in range(6):
        run.opt.step(closure)
    plain.walk(7)
    assert run.losses[-1] <= before
    assert run.losses[-1] == pytest.approx(plain.losses[-1], rel=0.05)
    assert len(run.state["old_dirs"]) == len(run.state["old_stps"]) == len(run.state["ro"])


def test_a_line_search_that_fails_leaves_the_parameters_where_it_began():
    run = Course(LBFGS, some(), several, **{**WOLFE, "max_iter": 1}).walk(2)
    before, calls = values(run.params), [0]

    def closure():
        calls[0] += 1
        if calls[0] == 2:
            raise KeyboardInterrupt
        return run.closure()

    with pytest.raises(KeyboardInterrupt):
        run.opt.step(closure)
    assert_same(run.params, before)
    plain = Course(LBFGS, some(), several, **{**WOLFE, "max_iter": 1}).walk(3)
    run.walk(1)
    assert_same(run.params, plain.params)
