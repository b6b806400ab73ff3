"""Units left out at random."""

import numpy as np
from numpy.typing import ArrayLike

from thalweg.mytorch.checks import check_floats, check_share
from thalweg.mytorch.nn.module import Module
from thalweg.mytorch.random import generator
from thalweg.mytorch.tensor import Tensor, as_tensor, record

__all__ = ["Dropout", "dropout"]


class Dropout(Module):
    """In training, each element is zero with probability p, and 1 / (1 - p) times itself otherwise.

    A network that cannot rely on any one unit overfits less. In evaluation it does nothing.

    Paper: Srivastava et al. 2014, JMLR 15.
    Differs: `inplace=True` leaves the input as it is.
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        self.p, self.inplace = check_share("Dropout", "p", p), inplace

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        return dropout(x, self.p, self.training)

    def describe(self) -> str:
        return f"p={self.p}"


def dropout(input: Tensor | ArrayLike, p: float = 0.5, training: bool = True) -> Tensor:
    x = as_tensor(input)
    check_floats("dropout", input=x)
    check_share("dropout", "p", p)
    if not training or p == 0:
        return x
    kept = generator().random(x.shape, np.float32) >= p
    scale = kept.astype(x.dtype)
    if p < 1:
        scale /= 1 - p
    return record("dropout", x.data * scale, (x, lambda g: g * scale))
