"""The functions of `swa_utils`: torch's averages to the bit, and of any type."""

import copy
import inspect
import pickle
from fractions import Fraction

import pytest
import torch
import torch.optim.swa_utils as torchs

import thalweg.optim.swa_utils as ours
from tests.optim.averaged import NARROW, STEPS, TYPES, path
from tests.optim.runs import assert_close, assert_same, numbers
from thalweg.stages import EqualAverage, ExponentialAverage

SHAPES = [(3, 4), (4,), (), (0, 3)]
DECAYS = [0.0, 0.3, 0.9, 0.999, 1.0]
FUNCTIONS = [name for name in ours.__all__ if name.endswith("_fn")]
of_types = pytest.mark.parametrize("dtype", TYPES, ids=str)


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


def _as_written(kind, p, avg, n_averaged):
    """The stage's own lines, of a mean that has begun."""
    if kind == "ema":
        return ExponentialAverage.update(p, avg, first=False, decay=0.999)
    due = {"t": 1, "start": 1, "every": 1}
    return EqualAverage.update(p, avg, n_averaged, n_missed=0, **due)[0]


@pytest.mark.parametrize("kind", ["ema", "swa"])
@of_types
def test_many_at_once_are_the_lines_of_the_stage(dtype, kind):
    """The one formula that is not run as written is held to the one that is."""
    many = {"ema": ours.get_ema_multi_avg_fn, "swa": ours.get_swa_multi_avg_fn}[kind]()
    have = [numbers(shape, 1, dtype) for shape in SHAPES]
    wide = torch.promote_types(dtype, torch.float32)
    for t in range(30):
        current = [numbers(shape, 10 * t + 2, dtype) for shape in SHAPES]
        want = [
            _as_written(kind, p.to(wide), avg.to(wide), t).to(dtype)
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
@pytest.mark.parametrize("decay", [-0.1, 2.0, float("nan")])
def test_a_decay_out_of_range_is_said_to_be_one_in_our_words_and_torchs(name, decay):
    with pytest.raises(ValueError, match=rf"^{name}: decay must be >= 0 and <= 1, got") as told:
        getattr(ours, name)(decay)
    assert str(told.value).endswith(f", got {decay} (Invalid decay value {decay} provided)")
    if decay == decay:  # torch takes NaN
        with pytest.raises(ValueError, match=f"Invalid decay value {decay} provided"):
            getattr(torchs, name)(decay)


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


def test_swalr_is_our_schedulers():
    import thalweg.optim.lr_scheduler as lr_scheduler

    assert ours.SWALR is lr_scheduler.SWALR
