"""What a kernel and its launches keep: every word, every reduction, once and without waiting."""

import numpy as np
import pytest
import triton  # noqa: F401  (without it this file is skipped)

from tests.fuse.border import Border
from tests.fuse.gpu.test_steps import LARGE
from tests.fuse.test_oracle import draw, same_path
from tests.fuse.test_reductions import REDUCTIONS, Reduced
from thalweg.chain import chain
from thalweg.elementwise import abs as absolute
from thalweg.elementwise import exp, log, maximum, minimum, sign, sqrt, where
from thalweg.fuse.gpu.lines import block
from thalweg.fuse.gpu.text import kernel_text
from thalweg.fuse.plan import plan_for
from thalweg.optimizers import OPTIMIZERS
from thalweg.reductions import largest, mean, norm, sum
from thalweg.rule import Rule, setting, state
from thalweg.rules import SGD, Adam
from thalweg.stages import ClipNorm


def run(made, values, steps, engine, settings=None, forms=("float64",) * 3):
    """A border of ours and the oracle, after the same steps."""
    borders = [
        Border(made, (settings or {}, values), engine=engine, forms=forms),
        Border(made, (settings or {}, values), oracle=True, forms=forms),
    ]
    with np.errstate(all="ignore"):
        for grads in steps:
            for border in borders:
                border.step(grads)
    return borders


class Words(Rule):
    """Every word and operator of the language, in a state of its own."""

    a = state("exp")
    b = state("log")
    c = state("power")
    d = state("root")
    e = state("modulo")
    f = state("quotient")
    k = state("signs")
    m = state("choice")
    n = state("whole_power")

    @staticmethod
    def update(p, g, a, b, c, d, e, f, k, m, n):
        a = exp(g)
        b = log(absolute(g))
        c = absolute(g) ** (p + 1.5)
        d = sqrt(g) + absolute(g) ** 0.3
        e = g % 0.7
        f = g // 0.7
        k = sign(g) - maximum(g, -0.5) * minimum(g, 0.5)
        m = where((g > 0) & ~(g > 1) | (g < -1), -g, 2 * g)
        n = g**5 - g**2 / (1 + g**-3)
        p = p - 0.1 * g
        return p, a, b, c, d, e, f, k, m, n


EDGES = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 1e-300, 1e300, 0.7, -0.7, 1.4]


@pytest.mark.parametrize("form", ["float64", "float32"])
def test_every_word_is_what_numpy_has(form, engine):
    rng = np.random.default_rng(1)
    g = np.concatenate([EDGES, 3 * rng.standard_normal(88)])
    values = [rng.uniform(0, 2, g.shape)]
    ours, oracle = run(chain("Words", Words), values, [[g]], engine, forms=[form] * 3)
    tolerance = 1e-12 if form == "float64" else 1e-5
    for name, array in ours.states[0].items():
        with np.errstate(all="ignore"):
            theirs = oracle.states[0][name]
            np.testing.assert_allclose(array, theirs, tolerance, tolerance, err_msg=name)


def test_a_zero_keeps_its_sign(engine):
    class Turned(Rule):
        m = state("turned")

        @staticmethod
        def update(p, g, m):
            m = -g
            p = p - m
            return p, m

    ours, oracle = run(chain("Turned", Turned), [np.ones(2)], [[np.array([0.0, -0.0])]], engine)
    assert np.signbit(ours.state("turned")).tolist() == [True, False]
    assert np.signbit(oracle.state("turned")).tolist() == [True, False]


class Branching(Rule):
    """`if`s on numbers that are measured: known when the kernel is."""

    lr: float = setting(0.1, low=0)

    @staticmethod
    def update(p, g, lr):
        size = norm(g)
        u = lr * g
        if size > 3:
            u = u / size
            if size > 6:
                extra = 0.5 * u
                u = u + extra
            else:
                u = 2 * u
        elif size > 1:
            u = -u
        return u


@pytest.mark.parametrize("size", [0.5, 2.0, 4.0, 8.0])
def test_an_if_on_a_measured_number_chooses(size, engine):
    g = np.full(16, size / 4)
    same_path(*run(chain("Branching", Branching), [np.ones(16)], [[g]], engine))


