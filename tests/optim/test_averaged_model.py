"""AveragedModel: torch's averages and torch's files."""

import copy
import inspect
import pickle

import pytest
import torch
import torch.optim.swa_utils as torchs
from torch import nn
from torch.nn import Module

import thalweg.optim.swa_utils as ours
from tests.optim.averaged import NARROW, STEPS, TYPES, Net, path, saved_values
from tests.optim.runs import TOLERANCE, assert_close, assert_same, numbers, reloaded


def drift(model: Module, t: int) -> None:
    """Change everything that training changes, as at step t."""
    with torch.no_grad():
        for i, value in enumerate([*model.parameters(), *model.buffers()]):
            if value.is_floating_point() or value.is_complex():
                value.copy_(path(tuple(value.shape), value.dtype, i)[t])
    if model.counter is not None:
        model.counter += 1


# AveragedModel


KINDS = {
    "default": lambda module: {},
    "ema": lambda module: {"avg_fn": module.get_ema_avg_fn(0.9)},
    "ema many": lambda module: {"multi_avg_fn": module.get_ema_multi_avg_fn(0.99)},
    "swa": lambda module: {"avg_fn": module.get_swa_avg_fn()},
    "swa many": lambda module: {"multi_avg_fn": module.get_swa_multi_avg_fn()},
    "of the user": lambda module: {"avg_fn": lambda avg, p, n: avg + (p - avg) / (n + 2)},
}


def assert_close_states(have: Module, want: Module, dtype: torch.dtype, digits=None) -> None:
    a, b = have.state_dict(), want.state_dict()
    assert list(a) == list(b)
    for name in a:
        exact = {"rtol": 0, "atol": 0}
        tolerance = TOLERANCE[digits or dtype] if b[name].dtype == dtype else exact
        torch.testing.assert_close(a[name], b[name], **tolerance)


@pytest.mark.parametrize("use_buffers", [False, True])
@pytest.mark.parametrize(
    ("dtype", "kind"),
    [
        *((torch.float64, kind) for kind in KINDS),
        *((dtype, kind) for dtype in TYPES[1:] for kind in ("default", "ema many")),
    ],
    ids=str,
)
def test_an_averaged_model_is_torchs_step_by_step(dtype, kind, use_buffers):
    model = Net(dtype)
    if use_buffers:
        model.mask = None  # torch cannot subtract booleans
    if use_buffers and kind == "swa many":  # nor average integers
        model.counter = model.positions = None
    if use_buffers and kind == "ema":  # and lets them fall here
        model.counter = model.positions = None
    mine = ours.AveragedModel(model, use_buffers=use_buffers, **KINDS[kind](ours))
    theirs = torchs.AveragedModel(model, use_buffers=use_buffers, **KINDS[kind](torchs))
    assert_close_states(mine, theirs, dtype)
    # torch's 1 / (n + 1) has the digits of float32 here
    digits = {"swa many": torch.complex64 if dtype.is_complex else torch.float32}.get(kind)
    for t in range(STEPS):
        if dtype in NARROW:  # torch rounds more often, and that adds up
            mine.load_state_dict(theirs.state_dict())
        drift(model, t)
        mine.update_parameters(model)
        theirs.update_parameters(model)
        if t % 10 == 0 or t > STEPS - 3:
            assert_close_states(mine, theirs, dtype, digits if dtype not in NARROW else None)
    assert mine.n_averaged == theirs.n_averaged == STEPS


# what a training does with an AveragedModel


def averaged(model: Module, steps=4, module=ours, **settings) -> Module:
    """An average over some steps."""
    made = module.AveragedModel(model, **settings)
    for t in range(steps):
        drift(model, t)
        made.update_parameters(model)
    return made


@pytest.mark.parametrize("use_buffers", [False, True])
@pytest.mark.parametrize("kind", ["default", "ema many"])
@pytest.mark.parametrize("from_torch", [False, True])
def test_a_file_goes_on_in_torchs_class_and_back(from_torch, kind, use_buffers):
    modules = (torchs, ours) if from_torch else (ours, torchs)
    source, target = Net(torch.float64, has_mask=False), Net(torch.float64, has_mask=False)
    settings = [KINDS[kind](module) for module in modules]
    before = averaged(source, module=modules[0], use_buffers=use_buffers, **settings[0])
    after = modules[1].AveragedModel(target, use_buffers=use_buffers, **settings[1])
    after.load_state_dict(reloaded(before.state_dict()))
    after.module.positions.copy_(before.module.positions)
    assert after.n_averaged == 4
    for t in range(4, 8):
        drift(source, t)
        before.update_parameters(source)
        after.update_parameters(source)
    assert_close_states(after, before, torch.float64)


def test_torchs_isinstance_knows_ours():
    assert isinstance(ours.AveragedModel(Net()), torchs.AveragedModel)


def test_the_constructor_is_torchs_and_one_thing_more():
    mine, theirs = (list(inspect.signature(m.AveragedModel).parameters) for m in (ours, torchs))
    assert mine == [*theirs, "shallow"]


