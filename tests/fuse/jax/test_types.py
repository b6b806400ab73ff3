"""Arrays keep their types, whatever the settings are, with JAX's doubles or without them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.fuse.jax.paths import Jitted, assert_same, by_oracle, drawn, numbers
from tests.plain import PLAIN
from thalweg.fuse import jax as engine
from thalweg.optimizers import OPTIMIZERS

SHAPES = {"w": (4, 3), "one": ()}
STEPS = 8


@pytest.fixture
def singles():
    """JAX as it is by default."""
    jax.config.update("jax_enable_x64", False)
    yield
    jax.config.update("jax_enable_x64", True)


@pytest.fixture(params=["doubles", "singles"])
def either(request):
    if request.param == "singles":
        request.getfixturevalue("singles")


def run(made, params):
    """Steps with gradients that are the first weights, so many times, compiled once."""
    jitted, settings = Jitted(made), jax.tree.map(jnp.asarray, numbers(made))
    states = engine.init(made, params, settings)
    gradients = [
        jax.tree.map(lambda x, k=k: (x * (k + 1)).astype(x.dtype), params) for k in range(STEPS)
    ]
    after = jitted.run(params, gradients, states, [settings] * STEPS)
    assert jitted.count == 1
    return after, states


def types(tree):
    return jax.tree.map(lambda one: (one.dtype, one.weak_type), tree)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["ASGD", "LAMB", "NAdam", "Ranger", "ScheduleFreeAdamW"])
def test_arrays_and_numbers_keep_their_types(name, dtype, either):
    made = OPTIMIZERS[name]
    params = jax.tree.map(lambda x: jnp.asarray(x, dtype), drawn(0, SHAPES))
    (moved, states), first = run(made, params)
    assert types(moved) == types(params)
    assert types(states) == types(first)
    assert {x.dtype for x in jax.tree.leaves(states) if x.shape} <= {jnp.dtype(dtype)}
    assert all(bool(jnp.isfinite(x).all()) for x in jax.tree.leaves(moved))
    assert not bool((moved["w"] == params["w"]).all())


@pytest.mark.parametrize("name", PLAIN)
def test_in_single_precision_it_is_the_oracle_s_path_rounded(name, singles):
    """Each step rounds every operation anew, and a bias correction of few digits once more."""
    made = OPTIMIZERS[name]
    value = {n: x.astype(np.float32).astype(np.float64) for n, x in drawn(0, SHAPES).items()}
    gradients = [
        {n: (x * (k + 1)).astype(np.float32) for n, x in value.items()} for k in range(STEPS)
    ]
    after, first = run(made, jax.tree.map(lambda x: jnp.asarray(x, "float32"), value))
    assert types(after[1]) == types(first)
    assert {x.dtype for x in jax.tree.leaves(after) if x.shape} == {jnp.dtype("float32")}
    exact = by_oracle(made, [{}] * STEPS, value, gradients)
    weights = {place: x for place, x in exact.items() if place.startswith("p ")}
    assert_same(after, weights, within=1e-4)


def test_a_setting_of_single_precision_does_not_round_doubles():
    made, value, grads = OPTIMIZERS["Adam"], drawn(0), drawn(1)
    rate = {"lr": jnp.asarray(0.5, "float32")}
    exact = by_oracle(made, [{"lr": 0.5}], value, [grads])
    assert_same(engine.step(made)(value, grads, engine.init(made, value), rate), exact)


def test_a_step_count_is_exact_beyond_what_single_precision_counts(singles):
    made = OPTIMIZERS["Ranger"]
    params = jax.tree.map(lambda x: jnp.asarray(x, "float32"), drawn(0, SHAPES))
    states = engine.init(made, params)
    for step, is_sync in ((2**24 + 1, False), (6 * 2**23, True)):
        begun = {**states, "step": jnp.asarray(step - 1, "int32")}
        moved, after = jax.jit(engine.step(made))(params, params, begun)
        assert int(after["step"]) == step
        assert bool((after["slow_buffer"]["w"] == moved["w"]).all()) == is_sync
