"""`evaluation()`, `eval` and `train` show the weights that a chain keeps to be looked at."""

import copy
import pickle

import pytest
import torch

import thalweg.optim as optim
from thalweg.averaging import EMA, SWA


def trained(name, steps=9, **settings):
    torch.manual_seed(0)
    p = torch.nn.Parameter(torch.randn(5, 3, dtype=torch.float64))
    opt = getattr(optim, name)([p], **settings)
    for _ in range(steps):
        p.grad = 2 * p.detach() + 0.1 * torch.randn_like(p)
        opt.step()
    return p, opt


def looked_at(p, opt):
    with opt.evaluation():
        return p.detach().clone()


SHOWN = {
    "slow weights": (("Ranger", {"lr": 0.01, "k": 4}), lambda held: held["slow_buffer"]),
    "an average": (("AdamW", {"average": EMA(0.8)}), lambda held: held["average"]),
    "a mean": (("SGD", {"average": SWA(2, 3)}), lambda held: held["average"]),
    "an average of what looks ahead": (
        ("Ranger", {"lr": 0.01, "average": EMA(0.8)}),
        lambda held: held["average"],
    ),
    "ASGD's average": (("ASGD", {"t0": 2}), lambda held: held["ax"]),
}


@pytest.mark.parametrize("what", SHOWN)
def test_what_is_kept_for_it_is_shown_and_the_weights_come_back(what):
    (name, settings), kept = SHOWN[what]
    p, opt = trained(name, **settings)
    own = p.detach().clone()
    assert torch.equal(looked_at(p, opt), kept(opt.state[p]))
    assert torch.equal(p, own)
    assert not torch.equal(own, kept(opt.state[p]))


def test_schedule_free_shows_the_average_of_its_path():
    """The first x is the weights at the start, and each step takes in its share of z."""
    torch.manual_seed(0)
    p = torch.nn.Parameter(torch.randn(5, 3, dtype=torch.float64))
    opt = optim.ScheduleFreeAdamW([p], lr=0.01)
    x = p.detach().clone()
    for t in range(1, 8):
        p.grad = 2 * p.detach()
        opt.step()
        x = (1 - 1 / t) * x + opt.state[p]["z"] / t
        torch.testing.assert_close(looked_at(p, opt), x, rtol=1e-12, atol=1e-14)


def test_of_a_chain_that_keeps_none_they_are_the_weights():
    p, opt = trained("AdamW")
    assert torch.equal(looked_at(p, opt), p)


def test_before_the_first_step_they_are_the_weights():
    p, opt = trained("Ranger", steps=0)
    assert torch.equal(looked_at(p, opt), p)


def test_a_mean_that_has_not_begun_shows_the_weights():
    p, opt = trained("SGD", average=SWA(100))
    assert torch.equal(looked_at(p, opt), p)


def test_eval_and_train_are_the_two_ends_of_it():
    p, opt = trained("ScheduleFreeAdamW")
    own, want = p.detach().clone(), looked_at(p, opt)
    opt.train()
    assert torch.equal(p, own)
    for _ in range(2):
        opt.eval()
        assert torch.equal(p, want)
    for _ in range(2):
        opt.train()
        assert torch.equal(p, own)


def test_a_training_that_is_looked_at_goes_on_as_if_it_had_not_been():
    (p, opt), (q, other) = trained("ScheduleFreeAdamW"), trained("ScheduleFreeAdamW")
    for t in range(5):
        looked_at(p, opt)
        opt.eval()
        opt.train()
        p.grad, q.grad = torch.full_like(p, t), torch.full_like(q, t)
        opt.step()
        other.step()
    assert torch.equal(p, q)


@pytest.mark.parametrize("do", ["step", "load"])
def test_what_needs_the_weights_of_the_training_is_refused_meanwhile(do):
    p, opt = trained("ScheduleFreeAdamW")
    saved, own = copy.deepcopy(opt.state_dict()), p.detach().clone()

    def act():
        opt.step() if do == "step" else opt.load_state_dict(saved)

    said = {"step": r"step\(\)", "load": r"load_state_dict\(\)"}[do]
    with opt.evaluation(), pytest.raises(RuntimeError, match=rf"{said} was called inside `with e"):
        act()
    opt.eval()
    with pytest.raises(RuntimeError, match=rf"{said} was called after eval\(\); call train\(\)"):
        act()
    with pytest.raises(RuntimeError, match=r"evaluation\(\) was called inside `eval\(\)`"):
        looked_at(p, opt)
    opt.train()
    act()
    assert do == "step" or torch.equal(p, own)


