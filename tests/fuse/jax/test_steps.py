"""A chain as a pure function of JAX's arrays, compiled once: the same path as the oracle's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cases import CASES, SUBJECTS
from tests.fuse.jax.paths import Jitted, assert_same, by_oracle, drawn, numbers, switches
from tests.fuse.test_any_chain import Momentum, Scaled, Warm, chains, settings_of
from tests.fuse.test_js_whole import Floors, Guarded, Mixed
from tests.fuse.test_kept_numbers import DoG, DoGOfAll
from tests.fuse.test_steps_reshaped import ClipStep
from tests.plain import PLAIN
from thalweg.chain import chain, named
from thalweg.fuse import jax as engine
from thalweg.optimizers import OPTIMIZERS
from thalweg.reductions import largest, norm
from thalweg.rule import Rule, Stage, setting, state
from thalweg.rules import SGD, Adam, Lion, Prodigy, RAdam
from thalweg.stages import (
    Cautious,
    CautiousDecay,
    Centralize,
    ClipNorm,
    ClipValue,
    Decay,
    EqualAverage,
    ExponentialAverage,
    Lookahead,
    TrustRatio,
)

STEPS = 24


def takes_the_path_of_the_oracle(made, path, seed=0):
    """With all numbers and the step count traced, in one compiled function for each set of
    switches on the path; settings and states are what the path begins with."""
    value = drawn(seed)
    gradients = [drawn(seed + 1 + k) for k in range(len(path))]
    traced = [numbers(made, h) for h in path]
    first = {**jax.tree.map(jnp.asarray, traced[0]), **switches(made, path[0])}
    params, states = value, engine.init(made, value, first)
    jitted = {}
    for h, of_step, grads in zip(path, traced, gradients, strict=True):
        key = repr(switches(made, h))
        jitted.setdefault(key, Jitted(made, switches(made, h)))
        params, states = jitted[key].run(params, [grads], states, [of_step])
    assert [one.count for one in jitted.values()] == [1] * len(jitted)
    with np.errstate(all="ignore"):
        assert_same((params, states), by_oracle(made, path, value, gradients))
    return True


@pytest.mark.parametrize("one", CASES, ids=str)
def test_every_optimizer_is_compiled_once_and_takes_the_path_of_the_oracle(one):
    assert takes_the_path_of_the_oracle(one.chain, [dict(one.settings)] * STEPS)


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda one: one.name)
def test_settings_that_change_in_mid_run_take_hold(subject):
    before = dict(subject.whole)
    path = [before] * 5 + [{**before, **subject.changed}] * 5
    assert takes_the_path_of_the_oracle(OPTIMIZERS[subject.name], path)


class Apart(Stage):
    """A norm over all of the tensors whose own number says so, where the step says so."""

    longest: float = setting(0.5, above=0)
    peak = state("peak", per="tensor")

    @staticmethod
    def update(g, peak, t, longest):
        if t % 2 == 0 and peak > 1.8:
            g = g * longest / (norm(g, "all") + largest(g * g, "all"))
        peak = largest(g * g)
        return g, peak


class Rows(Rule):
    """Numbers for rows, and states that are kept as rows."""

    lr: float = 0.1
    m = state("m")

    @staticmethod
    def update(g, m, t, lr):
        length = norm(g, "row")
        if t > 3:
            length = largest(g * g, "row") + norm(m)
        m = m + length
        u = lr * g / (1 + length) if (t % 2 == 0 and lr < 1) or t == 5 else 0.0 * m
        return u, m


COMPOSED = {
    "clipped": (ClipNorm, ClipValue, Centralize, Decay, Adam, Lookahead),
    "averaged": (SGD, named(EqualAverage, avg="swa"), ExponentialAverage),
    "trusting": (Decay, Lion, Cautious, TrustRatio, ClipStep),
    "growing": (Warm, Scaled, RAdam, Momentum, named(CautiousDecay, weight_decay="shrinks")),
    "of its own": (Mixed, Apart, Floors),
    "distances": (Warm, DoGOfAll, Lookahead),
    "distance": (DoG,),
    "guarded": (Guarded,),
    "rows": (ClipNorm, Rows),
    "prodigious": (ClipNorm, Prodigy, ExponentialAverage),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_a_chain_of_ones_own_is_compiled_once_and_takes_the_path_of_the_oracle(name):
    made = chain("Made", *COMPOSED[name])
    assert takes_the_path_of_the_oracle(made, [{}] * STEPS)


def test_a_reduction_over_all_is_over_the_leaves_that_come_to_it():
    made = chain("Apart", Apart, SGD)
    value, gradients = drawn(0), [drawn(k) for k in range(6)]
    peaks = {
        place: exact > 1.8
        for place, exact in by_oracle(made, [{}], value, gradients[:1]).items()
        if place.startswith("peak")
    }
    assert {bool(one) for one in peaks.values()} == {True, False}
    assert takes_the_path_of_the_oracle(made, [{}] * 6)


@pytest.mark.slow
@settings(max_examples=8)
@given(data=st.data())
def test_any_chain_takes_the_path_of_the_oracle(data):
    made = data.draw(chains())
    h = data.draw(settings_of(made))
    assert takes_the_path_of_the_oracle(made, [h] * 6, data.draw(st.integers(0, 2**31)))


@pytest.mark.parametrize("name", PLAIN)
def test_settings_that_are_plain_numbers_are_decided_by_python(name):
    """The same path; and of the states only those that the settings ask for."""
    made = OPTIMIZERS[name]
    value, gradients = drawn(0), [drawn(k) for k in range(3)]
    take, states = engine.step(made), engine.init(made, value)
    jitted, params = jax.jit(take), value
    for grads in gradients:
        params, states = jitted(params, grads, states)
    theirs = by_oracle(made, [{}] * 3, value, gradients)
    assert_same((params, states), theirs)
    assert {"p", "step", *states} == {"step", *(place.rsplit(" ", 1)[0] for place in theirs)}


def test_a_plain_setting_leaves_no_if_behind():
    value = drawn(0, {"w": (2, 3), "b": (5,)})
    for h, count in (({}, 0), ({"weight_decay": jnp.asarray(0.1)}, 2 * len(value))):
        text = jax.make_jaxpr(engine.step(OPTIMIZERS["AdamW"]))(
            value, value, engine.init(OPTIMIZERS["AdamW"], value), h
        )
        assert str(text).count("= cond[") == count


class Late(Rule):
    """A state that only a switch asks for, under an `if` on the step."""

    lr: float = 0.1
    averages: bool = False
    b = state("b")

    @staticmethod
    def update(g, b, t, lr, averages):
        d = g
        if t > 2 and averages:
            b = b + g
            d = b
        if t > 3:
            if averages:
                b = 2 * b
            elif t % 2 == 0:
                d = -d
        u = lr * d
        return u, b


@pytest.mark.parametrize("averages", [True, False])
def test_a_state_is_asked_for_only_where_the_text_may_come_to_it(averages):
    made, value = chain("Late", Late), drawn(0)
    assert ("b" in engine.init(made, value, {"averages": averages})) == averages
    assert takes_the_path_of_the_oracle(made, [{"averages": averages}] * 6)


def test_steps_in_a_loop_of_jax_are_those_that_python_takes():
    made = OPTIMIZERS["Ranger"]
    value, gradients = drawn(0), [drawn(k) for k in range(8)]
    take = engine.step(made, {"k": 3})
    stacked = jax.tree.map(lambda *each: jnp.stack(each), *gradients)

    @jax.jit
    def all_at_once(params, states):
        def body(carried, grads):
            return take(carried[0], grads, carried[1]), None

        return jax.lax.scan(body, (params, states), stacked)[0]

    arrays = jax.tree.map(jnp.asarray, value)
    theirs = by_oracle(made, [{"k": 3}] * 8, value, gradients)
    assert_same(all_at_once(arrays, engine.init(made, value)), theirs)


def test_a_step_count_that_is_a_plain_number_is_decided_by_python():
    made, shapes = OPTIMIZERS["Ranger"], {"w": (4, 3)}
    value, grads = drawn(0, shapes), drawn(1, shapes)
    states = {**engine.init(made, value), "step": 5}
    take = engine.step(made)
    text = jax.make_jaxpr(lambda params: take(params, grads, states)[0])(value)
    assert "cond" not in str(text)
    moved, after = take(value, grads, states)
    exact, _ = jax.jit(take)(value, grads, states)
    assert after["step"] == 6
    np.testing.assert_allclose(moved["w"], exact["w"], rtol=1e-14)


def test_without_jit_it_is_the_same_step():
    made, shapes = OPTIMIZERS["RAdam"], {"w": (4, 3)}
    value, gradients = drawn(0, shapes), [drawn(k, shapes) for k in range(7)]
    params, states = value, engine.init(made, value)
    for grads in gradients:
        params, states = engine.step(made)(params, grads, states, {"lr": jnp.asarray(0.1)})
    assert_same((params, states), by_oracle(made, [{"lr": 0.1}] * 7, value, gradients))


def test_many_rates_at_once_are_each_what_it_is_alone():
    made, value, grads = OPTIMIZERS["RAdam"], drawn(0), drawn(1)
    states = engine.init(made, value)
    rates = jnp.array([0.1, 0.2])

    def moved(rate):
        return engine.step(made)(value, grads, states, {"lr": rate})[0]

    together = jax.vmap(moved)(rates)
    for i, rate in enumerate(rates):
        alone = moved(rate)
        for name in value:
            np.testing.assert_allclose(together[name][i], alone[name], rtol=1e-15)


def test_states_that_are_handed_over_may_be_overwritten():
    """`donate_argnums` refuses two arguments that are one piece of memory."""
    made = OPTIMIZERS["Ranger"]
    value = jax.tree.map(jnp.asarray, drawn(0, {"w": (4, 3), "b": (5,)}))
    states = engine.init(made, value)
    jitted = jax.jit(engine.step(made), donate_argnums=(0, 2))
    exact = engine.step(made)(value, value, states)
    copies = jax.tree.map(jnp.array, value)
    params, states = jitted(value, copies, states)
    np.testing.assert_allclose(params["w"], exact[0]["w"], rtol=1e-15)


def test_no_parameters_are_no_work():
    made = chain("Made", ClipNorm, Prodigy)
    params, states = engine.step(made)({}, {}, engine.init(made, {}))
    assert params == {}
    assert (int(states["step"]), float(states["d"])) == (1, 1e-6)
