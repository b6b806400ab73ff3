"""16-bit numbers are loaded exactly, and stored rounded as torch rounds them."""

import numpy as np
import pytest

from tests.fuse.border import Border, Guarded, narrowed, widened
from thalweg.chain import chain
from thalweg.fuse.storage import ELEMENTS, computation
from thalweg.rule import Rule, Stage, state

torch = pytest.importorskip("torch")

FORMS_16 = ["bfloat16", "float16"]
PATTERNS = np.arange(1 << 16, dtype=np.uint16)


class Copy(Rule):
    """p takes g's value: a load, a store, and nothing between them."""

    @staticmethod
    def update(p, g):
        p = g
        return p


class Keep(Stage):
    """A state takes g's value."""

    kept = state("kept")

    @staticmethod
    def update(g, kept):
        kept = g
        return kept


COPY = chain("Copy", Copy)


def through_the_pass(values, into, out_of):
    """Numbers that lie in memory as `out_of`, loaded, and stored as `into`."""
    border = Border(COPY, ({}, [np.zeros(values.shape)]), forms=(into, out_of, into))
    border.step([values])
    assert border.is_intact
    return border.tensors[0].held["p"].stored


def through_torch(values, form):
    """The bits that torch stores."""
    stored = torch.from_numpy(values).to(getattr(torch, form))
    return stored.view(torch.int16).numpy().view(np.uint16)


def same_bits(ours, theirs, values):
    """Equal bit by bit, except that any NaN is a NaN."""
    ours, nan = ours.view(np.uint16), np.isnan(values)
    np.testing.assert_array_equal(ours[~nan], theirs[~nan])
    return ours[nan]


def samples(form):
    """Numbers that lie on, just beside and halfway between those of a 16-bit format, and others."""
    exact = widened(PATTERNS, form) if form == "bfloat16" else PATTERNS.view(np.float16)
    exact = exact.astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        halfway = exact / 2 + np.roll(exact, -1) / 2
        beside = [np.nextafter(halfway, np.float32(end)) for end in (-np.inf, np.inf)]
    rng = np.random.default_rng(0)
    any_bits = rng.integers(0, 1 << 32, 200_000, dtype=np.uint32).view(np.float32)
    return np.concatenate([exact, halfway, *beside, any_bits])


@pytest.mark.parametrize("wide", ["float32", "float64"])
@pytest.mark.parametrize("form", FORMS_16)
def test_every_pattern_is_loaded_exactly(form, wide):
    grad = Guarded(np.zeros(1 << 16), form)
    grad.stored.view(np.uint16)[...] = PATTERNS
    border = Border(COPY, ({}, [np.zeros(1 << 16)]), forms=(wide, form, wide))
    border.step([grad])
    exact = torch.from_numpy(PATTERNS.view(np.int16)).view(getattr(torch, form))
    exact = exact.to(getattr(torch, wide)).numpy()
    loaded, known = border.params[0], ~np.isnan(exact)
    np.testing.assert_array_equal(loaded, exact)
    np.testing.assert_array_equal(np.signbit(loaded[known]), np.signbit(exact[known]))


@pytest.mark.parametrize("form", FORMS_16)
def test_float32_is_rounded_as_torch_rounds_it(form):
    values = samples(form)
    theirs = through_torch(values, form)
    nans = same_bits(through_the_pass(values, form, "float32"), theirs, values)
    nans = widened(nans, form) if form == "bfloat16" else nans.view(np.float16)
    assert len(nans)
    assert np.isnan(nans).all()


@pytest.mark.parametrize("form", FORMS_16)
def test_the_tests_own_rounding_is_torch_s(form):
    values = samples(form)
    same_bits(narrowed(values, form), through_torch(values, form), values)


@pytest.mark.parametrize("form", FORMS_16)
def test_float64_is_rounded_as_torch_rounds_it(form):
    """A state of 16 bits beside a float64 parameter; torch too goes through float32."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal(50_000) * np.exp2(rng.integers(-24, 16, 50_000))
    border = Border(chain("Kept", Keep, Copy), ({}, [values]), forms=("float64", "float64", form))
    border.step([values])
    stored = border.tensors[0].held["keep__kept"].stored
    same_bits(stored, through_torch(values, form), values)


@pytest.mark.parametrize(
    ("form", "value", "expected"),
    [
        ("bfloat16", 1 + 2**-8, 1.0),  # a tie, down to the even neighbour
        ("bfloat16", 1 + 3 * 2**-8, 1 + 2**-6),  # a tie, up to the even neighbour
        ("bfloat16", 3.4e38, np.inf),
        ("bfloat16", 2.0**-133, 2.0**-133),  # the smallest there is
        ("bfloat16", 2.0**-134, 0.0),
        ("float16", 1 + 2**-11, 1.0),
        ("float16", 65519.0, 65504.0),
        ("float16", 65520.0, np.inf),
        ("float16", 2.0**-24, 2.0**-24),
        ("float16", 2.0**-25, 0.0),
        ("float16", 3 * 2.0**-25, 2.0**-23),
    ],
)
def test_ties_overflow_and_underflow(form, value, expected):
    for number, target in ((value, expected), (-value, -expected)):
        stored = through_the_pass(np.array([number], np.float32), form, "float32")
        assert widened(stored, form).tolist() == [target]


def test_what_is_computed_in_what():
    assert {form: computation(form) for form in ELEMENTS} == {
        "float32": "float32",
        "float64": "float64",
        "bfloat16": "float32",
        "float16": "float32",
    }
