"""The words of an `update` on whole matrices, on NumPy's arrays and on those a border registers.

`a @ b` and `a.mT` are written as in NumPy. A matrix has the shape (rows, columns), or it is a stack
of such, of one shape. A border adds its framework with `register`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from thalweg.elementwise import maximum
from thalweg.reductions import over_axes

__all__ = [
    "ARITY",
    "FORMATS",
    "MATRIX_WORDS",
    "Library",
    "descending",
    "eigenbasis",
    "first_columns",
    "identity",
    "inverse_root",
    "laid",
    "laid_product",
    "leading",
    "matmul",
    "newton_schulz",
    "qr",
    "register",
    "row_lengths",
    "solve_triangular",
    "spectral_bound",
    "spread",
    "stacked",
    "tall",
    "transposed",
    "triu",
]

# how many arguments each takes; of two numbers, either
ARITY: dict[str, int | tuple[int, int]] = {
    "newton_schulz": (4, 5),
    "qr": 1,
    "eigenbasis": 1,
    "inverse_root": 3,
    "identity": 1,
    "triu": 1,
    "solve_triangular": 2,
    "spectral_bound": 1,
    "leading": 2,
    "first_columns": 2,
    "row_lengths": 1,
    "tall": 1,
    "laid": 3,
    "descending": 2,
}

# the type in which a word works: that of the arrays that it is given, which is float32 at least in
# a step; "wide" is float32 at least in any case, since no library decomposes what is narrower;
# "short" is the library's for an iteration that needs few digits. The result has the type given.
FORMATS = dict.fromkeys(ARITY, "given")
FORMATS |= dict.fromkeys(
    ("qr", "eigenbasis", "inverse_root", "leading", "solve_triangular"), "wide"
)
FORMATS["newton_schulz"] = "short"

# those that a text calls by name; `@` and `.mT` are read as matmul and transposed
MATRIX_WORDS = tuple(ARITY)


@dataclass(frozen=True)
class Library:
    """A framework's routines on matrices, or on stacks of them.

    `linalg` has `qr`, `eigh` and `svd` as NumPy's; `stack` makes one array of several; `length` is
    the root of the sum of the squares of each matrix, its axes kept; `add_product(x, a, b, beta,
    alpha)` is beta x + alpha a @ b; `short` and `wide` make an array one of the types of that name
    in `FORMATS`, and `typed(x, like)` gives x the type of another. `triu` is NumPy's, `identity(x)`
    the identity of the size and type of x, `solve(q, x)` is x q^-1 of an upper triangular q,
    `spread(x, like)` repeats x until it has the shape of another, and `ordered(x, by)` are the
    columns of x, those first that have the largest number in `by`. `number` makes a coefficient one
    that it takes. `whole` makes one array of what several processes hold, and `shared(x, like)`
    cuts x up as another is.
    """

    linalg: Any
    stack: Callable[[list[Any]], Any]
    length: Callable[[Any], Any]
    add_product: Callable[[Any, Any, Any, float, float], Any]
    short: Callable[[Any], Any]
    typed: Callable[[Any, Any], Any]
    triu: Callable[[Any], Any]
    identity: Callable[[Any], Any]
    solve: Callable[[Any, Any], Any]
    spread: Callable[[Any, Any], Any]
    wide: Callable[[Any], Any]
    ordered: Callable[[Any, Any], Any]
    number: Callable[[Any], Any] = float
    whole: Callable[[Any], Any] = lambda x: x
    shared: Callable[[Any, Any], Any] = lambda x, like: x


def _length(x: Any) -> Any:
    return np.sqrt((x * x).sum((-2, -1), keepdims=True))


def _add_product(x: Any, a: Any, b: Any, beta: float, alpha: float) -> Any:
    return beta * x + alpha * (a @ b)


def _typed(x: Any, like: Any) -> Any:
    return x.astype(like.dtype, copy=False)


def _solve(q: Any, x: Any) -> Any:
    """NumPy has no routine for triangular matrices; of their LU decomposition L is one."""
    return np.linalg.solve(q.swapaxes(-1, -2), x.swapaxes(-1, -2)).swapaxes(-1, -2)


def _ordered(x: Any, by: Any) -> Any:
    order = np.argsort(-by, axis=-1, kind="stable")
    return np.take_along_axis(x, order[..., None, :], -1)


_numpy = Library(
    np.linalg,
    np.stack,
    _length,
    _add_product,
    lambda x: x,
    _typed,
    np.triu,
    identity=lambda x: np.eye(x.shape[-1], dtype=x.dtype),
    solve=_solve,
    spread=lambda x, like: np.broadcast_to(x, like.shape),
    wide=lambda x: x.astype(np.float32) if x.dtype.itemsize < 4 else x,
    ordered=_ordered,
)
_libraries: list[tuple[type, Library]] = [(np.ndarray, _numpy)]


def register(kind: type, library: Library) -> None:
    """Teach the words a framework's array type."""
    _libraries.append((kind, library))


