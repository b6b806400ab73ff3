"""Scores made shares of one: e^x over the sum of e^x along an axis."""

from numpy.typing import ArrayLike

from thalweg.mytorch.nn.module import Module
from thalweg.mytorch.nonlinearities import log_softmax, softmax
from thalweg.mytorch.tensor import Tensor

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
