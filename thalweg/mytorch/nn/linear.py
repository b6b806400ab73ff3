"""The fully connected layer."""

import math

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from thalweg.mytorch.blas import product
from thalweg.mytorch.checks import check_floats, check_positive
from thalweg.mytorch.nn import init
from thalweg.mytorch.nn.module import Module, Parameter
from thalweg.mytorch.tensor import Tensor, as_tensor, record

__all__ = ["Linear", "linear"]


class Linear(Module):
    """Every output a weighted sum of all inputs.

        y = x W^T + b        x: (..., in_features), y: (..., out_features)

    `weight` (out, in) and `bias` (out,) start uniform within 1 / sqrt(in_features).
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.in_features = check_positive("Linear", "in_features", in_features)
        self.out_features = check_positive("Linear", "out_features", out_features)
        self.weight = Parameter(np.empty((out_features, in_features), dtype))
        self.bias = Parameter(np.empty(out_features, dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features)
            init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        return linear(x, self.weight, self.bias)

    def describe(self) -> str:
        return f"{self.in_features}, {self.out_features}, bias={self.bias is not None}"


def linear(
    input: Tensor | ArrayLike, weight: Tensor | ArrayLike, bias: Tensor | ArrayLike | None = None
) -> Tensor:
    """`x W^T + b` over the last axis of x."""
    x, w = as_tensor(input), as_tensor(weight)
    if w.ndim != 2 or x.ndim == 0 or x.shape[-1] != w.shape[1]:
        raise ValueError(
            f"linear: input {x.shape} and weight {w.shape} do not fit: the last axis of both must "
            "be as long"
        )
    check_floats("linear", input=x, weight=w)
    rows = x.data.reshape(-1, w.shape[1])
    y = product(rows, w.data.T)

    def flat(g: np.ndarray) -> np.ndarray:
        return g.reshape(-1, w.shape[0])

    parents = [
        (x, lambda g: product(flat(g), w.data).reshape(x.shape)),
        (w, lambda g: product(flat(g).T, rows)),
    ]
    if bias is not None:
        b = as_tensor(bias)
        if b.shape != (w.shape[0],):
            raise ValueError(f"linear: bias must have shape ({w.shape[0]},), got {b.shape}")
        check_floats("linear", input=x, bias=b)
        y += b.data
        parents.append((b, lambda g: np.add.reduce(flat(g), axis=0)))
    if x.ndim != 2:
        y = y.reshape(*x.shape[:-1], w.shape[0])
    return record("linear", y, *parents)
