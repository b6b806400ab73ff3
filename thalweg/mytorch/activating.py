"""The activations that a tensor has as methods: the layers' own functions, under one's hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thalweg.mytorch import nonlinearities
from thalweg.mytorch.graph import quiet

if TYPE_CHECKING:
    from thalweg.mytorch.tensor import Tensor

__all__ = ["log_softmax", "relu", "sigmoid", "softmax", "tanh"]


@quiet
def relu(input: Any) -> Tensor:
    """`max(x, 0)`."""
    return nonlinearities.relu(input)


@quiet
def sigmoid(input: Any) -> Tensor:
    """`1 / (1 + e^-x)`."""
    return nonlinearities.sigmoid(input)


@quiet
def tanh(input: Any) -> Tensor:
    """The hyperbolic tangent."""
    return nonlinearities.tanh(input)


@quiet
def softmax(input: Any, dim: int) -> Tensor:
    """`e^x / sum(e^x)` along an axis: scores made probabilities."""
    return nonlinearities.softmax(input, dim)


@quiet
def log_softmax(input: Any, dim: int) -> Tensor:
    """`x - log(sum(e^x))` along an axis."""
    return nonlinearities.log_softmax(input, dim)
