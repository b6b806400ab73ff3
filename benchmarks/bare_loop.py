"""The least a step on small tensors can cost: one call of a compiled loop over given addresses.

It shares nothing with the engine that it judges: no plan, no check, nothing is looked up. Its
numbers are settled beforehand.
"""

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
import torch
from numba import types
from numba.extending import intrinsic

__all__ = ["BareLoop"]


def _pointer_to(kind: Any) -> Any:
    @intrinsic
    def pointer(_: Any, address: Any) -> Any:
        made = types.CPointer(kind)

        def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(made))

        return made(types.int64), generate

    return pointer


_floats, _integers = _pointer_to(types.float32), _pointer_to(types.int64)


@numba.njit(error_model="numpy", fastmath={"contract", "nsz", "arcp"})
def _sgd(p: Any, g: Any, size: int) -> None:
    for i in range(size):
        p[i] -= np.float32(1e-3) * g[i]


@numba.njit(error_model="numpy", fastmath={"contract", "nsz", "arcp"})
def _adam(p: Any, g: Any, m: Any, v: Any, size: int) -> None:
    for i in range(size):
        m[i] = np.float32(0.9) * m[i] + np.float32(0.1) * g[i]
        v[i] = np.float32(0.999) * v[i] + np.float32(0.001) * g[i] * g[i]
        p[i] -= np.float32(1e-3) * m[i] / (np.sqrt(v[i]) + np.float32(1e-8))


@numba.cfunc(types.void(types.int64, types.int64))
def _sgd_of_all(table: int, count: int) -> None:
    rows = _integers(table)
    for i in range(count):
        _sgd(_floats(rows[5 * i]), _floats(rows[5 * i + 1]), rows[5 * i + 4])


@numba.cfunc(types.void(types.int64, types.int64))
def _adam_of_all(table: int, count: int) -> None:
    rows = _integers(table)
    for i in range(count):
        p, g = _floats(rows[5 * i]), _floats(rows[5 * i + 1])
        _adam(p, g, _floats(rows[5 * i + 2]), _floats(rows[5 * i + 3]), rows[5 * i + 4])


class BareLoop:
    """A step of these parameters with their gradients, by SGD or by Adam."""

    def __init__(self, params: Sequence[torch.Tensor], has_moments: bool) -> None:
        moments = [[torch.zeros_like(p) for p in params] for _ in range(2 * has_moments)]
        self._memory = params, moments
        table = np.zeros((len(params), 5), np.int64)
        for i, p in enumerate(params):
            assert p.grad is not None
            held = [p, p.grad, *(of_one[i] for of_one in moments)]
            table[i, : len(held)] = [tensor.data_ptr() for tensor in held]
            table[i, 4] = p.numel()
        self._table, self._at = table, table.ctypes.data
        self._call = (_adam_of_all if has_moments else _sgd_of_all).ctypes

    def step(self) -> None:
        self._call(self._at, len(self._table))
