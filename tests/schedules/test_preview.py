"""A scheduler shows what it will do, at both borders, and stays where it is."""

import copy
import functools

import numpy as np
import pytest

from thalweg.mytorch import optim
from thalweg.mytorch.nn import Parameter
from thalweg.mytorch.optim import lr_scheduler
from thalweg.schedules import constant, cosine, warmup

STEPS = 60


def falling(t):
    return 1 / (t + 1)


def shrinking(t):
    return 0.98


PLAIN = {
    "LambdaLR": {"lr_lambda": falling},
    "MultiplicativeLR": {"lr_lambda": shrinking},
    "StepLR": {"step_size": 10},
    "MultiStepLR": {"milestones": [5, 20, 20]},
    "ConstantLR": {},
    "LinearLR": {"total_iters": 20},
    "ExponentialLR": {"gamma": 0.9},
    "PolynomialLR": {"total_iters": 30, "power": 2.0},
    "CosineAnnealingLR": {"T_max": 25},
    "CosineAnnealingWarmRestarts": {"T_0": 7, "T_mult": 2},
    "CyclicLR": {"base_lr": 0.01, "max_lr": 0.5, "step_size_up": 8},
    "OneCycleLR": {"max_lr": 1.0, "total_steps": 90},
    "SWALR": {"swa_lr": 0.05},
    "ReduceLROnPlateau": {"patience": 4, "factor": 0.5},
}


def sequence(schedulers, opt):
    members = [schedulers.LinearLR(opt, 0.1, total_iters=10), schedulers.ExponentialLR(opt, 0.95)]
    return schedulers.SequentialLR(opt, members, milestones=[10])


def chain(schedulers, opt):
    members = [schedulers.ConstantLR(opt, 0.5), schedulers.ReduceLROnPlateau(opt, patience=3)]
    return schedulers.ChainedScheduler(members)


def plain(name, schedulers, opt):
    return getattr(schedulers, name)(opt, **PLAIN[name])


MAKERS = {name: functools.partial(plain, name) for name in PLAIN}
MAKERS |= {"SequentialLR": sequence, "ChainedScheduler": chain}
SCHEDULE = warmup(10) >> cosine(40)


def on_mytorch():
    groups = [{"params": [Parameter(np.ones(2))]}, {"params": [Parameter(np.ones(3))], "lr": 0.4}]
    return optim.SGD(groups, lr=0.1, momentum=0.9), lr_scheduler


def on_torch():
    torch = pytest.importorskip("torch")
    from thalweg.optim import SGD
    from thalweg.optim import lr_scheduler as border

    groups = [torch.nn.Parameter(torch.ones(n)) for n in (2, 3)]
    opt = SGD([{"params": groups[:1]}, {"params": groups[1:], "lr": 0.4}], lr=0.1, momentum=0.9)
    return opt, border


BORDERS = {"mytorch": on_mytorch, "torch": on_torch}


def rates(opt):
    return [group["lr"] for group in opt.param_groups]


def step(opt, scheduler, takes_metric):
    opt.step()
    scheduler.step(*[1.0] * takes_metric)


def takes_metric(name):
    return name in ("ReduceLROnPlateau", "ChainedScheduler", "SequentialLR")


def run(opt, scheduler, name, steps):
    """The rates that a training of so many steps has."""
    found = []
    for _ in range(steps):
        found.append(rates(opt))
        step(opt, scheduler, takes_metric(name))
    return np.array(found)


def held(opt, scheduler):
    """All that a preview may not change."""
    groups = [{k: v for k, v in group.items() if k != "params"} for group in opt.param_groups]
    return copy.deepcopy((groups, scheduler.state_dict(), scheduler.get_last_lr()))


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("name", MAKERS)
def test_the_preview_is_what_a_training_does(name, border):
    opt, schedulers = BORDERS[border]()
    scheduler = MAKERS[name](schedulers, opt)
    shown = scheduler.preview(STEPS)
    assert shown.shape == (STEPS, 2)
    np.testing.assert_array_equal(shown, run(opt, scheduler, name, STEPS))


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("name", MAKERS)
def test_a_scheduler_in_the_middle_of_a_training_stays_there(name, border):
    opt, schedulers = BORDERS[border]()
    scheduler = MAKERS[name](schedulers, opt)
    whole = scheduler.preview(STEPS)
    if border == "torch" and name == "ReduceLROnPlateau":
        opt.param_groups[0]["initial_lr"], opt.param_groups[1]["initial_lr"] = rates(opt)
    run(opt, scheduler, name, 23)
    before = held(opt, scheduler)
    np.testing.assert_array_equal(scheduler.preview(STEPS), whole)
    assert held(opt, scheduler) == before
    np.testing.assert_array_equal(run(opt, scheduler, name, STEPS - 23), whole[23:])


