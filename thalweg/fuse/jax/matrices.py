"""The words on whole matrices, on JAX's arrays: its own routines, taught to `thalweg.matrices`.

A matrix is iterated in its own type, as on NumPy. How exact a product of singles is on a device
that has shorter ones says JAX's own setting, `jax_default_matmul_precision`.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular

from thalweg import elementwise, matrices
from thalweg.fuse.jax.words import WORDS, alike, is_array
from thalweg.matrices import Library, transposed
from thalweg.source import Source

__all__ = ["ON_MATRICES", "on_matrices"]

ON_MATRICES = {name: getattr(matrices, name) for name in ("matmul", "transposed")}
ON_MATRICES |= {name: getattr(matrices, name) for name in matrices.MATRIX_WORDS}

# the arguments that say how much there is to do: no function can be compiled before they are known
_COUNTS = {"newton_schulz": (2, 4), "leading": (1,), "first_columns": (1,)}


def _length(x: Any) -> Any:
    return WORDS["sqrt"]((x * x).sum((-2, -1), keepdims=True))


def _solve(q: Any, x: Any) -> Any:
    return transposed(solve_triangular(q, transposed(x), trans="T"))


def _ordered(x: Any, by: Any) -> Any:
    return jnp.take_along_axis(x, jnp.argsort(-by, axis=-1)[..., None, :], -1)


_library = Library(
    jnp.linalg,
    jnp.stack,
    _length,
    lambda x, a, b, beta, alpha: beta * x + alpha * (a @ b),
    short=lambda x: x,
    typed=lambda x, like: x.astype(like.dtype),
    triu=jnp.triu,
    identity=lambda x: jnp.eye(x.shape[-1], dtype=x.dtype),
    solve=_solve,
    spread=lambda x, like: jnp.broadcast_to(x, like.shape),
    wide=lambda x: x.astype(jnp.float32) if x.dtype.itemsize < 4 else x,
    ordered=_ordered,
    number=lambda x: x,
)

elementwise.register(jax.Array, SimpleNamespace(**WORDS, double=lambda x: x.astype(float)))
matrices.register(jax.Array, _library)


def on_matrices(word: str, values: Sequence[Any], tree: ast.Call, source: Source) -> Any:
    """What a word on whole matrices gives; numbers are rounded to the type of the matrices."""
    for place in _COUNTS.get(word, ()):
        if is_array(values[place] if place < len(values) else 0):
            written = ast.unparse(tree.args[place])
            raise source.error(
                tree.lineno,
                f"{word} takes `{written}` as a plain number in JAX, got an array: it says how "
                "much there is to compile",
            )
    found, structure = jax.tree.flatten(tuple(values))
    return ON_MATRICES[word](*jax.tree.unflatten(structure, alike(found)))
