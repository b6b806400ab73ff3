"""A chain as one JavaScript function, run in Node: the same path as the oracle's."""

import ast
import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cases import CASES, SUBJECTS
from tests.fuse.border import Border
from tests.fuse.test_any_chain import chains, settings_of
from tests.plain import PLAIN
from thalweg import mytorch
from thalweg.chain import chain, named
from thalweg.either import either
from thalweg.elementwise import lerp, where
from thalweg.fuse.js.node import Node, packed, unpacked
from thalweg.fuse.js.whole import step_text
from thalweg.fuse.js.words import Writer
from thalweg.optimizers import OPTIMIZERS
from thalweg.reductions import largest, mean, norm, sum
from thalweg.rule import Rule, Stage, state
from thalweg.rules import CAME, SGD, Adam
from thalweg.stages import Centralize, ClipNorm, GradientNoise, Standardize

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="there is no node here")

SHAPES = [(4, 3), (5,), (), (2, 3, 3, 3)]
STEPS = 100

# a path of steps: the settings of each, the gradients one behind the other
RUN = """(arrays, numbers) => {
%s
const S = {}, {p, grads} = arrays, n = p.length;
%s.forEach((h, k) => step(S, h, p, grads.subarray(k * n, (k + 1) * n), %s));
const kept = Object.entries(S);
for (const [key, value] of kept)
  arrays[key] = typeof value === "object" ? value : Float64Array.of(value);
return kept.map(([key]) => key);
}"""


@pytest.fixture(scope="module")
def node():
    node = Node()
    yield node
    node.close()


def in_node(node, made, settings, value, grads, keys):
    """What p and the states are after these steps, by key."""
    text = RUN % (step_text(made), json.dumps(settings), json.dumps(list(value.shape)))
    arrays = {"p": value, "grads": np.array(grads)}
    found, stored = node.ask(
        call=node.ask(text=text),
        rows=0,
        columns=0,
        numbers={},
        arrays={name: ("Float64Array", packed(one.tobytes())) for name, one in arrays.items()},
        stores=["p", *(keys or ())],
    )
    assert keys is None or sorted(found) == sorted(keys)
    return {key: np.frombuffer(unpacked(one)) for key, one in stored.items()}


def by_oracle(made, settings, value, grads):
    """The same by the reference engine."""
    border = Border(made, (settings[0], [value]), oracle=True)
    for h, grad in zip(settings, grads, strict=True):
        border.groups[0] = {**made.defaults, **h}
        border.step([grad])
    (tensor,) = border.tensors
    found = {slot.key: slot.qualified for slot in made.slots if slot.qualified in tensor.held}
    arrays = {key: tensor.held[name].values for key, name in found.items()}
    cells = {key: np.array(number, np.float64) for key, number in tensor.cells.items()}
    return {"p": tensor.held["p"].values, **arrays, **cells}


def off(node, made, settings, shape=(4, 3), seed=5):
    """The largest error on a path, in units of what is largest in each array."""
    rng = np.random.default_rng(seed)
    value = rng.standard_normal(shape)
    grads = [rng.standard_normal(shape) for _ in settings]
    theirs = by_oracle(made, settings, value, grads)
    keys = [key for key in theirs if key != "p"]
    ours = in_node(node, made, settings, value, grads, keys)
    errors = []
    for key, exact in theirs.items():
        exact = np.asarray(exact)
        errors.append(np.abs(ours[key] - exact.ravel()).max() / max(np.abs(exact).max(), 1e-300))
    return max(errors)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("one", CASES, ids=str)
def test_every_optimizer_takes_the_path_of_the_oracle(one, shape, node):
    assert off(node, one.chain, [dict(one.settings)] * STEPS, shape) < 1e-12


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda one: one.name)
def test_settings_that_change_in_mid_run_take_hold(subject, node):
    made, before = OPTIMIZERS[subject.name], dict(subject.whole)
    after = {**before, **subject.changed}
    changing, still = [before] * 5 + [after] * 5, [before] * 10
    assert off(node, made, changing) < 1e-12
    rng = np.random.default_rng(0)
    value, grads = rng.standard_normal(6), list(rng.standard_normal((10, 6)))
    assert (by_oracle(made, changing, value, grads)["p"] != 0).any()
    ways = [in_node(node, made, h, value, grads, None)["p"] for h in (changing, still)]
    assert (ways[0] != ways[1]).any()


SWITCHES = [
    ("Adam", {"amsgrad": True}),
    ("AdamW", {"amsgrad": True}),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("RMSprop", {"centered": True, "momentum": 0.5}),
    ("Ranger", {"gc_normalize": True}),
    ("LAMB", {"weight_decay": 0.1}),
]