@pytest.mark.parametrize("border", BORDERS)
def test_the_groups_keep_the_momentum_that_a_cycle_moves(border):
    opt, schedulers = BORDERS[border]()
    scheduler = plain("OneCycleLR", schedulers, opt)
    run(opt, scheduler, "OneCycleLR", 5)
    before = [group["momentum"] for group in opt.param_groups]
    scheduler.preview(30)
    assert [group["momentum"] for group in opt.param_groups] == before


@pytest.mark.parametrize("border", BORDERS)
def test_a_failing_function_leaves_everything_as_it_was(border):
    opt, schedulers = BORDERS[border]()

    def failing(t):
        if t > 3:
            raise RuntimeError("no further")
        return 1.0

    scheduler = schedulers.LambdaLR(opt, failing)
    before = held(opt, scheduler)
    with pytest.raises(RuntimeError, match="no further"):
        scheduler.preview(10)
    assert held(opt, scheduler) == before


@pytest.mark.parametrize("border", BORDERS)
def test_metrics_are_those_of_the_steps(border):
    opt, schedulers = BORDERS[border]()
    scheduler = schedulers.ReduceLROnPlateau(opt, patience=2, factor=0.5)
    standing = scheduler.preview(9)
    assert (standing[:, 0] == [0.1] * 4 + [0.05] * 3 + [0.025] * 2).all()
    assert (scheduler.preview(9, lambda t: 1 / t) == [0.1, 0.4]).all()
    np.testing.assert_array_equal(scheduler.preview(9, [1.0] * 8), standing)
    with pytest.raises(ValueError, match="one number for each of the 8 steps"):
        scheduler.preview(9, [1.0])
    with pytest.raises(TypeError, match="metrics must be one number for each step"):
        scheduler.preview(9, "falling")


@pytest.mark.parametrize("border", BORDERS)
def test_a_group_added_later_is_shown_too(border):
    opt, schedulers = BORDERS[border]()
    scheduler = schedulers.ExponentialLR(opt, 0.5)
    run(opt, scheduler, "ExponentialLR", 2)
    first = opt.param_groups[0]["params"][0]
    opt.add_param_group({"params": [type(first)(first.data[:1])], "lr": 0.8})
    before = held(opt, scheduler)
    assert scheduler.preview(3)[0].tolist() == [0.1, 0.4, 0.8]
    assert held(opt, scheduler) == before


def test_a_rate_that_is_a_tensor_is_what_it_was():
    torch = pytest.importorskip("torch")
    from thalweg.optim import Adam
    from thalweg.optim.lr_scheduler import StepLR

    rate = torch.tensor(0.1)
    opt = Adam([torch.nn.Parameter(torch.ones(2))], lr=rate, capturable=True)
    scheduler = StepLR(opt, 2)
    shown = scheduler.preview(4)[:, 0]
    np.testing.assert_allclose(shown, [0.1, 0.1, 0.01, 0.01], rtol=1e-6)
    assert opt.param_groups[0]["lr"] is rate
    assert rate == torch.tensor(0.1)


def test_mytorchs_scheduler_of_an_expression_shows_it():
    opt, _ = on_mytorch()
    scheduler = optim.Scheduler(opt, [SCHEDULE, constant()])
    scheduler.step()
    shown = scheduler.preview(60)
    np.testing.assert_array_equal(shown[:, 0], SCHEDULE.preview(60, 0.1))
    assert (shown[:, 1] == 0.4).all()
    assert scheduler.last_epoch == 1


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("name", MAKERS)
def test_every_class_draws_itself(name, border):
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("Agg")
    opt, schedulers = BORDERS[border]()
    axes = MAKERS[name](schedulers, opt).plot(30)
    try:
        first = axes.get_lines()[0]
        assert name in first.get_label()
        assert len(first.get_ydata()) == 30
    finally:
        plt.close(axes.figure)


def test_groups_with_one_curve_are_drawn_once():
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("Agg")
    opt = optim.SGD([Parameter(np.ones(2))], lr=0.1)
    axes = lr_scheduler.StepLR(opt, 10).plot()
    assert [len(line.get_ydata()) for line in axes.get_lines()] == [100]
    plt.close(axes.figure)
