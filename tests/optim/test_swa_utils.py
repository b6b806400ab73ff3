"""`swa_utils`: torch's averages and torch's files, and what torch's version cannot do."""

import collections
import copy
import functools
import inspect
import pickle
import threading
import types
from fractions import Fraction

import pytest
import torch
import torch.optim.swa_utils as torchs
from torch import nn
from torch.nn import Module, Parameter

import thalweg.optim.swa_utils as ours
from tests.optim.runs import TOLERANCE, assert_close, assert_same, numbers, reloaded, values
from thalweg.stages import EqualAverage, ExponentialAverage

STEPS = 300
TYPES = [torch.float64, torch.float32, torch.bfloat16, torch.complex64]
SHAPES = [(3, 4), (4,), (), (0, 3)]
DECAYS = [0.0, 0.3, 0.9, 0.999, 1.0]

FUNCTIONS = [name for name in ours.__all__ if name.endswith("_fn")]
NARROW = [torch.bfloat16, torch.float16]
of_types = pytest.mark.parametrize("dtype", TYPES, ids=str)


class Net(Module):
    """Weights and buffers of every kind, tied ones among them."""

    def __init__(self, dtype=torch.float32, has_mask=True):
        super().__init__()
        self.first = nn.Linear(4, 3, dtype=dtype)
        self.second = nn.Linear(4, 3, dtype=dtype)
        self.second.weight = self.first.weight
        self.scale = Parameter(torch.ones((), dtype=dtype), requires_grad=False)
        self.register_buffer("running", torch.zeros(5, dtype=dtype))
        self.register_buffer("counter", torch.tensor(0))
        self.register_buffer("positions", torch.arange(40), persistent=False)
        if has_mask:
            self.register_buffer("mask", torch.ones(2, 2).tril().bool())

    def forward(self, x):
        return self.second(self.first(x)[..., :1].expand(x.shape)) * self.scale


@functools.cache
def path(shape, dtype, seed=0) -> list[torch.Tensor]:
    """The values that one tensor takes in training: a random walk."""
    steps = numbers((STEPS, *shape), seed, torch.complex128 if dtype.is_complex else torch.float64)
    return list(torch.cumsum(steps / 8, 0).to(dtype))


def drift(model: Module, t: int) -> None:
    """Change everything that training changes, as at step t."""
    with torch.no_grad():
        for i, value in enumerate([*model.parameters(), *model.buffers()]):
            if value.is_floating_point() or value.is_complex():
                value.copy_(path(tuple(value.shape), value.dtype, i)[t])
    if model.counter is not None:
        model.counter += 1


def saved_values(model: Module) -> list[torch.Tensor]:
    """Copies of all that a file of the model holds."""
    return values(model.state_dict().values())


def are_equal(have, want) -> bool:
    return all(map(torch.equal, have, want))


# the functions


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_functions_are_made_as_in_torch(name):
    def parameters(module):
        made = inspect.signature(getattr(module, name)).parameters.values()
        return [(p.name, p.kind, p.default) for p in made]

    assert parameters(ours) == parameters(torchs)


@pytest.mark.parametrize("decay", [0.3, 0.999, None], ids=str)
@of_types
def test_many_averages_are_torchs_bit_for_bit(dtype, decay):
    name = "get_swa_multi_avg_fn" if decay is None else "get_ema_multi_avg_fn"
    given = () if decay is None else (decay,)
    mine, theirs = getattr(ours, name)(*given), getattr(torchs, name)(*given)
    have = [numbers(shape, 1, dtype) for shape in SHAPES]
    want = [value.clone() for value in have]
    for t in range(STEPS):
        current = [path(shape, dtype)[t] for shape in SHAPES]
        mine(have, current, t)
        theirs(want, current, t)
        assert are_equal(have, want)


