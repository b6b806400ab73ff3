"""What a step knows beforehand: an `if` on it goes the same way in every engine."""

import numpy as np
import pytest

from tests.fuse.border import Border
from tests.fuse.sameness import same
from thalweg.chain import chain
from thalweg.elementwise import abs as absolute
from thalweg.elementwise import sqrt
from thalweg.reductions import mean, norm
from thalweg.rule import Rule, setting, state

SHAPES = [(4, 3), (5,), (), (2, 3, 2), (1, 7), (7, 1)]

engines = pytest.mark.parametrize("oracle", [False, True, {0, 3}], ids=["fused", "oracle", "both"])


def moved(rule, oracle, steps=4, shapes=SHAPES, late=(), **settings):
    """How far each step has moved each tensor, along gradients of ones; a late one starts later."""
    waits = dict(late)
    border = Border(
        chain(rule.__name__, rule), (settings, [np.zeros(s) for s in shapes]), oracle=oracle
    )
    found = []
    for t in range(steps):
        before = [p.copy() for p in border.params]
        border.step([None if t < waits.get(i, 0) else np.ones(s) for i, s in enumerate(shapes)])
        steps_of = [(b - p).reshape(-1) for b, p in zip(before, border.params, strict=True)]
        assert all((one == one[0]).all() for one in steps_of)
        found.append([float(one[0]) for one in steps_of])
    return found


@engines
def test_on_the_number_of_the_step(oracle):
    class EveryThird(Rule):
        k: int = setting(3, low=1)

        @staticmethod
        def update(g, t, k):
            u = t * g
            if t % k == 0:
                u = 10 * u
            return u

    assert moved(EveryThird, oracle) == [[1.0] * 6, [2.0] * 6, [30.0] * 6, [4.0] * 6]
    assert moved(EveryThird, oracle, 2, k=2) == [[1.0] * 6, [20.0] * 6]


@engines
def test_tensors_at_other_steps_go_other_ways(oracle):
    class EveryOther(Rule):
        @staticmethod
        def update(g, t):
            u = 10 * g if t % 2 == 0 else g
            return u

    late = {1: 1, 4: 2, 5: 1}.items()
    assert moved(EveryOther, oracle, late=late) == [
        [1.0, 0.0, 1.0, 1.0, 0.0, 0.0],
        [10.0, 1.0, 10.0, 10.0, 0.0, 1.0],
        [1.0, 10.0, 1.0, 1.0, 1.0, 10.0],
        [10.0, 1.0, 10.0, 10.0, 10.0, 1.0],
    ]


@engines
def test_on_whether_a_part_keeps_nothing_yet(oracle):
    class Seeded(Rule):
        b = state("b")

        @staticmethod
        def update(g, b, first):
            b = 5 * g if first else b + g
            u = b
            return u, b

    assert moved(Seeded, oracle, 3, late={2: 1}.items()) == [
        [5.0, 5.0, 0.0, 5.0, 5.0, 5.0],
        [6.0, 6.0, 5.0, 6.0, 6.0, 6.0],
        [7.0, 7.0, 6.0, 7.0, 7.0, 7.0],
    ]


@engines
def test_on_a_kept_number(oracle):
    class Fading(Rule):
        """A rate that is halved until it is small, and then stays."""

        rate = state("rate", start=1.0, per="tensor")

        @staticmethod
        def update(g, rate):
            if rate > 0.3:
                u = rate * g
                rate = rate / 2
            else:
                u = -rate * g
            return u, rate

    late = {0: 1, 4: 2}.items()
    assert moved(Fading, oracle, late=late) == [
        [0.0, 1.0, 1.0, 1.0, 0.0, 1.0],
        [1.0, 0.5, 0.5, 0.5, 0.0, 0.5],
        [0.5, -0.25, -0.25, -0.25, 1.0, -0.25],
        [-0.25, -0.25, -0.25, -0.25, 0.5, -0.25],
    ]


@engines
def test_on_the_shape(oracle):
    class ByShape(Rule):
        @staticmethod
        def update(g, ndim, rows, columns):
            if ndim == 0:
                u = 100 * g
            elif ndim > 1 and rows > columns:
                u = rows * g
            else:
                u = -columns * g
            return u

    assert moved(ByShape, oracle, 1) == [[4.0, -1.0, 100.0, -6.0, -7.0, 7.0]]


