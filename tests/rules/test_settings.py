"""Settings: what is outside a setting's own range is refused, in one shape of sentence."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cases import CASES
from tests.plain import PLAIN
from thalweg.chain import chain
from thalweg.optimizers import OPTIMIZERS
from thalweg.rule import setting
from thalweg.stages import ClipNorm, ClipValue

CHAINS = [*OPTIMIZERS.values(), chain("Clipped", ClipValue, ClipNorm, OPTIMIZERS["SGD"])]


def single_numbers():
    """Every number there is to set: its chain, its setting, its place in a tuple or None."""
    for made in CHAINS:
        for name, declared in made.settings.items():
            if isinstance(declared.default, tuple):
                for i in range(len(declared.default)):
                    yield made, name, i
            elif not declared.is_switch:
                yield made, name, None


NUMBERS = [
    pytest.param(*one, id=f"{one[0].name}-{one[1]}{'' if one[2] is None else [one[2]]}")
    for one in single_numbers()
]
every_number = pytest.mark.parametrize(("made", "name", "i"), NUMBERS)


def group_with(made, name, i, value):
    """The defaults with one number replaced; and the place that a message must name."""
    if i is None:
        return {**made.defaults, name: value}, f"{made.name}: {name}"
    numbers = list(made.settings[name].default)
    numbers[i] = value
    return {**made.defaults, name: tuple(numbers)}, f"{made.name}: {name}[{i}]"


def number(made, name, i):
    """The declaration of one number."""
    declared = made.settings[name]
    return declared if i is None else declared.element(i)


def outside(declared):
    """Values just outside and far outside the declared range."""
    if declared.low is not None:
        yield from (declared.low - 1, -math.inf)
        if isinstance(declared.default, float):
            yield math.nextafter(declared.low, -math.inf)
    if declared.above is not None:
        yield from (declared.above, declared.above - 1, -math.inf)
    if declared.high is not None:
        yield from (math.nextafter(declared.high, math.inf), declared.high + 1, math.inf)
    if declared.below is not None:
        yield from (declared.below, declared.below + 1, math.inf)


def saying(text):
    """A pattern for exactly this sentence."""
    return f"^{re.escape(text)}$"


def is_whole(declared):
    return isinstance(declared.default, int)


@every_number
def test_a_number_outside_its_range_is_refused(made, name, i):
    declared = number(made, name, i)
    values = [v for v in outside(declared) if not is_whole(declared) or math.isfinite(v)]
    for value in values:
        group, where = group_with(made, name, i, value)
        sentence = f"{where} must be {declared.range}, got {value!r}"
        with pytest.raises(ValueError, match=saying(sentence)):
            made.check(group)


@every_number
def test_nan_is_refused(made, name, i):
    group, where = group_with(made, name, i, math.nan)
    with pytest.raises(ValueError, match=f"^{re.escape(where)} must be .*, got nan$"):
        made.check(group)


@every_number
@pytest.mark.parametrize("value", ["0.1", b"1", None, [0.1], 1j, object], ids=repr)
def test_what_is_no_number_is_refused(made, name, i, value):
    group, where = group_with(made, name, i, value)
    with pytest.raises(TypeError) as caught:
        made.check(group)
    assert str(caught.value) == f"{where} must be a number, got {value!r}"


@pytest.mark.parametrize("name", ["lr", "k", "betas"])
def test_a_number_that_no_float_can_hold_is_refused(name):
    ranger, huge = OPTIMIZERS["Ranger"], 10**400
    value = (huge, 0.9) if name == "betas" else huge
    sentence = rf"^Ranger: {name}(\[0\])? must be .*, got 1000"
    with pytest.raises((TypeError, ValueError), match=sentence):
        ranger.check({**ranger.defaults, name: value})


@every_number
def test_a_number_is_accepted_exactly_when_it_is_in_its_range(made, name, i):
    declared = number(made, name, i)

    @settings(deadline=None)  # on a busy machine any example may take long
    @given(st.integers() if is_whole(declared) else st.floats())
    def holds(value):
        inside = (
            not math.isnan(value)
            and (declared.low is None or declared.low <= value)
            and (declared.above is None or declared.above < value)
            and (declared.high is None or value <= declared.high)
            and (declared.below is None or value < declared.below)
        )
        group, _ = group_with(made, name, i, value)
        if inside:
            made.check(group)
        else:
            with pytest.raises(ValueError, match="must be"):
                made.check(group)

    holds()


@pytest.mark.parametrize("value", [1.5, math.inf, -math.inf, np.float32(2.5)], ids=repr)
def test_an_integer_must_be_whole(value):
    ranger = OPTIMIZERS["Ranger"]
    with pytest.raises(TypeError) as caught:
        ranger.check({**ranger.defaults, "k": value})
    assert str(caught.value) == f"Ranger: k must be an integer, got {value!r}"


@pytest.mark.parametrize("value", [4, 4.0, np.int64(4), np.float32(4.0)], ids=repr)
def test_an_integer_may_be_written_in_any_type(value):
    ranger = OPTIMIZERS["Ranger"]
    ranger.check({**ranger.defaults, "k": value})
    views = ranger.views({"k": value})
    assert [type(view.k) for view in views if hasattr(view, "k")] == [int]


@pytest.mark.parametrize("value", [(0.9,), (0.9, 0.99, 0.999), (), 0.9, "ab", None], ids=repr)
@pytest.mark.parametrize("name", ["Adam", "AdamW", "RAdam", "Ranger"])
def test_betas_must_be_two(name, value):
    made = OPTIMIZERS[name]
    with pytest.raises(TypeError) as caught:
        made.check({**made.defaults, "betas": value})
    assert str(caught.value) == f"{name}: betas must be 2 numbers, got {value!r}"


@pytest.mark.parametrize("value", [[0.8, 0.9], np.array([0.8, 0.9])], ids=repr)
def test_betas_may_be_any_sequence_of_two(value):
    adam = OPTIMIZERS["Adam"]
    adam.check({**adam.defaults, "betas": value})
    (view,) = [view for view in adam.views({"betas": value}) if "betas" in vars(view)]
    assert view.betas == (0.8, 0.9)


# a few sentences in full, so that the generated ones above are not merely consistent
@pytest.mark.parametrize(
    ("name", "settings", "says"),
    [
        ("SGD", {"lr": -0.1}, "SGD: lr must be >= 0, got -0.1"),
        ("SGD", {"momentum": -1}, "SGD: momentum must be >= 0, got -1"),
        ("SGD", {"dampening": math.nan}, "SGD: dampening must be a number, got nan"),
        ("Adam", {"betas": (1.0, 0.9)}, "Adam: betas[0] must be >= 0 and < 1, got 1.0"),
        ("AdamW", {"eps": -1e-9}, "AdamW: eps must be >= 0, got -1e-09"),
        ("Ranger", {"alpha": 1.5}, "Ranger: alpha must be >= 0 and <= 1, got 1.5"),
        ("Ranger", {"k": 0}, "Ranger: k must be >= 1, got 0"),
        ("Ranger", {"n_sma_threshold": 3.9}, "Ranger: n_sma_threshold must be >= 4, got 3.9"),
        ("Rprop", {"etas": (0.5, 1.0)}, "Rprop: etas[1] must be > 1, got 1.0"),
        (
            "RAdam",
            {"warmup_mode": "slow"},
            "RAdam: warmup_mode must be one of 'sgd', 'skip', got 'slow'",
        ),
        ("SGD", {"nesterov": True}, "SGD: nesterov requires a momentum > 0 and a dampening of 0"),
        (
            "SGD",
            {"nesterov": True, "momentum": 0.9, "dampening": 0.1},
            "SGD: nesterov requires a momentum > 0 and a dampening of 0",
        ),
    ],
)
def test_the_sentences(name, settings, says):
    made = OPTIMIZERS[name]
    with pytest.raises(ValueError, match=saying(says)):
        made.check({**made.defaults, **settings})


@pytest.mark.parametrize("made", CHAINS, ids=lambda made: made.name)
def test_the_defaults_are_inside(made):
    made.check({name: s.default for name, s in made.settings.items()})


@pytest.mark.parametrize("one", CASES, ids=str)
def test_the_cases_are_inside(one):
    one.chain.check({**one.chain.defaults, **one.settings})
    assert set(one.settings) <= set(one.chain.defaults)


def test_a_bound_itself_is_inside_or_not_as_declared():
    closed, half_open = setting(0.5, low=0, high=1), setting(0.5, above=0, below=1)
    assert [closed.accepts(x) for x in (0, 1)] == [True, True]
    assert [half_open.accepts(x) for x in (0, 1)] == [False, False]
    assert (closed.range, half_open.range) == (">= 0 and <= 1", "> 0 and < 1")


def test_every_optimizer_has_a_case():
    assert {one.name for one in CASES} == set(PLAIN)
