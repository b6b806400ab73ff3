"""Programs match what torch's schedulers say: torch's own words are in ours."""

import warnings

import pytest
import torch

from tests.schedules.twins import OURS, TORCHS, optimizer
from thalweg import optim


def told(call) -> list[str]:
    """What a call says, in warnings and in an error."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        try:
            call()
        except Exception as error:
            return [*(str(each.message) for each in found), str(error.args[0])]
    return [str(each.message) for each in found]


def too_early(module):
    module.StepLR(optimizer(), 3).step()


def overridden(module):
    opt = optimizer()
    scheduler = module.StepLR(opt, 3)
    opt.step = lambda: None
    scheduler.step()


def to_a_step(module):
    opt = optimizer()
    scheduler = module.StepLR(opt, 3)
    opt.step()
    scheduler.step(3)


def plateau_to_a_step(module):
    module.ReduceLROnPlateau(optimizer()).step(1.0, 3)


def rate_from_outside(module):
    module.StepLR(optimizer(), 3).get_lr()


WARNED = [too_early, overridden, to_a_step, plateau_to_a_step, rate_from_outside]
each_warning = pytest.mark.parametrize("misuse", WARNED, ids=lambda misuse: misuse.__name__)


@each_warning
def test_a_warning_has_torchs_words(misuse):
    mine, theirs = told(lambda: misuse(OURS)), told(lambda: misuse(TORCHS))
    assert len(mine) == len(theirs) == 1
    assert theirs[0] in mine[0]


@pytest.mark.parametrize("misuse", [too_early, overridden], ids=lambda misuse: misuse.__name__)
def test_the_warning_about_the_order_has_the_link_that_programs_filter_by(misuse):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".*#how-to-adjust-learning-rate")
        misuse(OURS)


def members(module, count=2, opt=None):
    opt = opt or optimizer()
    return [module.StepLR(opt, 3) for _ in range(count)]


def in_sequence(count, milestones):
    return lambda m: m.SequentialLR(optimizer(), members(m, count), milestones)


def of_two_optimizers(m):
    return m.ChainedScheduler([*members(m, 1), *members(m, 1)])


CYCLIC, ONE_CYCLE = dict(base_lr=0.1, max_lr=0.2), dict(max_lr=0.1, total_steps=9)

REFUSED = {
    "LambdaLR functions": lambda m: m.MultiplicativeLR(optimizer(), 3),
    "ConstantLR factor": lambda m: m.ConstantLR(optimizer(), factor=1.5),
    "LinearLR start": lambda m: m.LinearLR(optimizer(), start_factor=0),
    "LinearLR end": lambda m: m.LinearLR(optimizer(), end_factor=1.5),
    "SequentialLR nothing": lambda m: m.SequentialLR(optimizer(), [], []),
    "SequentialLR no scheduler": lambda m: m.SequentialLR(optimizer(), [3], []),
    "SequentialLR milestones": in_sequence(2, [1, 2]),
    "ChainedScheduler nothing": lambda m: m.ChainedScheduler([], optimizer()),
    "ChainedScheduler no scheduler": lambda m: m.ChainedScheduler([3], optimizer()),
    "WarmRestarts T_0": lambda m: m.CosineAnnealingWarmRestarts(optimizer(), 0),
    "WarmRestarts T_0 fraction": lambda m: m.CosineAnnealingWarmRestarts(optimizer(), 2.5),
    "WarmRestarts T_mult": lambda m: m.CosineAnnealingWarmRestarts(optimizer(), 2, 0),
    "WarmRestarts eta_min": lambda m: m.CosineAnnealingWarmRestarts(optimizer(), 2, 1, "0"),
    "WarmRestarts epoch": lambda m: m.CosineAnnealingWarmRestarts(optimizer(), 2).step(-1),
    "CyclicLR mode": lambda m: m.CyclicLR(optimizer(), **CYCLIC, mode="x"),
    "CyclicLR limits": lambda m: m.CyclicLR(optimizer(), [0.1] * 3, 0.2),
    "CyclicLR momentum": lambda m: m.CyclicLR(optimizer(torch.optim.Adagrad), **CYCLIC),
    "OneCycleLR momentum": lambda m: m.OneCycleLR(optimizer(torch.optim.Adagrad), **ONE_CYCLE),
    "OneCycleLR steps": lambda m: m.OneCycleLR(optimizer(), 0.1, 0),
    "OneCycleLR no steps": lambda m: m.OneCycleLR(optimizer(), 0.1),
    "OneCycleLR epochs": lambda m: m.OneCycleLR(optimizer(), 0.1, None, 0, 5),
    "OneCycleLR batches": lambda m: m.OneCycleLR(optimizer(), 0.1, None, 5, 0),
    "OneCycleLR pct_start": lambda m: m.OneCycleLR(optimizer(), **ONE_CYCLE, pct_start=1.5),
    "OneCycleLR shape": lambda m: m.OneCycleLR(optimizer(), **ONE_CYCLE, anneal_strategy="x"),
    "OneCycleLR limits": lambda m: m.OneCycleLR(optimizer(), [0.1] * 3, 9),
    "SWALR shape": lambda m: m.SWALR(optimizer(), 0.1, anneal_strategy="x"),
    "SWALR epochs": lambda m: m.SWALR(optimizer(), 0.1, -1),
    "SWALR limits": lambda m: m.SWALR(optimizer(), [0.1] * 3),
    "plateau factor": lambda m: m.ReduceLROnPlateau(optimizer(), factor=1.0),
    "plateau mode": lambda m: m.ReduceLROnPlateau(optimizer(), mode="x"),
    "plateau threshold mode": lambda m: m.ReduceLROnPlateau(optimizer(), threshold_mode="x"),
    "plateau limits": lambda m: m.ReduceLROnPlateau(optimizer(), min_lr=[0.1] * 3),
    "LambdaLR limits": lambda m: m.LambdaLR(optimizer(), [abs] * 3),
    "no optimizer": lambda m: m.StepLR("sgd", 3),
}


@pytest.mark.parametrize("misuse", REFUSED.values(), ids=REFUSED)
def test_an_error_has_torchs_words(misuse):
    (mine,), (theirs,) = told(lambda: misuse(OURS)), told(lambda: misuse(TORCHS))
    assert theirs in mine


def test_members_of_two_optimizers_are_told_in_torchs_words():
    mine, theirs = (told(lambda m=m: of_two_optimizers(m))[-1] for m in (OURS, TORCHS))
    words, _, rest = theirs.partition("SGD (")
    assert words in mine
    assert rest.rpartition(")")[2] in mine


@pytest.mark.slow
@pytest.mark.parametrize("cls", [optim.SGD, optim.AdamW, torch.optim.SGD], ids=repr)
@pytest.mark.parametrize("module", [OURS, TORCHS], ids=["ours", "torch"])
def test_a_compiled_step_is_seen(module, cls):
    p = torch.nn.Parameter(torch.ones(3))
    p.grad = torch.ones(3)
    opt = cls([p], lr=0.1)
    scheduler = module.StepLR(opt, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compiler's own
        torch.compile(opt.step, backend="eager")()
    assert opt._opt_called
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheduler.step()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")  # the compiler's own
def test_a_step_compiled_as_one_graph_is_seen_and_stays_one():
    p = torch.nn.Parameter(torch.ones(3))
    p.grad = torch.ones(3)
    opt = optim.SGD([p], lr=0.1)
    scheduler = OURS.StepLR(opt, 1)
    step = torch.compile(opt.step, backend="eager", fullgraph=True)
    step()
    scheduler.step()
    step()
    assert p.tolist() == pytest.approx([0.89] * 3)
