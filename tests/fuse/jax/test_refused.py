"""What does not fit is refused with a sentence, when the function is made or traced."""

import ast

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.fuse.jax.paths import drawn
from thalweg.chain import chain
from thalweg.fuse import jax as engine
from thalweg.fuse.jax.leaves import Leaf
from thalweg.fuse.jax.running import Run
from thalweg.optimizers import OPTIMIZERS
from thalweg.rule import Rule
from thalweg.stages import ClipNorm, Lookahead

SGD, ADAM = OPTIMIZERS["SGD"], OPTIMIZERS["Adam"]
VALUE = drawn(0, {"w": (4, 3), "b": (5,)})
LESS, WRONG = {"w": VALUE["w"]}, {**VALUE, "b": VALUE["w"]}
KEPT = engine.init(SGD, VALUE, {"momentum": 0.9})
ARRAY = jnp.asarray(0.5)


def take(made, grads=VALUE, states=None, settings=None, params=VALUE):
    states = engine.init(made, params) if states is None else states
    return engine.step(made)(params, grads, states, settings)


REFUSED = {
    "a setting that is not there": (
        lambda: engine.step(ADAM, {"learning_rate": 0.1}),
        TypeError,
        "Adam: unknown name 'learning_rate'; known are lr, betas, eps, amsgrad, weight_decay, ",
    ),
    "one that every AdamW has": (
        lambda: engine.step(OPTIMIZERS["AdamW"], {"decoupled_weight_decay": False}),
        TypeError,
        "AdamW: decoupled_weight_decay is True in every AdamW",
    ),
    "one out of range": (
        lambda: take(ADAM, settings={"lr": -1.0}),
        ValueError,
        "Adam: lr must be >= 0, got -1.0",
    ),
    "settings that do not go together": (
        lambda: engine.init(SGD, VALUE, {"nesterov": True}),
        ValueError,
        "SGD: nesterov requires a momentum > 0 and a dampening of 0",
    ),
    "two numbers for one": (
        lambda: take(ADAM, settings={"lr": jnp.ones(2)}),
        TypeError,
        "Adam: lr must be one number, got Array([1., 1.]",
    ),
    "one number for two": (
        lambda: take(ADAM, settings={"betas": jnp.ones(3)}),
        TypeError,
        "Adam: betas must be 2 numbers, got Array([1., 1., 1.]",
    ),
    "parameters of whole numbers": (
        lambda: engine.init(ADAM, {"w": np.ones(3, int)}),
        TypeError,
        "Adam: params['w'] must be an array of real floating-point numbers, got one of int64",
    ),
    "a parameter that is no array": (
        lambda: engine.init(ADAM, {"w": 1.0}),
        TypeError,
        "Adam: params['w'] must be an array of real floating-point numbers, got 1.0",
    ),
    "a gradient too few": (
        lambda: take(ADAM, grads=LESS),
        ValueError,
        "Adam: grads must be a tree like params: ",
    ),
    "a gradient of another shape": (
        lambda: take(ADAM, grads=WRONG),
        ValueError,
        "Adam: grads['b'] must be an array of the shape (5,), got one of (4, 3)",
    ),
    "no gradient": (
        lambda: take(ADAM, grads={**VALUE, "b": None}),
        ValueError,
        "Adam: grads['b'] must be an array of the shape (5,), got None",
    ),
    "states of another optimizer": (
        lambda: take(ADAM, states=KEPT),
        TypeError,
        "Adam: states: unknown name 'momentum_buffer'; known are step, exp_avg, exp_avg_sq, ",
    ),
    "no number that is kept": (
        lambda: take(OPTIMIZERS["NAdam"], states={}),
        TypeError,
        "NAdam: states must have step, mu_product, as `init` makes them",
    ),
    "a state that was not asked for": (
        lambda: take(SGD, settings={"momentum": 0.9}),
        TypeError,
        "'b' is not among the states; give `init` the settings that ask for it",
    ),
    "a state that a traced setting may ask for": (
        lambda: jax.jit(lambda m: take(SGD, settings={"momentum": m}))(0.9),
        TypeError,
        "'b' is not among the states; give `init` the settings that ask for it",
    ),
    "a number divided by zero": (
        lambda: take(chain("Made", Divides)),
        ZeroDivisionError,
        "Divides.update: float division by zero in `1 / by`, with these settings",
    ),
}


class Divides(Rule):
    by: float = 0.0

    @staticmethod
    def update(g, by):
        u = g * (1 / by)
        return u


class DividesLater(Rule):
    by: float = 0.0

    @staticmethod
    def update(g, t, by):
        u = g
        if t > 3:
            u = g * (1 / by)
        return u


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused_with_a_sentence(what):
    call, error, said = REFUSED[what]
    with pytest.raises(error) as raised:
        call()
    assert said in str(raised.value)


def test_a_side_that_is_not_taken_may_divide_by_zero():
    made = chain("Made", DividesLater)
    params, states = VALUE, engine.init(made, VALUE)
    jitted = jax.jit(engine.step(made))
    for k in range(5):
        params, states = jitted(params, VALUE, states)
        assert bool(jnp.isfinite(params["w"]).all()) == (k < 3)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("u = tanh(g)", "tanh is a word that the JAX engine has not"),
        ("u = g @ g", "`g @ g` is nothing that the JAX engine can run"),
        ("u = g.mT", "`g.mT` is nothing that the JAX engine can run"),
        ("for u in g: pass", "is nothing that the JAX engine can run"),
    ],
)
def test_what_the_engine_does_not_know_is_quoted_with_its_line(line, said):
    text, p = ADAM.parts[1].declared.text, jnp.ones(3)
    run = Run(text.source, text, {"g": p}, Leaf(ADAM, 0, p, [None, None], 1))
    with pytest.raises(TypeError, match=r"Adam\.update, line ") as raised:
        list(run.block(ast.parse(line).body))
    assert said in str(raised.value)


def test_a_name_that_an_optimizer_also_has_is_a_setting():
    made = OPTIMIZERS["Ranger"]
    states = engine.init(made, VALUE, {"N_sma_threshhold": 4.5})
    one, other = (
        take(made, states=states, settings={name: 4.5})[0]["w"]
        for name in ("N_sma_threshhold", "n_sma_threshold")
    )
    np.testing.assert_array_equal(one, other)


def test_all_parts_of_a_chain_see_the_settings_of_a_call():
    made = chain("Made", ClipNorm, ADAM, Lookahead)
    values = [take(made, settings={"max_norm": n, "lr": 0.1})[0]["w"] for n in (1.0, ARRAY)]
    assert (values[0] != values[1]).any()
