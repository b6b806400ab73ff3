"""Every scheduler of torch's has the values, the state and the manners of torch's own."""

import copy
import inspect
import io
import pickle

import pytest
import torch

import thalweg.optim.lr_scheduler as lr_scheduler
from tests.schedules.twins import (
    CASES,
    NEAR,
    OURS,
    TORCHS,
    assert_same,
    build,
    edit,
    label,
    optimizer,
    pair,
    seen,
)
from thalweg import optim

STEPS = 300

COMPOSED = [
    (
        "SequentialLR",
        dict(
            members=[
                ("LinearLR", dict(total_iters=4)),
                ("CosineAnnealingLR", dict(T_max=10)),
                ("CosineAnnealingWarmRestarts", dict(T_0=5)),
                ("CyclicLR", dict(base_lr=0.01, max_lr=0.2, step_size_up=4)),
                ("SWALR", dict(swa_lr=0.01)),
            ],
            milestones=[5, 17, 30, 60],
        ),
    ),
    (
        "SequentialLR",
        dict(
            members=[
                ("LinearLR", {}),
                ("StepLR", dict(step_size=9)),
                ("MultiplicativeLR", dict(lr_lambda=lambda t: 0.99)),
            ],
            milestones=[0, 40],
        ),
    ),
    (
        "SequentialLR",
        dict(
            members=[("ConstantLR", {}), ("PolynomialLR", {}), ("ExponentialLR", dict(gamma=0.9))],
            milestones=[8, 8],
        ),
    ),
    ("SequentialLR", dict(members=[("ExponentialLR", dict(gamma=0.9))], milestones=[])),
    (
        "ChainedScheduler",
        dict(
            members=[
                ("LinearLR", dict(total_iters=4)),
                ("CosineAnnealingLR", dict(T_max=10, eta_min=0.01)),
                ("StepLR", dict(step_size=50)),
            ]
        ),
    ),
    (
        "ChainedScheduler",
        dict(
            members=[("ExponentialLR", dict(gamma=0.99)), ("MultiStepLR", dict(milestones=[3, 9]))]
        ),
    ),
]
ALL = [*CASES, *COMPOSED]
each = pytest.mark.parametrize(("name", "arguments"), CASES, ids=label)


def brief(value):
    return value if isinstance(value, str) else "members" if "members" in value else label(value)


each_and_composed = pytest.mark.parametrize(("name", "arguments"), ALL, ids=brief)


@each_and_composed
def test_it_has_torchs_values_for_300_steps(name, arguments):
    mine, theirs = pair(name, arguments)
    assert_same(mine, theirs)
    moved = False
    for _ in range(STEPS):
        before = seen(mine)
        mine.step()
        theirs.step()
        assert_same(mine, theirs)
        moved = moved or seen(mine) != before
    still = arguments in (
        dict(milestones=[]),
        dict(factor=1.0, total_iters=40),
        dict(factor=0.25, total_iters=0),
        dict(factor=0.25, total_iters=2.5),
        dict(total_iters=0),
        dict(total_iters=50, power=0),
        dict(swa_lr=0.05, anneal_epochs=0),
        dict(T_0=1),
    )
    assert moved != still


@each_and_composed
def test_it_follows_a_rate_edited_by_hand_where_torchs_does(name, arguments):
    mine, theirs = pair(name, arguments)
    for t in range(120):
        if t in (0, 3, 10, 11, 50):
            edit(mine, 0.5 + t)
            edit(theirs, 0.5 + t)
        mine.step()
        theirs.step()
        assert_same(mine, theirs)


@pytest.mark.filterwarnings("ignore:The epoch parameter")
@each
def test_it_goes_to_a_given_step_as_torchs_does(name, arguments):
    if arguments.get("total_iters") == 0 and name != "ConstantLR":
        pytest.skip("torch divides by zero")
    mine, theirs = pair(name, arguments)
    for epoch in (0, 1, 5, None, 30, 31, None, None, 7, None, 250, None, 0, None):
        mine.step(epoch)
        theirs.step(epoch)
        assert_same(mine, theirs)
        assert mine.last_epoch == theirs.last_epoch


CHAINABLE = (
    "Step",
    "MultiStep",
    "Constant",
    "Linear",
    "Exponential",
    "Polynomial",
    "CosineAnnealing",
)


@pytest.mark.filterwarnings("ignore:The epoch parameter")
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        (name, arguments)
        for name, arguments in CASES
        if name.removesuffix("LR") in CHAINABLE
        and arguments.get("gamma") != 0
        and arguments.get("total_iters") != 0
    ],
    ids=label,
)
def test_set_back_to_before_its_start_it_begins_as_torchs_does(name, arguments):
    mine, theirs = pair(name, arguments)
    for epoch in (-1, None, None, None):
        mine.step(epoch)
        theirs.step(epoch)
        assert_same(mine, theirs)


