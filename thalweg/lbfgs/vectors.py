"""What L-BFGS asks of a framework's vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "Number", "Vector", "Vectors"]

Array = NDArray[np.float64]
Vector = Any

# A float, or a number of the framework's: what is computed from slopes stays in the gradient's
# type, as in torch. Near a minimum its rounding decides, and where torch stops, this must stop too.
Number = Any


class Vectors(Protocol):
    """The operations on vectors that are more than arithmetic."""

    def inner(self, rows: Sequence[Vector], u: Vector, v: Vector) -> Array:
        """The inner products of every row with u and with v, as doubles."""

    def combined(self, k: float, u: Vector, coefficients: Array, rows: Sequence[Vector]) -> Vector:
        """k u, and every row times its coefficient, added up."""

    def dot(self, u: Vector, v: Vector) -> Number:
        """The inner product of two, in their type."""

    def length(self, u: Vector) -> Number:
        """The sum of the sizes of the elements, in their type."""

    def largest(self, u: Vector) -> Number:
        """The size of the largest element; NaN if one is."""

    def number(self, value: float, like: Vector) -> Number:
        """A number of a vector's type."""

    def tiny(self, of: Number) -> float:
        """The smallest number of its type that has all digits."""

    def zeros_like(self, u: Vector) -> Vector:
        """A vector of zeros."""

    def brought_to(self, u: Vector, like: Vector) -> Vector:
        """A vector in the type, and on the device, of another."""

    def version(self, u: Vector) -> Any:
        """Something that is another when a program has written to the vector."""
