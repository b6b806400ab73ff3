"""The JavaScript engine runs the same plans behind the same protocol: here in Node."""

import shutil

import numpy as np
import pytest

from tests.cases import CASES
from tests.fuse.border import Border
from tests.fuse.test_oracle import SHAPES, draw, same_path
from thalweg.chain import chain
from thalweg.fuse.js.node import Node, NodeEngine
from thalweg.fuse.js.text import function_text
from thalweg.fuse.plan import plan_for
from thalweg.rules import Adam
from thalweg.stages import ClipNorm

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="there is no node here")

STEPS = 100


@pytest.fixture(scope="module")
def engine():
    node = Node()
    yield NodeEngine(node)
    node.close()


def plan_of(made):
    """The plan of a first step with the chain's own settings."""
    return plan_for(made, made.decide(made.views({}), 1, {}, (), {}).ways)


def both(made, settings, engine, forms=("float64",) * 3):
    rng = np.random.default_rng(5)
    values = draw(rng)
    ours = Border(made, (settings, values), engine=engine, forms=forms)
    oracle = Border(made, (settings, values), oracle=True, forms=forms)
    for _ in range(STEPS):
        grads = draw(rng)
        ours.step(grads)
        oracle.step(grads)
    return ours, oracle


@pytest.mark.parametrize("one", CASES, ids=str)
def test_in_float64_javascript_follows_the_oracle(one, engine):
    same_path(*both(one.chain, one.settings, engine))


def test_a_norm_over_all_tensors_is_summed_there_too(engine):
    clipped = chain("Clipped", ClipNorm, Adam)
    same_path(*both(clipped, {"max_norm": 0.5}, engine))


def test_in_float32_every_operation_rounds_to_single_precision(engine):
    ours, oracle = both(chain("Adam", Adam), {}, engine, ("float32",) * 3)
    for mine, theirs in zip(ours.states, oracle.states, strict=True):
        for name in mine.keys() & theirs.keys():
            np.testing.assert_array_equal(mine[name], theirs[name])


def test_infinities_and_nan_are_what_they_are_in_numpy(engine):
    made, settings = chain("Adam", Adam), {}
    values = [np.array([1.0, 2.0, 3.0, -4.0])]
    ours = Border(made, (settings, values), engine=engine)
    oracle = Border(made, (settings, values), oracle=True)
    for grads in ([np.inf, np.nan, -np.inf, 1.0], [1.0, 1.0, 1.0, 1.0]):
        ours.step([np.array(grads)])
        with np.errstate(invalid="ignore"):
            oracle.step([np.array(grads)])
    np.testing.assert_array_equal(ours.params[0], oracle.params[0])
    assert np.isnan(ours.params[0][:3]).all()
    assert np.isfinite(ours.params[0][3])


def test_an_error_in_a_function_says_that_it_comes_from_node(engine):
    made = chain("Adam", Adam)
    plan = plan_of(made)
    sweep = engine.sweep(plan.main, ["float64"] * 4, "float64", "step", [(1, 1)])
    with pytest.raises(RuntimeError, match=r"in node: .*functions"):
        sweep._node.ask(call=10**6, rows=1, columns=1, numbers={}, arrays={}, stores=[])


def test_the_text_of_a_pass_can_be_read():
    made = chain("Adam", Adam)
    text = function_text(plan_of(made).main, "float64", "adam")
    assert text.startswith("function adam(arrays, numbers, rows, columns) {")
    assert "const AT_adam__m = arrays.adam__m;" in text
    assert "adam__moments1_v = RU2 * adam__moments1_v + RU3 * g * g;" in text


def test_every_shape_has_been_there():
    assert {len(shape) for shape in SHAPES} >= {0, 1, 2, 4}
    assert any(0 in shape for shape in SHAPES)
