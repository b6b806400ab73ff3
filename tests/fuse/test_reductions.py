"""Reductions over a row, a tensor or everything, in every engine."""

import numpy as np
import pytest

from tests.fuse.border import Border
from thalweg import rules
from thalweg.chain import chain
from thalweg.elementwise import abs as absolute
from thalweg.elementwise import maximum, sqrt, where
from thalweg.reductions import largest, mean, norm, sum
from thalweg.rule import Rule, Stage, setting, state
from thalweg.stages import Centralize, ClipNorm

SHAPES = [(4, 3), (5,), (), (2, 3, 3, 3), (0, 3), (3, 0), (1, 7)]


def draw(rng, shapes=SHAPES):
    return [rng.standard_normal(shape) for shape in shapes]


class Reduced(Rule):
    """Every reduction there is, each in a state of its own."""

    row_sum = state("row_sum")
    row_mean = state("row_mean")
    row_norm = state("row_norm")
    row_largest = state("row_largest")
    own_sum = state("sum")
    own_mean = state("mean")
    own_norm = state("norm")
    own_largest = state("largest")
    all_sum = state("all_sum")
    all_mean = state("all_mean")
    all_norm = state("all_norm")
    all_largest = state("all_largest")

    @staticmethod
    def update(
        p, g, row_sum, row_mean, row_norm, row_largest, own_sum, own_mean, own_norm, own_largest,
        all_sum, all_mean, all_norm, all_largest,
    ):  # fmt: skip
        p = p - 1
        row_sum = 0 * p + sum(g, "row")
        row_mean = 0 * p + mean(g, "row")
        row_norm = 0 * p + norm(g, "row")
        row_largest = 0 * p + largest(g, "row")
        own_sum = sum(g)
        own_mean = mean(g, "tensor")
        own_norm = norm(g)
        own_largest = largest(g)
        all_sum = sum(g, "all")
        all_mean = mean(g, "all")
        all_norm = norm(g, "all")
        all_largest = largest(g, "all")
        return (
            p, row_sum, row_mean, row_norm, row_largest, own_sum, own_mean, own_norm, own_largest,
            all_sum, all_mean, all_norm, all_largest,
        )  # fmt: skip


def axes(array):
    """All but the first, and the one behind the last."""
    return tuple(range(1, max(array.ndim, 1) + 1))


REDUCTIONS = {
    "sum": np.sum,
    "mean": np.mean,
    "norm": lambda x, **where: np.sqrt(np.sum(x * x, **where)),
    "largest": np.max,
}


@pytest.mark.parametrize("oracle", [False, True, {0, 3}], ids=["fused", "oracle", "both"])
def test_every_scope_with_every_reduction(oracle):
    rng = np.random.default_rng(2)
    values, grads = draw(rng), draw(rng)
    halves = slice(0, 3), slice(3, None)  # two groups, which "all" spans
    border = Border(chain("Reduced", Reduced), *(({}, values[h]) for h in halves), oracle=oracle)
    border.step(grads)
    everything = np.concatenate([grad.reshape(-1) for grad in grads])
    for number, grad in enumerate(grads):
        if not grad.size:
            continue
        for kind, reduce in REDUCTIONS.items():
            rows = reduce(grad.reshape(*(grad.shape or (1,)), 1), axis=axes(grad), keepdims=True)
            rows = rows.reshape(rows.shape[: grad.ndim])
            expected = {f"row_{kind}": rows, kind: reduce(grad), f"all_{kind}": reduce(everything)}
            for key, value in expected.items():
                ours = border.state(key, number)
                np.testing.assert_allclose(
                    ours, np.broadcast_to(value, grad.shape), rtol=1e-12, atol=1e-13, err_msg=key
                )


def test_tensors_without_elements_add_nothing_to_what_all_tensors_share():
    values = [np.zeros((0, 3)), np.zeros((3, 0)), np.ones((2, 2))]
    border = Border(chain("Reduced", Reduced), ({}, values))
    border.step([np.zeros((0, 3)), np.zeros((3, 0)), np.full((2, 2), 3.0)])
    shared = [border.state(f"all_{kind}", 2).flat[0] for kind in REDUCTIONS]
    assert shared == [12.0, 3.0, 6.0, 3.0]


