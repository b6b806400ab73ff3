"""The elementwise functions mean the same on numbers, arrays, tensors and in a compiled pass."""

import itertools
import math

import numpy as np
import pytest

from tests.fuse.border import Border
from thalweg import elementwise
from thalweg.chain import chain
from thalweg.elementwise import abs as absolute
from thalweg.elementwise import atan2, cbrt, exp, lerp, log, maximum, minimum, sign, sqrt, where
from thalweg.optimizers import OPTIMIZERS
from thalweg.rule import Rule, state

torch = pytest.importorskip("torch")
pytest.importorskip("thalweg.optim")  # which teaches the functions torch's tensors

TINY, HUGE = np.finfo(np.float32).smallest_subnormal, np.finfo(np.float32).max
SPECIAL = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, -1.0, 0.3, -2.5, 7.0, TINY, -TINY, HUGE]
PAIRS = np.array(list(itertools.product(SPECIAL, SPECIAL))).T

# NumPy's and the compiler's cbrt, exp, log and atan2 are within an ulp or two of the truth, not of
# each other; and a compiled lerp may keep the product exact. The others round once, or not at all.
ULPS = {"cbrt": 4, "exp": 4, "log": 4, "atan2": 4, "lerp": 4}
# On some processors torch has its square roots from MKL, which promises an ulp.
TORCHS = {**ULPS, "sqrt": 1}

FUNCTIONS = {
    "sqrt": lambda a, b: sqrt(a),
    "cbrt": lambda a, b: cbrt(a),
    "exp": lambda a, b: exp(a),
    "log": lambda a, b: log(a),
    "abs": lambda a, b: absolute(a),
    "sign": lambda a, b: sign(a),
    "maximum": lambda a, b: maximum(a, b),
    "minimum": lambda a, b: minimum(a, b),
    "atan2": lambda a, b: atan2(a, b),
    "where": lambda a, b: where(a > b, a, b),
    "lerp": lambda a, b: lerp(a, b, 0.25),
}


class Everything(Rule):
    """Every function at once: one kernel for all of them."""

    a = state("sqrt")
    b = state("exp")
    c = state("log")
    d = state("abs")
    e = state("sign")
    f = state("maximum")
    i = state("minimum")
    j = state("where")
    k = state("lerp")
    r = state("atan2")
    s = state("cbrt")

    @staticmethod
    def update(p, g, a, b, c, d, e, f, i, j, k, r, s):
        a = sqrt(g)
        b = exp(g)
        c = log(g)
        d = absolute(g)
        e = sign(g)
        f = maximum(g, p)
        i = minimum(g, p)
        j = where(g > p, g, p)
        k = lerp(g, p, 0.25)
        r = atan2(g, p)
        s = cbrt(g)
        return p, a, b, c, d, e, f, i, j, k, r, s


EVERYTHING = chain("Everything", Everything)


def on_numbers(function, a, b):
    return np.array([function(x, y) for x, y in zip(a.tolist(), b.tolist(), strict=True)])


def on_arrays(function, a, b):
    with np.errstate(all="ignore"):
        return function(a, b)


def on_tensors(function, a, b):
    return function(torch.from_numpy(a), torch.from_numpy(b)).numpy()


def fused(a, b, form):
    border = Border(EVERYTHING, ({}, [b]), forms=(form, form, form))
    border.step([a])
    return border


def same(actual, expected, name, ulps=ULPS):
    """The same number, NaN where NaN is; the sign of a zero is not promised."""
    form = np.finfo(expected.dtype)
    exact = name not in ulps
    relative = 0 if exact else ulps[name] * form.eps
    absolute = 0 if exact else 2 * form.smallest_subnormal
    np.testing.assert_allclose(actual, expected, rtol=relative, atol=absolute)


def test_every_function_is_here():
    assert set(FUNCTIONS) == {*elementwise.PRIMITIVES, *elementwise.COMPOSITES}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_numbers_and_arrays_agree(name):
    a, b = PAIRS
    same(on_numbers(FUNCTIONS[name], a, b), on_arrays(FUNCTIONS[name], a, b), name)


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_arrays_and_tensors_agree(name, dtype):
    a, b = PAIRS.astype(dtype)
    on_torch = on_tensors(FUNCTIONS[name], a, b)
    assert on_torch.dtype == dtype
    same(on_torch, on_arrays(FUNCTIONS[name], a, b), name, TORCHS)


