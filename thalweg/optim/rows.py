"""The rows that a sparse gradient holds: brought together, stepped as one array, taken back."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["BorrowedRows"]


class BorrowedRows:
    """Dense copies of the rows of a parameter and of its states that a sparse gradient holds.

    A row is what one index of the gradient's sparse dimensions stands for: of an embedding, one
    vector. The copies are of the batch's size, never of the table's.
    """

    def __init__(self, p: Tensor, grad: Tensor, states: Mapping[str, Tensor]) -> None:
        grad = grad.coalesce()  # a row that comes twice must be stepped once, with the sum
        self._index = tuple(grad.indices())
        self.values = grad.values()
        with torch.no_grad():
            self.p = self._take(p)
            self.states = {key: self._take(tensor) for key, tensor in states.items()}
        self._lent = [(p, self.p), *((states[key], rows) for key, rows in self.states.items())]

    def give_back(self) -> None:
        """Write the rows back to where they came from."""
        with torch.no_grad():
            for tensor, rows in self._lent:
                if len(self._index) == 1:
                    tensor.index_copy_(0, self._index[0], rows)
                else:
                    tensor.index_put_(self._index, rows)

    def _take(self, tensor: Tensor) -> Tensor:
        tensor = tensor.detach()
        if len(self._index) == 1:
            return tensor.index_select(0, self._index[0])
        return tensor[self._index]