def test_a_step_of_nothing_but_empty_tensors_counts_and_divides_by_nothing():
    border = Border(chain("Reduced", Reduced), ({}, [np.zeros((0, 3)), np.zeros((3, 0))]))
    border.step([np.zeros((0, 3)), np.zeros((3, 0))])  # a warning, as of 0/0, would be an error
    assert [border.state("all_mean", i).shape for i in range(2)] == [(0, 3), (3, 0)]


class Lamb(Rule):
    """A step as long as the parameter: reductions of what the update will be."""

    lr: float = setting(0.1, low=0)
    m = state("exp_avg")
    v = state("exp_avg_sq")

    @staticmethod
    def update(p, g, m, v, lr):
        m = 0.9 * m + 0.1 * g
        v = 0.99 * v + 0.01 * g * g
        u = m / (sqrt(v) + 1e-6) + 0.01 * p
        length, stride = norm(p), norm(u)
        u = lr * (length / stride if length > 0 and stride > 0 else 1.0) * u
        return u, m, v


@pytest.mark.parametrize("oracle", [False, True], ids=["fused", "oracle"])
def test_a_trust_ratio_for_each_tensor(oracle):
    rng = np.random.default_rng(3)
    values = [*draw(rng, [(4, 3), (5,)]), np.zeros(3)]
    border = Border(chain("Lamb", Lamb), ({}, values), oracle=oracle)
    p, m, v = ([np.array(x) for x in values], [0 * x for x in values], [0 * x for x in values])
    for _ in range(5):
        grads = draw(rng, [(4, 3), (5,), (3,)])
        border.step(grads)
        for i, g in enumerate(grads):
            m[i] = 0.9 * m[i] + 0.1 * g
            v[i] = 0.99 * v[i] + 0.01 * g * g
            u = m[i] / (np.sqrt(v[i]) + 1e-6) + 0.01 * p[i]
            length, stride = np.linalg.norm(p[i]), np.linalg.norm(u)
            p[i] = p[i] - 0.1 * (length / stride if length else 1.0) * u
    for ours, expected in zip(border.params, p, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-12)  # five steps in double


def test_a_reduction_of_what_another_has_left():
    """The norm of all centralized gradients, then each row's own norm of what that left."""

    class RowNormalized(Stage):
        @staticmethod
        def update(g):
            size = norm(g, "row")
            g = g / where(size > 0, size, 1.0)
            return g

    made = chain("Three", Centralize, ClipNorm, RowNormalized, rules.SGD, lr=1.0)
    rng = np.random.default_rng(4)
    grads = [10 * grad for grad in draw(rng)]
    borders = [Border(made, ({}, [np.zeros(s) for s in SHAPES]), oracle=o) for o in (False, True)]
    for border in borders:
        border.step(grads)
    for number, grad in enumerate(grads):
        if not grad.size:
            continue
        rows = -border_rows(borders[0].params[number])
        np.testing.assert_allclose(rows, -border_rows(borders[1].params[number]), rtol=1e-12)
        # a row of weights has lost its mean, and is then as long as one
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), np.ones(len(rows)), rtol=1e-12)
        if grad.ndim > 1:
            np.testing.assert_allclose(rows.sum(axis=1), np.zeros(len(rows)), atol=1e-14)


def border_rows(array):
    return array.reshape(array.shape[0] if array.ndim else 1, -1)


def test_a_reduction_may_choose_the_branch():
    class Guarded(Rule):
        @staticmethod
        def update(g):
            size, u = norm(g), g
            if size > 10:
                u = g / size
            return u

    border = Border(chain("Guarded", Guarded), ({}, [np.zeros(4), np.zeros(4)]))
    border.step([np.full(4, 100.0), np.ones(4)])
    np.testing.assert_allclose(border.params, [np.full(4, -0.5), np.full(4, -1.0)], rtol=1e-15)


def test_a_reduction_sees_every_tensor_that_takes_part_whatever_its_engine_or_format():
    made = chain("Clipped", ClipNorm, rules.SGD, lr=1.0)
    grads = [np.full(9, 2.0), np.full((4, 4), 2.0), np.full((), 2.0)]
    total = np.sqrt(4.0 * (9 + 16))
    border = Border(made, ({}, [np.zeros(g.shape) for g in grads]), oracle={1})
    border.step([*grads[:2], None])
    for p, expected in zip(border.params, [-2 / total, -2 / total, 0.0], strict=True):
        # the 1e-6 of the clipping, on a norm of 10
        np.testing.assert_allclose(p, np.full(p.shape, expected), rtol=1e-6)


