"""Scores made shares of one: e^x over the sum of e^x along an axis."""

import numpy as np
from numpy.typing import ArrayLike

from thalweg.mytorch.nn.checks import check_axis, check_floats
from thalweg.mytorch.nn.module import Module
from thalweg.mytorch.tensor import Tensor, as_tensor, record

__all__ = ["LogSoftmax", "Softmax", "log_softmax", "softmax"]


class _AlongAxis(Module):
    def __init__(self, dim: int = -1) -> None:
        self.dim = dim

    def describe(self) -> str:
        return f"dim={self.dim}"


class Softmax(_AlongAxis):
    """`e^x / sum(e^x)` along an axis: probabilities. CrossEntropyLoss has it within.

    Differs: `dim` is the last axis unless given; torch guesses 0 or 1 from the count of axes.
    """

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        return softmax(x, self.dim)


class LogSoftmax(_AlongAxis):
    """`x - log(sum(e^x))` along an axis: log-probabilities, as NLLLoss takes them.

    Differs: `dim` is the last axis unless given, as in Softmax.
    """

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        return log_softmax(x, self.dim)


def softmax(input: Tensor | ArrayLike, dim: int = -1) -> Tensor:
    x = as_tensor(input)
    check_floats("softmax", input=x)
    check_axis("softmax", x, dim)
    y = np.exp(x.data - x.data.max(axis=dim, keepdims=True))
    y /= y.sum(axis=dim, keepdims=True)

    def pull(g: np.ndarray) -> np.ndarray:
        weighted = g * y
        return weighted - y * weighted.sum(axis=dim, keepdims=True)

    return record("softmax", y, (x, pull))


def log_softmax(input: Tensor | ArrayLike, dim: int = -1) -> Tensor:
    x = as_tensor(input)
    check_floats("log_softmax", input=x)
    check_axis("log_softmax", x, dim)
    y = x.data - x.data.max(axis=dim, keepdims=True)
    y -= np.log(np.exp(y).sum(axis=dim, keepdims=True))
    return record("log_softmax", y, (x, lambda g: g - np.exp(y) * g.sum(axis=dim, keepdims=True)))