def test_every_scope_with_every_reduction(engine):
    rng = np.random.default_rng(2)
    shapes = [(4, 3), (5,), (), (2, 3, 3, 3), (0, 3), (1, 70), (90, 2), (2, 300)]
    values, grads = draw(rng, shapes), draw(rng, shapes)
    grads[5][0, 3] = np.nan
    ours, oracle = run(chain("Reduced", Reduced), values, [grads], engine)
    for number, grad in enumerate(grads):
        for kind in REDUCTIONS if grad.size else ():
            for key in (f"row_{kind}", kind, f"all_{kind}"):
                found, expected = ours.state(key, number), oracle.state(key, number)
                np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12, err_msg=key)
    assert np.isnan(ours.state("row_largest", 5)).all()


class Rows(Rule):
    """Sums over rows that need others, and one of all of it."""

    @staticmethod
    def update(p, g):
        centred = g - mean(g, "row")
        scaled = centred / (1 + norm(centred, "row"))
        whole = sum(scaled * scaled) + largest(absolute(g), "all")
        p = p - scaled / (1 + whole)
        return p


def test_a_reduction_may_need_another_and_rows_may_be_reduced_for_a_tensor(engine):
    rng = np.random.default_rng(3)
    shapes = [(7, 40), (70, 3), (3,), ()]
    steps = [draw(rng, shapes) for _ in range(2)]
    same_path(*run(chain("Rows", Rows), draw(rng, shapes), steps, engine))


def test_the_same_step_gives_the_same_bits(engine):
    rng = np.random.default_rng(4)
    values, grads = [rng.standard_normal(1000)], [[rng.standard_normal(1000)]]
    made = chain("Clipped", ClipNorm, Adam)
    found = [run(made, values, grads, engine, {"max_norm": 0.1})[0].params[0] for _ in range(2)]
    np.testing.assert_array_equal(*found)


def test_infinities_and_nan_are_what_they_are_in_numpy(engine):
    steps = [[np.array(g)] for g in ([np.inf, np.nan, -np.inf, 1.0], [1.0, 1.0, 1.0, 1.0])]
    ours, oracle = run(chain("Adam", Adam), [np.array([1.0, 2.0, 3.0, -4.0])], steps, engine)
    np.testing.assert_array_equal(ours.params[0], oracle.params[0])


def main_sweep(engine, made, *elements):
    plan = plan_for(made, made.decide(made.views({}), 1, {}, elements[:1], {}).ways)
    table = engine.table([(size,) for size in elements], plan.main.is_by_rows)
    formats = ["float64"] * len(plan.main.streams)
    return plan.main, engine.sweep(plan.main, formats, "float64", "step", table)


def test_a_launch_that_is_run_twice_happens_once(engine):
    pass_, sweep = main_sweep(engine, chain("SGD", SGD), 100)
    arrays = {name: np.ones(100) for name in pass_.streams}
    pointers = np.array([[arrays[name].ctypes.data for name in pass_.streams]])
    launch = sweep.launch(pointers, np.full((1, len(pass_.numbers)), 0.25))
    launch.run(1)
    once = arrays["p"].copy()
    launch.run(1)
    assert (once != 1).all()
    np.testing.assert_array_equal(arrays["p"], once)
    sweep.launch(pointers, np.full((1, len(pass_.numbers)), 0.25)).run(1)
    assert (arrays["p"] != once).all()


def test_a_tensor_that_lies_nowhere_is_passed_over(engine):
    pass_, sweep = main_sweep(engine, chain("SGD", SGD), 100, 100)
    arrays = {name: np.ones(100) for name in pass_.streams}
    there = [arrays[name].ctypes.data for name in pass_.streams]
    pointers = np.array([[0] * len(there), there])
    sweep.launch(pointers, np.full((2, len(pass_.numbers)), 0.25)).run(1)
    assert (arrays["p"] != 1).all()


def test_a_step_waits_for_nothing_and_sends_one_table(engine, memory):
    rng = np.random.default_rng(6)
    border = Border(chain("Adam", Adam), ({}, draw(rng, [(80,), (3, 4)])), engine=engine)
    border.step(draw(rng, [(80,), (3, 4)]))
    before = memory.uploads
    for _ in range(3):
        border.step(draw(rng, [(80,), (3, 4)]))
    assert memory.uploads - before == 3
    assert memory.downloads == 0


@pytest.mark.parametrize("name", ["LAMB", "LARS", "StableAdamW", "Clipped"])
def test_nor_does_one_that_follows_from_sums(name, engine, memory):
    made = chain("Clipped", ClipNorm, Adam) if name == "Clipped" else OPTIMIZERS[name]
    rng = np.random.default_rng(6)
    shapes = [(80,), (3, 4), (9, 30)]
    values, steps = draw(rng, shapes), [draw(rng, shapes) for _ in range(3)]
    ours, oracle = run(made, values, steps, engine, {**made.defaults})
    assert memory.downloads == 0
    same_path(ours, oracle)


