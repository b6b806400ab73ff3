"""NumPy's arrays in blocks, as `border.cutting` has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.border.cutting import InBlocks
from thalweg.mytorch.nn import Parameter
from thalweg.mytorch.optim.memory import Turn

__all__ = ["ArrayBlocks"]


class _Block:
    """What stands in for a parameter: a block of it."""

    def __init__(self, data: NDArray[Any]) -> None:
        self.data = data

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape


class ArrayBlocks(InBlocks):
    """Parameters of mytorch, those that are cut as their blocks."""

    @property
    def ready(self) -> list[Turn]:
        """What the step has to move."""
        return [Turn(p, lot, grad) for p, lot, grad in self.turns]

    def _plain(self, array: Any) -> Any:
        return array.data if isinstance(array, Parameter) else array

    def _in_one_piece(self, array: Any) -> Any:
        return np.require(array, None, ["C", "A", "W"])

    def _standing_in(self, array: Any) -> Any:
        return _Block(array)

    def _array(self, piece: Any) -> Any:
        return piece.data

    def _is_same(self, one: Any, other: Any) -> bool:
        return bool(one.ctypes.data == other.ctypes.data)

    def _zeros(self, shape: tuple[int, ...], like: Any) -> Any:
        return np.zeros(shape, like.dtype)

    def _like(self, p: Any, like: Any) -> Any:
        return np.zeros(p.shape, like.dtype)

    def _store(self, array: Any, plain: Any) -> None:
        self._plain(array)[...] = plain

    def _copied(self, number: Any) -> Any:
        return float(number)

    def _stack(self, numbers: Sequence[Any]) -> Any:
        return np.array(numbers, np.float64)