@pytest.mark.parametrize("form", ["float32", "float64"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_arrays_and_the_compiled_pass_agree(name, form):
    a, b = PAIRS.astype(form)
    same(fused(a, b, form).state(name), on_arrays(FUNCTIONS[name], a, b), name)


@pytest.mark.parametrize("form", ["float32", "float64"])
def test_a_compiled_angle_is_exact_in_every_direction(form):
    rng = np.random.default_rng(0)
    sizes = 10.0 ** rng.integers(-6, 7, (2, 40_000))
    y, x = (rng.standard_normal((2, 40_000)) * sizes).astype(form)
    # a few roundings, one of a quotient and one of a sum with a part of pi among them
    np.testing.assert_allclose(
        fused(y, x, form).state("atan2"), np.arctan2(y, x), rtol=4 * np.finfo(form).eps
    )


@pytest.mark.parametrize(("form", "powers"), [("float32", (-149, 128)), ("float64", (-1074, 1024))])
def test_a_compiled_cube_root_is_exact_of_every_size(form, powers):
    """Between the two types' smallest numbers and their largest."""
    draw = np.random.default_rng(0)
    sizes = np.ldexp(draw.uniform(0.5, 1, 40_000), draw.integers(*powers, 40_000))
    x = (draw.choice([-1, 1], 40_000) * sizes).astype(form)
    found = fused(x, np.ones_like(x), form).state("cbrt")
    np.testing.assert_allclose(found, np.cbrt(x), rtol=2 * np.finfo(form).eps)
    tensor = cbrt(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(tensor, np.cbrt(x), rtol=4 * np.finfo(form).eps)


@pytest.mark.parametrize(("form", "least", "most"), [("float32", -110, 92), ("float64", -750, 712)])
def test_a_compiled_exponential_is_exact_up_to_infinity_and_down_to_zero(form, least, most):
    x = np.random.default_rng(0).uniform(least, most, 40_000).astype(form)
    with np.errstate(all="ignore"):
        expected = np.exp(x)
    assert {0, math.inf} <= set(expected.tolist())
    same(fused(x, np.ones_like(x), form).state("exp"), expected, "exp")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_array_keeps_its_type(name):
    a, b = np.ones((2, 3), np.float32)
    assert FUNCTIONS[name](a, b).dtype == np.float32


@pytest.mark.parametrize("name", FUNCTIONS)
def test_numbers_give_a_python_float(name):
    assert type(FUNCTIONS[name](0.5, 2.0)) is float  # a NumPy double would widen what it meets


@pytest.mark.parametrize("name", ["maximum", "minimum", "atan2", "where", "lerp"])
def test_numbers_mix_with_arrays_and_tensors(name):
    values = np.array([0.5, 3.0], np.float32)
    expected = FUNCTIONS[name](values, np.full(2, 2.0, np.float32))
    np.testing.assert_array_equal(FUNCTIONS[name](values, 2.0), expected)
    same(FUNCTIONS[name](torch.from_numpy(values), 2.0).numpy(), expected, name)


@pytest.mark.parametrize("make", [np.array, torch.tensor], ids=["numpy", "torch"])
def test_where_takes_one_condition_for_all_elements(make):
    a, b = make([1.0, 2.0]), make([3.0, 4.0])
    assert where(True, a, b).tolist() == [1.0, 2.0]
    assert where(0.0 > 1.0, a, b).tolist() == [3.0, 4.0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_where_between_two_numbers_loses_no_digits(dtype):
    arrays, tensors = np.ones(1, dtype), torch.ones(1, dtype=getattr(torch, dtype))
    expected = np.array([0.1]).astype(dtype)
    for ones in (arrays, tensors):
        chosen = where(ones > 0, 0.1, 0.2) * ones
        assert np.asarray(chosen).astype(dtype) == expected


def test_lerp_forgets_an_infinite_average_as_torch_does():
    assert math.isnan(lerp(math.inf, 1.0, 0.1))
    theirs = torch.tensor([math.inf]).lerp(torch.tensor([1.0]), 0.1)
    assert theirs.isnan().all()


class Averaged(Rule):
    """lerp by one weight for all elements, and by one for each."""

    w: float = 0.5
    m = state("m")
    k = state("k")

    @staticmethod
    def update(p, g, m, k, w):
        k = lerp(m, g, p)
        m = lerp(m, g, w)
        return p, m, k


AVERAGED = chain("Averaged", Averaged)
WEIGHTS = [0.0, 0.1, 0.499, 0.5, 0.75, 0.9, 1.0, -0.3, -0.7, 1.5]


def moved(w, a, b, oracle, form):
    """What the compiled pass and the plain one make of a, b and w: by one weight, and by each."""
    border = Border(AVERAGED, ({"w": w}, [np.full(9, w)]), oracle=oracle, forms=(form,) * 3)
    border.step([np.zeros(9)])
    for name, value in (("averaged__m", a), ("averaged__k", 0.0)):
        border.tensors[0].held[name].stored[...] = value
    border.step([np.full(9, b)])
    return border.state("m"), border.state("k")


@pytest.mark.parametrize("oracle", [False, True], ids=["fused", "oracle"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("w", WEIGHTS)
def test_lerp_has_the_rounding_of_torch_s_on_either_side_of_a_half(w, dtype, oracle):
    a, b = np.full(9, 1e6, dtype), np.full(9, 0.1234567, dtype)
    theirs = torch.from_numpy(a).lerp(torch.from_numpy(b), w).numpy()
    # torch takes 1 from a w that it has rounded: an ulp of 1 in what is left of a; else one ulp
    room = dict(rtol=1.1 * np.finfo(dtype).eps, atol=1e6 * np.finfo(dtype).eps * (0.5 <= w < 1))
    with_tensors = lerp(torch.from_numpy(a), torch.from_numpy(b), w).numpy()
    for ours in (lerp(a, b, w), with_tensors, *moved(w, a[0], b[0], oracle, dtype)):
        assert ours.dtype == dtype
        np.testing.assert_allclose(ours, theirs, **room)


@pytest.mark.parametrize("oracle", [False, True], ids=["fused", "oracle"])
def test_what_is_all_new_keeps_every_digit_beside_what_is_forgotten(oracle):
    assert lerp(1e16, 0.1, 1.0) == 0.1
    for ours in moved(1.0, 1e16, 0.1, oracle, "float64"):
        assert ours.tolist() == [0.1] * 9


@pytest.mark.parametrize("oracle", [False, True], ids=["fused", "oracle"])
@pytest.mark.parametrize(
    ("name", "settings", "key"),
    [
        *[
            (name, {"betas": (0.0, 0.9)}, "exp_avg")
            for name in ("Adam", "AdamW", "Adamax", "NAdam", "RAdam", "Ranger", "SparseAdam")
        ],
        ("RMSprop", {"alpha": 0.0, "centered": True}, "grad_avg"),
    ],
)
def test_a_moment_that_keeps_nothing_is_the_gradient(name, settings, key, oracle):
    border = Border(
        OPTIMIZERS[name], (settings, [np.ones(9)]), oracle=oracle, forms=["float32"] * 3
    )
    for value in (1e6, 0.1234567):
        border.step([np.full(9, value)])
    np.testing.assert_array_equal(border.state(key), np.float32(0.1234567))


@pytest.mark.parametrize("name", elementwise.PRIMITIVES)
@pytest.mark.parametrize("what", [[1.0], "1", None], ids=repr)
def test_what_is_neither_number_nor_array_is_named(name, what):
    function = getattr(elementwise, name)
    count = elementwise.ARITY[name]
    with pytest.raises(TypeError) as caught:
        function(*[what] * count)
    kind = type(what).__name__
    assert str(caught.value) == f"elementwise functions take numbers and arrays, got {kind}"


def test_registering_half_a_framework_says_what_is_missing():
    class Matrix:
        pass

    with pytest.raises(TypeError, match="the namespace of Matrix lacks cbrt, exp, log, abs, sign"):
        elementwise.register(Matrix, type("functions", (), {"sqrt": None}))
