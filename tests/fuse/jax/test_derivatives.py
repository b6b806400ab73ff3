"""Derivatives through steps, of the settings that they are taken with: equal to a quotient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.cases import SUBJECTS
from tests.fuse.jax.paths import numbers, switches
from thalweg.chain import chain
from thalweg.fuse import jax as engine
from thalweg.optimizers import OPTIMIZERS
from thalweg.rules import SGD, Adam
from thalweg.stages import Centralize, ClipNorm, TrustRatio

STEPS = 5
SHIFT = 1e-6

START = {"w": np.linspace(-1, 2, 12).reshape(4, 3)}


def loss(params):
    """A valley with its bottom at 0.3, steeper along some axes."""
    far = [p.ravel() - 0.3 for p in jax.tree.leaves(params)]
    return sum(jnp.sum((1 + jnp.arange(x.size)) * x**2 + x**4) / 10 for x in far)


def after(made, fixed, params=START):
    """The loss after some steps, as a compiled function of the settings that are numbers."""
    take = engine.step(made, fixed)

    @jax.jit
    def trained(h):
        def body(carried, _):
            moved, states = carried
            return take(moved, jax.grad(loss)(moved), states, h), None

        first = jax.tree.map(jnp.asarray, params)
        states = engine.init(made, first, {**fixed, **h})
        (moved, _), _ = jax.lax.scan(body, (first, states), length=STEPS)
        return loss(moved)

    return trained


def shifted(h, name, i, share):
    """The settings with one number a share larger."""
    value = h[name]
    if i is None:
        return {**h, name: value * (1 + share)}
    return {**h, name: tuple(v * (1 + share * (j == i)) for j, v in enumerate(value))}


def floats(h):
    """Every number of the settings, with its place, that is one of floating point and not 0."""
    for name, value in h.items():
        places = enumerate(value) if isinstance(value, tuple) else [(None, value)]
        yield from ((name, i, v) for i, v in places if isinstance(v, float) and v)


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda one: one.name)
def test_the_derivative_by_every_setting_is_the_quotient_of_differences(subject):
    """A setting of 0 is left out: many an `if` lies there."""
    made = OPTIMIZERS[subject.name]
    h, fixed = numbers(made, subject.whole), switches(made, subject.whole)
    if h.get("growth_rate") == np.inf:
        h["growth_rate"] = 1e9  # infinity times d, which is not taken, has a slope that is none
    if h.get("partial") == 0.25:
        h["partial"] = 0.2  # there, and nowhere beside it, a text takes a root for the power
    trained = after(made, fixed)
    whole = {n: v for n, v in h.items() if isinstance(v, float | tuple)}
    counts = {n: v for n, v in h.items() if n not in whole}
    slopes = jax.jit(jax.grad(lambda of: trained({**of, **counts})))(whole)
    for name, i, value in floats(whole):
        slope = value * (slopes[name] if i is None else slopes[name][i])
        ends = [trained(shifted(h, name, i, share)) for share in (SHIFT, -SHIFT)]
        quotient = (ends[0] - ends[1]) / (2 * SHIFT)
        # the quotient's own rounding is 1e-16 of the loss, divided by the shift
        np.testing.assert_allclose(slope, quotient, 1e-6, 1e-9 * ends[0], err_msg=f"{name} {i}")
        if name == "lr":
            assert abs(slope) > 1e-7 * ends[0]


@pytest.mark.parametrize(
    "parts", [(Adam,), (Centralize, SGD), (ClipNorm, SGD), (SGD, TrustRatio)], ids=str
)
def test_where_a_gradient_is_always_zero_the_derivative_is_a_number(parts):
    """There a root of nothing has an infinite slope, and its argument never moves."""
    made = chain("Made", *parts)
    switched = {"normalize": True} if Centralize in parts else {}

    def trained(lr):
        params = {"w": jnp.zeros((2, 2)), "b": jnp.zeros(2)}
        states = engine.init(made, params, switched)
        for _ in range(3):
            grads = {"w": 0 * params["w"], "b": params["b"] - jnp.array([0.0, 1.0])}
            params, states = engine.step(made, switched)(params, grads, states, {"lr": lr})
        return params["b"].sum()

    assert abs(jax.jit(jax.grad(trained))(0.1)) > 0.1
