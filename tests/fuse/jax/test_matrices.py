"""Rules on rows, columns and whole matrices, and those that ask for another gradient, in JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.fuse.jax.paths import drawn, numbers, switches
from tests.fuse.jax.written import Written
from tests.matrices.settings import TRIED, Reused
from tests.plain import PLAIN
from thalweg.chain import chain, named
from thalweg.either import either
from thalweg.fuse import jax as engine
from thalweg.optimizers import OPTIMIZERS
from thalweg.rules import (
    CAME,
    SGD,
    SOAP,
    Adafactor,
    Adam,
    AdamMini,
    Lion,
    Muon,
    NorMuon,
    Prodigy,
    PSGDKron,
    Shampoo,
)
from thalweg.stages import (
    SAM,
    Cautious,
    Centralize,
    ClipNorm,
    Decay,
    GradientNoise,
    Lookahead,
    Maximize,
    TrustRatio,
)

STEPS = 7
# in the order in which JAX takes a dict apart, which is that of the noise
SHAPES = {"b": (5,), "k": (3, 2, 2), "none": (0, 3), "one": (), "v": (3, 5), "w": (6, 4)}
# where a gradient's rank is less than a side, the rest of a basis of its rows is arbitrary
SQUARES = {"v": (4, 4), "w": (5, 5)}
SETTINGS = {**TRIED, "AdaHessian": {"update_each": 2}}
NAMES = [name for name in OPTIMIZERS if name not in PLAIN]
# how long a matrix is, or how often it is multiplied: Python must know these
COUNTS = ("rank", "heads", "ns_steps")


def loss(weights):
    """Gradients of a valley whose curvature is not the same everywhere."""
    return {name: 4 * (w - 0.3) ** 3 + w for name, w in weights.items()}


def sampled(weights):
    """Those of another loss, on NumPy's arrays and JAX's."""
    return {n: (np if isinstance(w, np.ndarray) else jnp).cos(3 * w) for n, w in weights.items()}


def asked_of(made):
    """The losses that a chain's texts ask for."""
    names = {one.of for one in made.requests.values() if one.kind != "noise"}
    return {name: of for name, of in (("loss", loss), ("sampled", sampled)) if name in names}


def values(made, h, shapes=SHAPES):
    return {n: x for n, x in drawn(0, shapes).items() if made.choice.which(x.shape, h) is not None}


def takes_the_path_of_the_text(made, h, shapes=SHAPES, within=1e-10):
    """With every number traced that may be, and the step count, in one compiled function."""
    value, of, count = values(made, h, shapes), asked_of(made), 0
    known = {**switches(made, h), **{n: v for n, v in numbers(made, h).items() if n in COUNTS}}
    traced = {n: v for n, v in numbers(made, h).items() if n not in COUNTS}
    traced = {n: v for n, v in traced.items() if not (isinstance(v, tuple) and None in v)}
    take = engine.step(made, known)

    @jax.jit
    def jitted(params, grads, states, h):
        nonlocal count
        count += 1
        return take(params, grads, states, h, **of)

    params, written = value, Written(made, value, **of)
    states = engine.init(made, value, {**known, **jax.tree.map(jnp.asarray, traced)})
    for k in range(STEPS):
        grads = drawn(1 + k, {name: x.shape for name, x in value.items()})
        params, states = jitted(params, grads, states, traced)
        written.step({name: grads[name] for name in written.p}, h)
    assert count == 1
    trees = {"p": params, **states}
    for place, exact in written.flat().items():
        key, name = place.rsplit(" ", 1)
        mine = trees[key][name] if isinstance(trees[key], dict) else trees[key]
        if mine is not None:  # a number that a rule for other tensors keeps
            floor = within * np.abs(exact).max(initial=0)
            np.testing.assert_allclose(mine, exact, within, floor, err_msg=place)
    return True


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_is_compiled_once_and_takes_the_path_of_its_text(name):
    made, shapes = OPTIMIZERS[name], SQUARES if name == "SOAP" else SHAPES
    assert takes_the_path_of_the_text(made, SETTINGS.get(name, {}), shapes)