def _library_of(x: Any) -> Library:
    for kind, library in _libraries:
        if isinstance(x, kind):
            return library
    raise TypeError(f"words on matrices take arrays, got {type(x).__name__}")


def _is_wide(word: Callable[..., Any]) -> Callable[..., Any]:
    """A word that works in float32 at least, on arrays of any type."""
    assert FORMATS[word.__name__] == "wide"

    @functools.wraps(word)
    def apply(x: Any, *more: Any) -> Any:
        library = _library_of(x)
        wide = library.wide(x)
        if wide is x:
            return word(x, *more)
        others = [library.wide(y) if hasattr(y, "shape") else y for y in more]
        return library.typed(word(wide, *others), x)

    return apply


def stacked(matrices: Sequence[Any]) -> Any:
    """Matrices of one shape as one array."""
    return _library_of(matrices[0]).stack(list(matrices))


def matmul(a: Any, b: Any) -> Any:
    """The product `a @ b`."""
    return a @ b


def transposed(x: Any) -> Any:
    """`x.mT`: the matrix with its axes exchanged."""
    return x.swapaxes(-1, -2)


def newton_schulz(
    x: Any, coefficients: Sequence[float], steps: float, eps: float, pieces: float = 1
) -> Any:
    """The matrix x with its singular values moved towards one.

        x <- x / max(|x|, eps), then `steps` times
        x <- a x + (b x x' + c (x x')^2) x          a, b, c = coefficients

    It runs in the short type of the framework, bfloat16 in torch; the products are of the smaller
    of the two Gram matrices. In `pieces`, so many matrices of as many rows each, one above the
    other, it is that of each.
    """
    library, given = _library_of(x), x
    x = library.whole(x)
    rows, columns = whole = x.shape[-2:]
    if rows % int(pieces):
        raise ValueError(f"{rows} rows are not {int(pieces)} pieces of as many rows each")
    if pieces > 1:
        count = math.prod(x.shape[:-2]) * int(pieces)
        x = x.reshape(count, rows // int(pieces), columns)
    a, b, c = map(library.number, coefficients)
    is_tall = x.shape[-2] > x.shape[-1]
    x = library.short(transposed(x) if is_tall else x)
    x = x / maximum(library.length(x), eps)
    for _ in range(int(steps)):
        gram = x @ transposed(x)
        x = library.add_product(x, library.add_product(gram, gram, gram, b, c), x, a, 1.0)
    x = library.typed(transposed(x) if is_tall else x, given)
    if pieces > 1:
        x = x.reshape(*given.shape[:-2], *whole)
    return library.shared(x, given)


@_is_wide
def qr(x: Any) -> Any:
    """The orthogonal factor of x: its columns made orthonormal, one after the other."""
    library = _library_of(x)
    if x.shape[-2] < x.shape[-1]:
        rows, columns = x.shape[-2:]
        raise ValueError(f"qr is of a matrix with as many rows as columns, got {rows} x {columns}")
    return library.shared(library.linalg.qr(library.whole(x))[0], x)


@_is_wide
def eigenbasis(x: Any) -> Any:
    """The eigenvectors of a symmetric matrix as columns, those of the largest eigenvalues first."""
    library = _library_of(x)
    return library.shared(library.linalg.eigh(-library.whole(x))[1], x)


@_is_wide
def inverse_root(x: Any, root: float, eps: float) -> Any:
    """A symmetric matrix that has no negative eigenvalues, plus eps times one, to the power
    -1/root."""
    library = _library_of(x)
    values, vectors = library.linalg.eigh(library.whole(x))
    powers = (maximum(values, 0.0) + eps) ** (-1 / root)
    return library.shared((vectors * powers[..., None, :]) @ transposed(vectors), x)


def identity(x: Any) -> Any:
    """The identity matrix of the size of x."""
    library = _library_of(x)
    return library.spread(library.identity(x), x)


def spread(x: Any, like: Any) -> Any:
    """x, repeated until it has the shape of another: seen so, and not copied."""
    return _library_of(x).spread(x, like)


def triu(x: Any) -> Any:
    """The upper triangle of x: zeros below its diagonal."""
    library = _library_of(x)
    return library.shared(library.triu(library.whole(x)), x)


@_is_wide
def solve_triangular(q: Any, x: Any) -> Any:
    """The y with y q = x, of an upper triangular q."""
    library = _library_of(q)
    return library.shared(library.solve(library.whole(q), library.whole(x)), x)


def spectral_bound(x: Any) -> Any:
    """Less than the largest eigenvalue of a symmetric matrix that has no negative ones, and nearly
    it, as often as x has elements.

    It is how much longer x makes the direction that it turns its own longest column to.
    """
    library, given = _library_of(x), x
    x = library.whole(x)
    size = over_axes("largest", abs(x), (-2, -1))
    x = x / (size + (size == 0))  # so that no square is too large or too small for its type
    columns = x.reshape(-1, *x.shape[-2:]).swapaxes(-1, -2)
    longest = (columns * columns).sum(-1).argmax(-1)
    direction = x @ columns[list(range(len(columns))), longest].reshape(*x.shape[:-1], 1)
    length = library.length(direction)
    found = size * library.length(x @ (direction / (length + (length == 0))))
    return library.shared(library.spread(found, x), given)


@_is_wide
def leading(x: Any, count: float) -> Any:
    """The left singular vectors of x with the largest singular values as columns: `count`, or all.

    Which of the two signs a vector has no decomposition says: the sum of its cubes is positive.
    """
    library = _library_of(x)
    vectors = library.linalg.svd(library.whole(x), full_matrices=False)[0][..., : int(count)]
    cubes = (vectors * vectors * vectors).sum(-2)[..., None, :]
    return library.shared(vectors * (1 - 2 * library.typed(cubes < 0, vectors)), x)


def first_columns(x: Any, count: float) -> Any:
    """The first columns of x: `count`, or as many as the smaller of its sides is long."""
    return x[..., : min(int(count), *x.shape[-2:])]


def row_lengths(x: Any) -> Any:
    """The length of each row of x: a matrix of one column, which goes along with x."""
    return (x * x).sum(-1)[..., None] ** 0.5


def tall(x: Any) -> Any:
    """The matrix, or its transpose where that has more rows: its sides are "longer", "shorter"."""
    return transposed(x) if x.shape[-2] < x.shape[-1] else x


def laid(x: Any, rows: float, columns: float) -> Any:
    """What `tall` made of a matrix of so many rows and columns, as that lay."""
    return transposed(x) if rows < columns else x


def laid_product(a: Any, b: Any, rows: float, columns: float) -> Any:
    """`laid(a @ b, rows, columns)`, which is then computed as it lies."""
    return transposed(b) @ transposed(a) if rows < columns else a @ b


def descending(x: Any, by: Any) -> Any:
    """The columns of x, those first for which the diagonal of the square matrix `by` is largest:
    `descending(P, P.mT @ L @ P)` is a basis by what it takes for the eigenvalues of L."""
    library = _library_of(x)
    diagonal = library.whole(by).diagonal(0, -2, -1)
    return library.shared(library.ordered(library.whole(x), diagonal), x)
