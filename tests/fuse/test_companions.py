"""A format may keep arrays beside an array, and may round at random: two formats that do."""

import shutil

import numpy as np
import pytest

from tests.cases import CASES
from tests.fuse.border import Border, Guarded, narrowed, widened
from tests.fuse.test_formats import COPY, Copy, Keep
from thalweg.chain import chain
from thalweg.fuse import storage, threads
from thalweg.fuse.cpu import cache, sweep
from thalweg.fuse.engines import host
from thalweg.fuse.js.node import Node, NodeEngine
from thalweg.fuse.storage import FORMATS, Companion, Format, columns
from thalweg.fuse.work import Kind, Work
from thalweg.rule import Rule, setting
from thalweg.rules import Adam
from thalweg.stages import Centralize, ClipNorm

RESIDUAL, STOCHASTIC = "bfloat16+residual", "bfloat16+stochastic"
SPECIAL = [np.inf, -np.inf, np.nan, 0.0, -0.0, 3.4e38, -3.4e38, 2.0**-133, -(2.0**-133)]


class Climb(Rule):
    """A weight that moves by as much as its gradient says."""

    climbs: bool = setting(True)

    @staticmethod
    def update(p, g, climbs):
        p = p + g if climbs else p - g
        return p


CLIMB = chain("Climb", Climb)


def named(text):
    return next(one for one in CASES if str(one) == text)


def stored(values, form, seed=0, count=1, into="float32"):
    """What comes back of numbers that were stored in a format."""
    border = Border(COPY, ({}, [np.zeros(values.shape)]), forms=(form, into, form), threads=count)
    border.step([values], seed)
    assert border.is_intact
    return border.params[0]


def samples(count=50_000):
    rng = np.random.default_rng(2)
    return rng.standard_normal(count) * np.exp2(rng.integers(-60, 60, count))


# a residual


@pytest.mark.parametrize("wide", ["float32", "float64"])
def test_with_a_residual_a_number_keeps_sixteen_bits(wide):
    values = samples().astype(wide)
    assert (np.abs(stored(values, RESIDUAL, into=wide) - values) <= np.abs(values) * 2**-17).all()


@pytest.mark.parametrize("form", [RESIDUAL, STOCHASTIC])
def test_what_bfloat16_holds_comes_back_as_it_is(form):
    values = widened(narrowed(np.array([*SPECIAL, *samples(1000)]), "bfloat16"), "bfloat16")
    back = stored(values, form, seed=1)
    np.testing.assert_array_equal(back, values)
    known = ~np.isnan(values)
    np.testing.assert_array_equal(np.signbit(back[known]), np.signbit(values[known]))


def test_a_number_that_rounds_to_infinity_is_infinite_and_not_nan():
    assert stored(np.array([3.4e38, -3.4e38], np.float32), RESIDUAL).tolist() == [np.inf, -np.inf]


@pytest.mark.parametrize("one", [named("AdamW"), named("Ranger")], ids=str)
def test_with_residuals_fifty_steps_follow_float32_where_bfloat16_drifts(one):
    rng = np.random.default_rng(1)
    start = widened(narrowed(rng.uniform(0.5, 2, (64, 48)), "bfloat16"), "bfloat16")
    exact, plain, ours = (
        Border(one.chain, (one.settings, [start]), forms=(form, "float32", form))
        for form in ("float32", "bfloat16", RESIDUAL)
    )
    for _ in range(50):
        grad = rng.standard_normal(start.shape).astype(np.float32)
        for border in (exact, plain, ours):
            border.step([grad])
    assert ours.is_intact
    for name, truth in exact.states[0].items():
        size = np.linalg.norm(truth)
        assert np.linalg.norm(ours.states[0][name] - truth) < 2**-15 * size, name
        assert np.linalg.norm(plain.states[0][name] - truth) > 2**-10 * size, name


# small steps of a large weight


