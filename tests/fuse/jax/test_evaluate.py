"""The weights to look at, as a function of weights and states: what the text's `evaluate` says."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.fuse.border import Border
from tests.fuse.jax.paths import drawn
from thalweg.chain import chain
from thalweg.fuse import jax as engine
from thalweg.optimizers import OPTIMIZERS
from thalweg.rules import SGD
from thalweg.stages import EqualAverage, Lookahead

CHAINS = {
    "ASGD": OPTIMIZERS["ASGD"],
    "Ranger": OPTIMIZERS["Ranger"],
    "ScheduleFreeAdamW": OPTIMIZERS["ScheduleFreeAdamW"],
    "averaged": chain("Averaged", SGD, Lookahead, EqualAverage, lr=0.1, k=2, start=3),
}
SHAPES = {"w": (4, 3), "b": (5,)}


def by_text(made, border):
    """Run as written, on NumPy's arrays, one part behind the other."""
    found = []
    for tensor in border.tensors:
        value = tensor.held["p"].values
        for i in made.evaluates:
            part, h = made.parts[i], made.views(border.groups[0])[i]
            cells = part.declared.declaration.cells
            known = {**vars(h), "p": value}
            known |= {n: tensor.cells[part.key(n, one.key)] for n, one in cells.items()}
            known |= {s.name: tensor.held[s.qualified].values for s in made.slots if s.part is part}
            evaluate = part.declared.evaluate
            value = evaluate(**{n: known[n] for n in inspect.signature(evaluate).parameters})
        found.append(value)
    return found


@pytest.mark.parametrize("chained", CHAINS)
def test_they_are_those_of_the_text_at_every_step(chained):
    made, value = CHAINS[chained], drawn(0, SHAPES)
    border = Border(made, ({}, list(value.values())), oracle=True)
    params, states = value, engine.init(made, value)
    take = jax.jit(engine.step(made))
    look = jax.jit(lambda params, states: engine.evaluate(made, params, states))
    for k in range(7):
        grads = drawn(k, SHAPES)
        border.step(list(grads.values()))
        params, states = take(params, grads, states)
        ours = look(params, states)
        for name, theirs in zip(value, by_text(made, border), strict=True):
            np.testing.assert_allclose(ours[name], theirs, rtol=1e-12)


@pytest.mark.parametrize("name", ["Adam", *CHAINS])
def test_before_the_first_step_they_are_the_weights(name):
    made = CHAINS.get(name, OPTIMIZERS["Adam"])
    value = jax.tree.map(jnp.asarray, drawn(0, SHAPES))
    found = engine.evaluate(made, value, engine.init(made, value))
    assert all(bool((found[one] == value[one]).all()) for one in value)
