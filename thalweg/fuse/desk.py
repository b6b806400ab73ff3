"""What of a step is no pass over memory: lines on whole matrices, and questions to the border.

Both happen while a step is prepared, when nothing has moved yet. The engine's passes write what
these lines take into arrays that live for one step, and read what they give (`scratch.py`); whole
matrices are worked on by the border's own library, those of one shape together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from thalweg.text import Request

__all__ = ["Desk"]


class Desk(Protocol):
    """Where a border lays out one step's arrays. Tensors go by their places in `Work`; an array is
    the framework's own, of the computation type."""

    shares: bool
    """Whether processes share any of the tensors out."""

    def array(self, tensor: int, name: str) -> Any:
        """What lies here of the parameter "p", its gradient "g" or a state, by qualified name."""

    def view(self, tensor: int, name: str) -> Any:
        """The same of a state that is a matrix, where it is no copy; else None."""

    def on_host(self, tensor: int, name: str) -> NDArray[Any] | None:
        """NumPy's array over the memory of a state that is no array of a parameter's shape; None
        where it is in another type than the computation's, or not in the host's memory."""

    def type_on_host(self, tensor: int) -> Any:
        """NumPy's type that is computed in; None where the tensor is not in the host's memory."""

    def empty(self, tensor: int) -> Any:
        """An array that lies as the parameter does."""

    def empties(self, tensors: Sequence[int]) -> Any:
        """The same of tensors of one shape, one behind the other; None where that is not how all
        of them lie."""

    def like(self, tensor: int, array: Any) -> Any:
        """The same numbers in an array that lies as the parameter does."""

    def alike(self, tensors: Sequence[int], array: Any) -> Any:
        """The same of tensors of one shape, one behind the other; None where that is not how all
        of them lie, or they are shared out over processes."""

    def wholes(self, asked: Sequence[tuple[int, str, Any]]) -> list[Any]:
        """Arrays with the parts of all processes that share their tensors; where nobody shares
        them, as they are. Each is asked for by its tensor, its name, and the array where it is one
        that lies as the parameter does; None where it is what `array` gives."""

    def vector(self, tensor: int, array: Any, per: str) -> Any:
        """The same numbers, one per "row" or "column", one behind the other: those that meet what
        lies here of the parameter."""

    def numbers(self, tensor: int, values: NDArray[np.float64]) -> Any:
        """These numbers in an array of the framework, of the computation type."""

    def vectors(self, tensors: Sequence[int], array: Any) -> Any:
        """The same of tensors of one shape, one behind the other; None where they are shared out
        over processes, and each has its own part."""

    def stacked(self, tensors: Sequence[int], name: str) -> Any:
        """A state of tensors of one shape that is no array of theirs, as one array."""

    def address(self, array: Any) -> int:
        """Where an array lies."""

    def keep(self, tensors: Sequence[int], name: str, array: Any) -> None:
        """Store the new values, one behind the other, of a matrix that is a state."""

    def answer(self, request: Request, about: Sequence[tuple[Any, Any]]) -> list[Any]:
        """The answer for each tensor, as arrays that lie as the parameters do: `about` are the
        tensors, by place, or as `Odd` objects, each with the weights that are asked about."""