@pytest.mark.parametrize(("name", "switched"), SWITCHES, ids=str)
def test_a_switch_in_mid_run_makes_the_states_it_needs_and_keeps_them(name, switched, node):
    made = OPTIMIZERS[name]
    off_again = {one: made.settings[one].default for one in switched}
    settings = [{"lr": 0.1}] * 5 + [switched] * 5 + [off_again] * 5 + [switched] * 5
    for end in (4, 5, 10, 15, 20):  # the states after each are those of the oracle
        assert off(node, made, [{**settings[0], **one} for one in settings[:end]]) < 1e-12


def test_what_is_left_out_of_the_settings_is_as_it_is_by_default(node):
    rng = np.random.default_rng(0)
    value, grads = rng.standard_normal(6), list(rng.standard_normal((10, 6)))
    made = OPTIMIZERS["AdamW"]
    ways = [in_node(node, made, [h] * 10, value, grads, None)["p"] for h in ({}, made.defaults)]
    np.testing.assert_array_equal(*ways)


def test_the_gradient_that_is_given_stays_as_it_is(node):
    text = step_text(OPTIMIZERS["Ranger"]), step_text(OPTIMIZERS["SGD"])
    assert "g = Float64Array.from(g);" in text[0]
    assert "let g_i = g[i];" in text[1]
    assert "g[i] =" not in text[1]