@pytest.mark.parametrize("decay", [0.3, 0.999, None], ids=str)
@of_types
def test_one_average_is_torchs_step_by_step(dtype, decay):
    name = "get_swa_avg_fn" if decay is None else "get_ema_avg_fn"
    given = () if decay is None else (decay,)
    mine, theirs = getattr(ours, name)(*given), getattr(torchs, name)(*given)
    have = want = numbers((3, 4), 1, dtype)
    for t in range(STEPS):
        if dtype in NARROW:  # torch rounds three times at each step, which adds up
            have = want
        before = have.clone()
        new = mine(have, path((3, 4), dtype)[t], torch.tensor(t))
        assert torch.equal(have, before)  # not in place
        have, want = new, theirs(want, path((3, 4), dtype)[t], torch.tensor(t))
        assert have.dtype == want.dtype
        assert_close([have], [want])


@pytest.mark.parametrize("name", ["get_ema_avg_fn", "get_swa_avg_fn"])
@pytest.mark.parametrize("dtype", NARROW, ids=str)
def test_one_narrow_average_rounds_once(dtype, name):
    """Torch's rounds three times, and is off by a digit in some of them."""
    averaged, current = numbers((1000,), 1, dtype), numbers((1000,), 2, dtype)
    rounded = getattr(torchs, name)()(averaged.double(), current.double(), 6).to(dtype)

    def wrong(module) -> int:
        return int((getattr(module, name)()(averaged, current, 6) != rounded).sum())

    assert wrong(ours) <= 5  # where the sum in float32 is halfway between two
    assert wrong(torchs) >= 50


@pytest.mark.parametrize("kind", ["ema", "swa"])
@of_types
def test_many_at_once_are_the_lines_of_the_stage(dtype, kind):
    """The one formula that is not run as written is held to the one that is."""
    many = {"ema": ours.get_ema_multi_avg_fn, "swa": ours.get_swa_multi_avg_fn}[kind]()
    stage = {"ema": ExponentialAverage, "swa": EqualAverage}[kind]
    more = {} if kind == "ema" else {"averages": True}
    have = [numbers(shape, 1, dtype) for shape in SHAPES]
    wide = torch.promote_types(dtype, torch.float32)
    for t in range(30):
        take = 1 - 0.999 if kind == "ema" else 1 / (t + 1)
        current = [numbers(shape, 10 * t + 2, dtype) for shape in SHAPES]
        want = [
            stage.update(p.to(wide), avg.to(wide), take, **more).to(dtype)
            for p, avg in zip(current, have, strict=True)
        ]
        many(have, current, t)
        assert_close(have, want)


def test_the_mean_of_doubles_is_exact_where_torchs_has_the_digits_of_floats():
    """torch's 1 / (n + 1) of a tensor n is a float32; if that is mended, so should our docs be."""
    mine, theirs = (torch.ones(1, dtype=torch.float64) for _ in range(2))
    zero = torch.zeros(1, dtype=torch.float64)
    ours.get_swa_multi_avg_fn()([mine], [zero], torch.tensor(2))
    torchs.get_swa_multi_avg_fn()([theirs], [zero], torch.tensor(2))
    assert mine.item() == pytest.approx(2 / 3, rel=1e-15)
    assert theirs.item() != pytest.approx(2 / 3, rel=1e-9)


@pytest.mark.parametrize("name", ["get_ema_multi_avg_fn", "get_ema_avg_fn"])
@pytest.mark.parametrize("decay", [-0.1, 1.1, float("nan")])
def test_a_decay_out_of_range_is_said_to_be_one(name, decay):
    with pytest.raises(ValueError, match=rf"^{name}: decay must be >= 0 and <= 1, got {decay}$"):
        getattr(ours, name)(decay)


def test_a_decay_that_is_no_number_is_said_to_be_none():
    with pytest.raises(TypeError, match=r"^get_ema_avg_fn: decay must be a number, got 'high'$"):
        ours.get_ema_avg_fn("high")


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_functions_can_be_pickled_and_copied(name, clone):
    """Torch's cannot be pickled, and so neither a model that has one."""
    made = getattr(ours, name)()
    again = clone(made)
    for function in (made, again):
        averaged, current = [torch.tensor([8.0])], [torch.tensor([4.0])]
        if "multi" in name:
            function(averaged, current, 1)
        else:
            averaged = [function(averaged[0], current[0], 1)]
        assert averaged[0] == (6.0 if "swa" in name else pytest.approx(7.996))


