"""From images to rows."""

from numpy.typing import ArrayLike

from thalweg.mytorch.nn.module import Module
from thalweg.mytorch.shapes import flatten
from thalweg.mytorch.tensor import Tensor

__all__ = ["Flatten", "flatten"]


class Flatten(Module):
    """Axes start_dim to end_dim made one: (N, C, H, W) becomes (N, C H W)."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        return flatten(x, self.start_dim, self.end_dim)

    def describe(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"