def test_warm_restarts_take_a_fraction_of_an_epoch():
    for t_mult in (1, 2):
        mine, theirs = pair("CosineAnnealingWarmRestarts", dict(T_0=3, T_mult=t_mult))
        for batch in range(200):
            mine.step(batch / 8)
            theirs.step(batch / 8)
            assert_same(mine, theirs)


@each_and_composed
def test_its_state_has_torchs_keys(name, arguments):
    mine, theirs = pair(name, arguments)
    for scheduler in (mine, theirs):
        scheduler.step()

    def keys(state):
        return set(state), [keys(member) for member in state.get("_schedulers", ())]

    def places(state):
        return state.get("last_epoch"), [places(member) for member in state.get("_schedulers", ())]

    assert keys(mine.state_dict()) == keys(theirs.state_dict())
    assert places(mine.state_dict()) == places(theirs.state_dict())


def saved(scheduler):
    return copy.deepcopy((scheduler.optimizer.state_dict(), scheduler.state_dict()))


def restored(module, name, arguments, states):
    """A new scheduler and optimizer in the order that torch advises: made, then both loaded."""
    opt = optimizer()
    scheduler = build(module, opt, name, copy.deepcopy(arguments))
    opt.step()
    opt.load_state_dict(states[0])
    scheduler.load_state_dict(states[1])
    return scheduler


@each_and_composed
def test_saved_and_loaded_at_every_step_it_goes_on_as_if_never_stopped(name, arguments):
    straight, stopping = pair(name, arguments)[0], pair(name, arguments)[0]
    for _ in range(25):
        straight.step()
        stopping = restored(OURS, name, arguments, saved(stopping))
        stopping.step()
        assert seen(stopping) == seen(straight)


@pytest.mark.parametrize("stop", [0, 5, 17])
@each_and_composed
def test_a_state_of_torchs_goes_on_here_and_one_of_ours_there(name, arguments, stop):
    mine, theirs = pair(name, arguments)
    for _ in range(stop):
        mine.step()
        theirs.step()
    here = restored(OURS, name, arguments, saved(theirs))
    there = restored(TORCHS, name, arguments, saved(mine))
    for _ in range(30):
        for scheduler in (mine, theirs, here, there):
            scheduler.step()
        assert_same(here, theirs)
        assert_same(mine, there)


@each
def test_its_state_can_be_read_from_a_file_without_trusting_it(name, arguments):
    mine, _ = pair(name, arguments)
    mine.step()
    file = io.BytesIO()
    torch.save(mine.state_dict(), file)
    file.seek(0)
    assert torch.load(file, weights_only=True) == mine.state_dict()


@each
def test_it_is_one_of_torchs_schedulers(name, arguments):
    mine, theirs = pair(name, arguments)
    assert isinstance(mine, torch.optim.lr_scheduler.LRScheduler)
    assert isinstance(mine, lr_scheduler.LRScheduler)
    assert isinstance(mine, type(theirs))


@pytest.mark.parametrize("name", [*torch.optim.lr_scheduler.__all__, "SWALR"])
def test_it_has_torchs_arguments_in_torchs_order_with_torchs_defaults(name):
    mine = inspect.signature(getattr(OURS, name)).parameters
    theirs = inspect.signature(getattr(TORCHS, name)).parameters
    ours = {k: v for k, v in mine.items() if k in theirs}
    assert {k: v.default for k, v in ours.items()} == {k: v.default for k, v in theirs.items()}
    assert list(ours) == list(theirs)
    assert all(mine[k].kind is mine[k].KEYWORD_ONLY for k in mine.keys() - theirs.keys())
    assert mine.keys() - theirs.keys() <= {"param", "last_epoch"}
    assert name in lr_scheduler.__all__


CLASSES = [torch.optim.AdamW, optim.AdamW, optim.SGD, optim.Ranger]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: f"{cls.__module__}.{cls.__name__}")
def test_it_drives_torchs_optimizers_and_ours(cls):
    opt = optimizer(cls)
    scheduler = lr_scheduler.SequentialLR(
        opt, [lr_scheduler.LinearLR(opt), lr_scheduler.CosineAnnealingLR(opt, 5)], [5]
    )
    seen_rates = []
    for _ in range(10):
        for group in opt.param_groups:
            group["params"][0].grad = torch.ones(1)
        opt.step()
        seen_rates.append(opt.param_groups[0]["lr"])
        scheduler.step()
    warm = [0.1 * (1 + 2 * t / 5) / 3 for t in range(5)]
    down = [0.05 * (1 + torch.cos(torch.tensor(torch.pi * t / 5)).item()) for t in range(5)]
    assert seen_rates == pytest.approx(warm + down, rel=1e-6)  # torch.cos is in single precision