def test_no_tensors_have_no_average():
    """An empty module; torch asks for the type of the first tensor."""
    for function in (ours.get_ema_multi_avg_fn(), ours.get_swa_multi_avg_fn()):
        averaged: list[torch.Tensor] = []
        function(averaged, [], 1)
        assert averaged == []


def test_lists_may_mix_types():
    averaged = [torch.tensor(4), torch.tensor(4.0), torch.tensor(4.0), torch.tensor(True)]
    current = [torch.tensor(8), torch.tensor(8.0), torch.tensor(8.0).bfloat16(), torch.tensor(0)]
    ours.get_ema_multi_avg_fn(0.75)(averaged, current, 1)
    assert averaged == [5, 5.0, 5.0, False]
    assert [a.dtype for a in averaged] == [torch.int64, torch.float32, torch.float32, torch.bool]


@pytest.mark.parametrize("kind", ["one", "many"])
def test_decay_zero_is_the_weights_whatever_the_average_was(kind):
    averaged, current = torch.tensor([float("nan"), 1.0]), torch.tensor([2.0, 3.0])
    if kind == "one":
        assert_same([ours.get_ema_avg_fn(0.0)(averaged, current, 1)], [current])
    else:
        ours.get_ema_multi_avg_fn(0.0)([averaged], [current], 1)
        assert_same([averaged], [current])


def test_gradients_are_not_followed_through_an_average():
    averaged, current = torch.ones(2, requires_grad=True), torch.zeros(2, requires_grad=True)
    assert not ours.get_swa_avg_fn()(averaged, current, 1).requires_grad
    ours.get_ema_multi_avg_fn(0.5)([averaged], [current], 1)
    assert averaged.tolist() == [0.5, 0.5]


# integers


def counted(make, steps=STEPS) -> list[int]:
    """A counter's averages, cut off to integers, while it counts to `steps`."""
    averaged, path = torch.tensor(1), []
    for n in range(2, steps + 1):
        averaged.copy_(make(averaged, torch.tensor(n), n - 1))
        path.append(averaged.item())
    return path


@pytest.mark.parametrize("decay", [0.5, 0.9, 0.99, 0.999])
def test_the_average_of_integers_is_cut_off_as_exact_arithmetic_says(decay):
    exact, want = 1, []
    for n in range(2, STEPS + 1):
        exact = int(exact + (1 - Fraction(str(decay))) * (n - exact))
        want.append(exact)
    assert counted(ours.get_ema_avg_fn(decay)) == want
    in_place = torch.tensor(1)
    for n in range(2, STEPS + 1):
        ours.get_ema_multi_avg_fn(decay)([in_place], [torch.tensor(n)], n - 1)
        assert in_place == want[n - 2]


@pytest.mark.parametrize("decay", [0.5, 0.99, 0.999])
def test_the_average_of_integers_is_torchs(decay):
    assert counted(ours.get_ema_avg_fn(decay)) == counted(torchs.get_ema_avg_fn(decay))


def test_the_mean_of_integers_is_torchs():
    assert counted(ours.get_swa_avg_fn()) == counted(torchs.get_swa_avg_fn())


@pytest.mark.parametrize("decay", DECAYS)
def test_integers_that_do_not_change_stay_as_they_are(decay):
    """Such as the position ids of a transformer."""
    positions = torch.arange(5000)
    averaged = positions.clone()
    for _ in range(3):
        ours.get_ema_multi_avg_fn(decay)([averaged], [positions], 1)
        ours.get_swa_multi_avg_fn()([averaged], [positions], 6)
    assert torch.equal(averaged, positions)


