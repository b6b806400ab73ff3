"""Where NumPy's arrays are laid out for lines on matrices and questions: see `fuse.desk`."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.chain import Chain
from thalweg.mytorch.nn import Parameter
from thalweg.text import Request

__all__ = ["ArrayDesk", "address"]

# a parameter, its gradient, and its states by qualified name: key and array
Row = tuple[Parameter, NDArray[Any], Mapping[str, tuple[str, NDArray[Any]]]]


class ArrayDesk:
    """The parameters of a layout, in the order of its tables; `asking` answers a request about
    parameters and weights."""

    def __init__(
        self,
        chain: Chain,
        rows: Sequence[Row],
        asking: Callable[[Request, Sequence[tuple[Any, Any]]], list[Any]] | None,
    ) -> None:
        self.chain, self.rows, self._asking = chain, rows, asking
        self.shares = False

    def array(self, tensor: int, name: str) -> NDArray[Any]:
        """A parameter, its gradient or a state, in the computation type."""
        p, grad, states = self.rows[tensor]
        found = p.data if name == "p" else grad if name == "g" else states[name][1]
        return found.astype(p.data.dtype, copy=False)

    def view(self, tensor: int, name: str) -> NDArray[Any] | None:
        """The same of a state, where it is of that type already."""
        p, _, states = self.rows[tensor]
        found = states[name][1]
        return found if found.dtype == p.data.dtype else None

    def on_host(self, tensor: int, name: str) -> NDArray[Any] | None:
        """The same: all of it is in the host's memory."""
        return self.view(tensor, name)

    def type_on_host(self, tensor: int) -> Any:
        """NumPy's type that is computed in."""
        return self.rows[tensor][0].data.dtype.type

    def empty(self, tensor: int) -> NDArray[Any]:
        """An array that lies as the parameter does."""
        return np.empty_like(self.rows[tensor][0].data)

    def empties(self, tensors: Sequence[int]) -> NDArray[Any]:
        """The same of tensors of one shape, in one array."""
        p = self.rows[tensors[0]][0]
        return np.empty((len(tensors), *p.shape), p.data.dtype)

    def like(self, tensor: int, array: NDArray[Any]) -> NDArray[Any]:
        """The same numbers in an array that lies as the parameter does."""
        return np.require(array, self.rows[tensor][0].data.dtype, ["C", "A", "W"])

    def alike(self, tensors: Sequence[int], array: NDArray[Any]) -> NDArray[Any]:
        """The same numbers of tensors of one shape, in one array."""
        return self.like(tensors[0], array)

    def wholes(self, asked: Sequence[tuple[int, str, Any]]) -> list[NDArray[Any]]:
        """The arrays: no tensor is shared out."""
        return [self.array(i, name) if array is None else array for i, name, array in asked]

    def vector(self, tensor: int, array: NDArray[Any], per: str) -> NDArray[Any]:
        """The same numbers, one per row or column, one behind the other."""
        return self.like(tensor, array)

    def numbers(self, tensor: int, values: NDArray[np.float64]) -> NDArray[Any]:
        """These numbers in an array of the parameter's type."""
        return self.like(tensor, values)

    def address(self, array: NDArray[Any]) -> int:
        """Where an array lies."""
        return address(array)

    def vectors(self, tensors: Sequence[int], array: NDArray[Any]) -> NDArray[Any]:
        """The same numbers, one behind the other."""
        return self.like(tensors[0], array)

    def stacked(self, tensors: Sequence[int], name: str) -> NDArray[Any]:
        """A state of tensors of one shape, as one array."""
        made = np.stack([self.rows[tensor][2][name][1] for tensor in tensors])
        return made.astype(self.rows[tensors[0]][0].data.dtype, copy=False)

    def keep(self, tensors: Sequence[int], name: str, array: NDArray[Any]) -> None:
        """Store the new values of a matrix that is a state."""
        each = array if tensors[1:] else [array]
        for tensor, new in zip(tensors, each, strict=True):
            held = self.rows[tensor][2][name][1]
            held[...] = new.reshape(held.shape)

    def answer(self, request: Request, about: Sequence[tuple[Any, Any]]) -> list[NDArray[Any]]:
        """What was asked for; zeros where the loss does not depend on a parameter."""
        assert self._asking is not None
        params = [self.rows[tensor][0] for tensor, _ in about]
        given = self._asking(request, list(zip(params, (at for _, at in about), strict=True)))
        return [
            np.zeros_like(p.data)
            if grad is None
            else np.require(grad, p.data.dtype, ["C", "A", "W"])
            for p, grad in zip(params, given, strict=True)
        ]


def address(array: NDArray[Any] | None) -> int:
    """Where an array lies; asked through ctypes, NumPy itself takes four times as long."""
    if array is None or not array.size:
        return 0
    return ctypes.addressof(ctypes.c_char.from_buffer(array.data))