@each
def test_it_fills_a_rate_that_is_a_tensor_in_place(name, arguments):
    if name in ("CyclicLR", "OneCycleLR"):
        arguments = {**arguments, "cycle_momentum": False}
    rate = torch.tensor(0.1, dtype=torch.float64)
    pairs = []
    for module in (OURS, TORCHS):
        parameter = torch.nn.Parameter(torch.zeros(1))
        opt = torch.optim.AdamW([parameter], lr=rate.clone(), foreach=False)
        one = {
            k: v[0] if isinstance(v, list) and k != "milestones" else v
            for k, v in arguments.items()
        }
        pairs.append((opt.param_groups[0]["lr"], build(module, opt, name, one)))
        opt.step()
    (mine_rate, mine), (_, theirs) = pairs
    for _ in range(60):
        mine.step()
        theirs.step()
        (held,) = [group["lr"] for group in mine.optimizer.param_groups]
        assert held is mine_rate
        want = theirs.optimizer.param_groups[0]["lr"]
        assert float(held) == pytest.approx(float(want), **NEAR)
        assert mine.get_last_lr()[0] is not held
        assert float(mine.get_last_lr()[0]) == float(held)


def first_order(module, *calls):
    opt = optimizer()
    scheduler = module.StepLR(opt, 3)
    for call in calls:
        (opt if call == "opt" else scheduler).step()


@pytest.mark.parametrize("module", [OURS, TORCHS], ids=["ours", "torch"])
def test_the_wrong_order_of_calls_warns(module):
    first_order(module, "opt", "scheduler", "scheduler")
    with pytest.warns(
        UserWarning, match=r"Detected call of `lr_scheduler.step\(\)` before"
    ) as found:
        first_order(module, "scheduler", "opt")
    assert found[0].filename == __file__


@pytest.mark.parametrize("module", [OURS, TORCHS], ids=["ours", "torch"])
def test_a_step_replaced_afterwards_warns(module):
    opt = optimizer()
    scheduler = module.StepLR(opt, 3)
    opt.step = lambda: None
    opt.step()
    with pytest.warns(UserWarning, match=r"`optimizer.step\(\)` has been overridden"):
        scheduler.step()


def test_ours_and_torchs_watch_an_optimizer_together():
    opt = optimizer()
    schedulers = [OURS.StepLR(opt, 3), TORCHS.StepLR(opt, 3), OURS.StepLR(opt, 3)]
    opt.step()
    for scheduler in schedulers:
        scheduler.step()


def test_asking_for_the_rate_by_get_lr_warns_as_torchs_does():
    for scheduler in pair("StepLR", dict(step_size=3)):
        with pytest.warns(UserWarning, match="please use `get_last_lr"):
            scheduler.get_lr()


def test_the_epoch_argument_warns_as_torchs_does():
    for scheduler in pair("StepLR", dict(step_size=3)):
        with pytest.warns(UserWarning, match="The epoch parameter"):
            scheduler.step(3)


@each
def test_a_copy_and_a_pickle_go_on_alike(name, arguments):
    mine, _ = pair(name, arguments)
    copies = [copy.deepcopy(mine)]
    functions = [arguments.get("lr_lambda"), arguments.get("scale_fn")]
    if not any(callable(f) or isinstance(f, list) for f in functions):  # a lambda has no pickle
        copies.append(pickle.loads(pickle.dumps(mine)))
    for scheduler in (mine, *copies):
        scheduler.optimizer.step()
    for _ in range(12):
        for scheduler in (mine, *copies):
            scheduler.step()
        assert all(seen(other) == seen(mine) for other in copies)


def test_an_edited_argument_counts_from_the_next_step_on():
    mine, theirs = pair("ExponentialLR", dict(gamma=0.9))
    for gamma in (0.9, 0.5, 0.7):
        mine.gamma = theirs.gamma = gamma
        mine.step()
        theirs.step()
        assert_same(mine, theirs)


def test_torchs_sequence_takes_our_schedulers_and_ours_takes_torchs():
    want, _ = pair("SequentialLR", COMPOSED[0][1])
    mixed = []
    for outer, inner in ((OURS, TORCHS), (TORCHS, OURS)):
        opt = optimizer()
        members = [build(inner, opt, *member) for member in COMPOSED[0][1]["members"]]
        mixed.append(outer.SequentialLR(opt, members, COMPOSED[0][1]["milestones"]))
        opt.step()
    for _ in range(100):
        want.step()
        for scheduler in mixed:
            scheduler.step()
            assert_same(want, scheduler)
