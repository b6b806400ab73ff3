"""No name of an `update` meets one that the kernel around it uses."""

import pytest

from tests.fuse.sameness import same
from thalweg.chain import chain
from thalweg.elementwise import sqrt as root
from thalweg.reductions import norm
from thalweg.rule import Rule, Stage, setting, state


class K(Rule):
    i = state("i")
    row = state("row")

    @staticmethod
    def update(p, g, i, row):
        _i = 2 * g
        chunk = _i + i
        i = i + g
        row = chunk
        p = p - i - row
        return p, i, row


class Kernel(Rule):
    k_i = state("k_i")
    r = state("r")
    m = state("m")
    F: float = setting(1.0)
    D: float = setting(2.0)
    u0: float = setting(0.3)

    @staticmethod
    def update(p, g, k_i, r, m, F, D, u0):
        load_p, numba, pointers, k_sum, c0, k_row = 3.0, 2.0, 1.5, 4.0, 0.1, F
        ru0 = 1 - u0
        load_g = ru0 * g
        k_i = k_i + F * load_g
        range = D * k_i
        r = r + load_p * range + numba * pointers + k_sum * c0
        FUNCTIONS = root(r * r + c0) * k_row
        m_at = 2 * FUNCTIONS
        load_m = m_at + m
        m = load_m - m_at
        store_m = m + m_at
        p_at = p - store_m
        kernel = p_at
        p = kernel
        return p, k_i, r, m


class Load_Kernel(Stage):
    """In front of Kernel, its locals look like Kernel's accessors."""

    @staticmethod
    def update(g):
        m = 2 * g
        p_at = m
        g = p_at + 1
        return g


class Measured(Rule):
    @staticmethod
    def update(p, g):
        norm1__value = 2 * p
        norm2 = 3.0
        k_total = norm(g, "row") * norm1__value
        norm1 = norm2 + norm(g)
        p = p - k_total - norm1
        return p


class Numbered(Rule):
    """Names like those that numbers and the ways of `if`s are given, but for one letter."""

    h: float = setting(0.5)
    cells: float = setting(0.2)
    shape: float = setting(0.3)
    prod = state("prod", start=1.0, per="tensor")

    @staticmethod
    def update(g, prod, t, h, cells, shape):
        n1 = h * cells
        way0 = t > 1
        prod = prod * shape
        u = (n1 + 1) * (shape - 2) * g
        if way0:
            u = u + (n1 + 2) * prod * g
        return u, prod


class A(Stage):
    @staticmethod
    def update(g):
        b__c = 2 * g
        g = b__c
        return g


class A__B(Rule):
    @staticmethod
    def update(p, g):
        c = 0.3
        p = p - c * g
        return p


class Numba(Rule):
    _private = state("private")

    @staticmethod
    def update(p, g):
        D = 2 * g
        F = D + 1
        add = F * F
        p = p - add
        return p


@pytest.mark.parametrize(
    "parts",
    [(K,), (Kernel,), (Load_Kernel, Kernel), (Measured,), (Numbered,), (A, A__B), (Numba,)],
    ids=lambda parts: "+".join(part.__name__ for part in parts),
)
def test_no_name_meets_the_kernel_s_own(parts):
    same(chain("Names", *parts))


def test_parts_whose_names_differ_in_case_alone_are_kept_apart():
    class k(Stage):
        i = state("i2")

        @staticmethod
        def update(g, i):
            i = i + g
            g = 2 * i
            return g, i

    same(chain("Cases", k, K))