def climbed(form, count):
    """Weights of 1 after a thousand steps of 2**-12 each."""
    border = Border(CLIMB, ({}, [np.ones(count)]), forms=(form, "float32", form))
    for t in range(1000):
        border.step([np.full(count, 2.0**-12)], seed=t)
    return border.params[0]


def test_in_bfloat16_a_weight_never_takes_a_small_step():
    assert climbed("bfloat16", 3).tolist() == [1.0, 1.0, 1.0]


def test_with_a_residual_it_takes_every_one():
    assert climbed(RESIDUAL, 3) == pytest.approx(1 + 1000 * 2**-12, rel=2**-15)


def test_rounded_at_random_it_takes_them_on_average():
    weights = climbed(STOCHASTIC, 4096)
    # a step of 2**-7 is taken one time in 32, a thousand times
    deviation = 2**-7 * np.sqrt(1000 * (1 / 32) * (31 / 32))
    assert abs(weights.mean() - (1 + 1000 * 2**-12)) < 4 * deviation / np.sqrt(weights.size)
    assert weights.std() == pytest.approx(deviation, rel=0.1)


# rounding at random


@pytest.mark.parametrize("part", [1 / 16, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("size", [1.0, -1.0, 2.0**-100, -(2.0**90)])
def test_up_or_down_as_often_as_the_number_is_near(size, part):
    count = 1 << 18
    value = np.float32(size * (1 + part * 2**-7))
    below, above = size, size * (1 + 2**-7)
    back = stored(np.full(count, value), STOCHASTIC, seed=5)
    assert set(back.tolist()) == {below, above}
    ups = (back == above).sum()
    assert abs(ups - part * count) < 4 * np.sqrt(count * part * (1 - part))


def test_neighbours_steps_tensors_and_arrays_round_without_regard_to_each_other():
    count = 1 << 18
    half = np.full(count, 1 + 2**-8)
    border = Border(
        CLIMB,
        *[({"climbs": up}, [np.zeros(count), np.zeros(count)]) for up in (True, False)],
        forms=(STOCHASTIC, "float32", STOCHASTIC),
    )
    found = []
    for seed in (0, 1, 1 << 32):
        for tensor in border.tensors:
            tensor.held["p"].put(np.zeros(count))
        border.step([half, half, -half, -half], seed)
        found += [np.sign(p - half) for p in border.params]
    assert len(found) == 12
    for i, one in enumerate(found):
        others = [np.roll(one, 1), np.roll(one, 8), np.roll(one, 256), *found[:i]]
        assert max(abs((one * other).mean()) for other in others) < 5 / np.sqrt(count)


def test_the_arrays_of_a_tensor_round_differently():
    """The weight and a state are given the same numbers."""
    half, forms = np.full(1 << 16, 1 + 2**-8), (STOCHASTIC, "float32", STOCHASTIC)
    border = Border(chain("Kept", Keep, Copy), ({}, [np.zeros(half.shape)]), forms=forms)
    border.step([half])
    p, kept = (np.sign(array - half) for array in (border.params[0], border.state("kept")))
    assert abs((p * kept).mean()) < 5 / np.sqrt(half.size)


def test_a_seed_says_how_everything_is_rounded():
    values = samples().astype(np.float32)
    first, again, other = (stored(values, STOCHASTIC, seed) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("form", ["float32", "bfloat16", RESIDUAL])
def test_where_nothing_is_random_a_seed_says_nothing(form):
    values = samples().astype(np.float32)
    np.testing.assert_array_equal(stored(values, form, 1), stored(values, form, 2))


def test_neither_threads_nor_pieces_decide_how_a_number_is_rounded(monkeypatch):
    values = samples(100_003).astype(np.float32)
    alone = stored(values, STOCHASTIC, seed=9)
    monkeypatch.setattr(threads, "ELEMENTS_PER_THREAD", 1)
    monkeypatch.setattr(threads, "ELEMENTS_PER_TEAM_THREAD", 1)
    monkeypatch.setattr(sweep, "BLOCK", 1000)
    monkeypatch.setattr(sweep, "_SMALLEST", 1000)
    assert len(sweep.Table([values.shape], by_rows=False).chunks) == 101
    np.testing.assert_array_equal(stored(values, STOCHASTIC, seed=9, count=3), alone)


# what is measured


@pytest.mark.parametrize("form", [RESIDUAL, STOCHASTIC])
def test_rows_and_norms_are_measured_on_the_numbers_and_not_on_their_halves(form):
    made = chain("Clipped", Centralize, ClipNorm, Adam)
    rng = np.random.default_rng(3)
    values, grads = ([rng.standard_normal(s) for s in [(7, 33), (2, 3, 5)]] for _ in "pg")
    borders = [
        Border(made, ({"max_norm": 0.5}, values), oracle=oracle, forms=("float32", form, "float32"))
        for oracle in (False, True)
    ]
    for border in borders:
        border.step(grads)
    fused, oracle = borders
    assert fused.is_intact
    for ours, theirs in zip(fused.states, oracle.states, strict=True):
        for name, array in ours.items():
            np.testing.assert_allclose(array, theirs[name], 1e-5, 1e-8, err_msg=name)


# what the protocol says of it


def test_a_table_of_addresses_has_a_column_for_every_companion_behind_the_arrays():
    made = chain("Kept", Keep, Copy)
    plain = Kind((3,), ("float32", "float32", "float32"))
    beside = Kind((3,), (RESIDUAL, "float32", RESIDUAL))
    assert Work(made, [plain], [0], host()).columns == ["p", "g", "keep__kept"]
    both = Work(made, [plain, beside], [0, 0], host())
    assert both.columns == ["p", "g", "keep__kept", "p.residual", "keep__kept.residual"]


def test_tensors_with_and_without_companions_are_stepped_together():
    one = named("AdamW")
    rng = np.random.default_rng(4)
    values, grads = ([rng.standard_normal((5, 7)) for _ in range(3)] for _ in "pg")
    mixed, alone = (Border(one.chain, (one.settings, values)) for _ in range(2))
    for border in (mixed, alone):
        border.step(grads)
    kept = mixed.tensors[1].held
    for name in ("p", "adam__v"):
        kept[name] = Guarded(kept[name].values, RESIDUAL)
    for border in (mixed, alone):
        border.step(grads)
    assert mixed.is_intact
    for number in (0, 2):
        np.testing.assert_array_equal(mixed.params[number], alone.params[number])
    np.testing.assert_allclose(mixed.params[1], alone.params[1], rtol=2**-15)


def test_a_companion_of_several_elements_has_its_place_and_no_kernel_yet(monkeypatch):
    """What elements share, such as their scale, is known only after all of them."""
    blocks = Format("bfloat16/32", "bfloat16", (Companion("scale", "float32", per=32),))
    monkeypatch.setitem(storage.FORMATS, blocks.name, blocks)
    monkeypatch.setattr(cache, "formats", cache.formats.__wrapped__)  # as they are now
    assert columns(["p", "g"], [blocks.name, "float32"]) == ["p", "g", "p.scale"]
    assert blocks.name not in host().formats()
    border = Border(COPY, ({}, [np.zeros(64)]), forms=(blocks.name, "float32", "float32"))
    with pytest.raises(
        ValueError, match=r"Copy: the cpu engine .* format of p, one of .*bfloat16/32"
    ):
        border.step([np.ones(64)])


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node here")
@pytest.mark.parametrize("form", [RESIDUAL, STOCHASTIC])
def test_an_engine_without_a_format_says_so_before_anything_moves(form):
    node = Node()
    engine = NodeEngine(node)
    border = Border(CLIMB, ({}, [np.ones(3)]), forms=(form, "float32", "float32"), engine=engine)
    with pytest.raises(ValueError, match=r"Climb: the js engine must know .*float32, float64, got"):
        border.step([np.ones(3)])
    node.close()
    assert border.params[0].tolist() == [1.0, 1.0, 1.0]


def test_the_host_has_both():
    assert {RESIDUAL, STOCHASTIC} <= host().formats() <= FORMATS.keys()