def test_the_weights_come_back_after_an_error():
    p, opt = trained("ScheduleFreeAdamW")
    own = p.detach().clone()
    with pytest.raises(ZeroDivisionError), opt.evaluation():
        raise ZeroDivisionError
    assert torch.equal(p, own)
    opt.step()


@pytest.mark.parametrize("write", ["load", "add"])
def test_what_is_written_into_the_weights_meanwhile_is_lost_and_a_warning_says_so(write):
    p, opt = trained("ScheduleFreeAdamW")
    own, model = p.detach().clone(), torch.nn.ParameterList([p])
    opt.eval()
    with torch.no_grad():
        if write == "load":
            model.load_state_dict({"0": torch.zeros_like(p)})
        else:
            p.add_(1)
    with pytest.warns(UserWarning, match=r"1 of its parameters .* after eval\(\), which is lost"):
        opt.train()
    assert torch.equal(p, own)


def test_a_parameter_that_takes_its_weights_back_no_more_keeps_none_of_the_others():
    p, opt = trained("ScheduleFreeAdamW")
    q = torch.nn.Parameter(torch.ones(2))
    q.grad = torch.ones(2)
    opt.add_param_group({"params": [q]})
    opt.step()
    own = q.detach().clone()
    opt.eval()
    p.data = torch.zeros(7)
    with pytest.raises(RuntimeError, match="another shape after eval"):
        opt.train()
    assert torch.equal(q, own)
    opt.train()  # it is over


COPIES = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda both: pickle.loads(pickle.dumps(both)),
}


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_after_eval_shows_the_same_until_its_own_train(how):
    p, opt = trained("ScheduleFreeAdamW")
    own, shown = p.detach().clone(), looked_at(p, opt)
    opt.eval()
    q, twin = COPIES[how]((p, opt))
    assert torch.equal(q, shown)
    with pytest.raises(RuntimeError, match="call train"):
        twin.step()
    twin.train()
    assert torch.equal(q, own)
    assert torch.equal(p, shown)


@pytest.mark.parametrize("call", ["sync", "load_slow_weights"])
def test_what_would_be_undone_by_train_is_refused(call):
    _, opt = trained("Ranger", lr=0.01, k=4)
    opt.eval()
    with pytest.raises(RuntimeError, match=rf"{call}\(\) was called after eval\(\)"):
        getattr(opt, call)()


def test_an_average_is_not_loaded_into_the_weights_that_are_lent():
    p, opt = trained("AdamW", average=EMA(0.8))
    own = torch.nn.ParameterList([p])
    with opt.evaluation():
        with pytest.raises(RuntimeError, match=r"load_averaged\(\) was called inside"):
            opt.load_averaged(own)
        opt.load_averaged(copy.deepcopy(own))


@pytest.mark.parametrize("name", ["ScheduleFreeAdamW", "ScheduleFreeSGD", "ScheduleFreeRAdam"])
def test_a_file_is_not_made_of_the_weights_that_are_looked_at(name):
    """Beside the model's they would be taken for those of the training."""
    p, opt = trained(name)
    opt.eval()
    with pytest.raises(RuntimeError, match=rf"^{name}: state_dict\(\) was called after eval\(\);"):
        opt.state_dict()
    opt.train()
    with opt.evaluation(), pytest.raises(RuntimeError, match=r"state_dict\(\) was called inside"):
        opt.state_dict()
    assert set(opt.state_dict()["state"][0]) >= {"z", "weight_sum", "lr_max", "step"}


@pytest.mark.parametrize("name", ["ScheduleFreeAdamW", "ScheduleFreeSGD", "ScheduleFreeRAdam"])
def test_a_second_step_while_others_are_looked_at_is_refused(name):
    p, opt = trained(name)
    opt.eval()
    shown = p.detach().clone()
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"step\(\) was called after eval\(\); call train"):
            opt.step()
    assert torch.equal(p, shown)
