"""The activations that a tensor has as methods: the layers' own functions, under one's hand."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from thalweg.mytorch.tensor import Tensor

__all__ = ["log_softmax", "relu", "sigmoid", "softmax", "tanh"]


@cache
def _functional() -> Any:
    from thalweg.mytorch.nn import functional  # built upon tensors, so not there before them

    return functional


def relu(input: Any) -> Tensor:
    """`max(x, 0)`."""
    return _functional().relu(input)


def sigmoid(input: Any) -> Tensor:
    """`1 / (1 + e^-x)`."""
    return _functional().sigmoid(input)


def tanh(input: Any) -> Tensor:
    """The hyperbolic tangent."""
    return _functional().tanh(input)


def softmax(input: Any, dim: int) -> Tensor:
    """`e^x / sum(e^x)` along an axis: scores made probabilities."""
    return _functional().softmax(input, dim)


def log_softmax(input: Any, dim: int) -> Tensor:
    """`x - log(sum(e^x))` along an axis."""
    return _functional().log_softmax(input, dim)
