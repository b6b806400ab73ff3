"""Two passes over many vectors at once: inner products of all with two, and one combination of all;
and between them, on the few numbers of a history, the two triangular systems of L-BFGS.

All compute in double precision whatever the vectors are in: the products are the matrices of
triangular systems, and these magnify rounding errors.
"""

from __future__ import annotations

import functools
from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.fuse.cpu.cache import compiled
from thalweg.fuse.cpu.sweep import address
from thalweg.fuse.threads import run

__all__ = ["TILE", "combine", "inner_products", "two_systems"]

TILE = 1 << 16  # elements that a thread takes at once, of all rows in turn
_ABREAST = 4  # rows that are read together, so that what they meet is read once for all of them

_INNER = """# Made by thalweg: the inner products of every row with u and with v.
from thalweg.fuse.cpu.memory import add, claim, integer, load, put_double

streams = ("a", "b", "c", "d", "u", "v")
load_a, load_b, load_c, load_d, load_u, load_v = [
    load({format!r}, "float64", name, streams) for name in streams
]


def kernel(arguments):
    rows, count = integer(arguments, 0), integer(arguments, 1)
    length, tile, counter = integer(arguments, 2), integer(arguments, 3), integer(arguments, 4)
    u, v, sums = integer(arguments, 5), integer(arguments, 6), integer(arguments, 7)
    while True:
        task = claim(counter)
        first = task * tile
        if first >= length:
            break
        last = min(first + tile, length)
        for row in range(0, count, 4):
            a, b = integer(rows, row), integer(rows, row + 1)
            c, d = integer(rows, row + 2), integer(rows, row + 3)
            au = av = bu = bv = cu = cv = du = dv = 0.0
            for i in range(first, last):
                x, y = load_u(u, i), load_v(v, i)
                au, av = add(au, load_a(a, i) * x), add(av, load_a(a, i) * y)
                bu, bv = add(bu, load_b(b, i) * x), add(bv, load_b(b, i) * y)
                cu, cv = add(cu, load_c(c, i) * x), add(cv, load_c(c, i) * y)
                du, dv = add(du, load_d(d, i) * x), add(dv, load_d(d, i) * y)
            at = 2 * (task * count + row)
            put_double(sums, at, au)
            put_double(sums, at + 1, av)
            put_double(sums, at + 2, bu)
            put_double(sums, at + 3, bv)
            put_double(sums, at + 4, cu)
            put_double(sums, at + 5, cv)
            put_double(sums, at + 6, du)
            put_double(sums, at + 7, dv)
"""

# The tiles go backwards: where the pass before ended, the rows are still in the cache.
_COMBINED = """# Made by thalweg: k u, and every row times its coefficient, added up.
from thalweg.fuse.cpu.memory import claim, double, integer, load, store

streams = ("a", "b", "c", "d", "u", "out")
load_a, load_b, load_c, load_d, load_u, load_out = [
    load({format!r}, "float64", name, streams) for name in streams
]
store_out = store({format!r}, "float64", "out", streams)


def kernel(arguments):
    rows, count = integer(arguments, 0), integer(arguments, 1)
    length, tile, counter = integer(arguments, 2), integer(arguments, 3), integer(arguments, 4)
    u, out, coefficients = integer(arguments, 5), integer(arguments, 6), integer(arguments, 7)
    k = double(coefficients, count)
    while True:
        first = ((length - 1) // tile - claim(counter)) * tile
        if first < 0:
            break
        last = min(first + tile, length)
        for row in range(0, count, 4):
            a, b = integer(rows, row), integer(rows, row + 1)
            c, d = integer(rows, row + 2), integer(rows, row + 3)
            ka, kb = double(coefficients, row), double(coefficients, row + 1)
            kc, kd = double(coefficients, row + 2), double(coefficients, row + 3)
            if row == 0:
                for i in range(first, last):
                    sum = k * load_u(u, i) + ka * load_a(a, i) + kb * load_b(b, i)
                    store_out(out, i, sum + kc * load_c(c, i) + kd * load_d(d, i))
            else:
                for i in range(first, last):
                    sum = load_out(out, i) + ka * load_a(a, i) + kb * load_b(b, i)
                    store_out(out, i, sum + kc * load_c(c, i) + kd * load_d(d, i))
"""