def test_the_first_update_copies_whatever_the_function():
    model = Net()
    ema = ours.AveragedModel(model, multi_avg_fn=ours.get_ema_multi_avg_fn(1.0), use_buffers=True)
    drift(model, 3)
    ema.update_parameters(model)
    assert_same(saved_values(ema.module), saved_values(model))
    drift(model, 4)
    ema.update_parameters(model)
    assert not torch.equal(ema.module.scale, model.scale)


def test_the_averaged_model_runs_as_the_model_would():
    model = Net()
    ema = ours.AveragedModel(model)
    x = numbers((2, 4), 1, torch.float32)
    assert_same([ema(x)], [model(x)])


def test_tied_weights_stay_tied_and_are_averaged_once():
    ema = averaged(Net(torch.float64))
    assert ema.module.second.weight is ema.module.first.weight
    want = torch.stack(path((3, 4), torch.float64, 1)[:4]).mean(0)
    assert_close([ema.module.first.weight], [want])


@pytest.mark.parametrize("settings", [{}, {"multi_avg_fn": ours.get_ema_multi_avg_fn(0.9)}])
@pytest.mark.parametrize("clone", [copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))])
def test_an_average_goes_on_in_a_copy(clone, settings):
    model = Net(torch.float64)
    ema = averaged(model, **settings)
    again = clone(ema)
    for t in range(4, 8):
        drift(model, t)
        ema.update_parameters(model)
        again.update_parameters(model)
    assert_same(saved_values(again), saved_values(ema))


@pytest.mark.parametrize("kind", ["default", "ema", "ema many"])
def test_a_narrow_model_may_have_a_wide_average(kind):
    """In bf16 an average with decay 0.999 would never move: a thousandth is below its digits."""
    model, wide = Net(torch.bfloat16), Net(torch.float32)
    have = ours.AveragedModel(model, **KINDS[kind](ours)).float()
    want = ours.AveragedModel(wide, **KINDS[kind](ours))
    for t in range(20):
        drift(model, t)
        wide.load_state_dict(model.state_dict())
        have.update_parameters(model)
        want.update_parameters(wide)
    assert {p.dtype for p in have.parameters()} == {torch.float32}
    assert_close(have.parameters(), want.parameters())


def test_a_users_function_for_many_gets_what_torchs_gets():
    calls = {}

    def noting(name):
        def multi_avg_fn(averaged, current, n):
            assert isinstance(n, torch.Tensor)
            kinds = [(a.dtype, tuple(a.shape)) for a in averaged]
            assert kinds == [(p.dtype, tuple(p.shape)) for p in current]
            calls.setdefault(name, []).append((kinds, n.item()))

        return multi_avg_fn

    for module in (ours, torchs):
        averaged(
            Net(), module=module, multi_avg_fn=noting(module.__name__), use_buffers=True, steps=3
        )
    mine, theirs = (sorted(c, key=str) for c in calls.values())
    assert mine == theirs


def test_only_one_function_may_be_given():
    with pytest.raises(AssertionError, match=r"^AveragedModel: only one of avg_fn and multi_avg"):
        ours.AveragedModel(Net(), None, ours.get_swa_avg_fn(), ours.get_swa_multi_avg_fn())


def test_only_a_model_can_be_averaged():
    with pytest.raises(TypeError, match=r"^AveragedModel: model must be a torch.nn.Module, got 3$"):
        ours.AveragedModel(3)


@pytest.mark.parametrize("steps", [0, 1])
@pytest.mark.parametrize(
    ("other", "got"),
    [
        (
            nn.Linear(4, 2),
            r"parameter 'weight' of shape \(2, 4\) where it has parameter 'weight' of shape \(3",
        ),
        (
            nn.Linear(4, 3, bias=False),
            r"no parameter where it has parameter 'bias' of shape \(3,\)",
        ),
        (
            nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 1)),
            r"parameter '2.weight' of shape \(1, 3\) where it has no parameter",
        ),
        (nn.Linear(4, 1), r"parameter 'weight' of shape \(1, 4\) where it has parameter"),
    ],
    ids=["other shape", "fewer", "more", "torch would broadcast it"],
)
def test_another_model_is_refused_and_changes_nothing(other, got, steps):
    model = nn.Linear(4, 3)
    ema = ours.AveragedModel(model)
    for _ in range(steps):
        ema.update_parameters(model)
    before = saved_values(ema)
    with pytest.raises(ValueError, match=rf"^AveragedModel.update_parameters: .*got {got}"):
        ema.update_parameters(other)
    assert_same(saved_values(ema), before)


def test_other_buffers_are_refused_and_change_nothing():
    model, other = Net(), Net(has_mask=False)
    ema = ours.AveragedModel(model)
    drift(other, 1)
    with pytest.raises(
        ValueError, match=r"got no buffer where it has buffer 'mask' of shape \(2, 2\)"
    ):
        ema.update_parameters(other)
    assert_same(saved_values(ema.module), saved_values(model))


def test_a_wrapped_model_may_be_given():
    """Names are not compared: DistributedDataParallel and torch.compile put a word in front."""
    model = nn.Linear(4, 3)
    ema = ours.AveragedModel(model)
    ema.update_parameters(nn.Sequential(model))
    assert ema.n_averaged == 1