def test_large_integers_keep_their_digits():
    """Beyond those of float32, such as the seeds and the counters of samples."""
    averaged, current = torch.tensor([2**40 + 1, 2**40 + 1]), torch.tensor([2**40 + 1, 2**40 + 3])
    ours.get_swa_multi_avg_fn()([averaged], [current], 1)
    assert (averaged - 2**40).tolist() == [1, 2]


def test_torch_lets_integers_fall_by_one():
    """If it stops, AveragedModel's docstring has to hear of it."""
    positions = torch.arange(5000)
    averaged = positions.clone()
    torchs.get_ema_multi_avg_fn(0.9)([averaged], [positions], 1)
    assert (averaged == positions - 1).sum() > 1000


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


# large models


class Whole(Module):
    """What a deep copy fails at, or copies though it is not wanted."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU())
        self.tied = nn.Linear(4, 4)
        self.tied.weight = self.body[0].weight
        self.lock = threading.Lock()
        self.trainer = types.SimpleNamespace(model=self)
        self.aliases = [self.body[0], "and more"]
        self.by_name = collections.OrderedDict(scale=self.body[1].weight)
        self.also = self.tied.bias  # which registers it a second time
        self.run = self.forward

    def forward(self, x):
        (same, _), scale = self.aliases, self.by_name["scale"]
        return self.tied(self.body(x)) + same(x) * scale + self.also


def moved(model: Module) -> Module:
    with torch.no_grad():
        for p in model.parameters():
            p += 1
    return model


def test_a_deep_copy_of_such_a_model_fails():
    with pytest.raises(TypeError, match="lock"):
        ours.AveragedModel(Whole())


@pytest.mark.parametrize("device", [None, "cpu"])
def test_a_shallow_average_is_a_model_of_its_own(device):
    model = Whole()
    x = numbers((5, 4), 1, torch.float32)
    ema = ours.AveragedModel(model, device, shallow=True)
    before, want = saved_values(ema.module), model(x).detach()
    moved(model)
    model(x)  # the batch norm takes notice
    assert_same(saved_values(ema.module), before)
    ema.module.body[1].reset_running_stats()
    assert_close([ema(x)], [want])
    assert_close([ema.module.run(x)], [want])
    mine = {id(value) for value in [*ema.module.parameters(), *ema.module.buffers()]}
    assert not mine & {id(value) for value in [*model.parameters(), *model.buffers()]}
    assert not {v.data_ptr() for v in ema.parameters()} & {v.data_ptr() for v in model.parameters()}


def test_a_shallow_average_borrows_all_that_is_not_of_the_modules():
    model = Whole()
    own = ours.AveragedModel(model, shallow=True).module
    assert own.lock is model.lock
    assert own.trainer is model.trainer
    assert own.tied.weight is own.body[0].weight
    assert own.aliases == [own.body[0], "and more"]
    assert own.also is own.tied.bias


def test_a_shallow_average_leaves_the_model_as_it_was():
    def described(model):
        tables = ("_parameters", "_modules", "_buffers", "_non_persistent_buffers_set", "training")
        return [(set(vars(m)), *(copy.copy(vars(m)[t]) for t in tables)) for m in model.modules()]

    model = Whole()
    before = described(model)
    own = ours.AveragedModel(model, shallow=True).module
    own.extra = nn.Linear(1, 1)
    own.register_buffer("more", torch.ones(1), persistent=False)
    own.register_forward_hook(lambda *given: None)
    own.body.eval()
    own.body[0].weight = Parameter(torch.zeros(4, 4))
    assert described(model) == before
    assert not model._forward_hooks


def test_hooks_go_with_a_shallow_average():
    model = nn.Linear(4, 4)
    model.register_forward_hook(lambda module, given, out: (module, out))
    own = ours.AveragedModel(model, shallow=True).module
    assert own(torch.ones(4))[0] is own


@pytest.mark.parametrize("shallow", [False, True])
def test_parametrized_and_frozen_weights_are_averaged(shallow):
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)), nn.Linear(3, 3))
    model[1].requires_grad_(False)
    ema = ours.AveragedModel(model, shallow=shallow)
    for _ in range(2):
        ema.update_parameters(moved(model))
    x = torch.ones(2, 4)
    assert not torch.equal(ema(x), model(x))
    other = copy.deepcopy(model)
    other.load_state_dict(ema.module.state_dict())
    assert_same([ema(x)], [other(x)])
    assert [p.requires_grad for p in ema.parameters()] == [
        p.requires_grad for p in model.parameters()
    ]


@pytest.mark.parametrize("shallow", [False, True])
def test_tensors_are_made_where_they_are_wanted_and_nowhere_else(shallow, monkeypatch):
    """As for an average on the CPU of a model that fills the GPU; meta stands for the CPU here."""
    model = Net()
    monkeypatch.setattr(torch.Tensor, "clone", lambda *given, **how: pytest.fail("copied here"))
    ema = ours.AveragedModel(model, "meta", shallow=shallow)
    assert {v.device.type for v in [*ema.parameters(), *ema.buffers()]} == {"meta"}
    assert {v.device.type for v in [*model.parameters(), *model.buffers()]} == {"cpu"}


def test_an_update_of_another_type_makes_one_tensor_at_a_time():
    """Of a large model a second whole copy, even for a moment, may be too much."""
    calls = []

    def multi_avg_fn(averaged, current, n):
        calls.append([tuple(a.shape) for a in averaged])
        assert [a.dtype for a in averaged] == [p.dtype for p in current] == [torch.float32]

    model = Net(torch.bfloat16)
    ema = ours.AveragedModel(model, multi_avg_fn=multi_avg_fn).float()
    for _ in range(2):
        ema.update_parameters(model)
    assert calls == [[tuple(p.shape)] for p in model.parameters()]


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_a_compiled_module_cannot_be_borrowed_from():
    model = nn.Sequential(nn.ReLU(), torch.jit.trace(nn.Linear(2, 2), torch.ones(2)))
    with pytest.raises(TypeError, match=r"^AveragedModel: shallow=True needs .* '1' is compiled"):
        ours.AveragedModel(model, shallow=True)


# update_bn


class Normed(Module):
    def __init__(self, momentum=0.1):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(4, 6), nn.BatchNorm1d(6, momentum), nn.Dropout(0.5), nn.Linear(6, 2)
        )
        self.norm = nn.BatchNorm1d(2, momentum=None)

    def forward(self, x, *, extra=0.0):
        return self.norm(self.layers(x) + extra)


def batches(count=5) -> list[torch.Tensor]:
    return [numbers((8, 4), i, torch.float32) + i for i in range(count)]


def normed_pair() -> tuple[Module, Module]:
    """Two alike, with statistics that must be forgotten."""
    model = Normed()
    model(3 * batches()[-1])
    return model, copy.deepcopy(model)


SHAPED = {
    "tensors": lambda x: x,
    "lists": lambda x: [x, torch.zeros(8)],
    "tuples": lambda x: (x, "labels"),
    "named tuples": collections.namedtuple("Batch", "x y")._make,
}


@pytest.mark.parametrize("device", [None, "cpu"])
@pytest.mark.parametrize("kind", ["tensors", "lists", "tuples"])
def test_statistics_are_torchs(kind, device):
    mine, theirs = normed_pair()
    for module, model in ((ours, mine), (torchs, theirs)):
        torch.manual_seed(7)  # for the dropout, which is on in both
        module.update_bn(map(SHAPED[kind], batches()), model, device)
    assert_same(saved_values(mine), saved_values(theirs))
    assert mine.layers[1].num_batches_tracked == 5
    assert (mine.layers[1].momentum, mine.norm.momentum) == (0.1, None)


Pair = collections.namedtuple("Pair", "x y")
BATCHES = {
    "a mapping": (lambda x: {"x": x, "extra": torch.ones(())}, None),
    "its own kind of mapping": (lambda x: collections.UserDict(x=x, extra=torch.ones(())), None),
    "a function for tensors": (lambda x: x, lambda m, x: m(x, extra=1.0)),
    "a function for mappings": (
        lambda x: {"image": x, "name": "seven", "one": torch.ones(())},
        lambda m, batch: m(batch["image"], extra=batch["one"]),
    ),
    "a function for tuples": (
        lambda x: Pair([x], {"more": torch.ones(())}),
        lambda m, pair: m(pair.x[0], extra=pair.y["more"]),
    ),
    "a function for what has no tensors": (lambda x: x.tolist(), lambda m, x: m(torch.tensor(x))),
}


@pytest.mark.parametrize("device", [None, "cpu"])
@pytest.mark.parametrize("kind", BATCHES)
def test_any_batch_makes_the_same_statistics(kind, device):
    shaped, forward = BATCHES[kind]
    mine, theirs = normed_pair()
    torch.manual_seed(7)
    ours.update_bn(map(shaped, batches()), mine, device, forward=forward)
    theirs.forward = types.MethodType(
        lambda self, x: Normed.forward(self, x, extra=0.0 if "no tensors" in kind else 1.0), theirs
    )
    torch.manual_seed(7)
    torchs.update_bn(batches(), theirs)
    assert_same(saved_values(mine), saved_values(theirs))


def test_a_batch_is_moved_whatever_its_tensors_are_in():
    seen = []

    def forward(model, batch):
        seen.append((batch["x"][0].device.type, batch["pair"].y["z"].device.type, batch["name"]))

    batch = {"x": [torch.ones(1)], "pair": Pair(1, {"z": torch.ones(1)}), "name": "seven"}
    ours.update_bn([batch], Normed(), "meta", forward=forward)
    assert seen == [("meta", "meta", "seven")]


def test_statistics_of_an_averaged_model_are_made_anew():
    model = Normed()
    ema = ours.AveragedModel(model, shallow=True)
    ema.update_parameters(model)
    before = model.norm.running_mean.clone()
    ours.update_bn(batches(), ema)
    assert ema.module.norm.num_batches_tracked == 5
    assert_same([model.norm.running_mean], [before])


@pytest.mark.parametrize("error", [None, ArithmeticError])
def test_modules_come_back_in_their_own_modes(error):
    """Torch sets all of them to the model's mode, and leaves them so if a batch fails."""
    model = Normed()
    model.layers.eval()

    def forward(model, x):
        assert all(m.training for m in model.modules())
        assert not torch.is_grad_enabled()
        if error is not None:
            raise error
        model(x)

    if error is None:
        ours.update_bn(batches(), model, forward=forward)
    else:
        with pytest.raises(error):
            ours.update_bn(batches(), model, forward=forward)
    assert (model.training, model.norm.training) == (True, True)
    assert not any(m.training for m in model.layers.modules())
    assert model.layers[1].momentum == 0.1


def test_a_loader_without_batches_is_refused_and_changes_nothing():
    """Torch leaves statistics of nothing behind: mean 0, variance 1."""
    model = Normed()
    model(batches()[1])
    before = saved_values(model)
    with pytest.raises(ValueError, match=r"^update_bn: loader must give at least one batch, got n"):
        ours.update_bn(iter([]), model)
    assert_same(saved_values(model), before)


def test_a_model_without_batch_norms_asks_for_no_batch():
    ours.update_bn(iter(lambda: pytest.fail("asked"), None), nn.Linear(2, 2))


def test_a_batch_may_be_anything_the_model_takes():
    """As in torch: what is no tensor and no collection goes to the model as it is."""
    model = Normed()
    model.forward = types.MethodType(lambda self, n: Normed.forward(self, batches()[n]), model)
    ours.update_bn(range(3), model)
    assert model.norm.num_batches_tracked == 3


def test_swalr_is_our_schedulers():
    import thalweg.optim.lr_scheduler as lr_scheduler

    assert ours.SWALR is lr_scheduler.SWALR
