"""What L-BFGS remembers: pairs of steps and changes of the gradient, and their inner products."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from thalweg.fuse.engines import host
from thalweg.lbfgs.vectors import Array, Vector, Vectors

__all__ = ["Gram", "begin", "forget", "restart"]

# what is kept from one iteration to the next, besides the two counts
HISTORY = ("d", "t", "old_dirs", "old_stps", "ro", "H_diag", "prev_flat_grad", "prev_loss", "al")


class Gram:
    """The pairs of the history with their inner products, which are never saved but measured.

    `sy[i, j]` is s_i.y_j for i <= j and has no meaning below; `yy[i, j]` is y_i.y_j.
    """

    def __init__(self, vectors: Vectors, s: Sequence[Vector], y: Sequence[Vector]) -> None:
        self._vectors = vectors
        self.s: list[Vector] = []
        self.y: list[Vector] = []
        self._versions: list[Any] = []
        self._sy = self._yy = np.zeros((0, 0))
        for i in range(len(y)):
            products = vectors.inner([*s[: i + 1], *y[: i + 1]], y[i], y[i])
            with_s, with_y = products.reshape(2, i + 1, 2)
            self.grow(s[i], y[i], with_s[:, 1], with_y[:, 1])

    def is_of(self, s: Sequence[Vector], y: Sequence[Vector]) -> bool:
        """Whether these are the pairs, and nobody has written to them since."""
        return _same(self.s, s) and _same(self.y, y) and self._versions == self._seen()

    def _seen(self) -> list[Any]:
        return [self._vectors.version(vector) for vector in (*self.s, *self.y)]

    def grow(self, s: Vector, y: Vector, with_s: Array, with_y: Array) -> None:
        """Take one more pair, given the products of its y with every s and y, its own last."""
        self.s.append(s)
        self.y.append(y)
        self._versions = self._seen()
        last = len(self.s) - 1
        sy, yy = np.zeros((2, last + 1, last + 1))
        sy[:last, :last], yy[:last, :last] = self._sy, self._yy
        sy[:, last] = with_s
        yy[:, last] = yy[last, :] = with_y
        self._sy, self._yy = sy, yy

    def shrink(self, count: int) -> None:
        """Forget the oldest pairs, if there are more than so many; one more must follow."""
        first = max(len(self.s) - count, 0)
        self.s, self.y = self.s[first:], self.y[first:]
        self._sy, self._yy = self._sy[first:, first:], self._yy[first:, first:]

    def two_loops(self, with_g: Array, gamma: float) -> tuple[Array, Array]:
        """Algorithm 7.4 on coefficients, from S'g and then Y'g: two triangular systems.

        The first loop leaves q = -g - Y alpha, the second r = gamma q + S c, which is -H g. Line i
        of the first system says alpha_i = s_i.q / s_i.y_i, where q has the pairs after i taken
        off; of the second c_i = alpha_i - y_i.r / s_i.y_i, where r has those before i put on.
        """
        found = host().two_systems(self._sy, self._yy, with_g, gamma)
        return found[: len(self.s)], found[len(self.s) :]


def _same(one: Sequence[Vector], other: Sequence[Vector]) -> bool:
    return len(one) == len(other) and all(map(operator.is_, one, other))


def begin(vectors: Vectors, state: dict[str, Any], g: Vector) -> None:
    """Make the counts, or bring a history to the type and the device that the gradient has now."""
    for key in ("func_evals", "n_iter"):
        state.setdefault(key, 0)
    if state.get("d") is None:
        return

    def brought(vector: Vector) -> Vector:
        if len(vector) != len(g):
            raise RuntimeError(
                f"LBFGS: the history is of {len(vector)} numbers and the parameters have "
                f"{len(g)}; state.clear() starts it anew"
            )
        return vectors.brought_to(vector, g)

    for key in ("d", "prev_flat_grad"):
        state[key] = brought(state[key])
    for key in ("old_dirs", "old_stps"):
        state[key] = [brought(vector) for vector in state.get(key) or ()]
    state["ro"] = state.get("ro") or []


def forget(vectors: Vectors, state: dict[str, Any], g: Vector) -> Vector:
    """Drop the pairs; returns the steepest descent, which is all that is left to know."""
    state.update(old_dirs=[], old_stps=[], ro=[], H_diag=vectors.number(1.0, g))
    return -g


def restart(state: dict[str, Any]) -> None:
    """Make the next iteration a first one; the evaluations stay counted."""
    for key in HISTORY:
        state.pop(key, None)
    if "n_iter" in state:
        state["n_iter"] = 0