def test_a_number_that_is_kept_is_waited_for(engine, memory):
    rng = np.random.default_rng(6)
    ours, oracle = run(OPTIMIZERS["Prodigy"], draw(rng, [(80,)]), [draw(rng, [(80,)])], engine)
    assert memory.downloads > 0
    same_path(ours, oracle)


class Clamped(Rule):
    """Numbers worked out of sums with every word, and `if`s among them."""

    lr: float = setting(0.1, low=0)

    @staticmethod
    def update(p, g, lr):
        size, mass, top = norm(g), sum(absolute(g), "all"), largest(g)
        pace = minimum(1.0, maximum(0.1, size)) * sqrt(mass) + exp(-size) - log(1 + mass)
        if (size > 1 and not top > 2) or mean(g) > 5:
            pace = where(top > 0.5, pace / 3, absolute(pace)) ** 2 + 0.3
            if mass > 20:
                pace = pace % 0.7 + mass // 3
        u = lr * pace * sign(pace + 1) * g
        return u


@pytest.mark.parametrize("scale", [0.01, 0.6, 1.0, 9.0])
def test_numbers_worked_out_on_the_device_are_those_of_the_text(scale, engine, memory):
    rng = np.random.default_rng(8)
    shapes = [(300,), (3, 4), (), (9, 30), (0, 3)]
    steps = [[scale * g for g in draw(rng, shapes)] for _ in range(2)]
    same_path(*run(chain("Clamped", Clamped), draw(rng, shapes), steps, engine))
    assert memory.downloads == 0


def test_tensors_of_several_plans_share_a_sum_and_an_odd_one_takes_part(engine):
    rng = np.random.default_rng(9)
    made, values, grads = chain("Reduced", Reduced), draw(rng, LARGE), draw(rng, LARGE)
    groups = ({}, values[:3]), ({}, values[3:])
    for oracle in ([], [1]):
        ours = Border(made, *groups, engine=engine, oracle=oracle)
        truth = Border(made, *groups, oracle=True)
        for one in (ours, truth):
            one.step(grads)
        same_path(ours, truth)


def test_tensors_without_elements_add_nothing_where_they_are_of_another_type(engine):
    made = chain("Reduced", Reduced)
    grads = [np.full((2, 2), 3.0), np.zeros((0, 3))]
    ours, truth = (
        Border(made, ({}, [np.ones((2, 2)), np.zeros((0, 3))]), engine=engine, oracle=oracle)
        for oracle in (False, True)
    )
    ours.tensors[1].forms = dict.fromkeys(("p", "g", "states"), "float32")
    ours.tensors[1].held["p"] = type(ours.tensors[1].held["p"])(np.zeros((0, 3)), "float32")
    for one in (ours, truth):
        one.step(grads)
    same_path(ours, truth)


def test_what_has_not_changed_is_not_sent_again(engine, memory):
    pass_, sweep = main_sweep(engine, chain("SGD", SGD), 8)
    pointers = np.zeros((1, len(pass_.streams)), np.int64)
    for _ in range(3):
        sweep.launch(pointers, np.zeros((1, len(pass_.numbers))))
    assert memory.uploads == 1


def test_a_format_that_it_does_not_know_is_refused_with_a_sentence(engine):
    forms = ("bfloat16+residual", "float32", "float32")
    border = Border(chain("SGD", SGD), ({}, [np.ones(3)]), forms=forms, engine=engine)
    with pytest.raises(ValueError, match="SGD: the gpu engine must know the format of p, one of"):
        border.step([np.ones(3)])


def test_an_unknown_word_is_refused():
    with pytest.raises(TypeError, match="tanh is a word that the GPU engine does not have"):
        block(["u = tanh(g)"], {"g"})


def test_the_text_of_a_kernel_can_be_read():
    made = chain("Adam", Adam)
    plan = plan_for(made, made.decide(made.views({}), 1, {}, (), {}).ways)
    text = kernel_text(plan.main, ["bfloat16"] * 4, "float32", "Adam")
    assert text.startswith("# Made by thalweg")
    assert "    adam__moments1_v = ((RU2 * adam__moments1_v) + ((RU3 * g) * g))" in text
    assert "tl.store(k_p + k_start + k_lanes, narrowed(p))" in text