@pytest.mark.parametrize("form", ["float32", "bfloat16"])
def test_the_mean_of_a_million_numbers_far_from_zero_is_right(form):
    """Added up in single precision, a million numbers of 1e4 would lose their last four digits."""

    class Mean(Rule):
        @staticmethod
        def update(g):
            p = 0 * g + mean(g, "row")
            return p

    rng = np.random.default_rng(5)
    grad = (1e4 + rng.standard_normal((1, 1_000_000))).astype(np.float32)
    forms = ["float32", form, form]
    border = Border(chain("Mean", Mean), ({}, [np.zeros(grad.shape)]), forms=forms)
    border.step([grad])
    exact = border.tensors[0].held["g"].values.astype(np.float64).mean()
    # summed in double, and rounded once
    assert np.abs(border.params[0] - exact).max() <= np.spacing(np.float32(exact)) / 2


@pytest.mark.parametrize("size", [1e30, 1e-30])
def test_a_norm_is_right_where_single_precision_squares_are_not(size):
    class Norm(Rule):
        @staticmethod
        def update(g):
            p = 0 * g + norm(g)
            return p

    border = Border(chain("Norm", Norm), ({}, [np.zeros(4)]), forms=["float32"] * 3)
    border.step([np.full(4, size)])
    np.testing.assert_allclose(border.params[0], np.full(4, 2 * size), rtol=1e-6)  # float32's size


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_one_number_that_is_not_finite_is_in_every_reduction_of_its_scope(bad):
    made = chain("Reduced", Reduced)
    grads = [np.ones((2, 3)), np.ones(4)]
    grads[0][0, 0] = bad
    with np.errstate(all="ignore"):
        borders = [
            Border(made, ({}, [np.zeros((2, 3)), np.zeros(4)]), oracle=o) for o in (False, True)
        ]
        for border in borders:
            border.step(grads)
    for number in range(2):
        for name, array in borders[0].states[number].items():
            np.testing.assert_array_equal(array, borders[1].states[number][name], err_msg=name)
    assert not np.isfinite(borders[0].state("all_norm", 1)).any()
    assert np.isfinite(borders[0].state("norm", 1)).all()
    np.testing.assert_array_equal(
        np.isfinite(borders[0].state("row_mean", 0)), [[False] * 3, [True] * 3]
    )


def test_a_mean_of_absolute_values():
    class Signed(Rule):
        @staticmethod
        def update(g):
            scale = mean(absolute(g))
            u = where(g > 0, scale, -scale)
            return u

    border = Border(chain("Signed", Signed), ({}, [np.zeros(4)]))
    border.step([np.array([1.0, -2.0, 3.0, -4.0])])
    np.testing.assert_allclose(border.params[0], [-2.5, 2.5, -2.5, 2.5], rtol=1e-15)


HARD = [
    [[1.0, 2.0, -3.0], [np.inf, 1.0, -np.inf]],
    [[np.nan, 2.0], [-np.inf, -np.inf], [np.inf, 3.0]],
    [-5.0, -2.0, -9.0],
    [-np.inf, -np.inf],
    -7.0,
    [[-1.0], [np.nan]],
]


@pytest.mark.parametrize("with_nan", [True, False], ids=["with NaN", "without"])
@pytest.mark.parametrize("oracle", [False, True, {0, 3}], ids=["fused", "oracle", "both"])
def test_the_largest_and_the_sum_of_what_is_not_finite(oracle, with_nan):
    grads = [np.array(one) for one in HARD]
    grads = [
        g if with_nan else np.nan_to_num(g, nan=0.5, posinf=np.inf, neginf=-np.inf) for g in grads
    ]
    border = Border(
        chain("Reduced", Reduced), ({}, [np.zeros(g.shape) for g in grads]), oracle=oracle
    )
    with np.errstate(all="ignore"):
        border.step(grads)
        everything = np.concatenate([g.reshape(-1) for g in grads])
        for i, g in enumerate(grads):
            rows = g.reshape(*(g.shape or (1,)), 1)
            for kind in ("largest", "sum", "mean"):
                reduce = REDUCTIONS[kind]
                by_row = reduce(rows, axis=axes(rows[..., 0])).reshape(
                    -1, *[1] * max(g.ndim - 1, 0)
                )
                expected = {
                    f"row_{kind}": by_row if g.ndim else by_row[0],
                    kind: reduce(g),
                    f"all_{kind}": reduce(everything),
                }
                for key, value in expected.items():
                    want = np.broadcast_to(value, g.shape)
                    np.testing.assert_allclose(border.state(key, i), want, 1e-15, err_msg=key)


