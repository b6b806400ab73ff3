"""What L-BFGS remembers: pairs of steps and changes of the gradient, and their inner products."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from thalweg.fuse.engines import host
from thalweg.fuse.storage import ELEMENTS

__all__ = ["Gram", "begin", "combined", "forget", "inner", "restart"]

Array = NDArray[np.float64]

# what is kept from one iteration to the next, besides the two counts
HISTORY = ("d", "t", "old_dirs", "old_stps", "ro", "H_diag", "prev_flat_grad", "prev_loss", "al")

_FORMAT_OF = {getattr(torch, name): name for name in ELEMENTS}


class Gram:
    """The pairs of the history with their inner products, which are never saved but measured.

    `sy[i, j]` is s_i.y_j for i <= j and has no meaning below; `yy[i, j]` is y_i.y_j.
    """

    def __init__(self, s: Sequence[Tensor], y: Sequence[Tensor]) -> None:
        self.s: list[Tensor] = []
        self.y: list[Tensor] = []
        self._versions: list[int] = []
        self._sy = self._yy = np.zeros((0, 0))
        for i in range(len(y)):
            with_s, with_y = inner([*s[: i + 1], *y[: i + 1]], y[i], y[i]).reshape(2, i + 1, 2)
            self.grow(s[i], y[i], with_s[:, 1], with_y[:, 1])

    def is_of(self, s: Sequence[Tensor], y: Sequence[Tensor]) -> bool:
        """Whether these are the pairs, and nobody has written to them since."""
        return _same(self.s, s) and _same(self.y, y) and self._versions == self._seen()

    def _seen(self) -> list[int]:
        return [vector._version for vector in (*self.s, *self.y)]

    def grow(self, s: Tensor, y: Tensor, with_s: Array, with_y: Array) -> None:
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


def _same(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    return len(one) == len(other) and all(map(operator.is_, one, other))


def begin(state: dict[str, Any], g: Tensor) -> None:
    """Make the counts, or bring a history to the type and the device that the gradient has now."""
    for key in ("func_evals", "n_iter"):
        state.setdefault(key, 0)
    if state.get("d") is None:
        return
    for key in ("d", "prev_flat_grad"):
        state[key] = _brought_to(state[key], g)
    for key in ("old_dirs", "old_stps"):
        state[key] = [_brought_to(vector, g) for vector in state.get(key) or ()]
    state["ro"] = state.get("ro") or []


def _brought_to(vector: Tensor, g: Tensor) -> Tensor:
    if vector.numel() != g.numel():
        raise RuntimeError(
            f"LBFGS: the history is of {vector.numel()} numbers and the parameters have "
            f"{g.numel()}; state.clear() starts it anew"
        )
    return vector.to(g).contiguous()


def forget(state: dict[str, Any], g: Tensor) -> Tensor:
    """Drop the pairs; returns the steepest descent, which is all that is left to know."""
    state.update(old_dirs=[], old_stps=[], ro=[], H_diag=g.new_tensor(1.0))
    return -g


def restart(state: dict[str, Any]) -> None:
    """Make the next iteration a first one; the evaluations stay counted."""
    for key in HISTORY:
        state.pop(key, None)
    if "n_iter" in state:
        state["n_iter"] = 0


def inner(rows: Sequence[Tensor], u: Tensor, v: Tensor) -> Array:
    """The inner products of every row with u and with v, as doubles."""
    if not rows:
        return np.zeros((0, 2))
    if not _is_reachable(u):
        wide_u, wide_v = u.double(), v.double()
        found = [torch.stack((row @ wide_u, row @ wide_v)) for row in map(Tensor.double, rows)]
        return torch.stack(found).cpu().numpy()
    at = [row.data_ptr() for row in rows]
    form, threads = _FORMAT_OF[u.dtype], torch.get_num_threads()
    return host().inner_products(at, u.numel(), form, u.data_ptr(), v.data_ptr(), threads)


def combined(k: float, u: Tensor, coefficients: Array, rows: Sequence[Tensor]) -> Tensor:
    """k u, and every row times its coefficient, added up."""
    if not rows:
        return u * k
    if not _is_reachable(u):
        out = u * k
        for coefficient, row in zip(coefficients.tolist(), rows, strict=True):
            out.add_(row, alpha=coefficient)
        return out
    out, at = torch.empty_like(u), [row.data_ptr() for row in rows]
    host().combine(
        k,
        u.data_ptr(),
        coefficients,
        at,
        out.data_ptr(),
        u.numel(),
        _FORMAT_OF[u.dtype],
        torch.get_num_threads(),
    )
    return out


def _is_reachable(vector: Tensor) -> bool:
    """Whether a kernel may run over a vector of a history, and so over all of them."""
    is_plain = type(vector) is Tensor and vector.device.type == "cpu"
    return is_plain and _FORMAT_OF.get(vector.dtype) in host().formats()