@engines
def test_on_a_setting_and_a_group_of_its_own(oracle):
    class Moded(Rule):
        mode: str = setting("plain", choices=("plain", "double"))
        power: float = setting(0.0)

        @staticmethod
        def update(g, mode, power):
            u = 2 * g if mode == "double" else g
            if power:
                u = 2**power * u
            return u

    values = [np.zeros(3), np.zeros((3, 1)), np.zeros(3), np.zeros(3)]
    groups = [({}, values[:1]), ({"mode": "double"}, values[1:2]), ({"power": 3.0}, values[2:])]
    border = Border(chain("Moded", Moded), *groups, oracle=oracle)
    border.step([np.ones(v.shape) for v in values])
    assert [float(p.flat[0]) for p in border.params] == [-1.0, -2.0, -8.0, -8.0]


class Deep(Rule):
    """Decisions in decisions, numbers worked out on one side only, and states of some sides."""

    lr: float = setting(0.1)
    kind: int = setting(0, low=0)
    m = state("m")
    v = state("v")
    gate = state("gate", start=0.5, per="tensor")

    @staticmethod
    def update(p, g, m, v, gate, t, ndim, lr, kind):
        scale = lr / t
        if kind == 0:
            factor = scale * 2
            if ndim > 1:
                m = 0.5 * m + factor * g
                d = m
            else:
                d = g * factor
                factor = factor + 1
            d = d * factor
        elif kind == 1 and t > 2:
            v = 0.9 * v + 0.1 * g * g
            rate = scale / (1 - 0.9**t)
            d = rate * g / (sqrt(v) + 1e-3)
            gate = gate * 0.9
            if gate < 0.4:
                d = d - gate * p
        else:
            d = (scale if t != 2 else 2 * scale) * g
        scale = scale + gate
        u = scale * d if kind != 1 or t > 1 else -d
        return u, m, v, gate


@pytest.mark.parametrize("kind", [0, 1, 2])
@pytest.mark.parametrize("form", ["float64", "float32"])
def test_decisions_within_decisions_are_the_same_in_both_engines(kind, form):
    values = [np.random.default_rng(1).standard_normal(s) for s in SHAPES]
    made = chain("Deep", Deep)
    borders = [
        Border(made, ({"kind": kind}, values), forms=[form] * 3, oracle=o) for o in (False, True)
    ]
    for t in range(6):
        rng = np.random.default_rng(10 + t)
        grads = [rng.standard_normal(s) if t >= i else None for i, s in enumerate(SHAPES)]
        for border in borders:
            border.step(grads)
    tolerance = 100 * np.finfo(form).eps  # six steps of a few roundings
    for ours, theirs in zip(*(border.tensors for border in borders), strict=True):
        assert ours.cells == theirs.cells
        assert ours.held.keys() == theirs.held.keys()
        for name, held in ours.held.items():
            np.testing.assert_allclose(
                held.values, theirs.held[name].values, tolerance, tolerance, err_msg=name
            )


class OneOrTheOther(Rule):
    """A name that is a number on one side of a decision, and an array on the other."""

    flag: bool = False
    lr: float = setting(0.3)

    @staticmethod
    def update(p, g, t, flag, lr):
        if flag:
            s = lr * t
            k = g
        else:
            s = lr * g
            k = lr * 2
        r = s * s + 1
        p = p - s * r * g - k - 1
        return p


@pytest.mark.parametrize("flag", [False, True])
def test_a_name_may_be_a_number_on_one_side_and_an_array_on_the_other(flag):
    same(OneOrTheOther, flag=flag)
    same(OneOrTheOther, form="float32", flag=flag)


class Changed(Rule):
    """A number before a decision, changed on one side, made an array there, or left as it was."""

    kind: int = setting(0)
    lr: float = setting(0.3)

    @staticmethod
    def update(p, g, t, kind, lr):
        s = lr
        p = p - s * g
        if kind == 1:
            s = s / t
        elif kind == 2:
            s = s * g
            s = s + lr
        p = p - s * g - (s + 1) * p
        s = s + 1
        p = p - s
        return p


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_a_number_may_be_changed_on_one_side_of_a_decision(kind):
    same(Changed, kind=kind)