@pytest.mark.parametrize("oracle", [False, True, {1}], ids=["fused", "oracle", "both"])
def test_the_largest_of_nothing_is_less_than_any_number(oracle):
    class Peak(Rule):
        peak = state("peak", per="all", start=3.0)

        @staticmethod
        def update(g, peak):
            u = 0 * g
            peak = largest(g, "all")
            return u, peak

    values = [np.zeros((0, 2)), np.zeros((2, 0)), np.zeros(2)]
    border = Border(chain("Peak", Peak), ({}, values), oracle=oracle)
    border.step([np.zeros((0, 2)), np.zeros((2, 0)), np.array([-4.0, -2.0])])
    assert border.tensors[2].cells["peak"] == -2
    if not oracle:  # in the oracle an empty tensor is not looked at
        border.step([np.zeros((0, 2)), np.zeros((2, 0)), None])
        assert border.tensors[0].cells["peak"] == -np.inf


@pytest.mark.parametrize("oracle", [False, True, {0, 3}], ids=["fused", "oracle", "both"])
def test_many_reductions_that_need_each_other(oracle):
    """Rows, then tensors, then all, then rows again: each of what the ones before have left."""

    class Tower(Rule):
        @staticmethod
        def update(p, g):
            centred = g - mean(g, "row")
            sharp = centred / (1 + largest(absolute(centred)))
            total = norm(sharp, "all")
            lifted = sharp / (1 + total) + mean(p)
            rows = norm(lifted, "row") + total
            spread = sum(lifted / rows, "all") + largest(p * rows)
            u = lifted * spread + rows / (1 + sum(rows * rows + 0 * g))
            return u

    rng = np.random.default_rng(8)
    values, grads = draw(rng), draw(rng)
    border = Border(chain("Tower", Tower), ({}, values), oracle=oracle)
    border.step(grads)

    def by_row(reduce, x):
        flat = x.reshape(len(x) if x.ndim else 1, -1)
        return reduce(flat, axis=1).reshape(-1, *[1] * (x.ndim - 1)) if x.ndim else reduce(flat)

    there = [i for i, g in enumerate(grads) if g.size]
    centred = {i: grads[i] - by_row(np.mean, grads[i]) for i in there}
    sharp = {i: centred[i] / (1 + np.abs(centred[i]).max()) for i in there}
    total = np.sqrt(np.sum([(x * x).sum() for x in sharp.values()]))
    lifted = {i: sharp[i] / (1 + total) + values[i].mean() for i in there}
    rows = {i: np.sqrt(by_row(np.sum, lifted[i] ** 2)) + total for i in there}
    common = np.sum([(lifted[i] / rows[i]).sum() for i in there])
    for i in there:
        spread = common + (values[i] * rows[i]).max()
        u = lifted[i] * spread + rows[i] / (1 + np.sum(rows[i] ** 2 + 0 * grads[i]))
        np.testing.assert_allclose(border.params[i], values[i] - u, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("oracle", [False, True], ids=["fused", "oracle"])
def test_a_measured_number_widens_nothing_that_it_meets(oracle):
    """In float32 a step is computed in float32, the numbers it has measured as well."""

    class Small(Rule):
        @staticmethod
        def update(p, g):
            size, peak = norm(g), largest(g, "all")
            u = size * g + g / (size + peak) - maximum(g, size) * where(g > peak / 2, size, g)
            return u

    rng = np.random.default_rng(9)
    value, grad = draw(rng, [(40,)] * 2)
    border = Border(chain("Small", Small), ({}, [value]), oracle=oracle, forms=["float32"] * 3)
    border.step([grad])
    g = grad.astype(np.float32)
    size, peak = np.sqrt((g.astype(float) ** 2).sum()), g.max()
    single, both = np.float32(size), np.float32(size + float(peak))
    masked = np.maximum(g, single) * np.where(g > np.float32(peak / 2), single, g)
    want = value.astype(np.float32) - (single * g + g / both - masked)
    # a few roundings of numbers of about ten
    np.testing.assert_allclose(border.params[0], want, rtol=0, atol=1e-5)