COMPOSED = {
    "clipped": (ClipNorm, Centralize, Decay, either(Shampoo, Lion), Lookahead),
    "sharp": (SAM, Maximize, CAME, Cautious),
    "noisy": (
        GradientNoise,
        named(GradientNoise, noise_seed="s", noise_eta="e", noise_gamma="c"),
        SGD,
    ),
    "trusting": (either(NorMuon, Adam), TrustRatio, Lookahead),
    "factored": (ClipNorm, Adafactor, Cautious),
    "by rows": (Centralize, AdamMini, TrustRatio),
    "reused": (Reused, Lookahead),
    "prodigious": (either(Muon, Prodigy), Lookahead),
    "whitened": (ClipNorm, PSGDKron),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_a_chain_of_ones_own_takes_the_path_of_its_texts(name):
    made = chain("Made", *COMPOSED[name])
    h = {"maximize": True} if Maximize in COMPOSED[name] else {}
    assert takes_the_path_of_the_text(made, h)


def test_another_gradient_is_computed_in_the_steps_that_ask_for_it():
    made, value, asked = OPTIMIZERS["Sophia"], drawn(0, {"w": (4, 3)}), []

    def told(weights):
        def look(w):
            asked.append(w)
            return np.cos(w)

        return {"w": jax.pure_callback(look, weights["w"], weights["w"])}

    take = jax.jit(lambda *given: engine.step(made, {"k": 3})(*given, sampled=told))
    params, states = value, engine.init(made, value)
    for k in range(7):
        params, states = take(params, drawn(k, {"w": (4, 3)}), states)
    jax.block_until_ready(params)
    assert len(asked) == 3


def test_what_is_maximized_is_minus_the_loss_of_a_text():
    """As at the other borders: uphill on a loss is downhill on minus the loss."""
    made, value = chain("Made", Maximize, SAM, SGD), drawn(0, {"w": (4, 3)})

    def uphill(weights):
        return {name: -g for name, g in loss(weights).items()}

    up, down = (
        engine.step(made, {"maximize": sign})(value, of(value), engine.init(made, value), loss=of)
        for sign, of in ((True, uphill), (False, loss))
    )
    np.testing.assert_array_equal(up[0]["w"], down[0]["w"])


def test_a_parameter_has_the_states_of_its_own_rule():
    made = OPTIMIZERS["Adafactor"]
    states = engine.init(made, {"b": jnp.zeros(5), "w": jnp.zeros((2, 6, 4), "bfloat16")})
    assert states["row_var"]["b"] is None
    assert states["row_var"]["w"].shape == (2, 6, 1)
    assert states["col_var"]["w"].dtype == jnp.bfloat16
    assert states["variance"]["w"] is None


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["Adafactor", "AdamMini", "Muon", "Shampoo", "PSGDKron"])
def test_arrays_keep_their_types_and_no_basis_is_short(name, dtype):
    made = OPTIMIZERS[name]
    params = {"w": jnp.asarray(drawn(0)["w"].reshape(6, 4), dtype)}
    first = engine.init(made, params)
    moved, states = jax.jit(engine.step(made, {"lr": 0.1}))(params, params, first)
    types = [jax.tree.map(lambda x: (x.dtype, x.shape), one) for one in (first, states)]
    assert types[0] == types[1]
    assert moved["w"].dtype == dtype
    assert not bool((moved["w"] == params["w"]).all())
    short = {slot.key: slot.state.is_short or not slot.state.is_apart for slot in made.slots}
    for key in states.keys() & short.keys():
        assert states[key]["w"].dtype == (dtype if short[key] else "float32")


@pytest.mark.parametrize("name", ["Adafactor", "CAME", "Muon", "NorMuon", "SAM", "Shampoo"])
def test_the_derivative_by_the_rate_is_the_quotient_of_differences(name):
    made, of = OPTIMIZERS[name], asked_of(OPTIMIZERS[name])
    take, params = engine.step(made), drawn(0, {"w": (3, 3)})

    @jax.jit
    def after(lr):
        moved, states = params, engine.init(made, params)
        for _ in range(3):
            moved, states = take(moved, loss(moved), states, {"lr": lr}, **of)
        return (moved["w"] ** 2).sum()

    slope, ends = jax.grad(after)(1e-3), [after(1e-3 + h) for h in (1e-8, -1e-8)]
    assert abs(slope) > 1e-6
    np.testing.assert_allclose(slope, (ends[0] - ends[1]) / 2e-8, 1e-5)


def test_the_weights_to_look_at_are_those_of_each_parameter_s_own_rule():
    made = chain("Made", either(Muon, Adam), Lookahead, lr=0.1, k=3)
    value = drawn(0, {"b": (5,), "w": (4, 3)})
    params, states = value, engine.init(made, value)
    for k in range(4):
        params, states = engine.step(made)(params, drawn(k, {"b": (5,), "w": (4, 3)}), states)
    looked = engine.evaluate(made, params, states)
    for name in value:
        np.testing.assert_array_equal(looked[name], states["slow_buffer"][name])


REFUSED = {
    "no other gradient": (
        lambda w: engine.step(OPTIMIZERS["SAM"])(w, w, engine.init(OPTIMIZERS["SAM"], w)),
        TypeError,
        "SAM: its text asks for gradient(p + rho * d); give the step a function that gives these "
        "gradients, take(params, grads, states, loss=jax.grad(...))",
    ),
    "a gradient that is none": (
        lambda w: engine.step(OPTIMIZERS["SAM"])(w, w, engine.init(OPTIMIZERS["SAM"], w), loss=w),
        TypeError,
        "SAM: loss must be a function of params, got {'w': ",
    ),
    "one that nobody asks for": (
        lambda w: engine.step(OPTIMIZERS["Adam"])(
            w, w, engine.init(OPTIMIZERS["Adam"], w), loss=loss
        ),
        TypeError,
        "Adam: the gradients of a loss: unknown name 'loss'",
    ),
    "gradients of another shape": (
        lambda w: engine.step(OPTIMIZERS["SAM"])(
            w, w, engine.init(OPTIMIZERS["SAM"], w), loss=lambda p: {"w": p["w"][0]}
        ),
        ValueError,
        "SAM: what loss gives['w'] must be an array of the shape (4, 3), got one of (3,)",
    ),
    "a side that is traced": (
        lambda w: engine.init(OPTIMIZERS["GaLore"], w, {"rank": jnp.asarray(2)}),
        TypeError,
        "GaLore: rank must be a plain number in JAX, got an array: it is how long a side of the "
        "state 'exp_avg' is",
    ),
    "a count of products that is traced": (
        lambda w: engine.step(OPTIMIZERS["Muon"])(
            w, w, engine.init(OPTIMIZERS["Muon"], w), {"ns_steps": jnp.asarray(5)}
        ),
        TypeError,
        "newton_schulz takes `ns_steps` as a plain number in JAX, got an array",
    ),
    "a vector for a rule of matrices": (
        lambda w: engine.init(chain("Mine", SOAP), {"b": w["w"][0]}),
        ValueError,
        "Mine: a parameter of shape (3,) is none that SOAP takes",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused_with_a_sentence(what):
    call, error, said = REFUSED[what]
    with pytest.raises(error) as raised:
        call(drawn(0, {"w": (4, 3)}))
    assert said in str(raised.value)