def is_like_the_oracle(node, *parts, settings=({},), steps=20, shapes=SHAPES):
    made = chain("Made", *parts)
    path = [dict(settings[k * len(settings) // steps]) for k in range(steps)]
    return all(off(node, made, path, shape) < 1e-12 for shape in shapes)


def test_norms_of_rows_and_of_all_tensors_are_taken_of_this_one(node):
    assert is_like_the_oracle(node, ClipNorm, Centralize, Adam, settings=[{"normalize": True}])
    assert is_like_the_oracle(node, ClipNorm, SGD, settings=[{}, {"max_norm": 0.1}])


class Floors(Rule):
    """Python's % and // on numbers and on elements, and truths that are compared."""

    lr: float = 0.1
    by: float = -3.0
    is_odd: bool = False

    x = state("x")
    total = state("total", per="tensor")

    @staticmethod
    def update(g, x, total, t, lr, by, is_odd):
        total = total + (-t) % 3 + t // by + 1 // 0.1
        x = x + g % 0.3 + g // -0.7 + where(g > 0, 2, 0)
        odd = t % 2 == 1
        u = lr * (x if odd != is_odd else -x) * (2 if (t > 3) == (lr > 0) else 1)
        return u, x, total


def test_rounding_down_and_truths_as_numbers_are_as_in_python(node):
    assert is_like_the_oracle(node, Floors, settings=[{}, {"by": 0.7}, {"is_odd": True}])


class Mixed(Stage):
    """Names that are numbers here and rows or elements there; an `if` on what is measured."""

    most: float = 1.0

    @staticmethod
    def update(g, most, t, rows, columns):
        factor = most
        if t % 3 == 0:
            factor = mean(g, "row") if t % 2 == 0 else largest(g * g)
        size = norm(g)
        n = rows + 2 * columns
        if size > most:
            step = size / n
            g = g / step
        else:
            step = 1.0
        factor = factor + step
        if t > 5:
            factor = factor * where(g > 0, g, 1.0)
        g = factor * g + sum(g * g, "row")
        return g


def test_a_name_may_be_a_number_and_then_more(node):
    assert is_like_the_oracle(node, Mixed, SGD, settings=[{}, {"most": 0.5}])


class Guarded(Rule):
    """A state that only one side of an expression asks for, and streams of its own."""

    lr: float = 0.1
    scale: float = 0.0

    big = state("big", start="lr")

    @staticmethod
    def update(p, g, big, lr, scale):
        p = p * 2
        length = sum(big * big) if scale != 0 else 1.0
        if scale != 0:
            big = lerp(big, g * p, scale)
        u = lr * g / (1 + length)
        return u, big


def test_what_only_one_side_asks_for_is_not_read_on_the_other(node):
    made = chain("Guarded", Guarded)
    assert "S.big" not in step_text(made).split("const big")[0]
    assert is_like_the_oracle(node, Guarded, settings=[{}, {"scale": 0.9}, {"scale": 0.1}, {}])


class Default(Rule):
    """Names that JavaScript takes for its own words, and settings under other names."""

    new: float = 0.5
    lr: float = 0.1

    this = state("this one")

    @staticmethod
    def update(g, this, new, lr):
        var = new * g
        this = 0.9 * this + var
        u = lr * this
        return u, this


def test_words_of_javascript_are_names_like_others(node):
    parts = named(Default, new="default"), named(Halved, new="void"), named(Halved, new="var")
    assert is_like_the_oracle(node, *parts, settings=[{}, {"default": 0.2, "var": 3.0}])


class Halved(Stage):
    new: float = 0.5

    @staticmethod
    def update(p, new):
        var = new + 0.5
        p = var * p
        return p


def test_a_word_that_javascript_has_not_is_refused():
    with pytest.raises(TypeError, match="tanh is a word that the JavaScript engine does not have"):
        Writer().value(ast.parse("1 + tanh(x)", mode="eval").body)


def test_one_run_of_elements_is_one_loop():
    text = step_text(OPTIMIZERS["AdamW"])
    assert text.count("for (") == 1
    assert len(text.splitlines()) <= 35
    assert step_text(OPTIMIZERS["LAMB"]).count("for (") == 2


class Flat(Rule):
    """For vectors."""

    lr: float = 0.1

    @staticmethod
    def takes(ndim):
        return ndim < 2

    @staticmethod
    def update(g, lr):
        u = lr * g
        return u


REFUSED = {
    "matrices": (OPTIMIZERS["SOAP"], "SOAP: JavaScript takes passes over elements alone"),
    "another gradient": (OPTIMIZERS["SAM"], "SAM: JavaScript takes passes over elements alone"),
    "noise": (chain("Noisy", GradientNoise, SGD), "Noisy: JavaScript takes passes over elements"),
    "a choice": (chain("Either", either(Flat, Adam)), "Either: JavaScript takes one rule for"),
    "rows of a stack": (chain("Told", Standardize, CAME), "Told: JavaScript tells rows and colum"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_more_than_the_passes_of_one_rule_is_refused_in_a_sentence(what):
    made, said = REFUSED[what]
    with pytest.raises(ValueError, match=f"^{said}"):
        step_text(made)


BY_ROWS = ["Adafactor", "AdamMini", "CAME"]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", BY_ROWS)
def test_rows_and_columns_are_those_of_the_oracle(name, shape, node):
    made, rng = OPTIMIZERS[name], np.random.default_rng(5)
    value, grads = rng.standard_normal(shape), list(rng.standard_normal((20, *shape)))
    theirs = on_numpy(name, value, grads)
    keys = [key for key in theirs if key != "p"]
    ours = in_node(node, made, [{}] * 10 + [{"weight_decay": 0.1}] * 10, value, grads, keys)
    for key, exact in theirs.items():
        np.testing.assert_allclose(ours[key], exact.ravel(), 1e-12, 1e-14, err_msg=key)


def on_numpy(name, value, grads):
    """The same steps of a class of mytorch: p, and what it keeps, by key."""
    p = mytorch.nn.Parameter(np.asarray(value))
    opt = getattr(mytorch.optim, name)([p])
    for k, grad in enumerate(grads):
        opt.param_groups[0]["weight_decay"] = 0.1 if k >= 10 else 0.0
        p.grad = np.asarray(grad)
        opt.step()
    kept = {key: np.asarray(x, np.float64) for key, x in opt.state[p].items()}
    return {"p": p.data, **kept}


class Rated(Rule):
    """Rows of columns and columns of rows, and what is of all of them."""

    lr: float = 0.1
    is_stack = True
    left = state("left", per="row", start=1.0)
    right = state("right", per="column")

    @staticmethod
    def update(g, left, right, t, lr):
        left = left + norm(g, "row") / norm(left, "column")
        right = right + largest(g * g, "column") + mean(right, "row") * largest(right, "row")
        size = mean(left) + largest(right)
        if t % 2 == 0:
            size = size + 1
            right = right / size
        u = lr * g * left * right / size
        return u, left, right


@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 4, 2)], ids=str)
def test_rows_are_summed_by_their_columns_in_each_matrix_of_a_stack(shape, node):
    made, rng = chain("Rated", Rated), np.random.default_rng(1)
    value, grads = rng.standard_normal(shape), list(rng.standard_normal((8, *shape)))
    p = mytorch.nn.Parameter(np.asarray(value))
    opt = mytorch.optim.optimizer(made)([p])
    for grad in grads:
        p.grad = np.asarray(grad)
        opt.step()
    ours = in_node(node, made, [{}] * 8, value, grads, None)
    np.testing.assert_allclose(ours["p"], p.data.ravel(), 1e-12)


@pytest.mark.parametrize("name", [*PLAIN, *BY_ROWS])
def test_every_optimizer_has_a_text_of_plain_names(name):
    text = step_text(OPTIMIZERS[name])
    assert "__" not in text
    assert text.startswith(f"function step(S, h, p, g, shape = [p.length]) {{  // {name}\n")


@pytest.mark.slow
@given(data=st.data())
def test_any_chain_takes_the_path_of_the_oracle(data, node):
    made = data.draw(chains())
    settings = [data.draw(settings_of(made)) for _ in range(2)]
    shape = data.draw(st.sampled_from(SHAPES))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    value, grads = rng.standard_normal(shape), list(rng.standard_normal((6, *shape)))
    path = [settings[0]] * 3 + [settings[1]] * 3
    with np.errstate(all="ignore"):
        theirs = by_oracle(made, path, value, grads)
    ours = in_node(node, made, path, value, grads, [key for key in theirs if key != "p"])
    for key, exact in theirs.items():
        floor = 1e-12 * np.abs(exact).max(initial=1, where=np.isfinite(exact))
        np.testing.assert_allclose(ours[key], exact.ravel(), 1e-12, floor, err_msg=key)