class Measured(Rule):
    """A number before an `if` on a measured number, which becomes an array inside it."""

    limit: float = setting(1.0)
    lr: float = setting(0.3)

    @staticmethod
    def update(p, g, t, limit, lr):
        size = norm(g)
        s, k = lr / t, 2.0
        if size > limit:
            s = s * g / size
            k = k + size
        elif size > limit / 2:
            s = s * 3
            k = lr
        p = p - s * g - k * g - s - 0.1
        return p


@pytest.mark.parametrize("limit", [0.0, 1.0, 2.5, 100.0])
def test_a_number_may_become_an_array_under_an_if_on_what_is_measured(limit):
    same(Measured, limit=limit)
    same(Measured, form="float32", limit=limit)


class InOneBranch(Rule):
    """Reductions on one side of a decision only, of what stands there."""

    kind: int = setting(0)

    @staticmethod
    def update(p, g, kind, ndim):
        if kind == 0:
            d = g - mean(g, "row")
            d = d / (1 + norm(d))
        elif kind == 1 and ndim > 1:
            d = g * mean(absolute(p), "all")
        else:
            d = g + (norm(p, "all") if kind == 2 else mean(g))
        p = p - d - 0.1
        return p


@pytest.mark.parametrize("kind", [0, 1, 2, 3])
def test_reductions_on_one_side_of_a_decision(kind):
    same(InOneBranch, kind=kind)


@engines
def test_a_tensor_adds_to_a_sum_over_all_that_it_has_no_use_for(oracle):
    class OfOthers(Rule):
        @staticmethod
        def update(g, ndim):
            total = norm(g, "all")
            if ndim > 1:
                total = 1.0
            u = total * g
            return u

    whole = np.sqrt(sum(np.prod(s) for s in SHAPES))
    want = [1.0, whole, whole, 1.0, 1.0, 1.0]
    np.testing.assert_allclose(moved(OfOthers, oracle, 1), [want])


class Replaced(Rule):
    """An array before a decision, of which one side makes a number."""

    kind: int = setting(0)

    @staticmethod
    def update(p, g, t, kind):
        c = 0.5 * g
        if kind == 1:
            c = 2 - t
        p = p - c - 0.1
        return p


@pytest.mark.parametrize("kind", [0, 1])
def test_an_array_may_become_a_number_on_one_side_of_a_decision(kind):
    same(Replaced, kind=kind)


def test_a_sum_over_a_tensor_of_one_number_for_each_row_is_refused():
    with pytest.raises(TypeError, match="which is one number for each row; what is reduced must"):

        class OfRows(Rule):
            @staticmethod
            def update(g):
                u = norm(mean(g, "row")) * g
                return u


class OfEither(Rule):
    """What is reduced is an array or, as has been decided, a number."""

    flag: bool = False
    lr: float = setting(0.3)

    @staticmethod
    def update(p, g, t, flag, lr):
        s = lr * t if flag else lr * g
        rows = norm(s, "row") + mean(g if flag else lr, "row")
        u = g * (norm(s) + mean(s, "all")) + rows
        return u


@pytest.mark.parametrize("flag", [False, True])
def test_a_number_is_reduced_as_an_array_of_it_is(flag):
    same(OfEither, flag=flag)


def test_a_mean_over_all_that_some_tensors_do_not_ask_for_is_taken_of_those_that_do():
    class OfMatrices(Rule):
        @staticmethod
        def update(g, ndim):
            u = g
            if ndim > 1:
                u = mean(g, "all") + 0 * g
            return u

    grads = [np.full((2, 2), 1.0), np.full(50, 100.0), np.full((1, 8), 4.0)]
    for oracle in (False, True, {0}, {1}, {1, 2}):
        border = Border(
            chain("M", OfMatrices), ({}, [np.zeros(g.shape) for g in grads]), oracle=oracle
        )
        border.step(grads)
        # 4 ones and 8 fours
        assert [float(-p.flat[0]) for p in border.params] == [3.0, 100.0, 3.0]
