"""A fused pass equals the reference run: in float64 over many steps, in each format over one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cases import CASES
from tests.fuse.border import Border
from thalweg.fuse.storage import computation

# every kind of row: of weights, of a vector, of a number, of kernels, and some that do not exist
SHAPES = [(4, 3), (5,), (), (2, 3, 3, 3), (0, 3), (3, 0)]
STEPS = 200

SIGNIFICANT = {"float64": 53, "float32": 24, "float16": 11, "bfloat16": 8}
SMALLEST_EXPONENT = {"float64": -1021, "float32": -125, "float16": -13, "bfloat16": -125}


def ulp(values, form):
    """The distance between neighbours of a format, at these magnitudes."""
    exponents = np.maximum(np.frexp(values)[1], SMALLEST_EXPONENT[form])
    return np.ldexp(1.0, exponents - SIGNIFICANT[form])


def draw(rng, shapes=SHAPES):
    return [rng.standard_normal(shape) for shape in shapes]


def pairs(one, other):
    """Every array of both borders, by tensor and name."""
    for number, (ours, theirs) in enumerate(zip(one.states, other.states, strict=True)):
        for name in ours.keys() & theirs.keys():  # an empty tensor has no states in the oracle
            yield f"{name} of tensor {number}", ours[name], theirs[name]


def same_path(fused, oracle):
    """Equal to 1e-12, as two orders of the same additions in double are.

    Where a value passes through zero its own size says nothing about the rounding it has seen:
    there the largest of its array stands in for it.
    """
    assert fused.is_intact
    for what, ours, theirs in pairs(fused, oracle):
        floor = 1e-12 * np.abs(theirs).max(initial=0)
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=floor, err_msg=what)
    for ours, theirs in zip(fused.tensors, oracle.tensors, strict=True):
        if theirs.cells and ours.held["p"].stored.size:
            assert ours.cells.keys() == theirs.cells.keys()
            assert ours.cells.get("step") == theirs.cells.get("step")
            for key, number in theirs.cells.items():
                # one that is the same for all is a sum of terms of either sign over all elements,
                # each of which may be a hundred times as large as the sum
                tolerance = 1e-10 if key in fused.chain.shared else 1e-12
                np.testing.assert_allclose(ours.cells[key], number, rtol=tolerance, err_msg=key)


@pytest.mark.parametrize("one", CASES, ids=str)
def test_in_float64_the_fused_pass_follows_the_oracle(one):
    rng = np.random.default_rng(5)
    values = draw(rng)
    fused = Border(one.chain, (one.settings, values))
    oracle = Border(one.chain, (one.settings, values), oracle=True)
    for _ in range(STEPS):
        grads = draw(rng)
        fused.step(grads)
        oracle.step(grads)
    same_path(fused, oracle)


def one_step_off(one, forms, engine=None):
    """The largest error of one step over all tensors, in ulp of its largest operand, by array.

    The step is the sixth: RAdam rectifies from there on, and Lookahead syncs.
    """
    rng = np.random.default_rng(6)
    values = draw(rng)
    warm = Border(one.chain, (one.settings, values), forms=forms, oracle=True)
    for _ in range(5):
        warm.step(draw(rng))
    fused = Border(one.chain, (one.settings, values), forms=forms, engine=engine).adopt(warm)
    truth = Border(one.chain, (one.settings, values), oracle=True).adopt(warm)
    grads = draw(rng)
    fused.step(grads)
    truth.step([tensor.held["g"].values for tensor in fused.tensors])  # as the format holds them
    assert fused.is_intact
    errors: dict[str, float] = {}
    for before, ours, exact in zip(warm.tensors, fused.tensors, truth.tensors, strict=True):
        for name in exact.held.keys() - {"g"}:
            # of a sum and one of its terms, one is at least half as large as the other term
            operands = [before.held[name].values, exact.held[name].values]
            scale = np.max(np.abs(np.array(operands, np.float64)), axis=0)
            # a number is as coarse as the coarser of where it lies and where it was computed
            forms_of_it = ours.held[name].form, computation(forms[0])
            unit = np.maximum(*(ulp(scale, form) for form in forms_of_it))
            off = np.abs(ours.held[name].values.astype(np.float64) - exact.held[name].values)
            errors[name] = max(errors.get(name, 0.0), (off / unit).max(initial=0))
    return errors


def most_ulp(one):
    """Half an ulp for each of the few roundings between the operands and the result. Without
    momentum MADGRAD works out where it started, which is many times as far away as p is large."""
    return 16 if one.chain.name == "MADGRAD" and one.settings.get("momentum") == 0 else 4


@pytest.mark.parametrize("one", CASES, ids=str)
def test_one_step_in_float32_is_within_four_ulp_of_the_truth(one):
    errors = one_step_off(one, ("float32", "float32", "float32"))
    assert {name: error for name, error in errors.items() if error > most_ulp(one)} == {}


NARROW = [
    ("float16", "float16", "float16"),
    ("bfloat16", "bfloat16", "bfloat16"),
    ("bfloat16", "bfloat16", "float32"),
    ("bfloat16", "float32", "bfloat16"),
    ("float16", "float32", "float64"),
    ("float32", "float32", "bfloat16"),
    ("float32", "bfloat16", "float32"),
    ("float32", "float64", "float64"),
    ("float64", "float32", "float64"),
    ("float64", "float16", "bfloat16"),
    ("float64", "float64", "float16"),
]


@pytest.mark.parametrize("forms", NARROW, ids="-".join)
@pytest.mark.parametrize("one", [one for one in CASES if str(one) == "Adam-amsgrad=True"], ids=str)
def test_p_g_and_states_may_have_any_formats(one, forms):
    # a format narrower than the computation adds one rounding, of half an ulp of its own
    errors = one_step_off(one, forms)
    assert {name: error for name, error in errors.items() if error > most_ulp(one)} == {}
    narrow = {"float16", "bfloat16"}
    if forms[0] in narrow and computation(forms[0]) == "float32":
        assert errors["p"] < 0.51  # rounded once, from float32
    if forms[2] in narrow:
        assert errors["adam__m"] < 0.51


@pytest.mark.parametrize("form", ["float16", "bfloat16"])
@pytest.mark.parametrize("one", [one for one in CASES if str(one) == "Ranger"], ids=str)
def test_rows_and_slow_weights_may_have_narrow_formats(one, form):
    errors = one_step_off(one, (form, form, form))
    assert {name: error for name, error in errors.items() if error > 1} == {}


def test_a_uniform_number_is_worked_out_in_double():
    """1 - 0.999 from a rounded 0.999 would be wrong in the fifth digit."""
    adam = next(one for one in CASES if str(one) == "Adam")
    border = Border(adam.chain, ({}, [np.ones(3)]), forms=["float32"] * 3)
    border.step([np.full(3, 3.0)])
    expected = np.float32(0.001 * 9)
    assert np.abs(border.state("exp_avg_sq") - expected).max() <= np.spacing(expected)


@st.composite
def problems(draw):
    """An optimizer, its tensors and a number of steps."""
    shape = st.lists(st.integers(0, 7), max_size=4).map(tuple)
    return (
        draw(st.sampled_from(CASES)),
        draw(st.lists(shape, min_size=1, max_size=6)),
        draw(st.floats(1e-4, 1.0)),
        draw(st.integers(1, 8)),
        draw(st.integers(0, 2**32 - 1)),
    )


@pytest.mark.slow
@given(problems())
def test_any_shapes_and_settings_follow_the_oracle(problem):
    one, shapes, lr, steps, seed = problem
    rng = np.random.default_rng(seed)
    values = draw(rng, shapes)
    groups = ({**one.settings, "lr": lr}, values)
    fused, oracle = Border(one.chain, groups), Border(one.chain, groups, oracle=True)
    for _ in range(steps):
        # some tensors have no gradient this time, and fall behind
        grads = [g if rng.random() < 0.8 else None for g in draw(rng, shapes)]
        fused.step(grads)
        oracle.step(grads)
    same_path(fused, oracle)
