"""Every optimizer through the GPU engine, in Triton's interpreter: the oracle's steps."""

import numpy as np
import pytest
import triton  # noqa: F401  (without it this file is skipped)
from hypothesis import given
from hypothesis import strategies as st

from tests.cases import CASES
from tests.fuse import border as borders
from tests.fuse.border import Border
from tests.fuse.gpu.host import HostMemory
from tests.fuse.test_any_chain import SHAPES as SHAPES_OF_CHAINS
from tests.fuse.test_any_chain import assert_same, chains, settings_of
from tests.fuse.test_oracle import NARROW, draw, most_ulp, one_step_off, same_path
from thalweg.chain import chain
from thalweg.fuse.engines import host
from thalweg.fuse.gpu.engine import GpuEngine
from thalweg.fuse.storage import computation
from thalweg.rule import Rule, state
from thalweg.rules import Adam, RAdam
from thalweg.stages import Centralize, EqualAverage, ExponentialAverage, Lookahead

STEPS = 7  # RAdam rectifies from the sixth on, and Ranger looks ahead there
# whole pieces of 64 elements and rests, rows of each width of tile, and one longer than a piece
LARGE = [(150,), (9, 16), (3, 70), (2, 200), (20, 3), (2, 4, 4, 4), (), (0, 3)]


def both(made, settings, engine, shapes, steps=STEPS, forms=("float64",) * 3):
    rng = np.random.default_rng(5)
    values = draw(rng, shapes)
    ours = Border(made, (settings, values), engine=engine, forms=forms)
    oracle = Border(made, (settings, values), oracle=True, forms=forms)
    for _ in range(steps):
        grads = draw(rng, shapes)
        ours.step(grads)
        oracle.step(grads)
    return ours, oracle


@pytest.mark.parametrize("one", CASES, ids=str)
def test_in_float64_a_kernel_follows_the_oracle(one, engine):
    same_path(*both(one.chain, one.settings, engine, [(4, 3), (5,), (), (2, 3, 3, 3), (0, 3)]))


@pytest.mark.parametrize("guards", [3, 8], ids=["odd", "even"])
@pytest.mark.parametrize("one", CASES, ids=str)
def test_pieces_and_rests_of_arrays_at_any_address_follow_it(one, guards, engine, monkeypatch):
    monkeypatch.setattr(borders, "GUARDS", guards)  # in front of each array: 16 bytes or not
    ours, oracle = both(one.chain, one.settings, engine, LARGE, steps=2)
    at = [held.address % 16 for tensor in ours.tensors for held in tensor.held.values()]
    assert (set(at) == {0}) == (guards == 8)
    same_path(ours, oracle)


@pytest.mark.parametrize("one", CASES, ids=str)
def test_one_step_in_float32_is_within_four_ulp_of_the_truth(one, engine):
    errors = one_step_off(one, ("float32", "float32", "float32"), engine)
    assert {name: error for name, error in errors.items() if error > most_ulp(one)} == {}


@pytest.mark.parametrize("forms", NARROW, ids="-".join)
@pytest.mark.parametrize("name", ["Adam-amsgrad=True", "Ranger"])
def test_p_g_and_states_may_have_any_formats(name, forms, engine):
    (one,) = [case for case in CASES if str(case) == name]
    errors = one_step_off(one, forms, engine)
    assert {name: error for name, error in errors.items() if error > most_ulp(one)} == {}
    narrow = {"float16", "bfloat16"}
    if forms[0] in narrow and computation(forms[0]) == "float32":
        assert errors["p"] < 0.51  # rounded once, from float32
    if forms[2] in narrow:
        assert errors[{"Ranger": "radam__m"}.get(name, "adam__m")] < 0.51


@pytest.mark.parametrize("wide", ["float32", "float64"])
@pytest.mark.parametrize("form", ["float16", "bfloat16"])
def test_16_bits_are_loaded_and_rounded_as_on_the_cpu(form, wide, engine):
    patterns = np.arange(1 << 16, dtype=np.uint32)
    halves = (patterns << 16).view(np.float32)[:, None]
    with np.errstate(all="ignore"):
        near = [halves * (1 + k * 2.0**-9) for k in range(4)]
        wanted = np.concatenate([*near, *(h * (1 + 2.0**-20) for h in near)], axis=1)
        values = np.concatenate([wanted.ravel()[::37], [np.nan, np.inf, -np.inf, -0.0, 0.0]])
        borders_ = [
            Border(chain("Kept", Kept), ({}, [values]), forms=(wide, wide, form), engine=one)
            for one in (GpuEngine(HostMemory(), host()), None)
        ]
        for one in borders_:
            one.step([values])  # rounded
            one.step([np.zeros_like(values)])  # and loaded
    ours, cpus = borders_
    for key in ("kept", "before"):
        np.testing.assert_array_equal(ours.state(key), cpus.state(key))


class Kept(Rule):
    """Stores the gradient, and what it stored the step before."""

    kept = state("kept")
    before = state("before")

    @staticmethod
    def update(p, g, kept, before):
        before = kept
        kept = g
        p = p + 0 * g
        return p, kept, before


def test_even_pieces_are_what_odd_ones_are_bit_for_bit(engine, monkeypatch):
    made = chain("Ranger", Centralize, RAdam, Lookahead)
    found = []
    for guards in (3, 8):
        monkeypatch.setattr(borders, "GUARDS", guards)
        found.append(both(made, {}, engine, LARGE, forms=("float32",) * 3)[0])
    for odd, even in zip(*(one.states for one in found), strict=True):
        for name in odd:
            np.testing.assert_array_equal(odd[name], even[name])


@pytest.mark.parametrize("average", [ExponentialAverage, EqualAverage])
def test_an_average_is_kept_in_the_same_pass(average, engine):
    same_path(*both(chain("Averaged", Adam, average), {}, engine, LARGE[:3]))


def test_groups_have_their_own_settings_and_tensors_fall_behind(engine):
    rng = np.random.default_rng(7)
    values = draw(rng, LARGE)
    groups = [({"lr": 0.1}, values[:3]), ({"lr": 0.01, "betas": (0.5, 0.6)}, values[3:])]
    made = chain("Adam", Adam)
    ours, oracle = Border(made, *groups, engine=engine), Border(made, *groups, oracle=True)
    for step in range(6):
        grads = [g if (i + step) % 3 else None for i, g in enumerate(draw(rng, LARGE))]
        ours.step(grads)
        oracle.step(grads)
    same_path(ours, oracle)


@pytest.mark.slow
@given(data=st.data())
def test_any_chain_runs_as_it_is_written(data):
    made = data.draw(chains())
    settings = data.draw(settings_of(made))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    shapes = SHAPES_OF_CHAINS[:4]  # the interpreter takes its time
    with np.errstate(all="ignore"):
        values = draw(rng, shapes)
        ours = Border(made, (settings, values), engine=GpuEngine(HostMemory(), host(), block=16))
        oracle = Border(made, (settings, values), oracle=True)
        for _ in range(2):
            grads = [g if rng.random() < 0.8 else None for g in draw(rng, shapes)]
            ours.step(grads)
            oracle.step(grads)
    assert ours.is_intact
    assert_same(ours, oracle)
