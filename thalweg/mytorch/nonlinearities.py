"""The activations that layers and tensors share; NumPy may warn in them, their callers quiet it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from thalweg.mytorch.checks import check_axis, check_floats
from thalweg.mytorch.graph import as_tensor, record

if TYPE_CHECKING:
    from thalweg.mytorch.tensor import Tensor

__all__ = ["log_softmax", "relu", "sigmoid", "sigmoid_of", "softmax", "tanh"]


def relu(input: Tensor | ArrayLike) -> Tensor:
    x = as_tensor(input)
    check_floats("relu", input=x)
    y = np.maximum(x.data, 0)
    return record("relu", y, (x, lambda g: g * (y > 0)))


def sigmoid(input: Tensor | ArrayLike) -> Tensor:
    x = as_tensor(input)
    check_floats("sigmoid", input=x)
    y = sigmoid_of(x.data)
    return record("sigmoid", y, (x, lambda g: g * y * (1 - y)))


def sigmoid_of(x: np.ndarray) -> np.ndarray:
    """The same of an array."""
    small = np.exp(-np.abs(x))  # e^x itself overflows
    result: np.ndarray = np.where(x >= 0, 1, small) / (1 + small)
    return result


def tanh(input: Tensor | ArrayLike) -> Tensor:
    x = as_tensor(input)
    check_floats("tanh", input=x)
    y = np.tanh(x.data)
    return record("tanh", y, (x, lambda g: g * (1 - y * y)))


def softmax(input: Tensor | ArrayLike, dim: int = -1) -> Tensor:
    x = as_tensor(input)
    check_floats("softmax", input=x)
    check_axis("softmax", x, dim)
    y = np.exp(x.data - x.data.max(axis=dim, keepdims=True))
    y /= y.sum(axis=dim, keepdims=True)

    def pull(g: np.ndarray) -> np.ndarray:
        weighted = g * y
        gradient: np.ndarray = weighted - y * weighted.sum(axis=dim, keepdims=True)
        return gradient

    return record("softmax", y, (x, pull))


def log_softmax(input: Tensor | ArrayLike, dim: int = -1) -> Tensor:
    x = as_tensor(input)
    check_floats("log_softmax", input=x)
    check_axis("log_softmax", x, dim)
    y = x.data - x.data.max(axis=dim, keepdims=True)
    y -= np.log(np.exp(y).sum(axis=dim, keepdims=True))
    return record("log_softmax", y, (x, lambda g: g - np.exp(y) * g.sum(axis=dim, keepdims=True)))