_SYSTEMS = """# Made by thalweg: the two triangular systems of L-BFGS.
from thalweg.fuse.cpu.memory import double, integer, put_double


def kernel(arguments):
    n, sy, yy = integer(arguments, 0), integer(arguments, 1), integer(arguments, 2)
    with_g, found, scale = integer(arguments, 3), integer(arguments, 4), integer(arguments, 5)
    gamma = double(scale, 0)
    for k in range(n):
        i = n - 1 - k
        right = -double(with_g, i)
        for j in range(i + 1, n):
            right -= double(sy, n * i + j) * double(found, j)
        put_double(found, i, right / double(sy, n * i + i))
    for i in range(n):
        yq = -double(with_g, n + i)
        for j in range(n):
            yq -= double(yy, n * i + j) * double(found, j)
        right = double(sy, n * i + i) * double(found, i) - gamma * yq
        for j in range(i):
            right -= double(sy, n * j + i) * double(found, n + j)
        put_double(found, n + i, right / double(sy, n * i + i))
"""


def two_systems(
    sy: NDArray[np.float64], yy: NDArray[np.float64], with_g: NDArray[np.float64], gamma: float
) -> NDArray[np.float64]:
    """alpha and then c, of U alpha = -S'g and U' c = diag(U) alpha - gamma (-Y'g - Y'Y alpha),
    where U is the upper triangle of S'Y, and `with_g` is S'g and then Y'g."""
    found, scale = np.zeros(2 * len(sy)), np.array([gamma])
    arrays = [np.ascontiguousarray(one) for one in (sy, yy, with_g)]
    table = array("q", (len(sy), *map(address, (*arrays, found, scale))))
    compiled(_SYSTEMS, "two_systems", 1)(_address(table))
    return found


def inner_products(
    rows: Sequence[int], length: int, form: str, u: int, v: int, threads: int
) -> NDArray[np.float64]:
    """The products of every row with u and with v; all are known by their addresses."""
    tiles, abreast = -(-length // TILE), _padded(rows)
    sums = np.empty((tiles, len(abreast), 2))
    _launch(_INNER, "inner_products", abreast, length, form, threads, u, v, address(sums))
    total: NDArray[np.float64] = sums.sum(axis=0)[: len(rows)]
    return total


def combine(
    k: float,
    u: int,
    coefficients: NDArray[np.float64],
    rows: Sequence[int],
    out: int,
    length: int,
    form: str,
    threads: int,
) -> None:
    """Write k u, and every row times its coefficient, added up."""
    abreast = _padded(rows)
    factors = np.zeros(len(abreast) + 1)
    factors[: len(rows)], factors[-1] = coefficients, k
    at = address(factors)
    _launch(_COMBINED, "combination", abreast, length, form, threads, u, out, at)


def _padded(rows: Sequence[int]) -> list[int]:
    return [*rows, *[rows[0]] * (-len(rows) % _ABREAST)]


def _launch(
    text: str, title: str, rows: Sequence[int], length: int, form: str, threads: int, *operands: int
) -> None:
    addresses, counter = array("q", rows), array("q", [0])
    table = _address(addresses), len(rows), length, TILE, _address(counter), *operands
    arguments = array("q", table)
    run(_kernel(text, title, form), _address(arguments), length * len(rows), threads)


@functools.cache
def _kernel(text: str, title: str, form: str) -> Any:
    return compiled(text.format(format=form), title, 1)


def _address(numbers: array[int]) -> int:
    """Where they lie; they must outlive the use of the address."""
    return numbers.buffer_info()[0]
