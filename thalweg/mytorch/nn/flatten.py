"""From images to rows."""

import math

from numpy.typing import ArrayLike

from thalweg.mytorch.nn.module import Module
from thalweg.mytorch.tensor import Tensor, as_tensor

__all__ = ["Flatten", "flatten"]


class Flatten(Module):
    """Axes start_dim to end_dim made one: (N, C, H, W) becomes (N, C H W)."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        return flatten(x, self.start_dim, self.end_dim)

    def describe(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


def flatten(input: Tensor | ArrayLike, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Make the axes from start_dim to end_dim one."""
    x = as_tensor(input)
    axes = range(max(x.ndim, 1))
    try:
        start, end = axes[start_dim], axes[end_dim]
    except IndexError:
        start, end = 1, 0
    if start > end:
        raise ValueError(f"flatten: shape {x.shape} has no axes {start_dim} to {end_dim}")
    # not -1: an empty batch leaves it open how long that would be
    joined = math.prod(x.shape[start : end + 1])
    return x.reshape(*x.shape[:start], joined, *x.shape[end + 1 :])
