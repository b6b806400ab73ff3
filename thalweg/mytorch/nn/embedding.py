"""A vector for each of a number of things."""

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from thalweg.mytorch.checks import check_labels, check_positive
from thalweg.mytorch.nn import init
from thalweg.mytorch.nn.module import Module, Parameter
from thalweg.mytorch.tensor import Tensor, as_tensor, record

__all__ = ["Embedding", "embedding"]


class Embedding(Module):
    """Row i of `weight` (num_embeddings, embedding_dim) for each number i.

    (...) of integers becomes (..., embedding_dim). `weight` starts normally distributed. The row
    `padding_idx` starts at zero and gets no gradient.

    Differs: no max_norm, no scale_grad_by_freq, no sparse gradients.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.num_embeddings = check_positive("Embedding", "num_embeddings", num_embeddings)
        self.embedding_dim = check_positive("Embedding", "embedding_dim", embedding_dim)
        self.padding_idx = _row("Embedding", padding_idx, num_embeddings)
        self.weight = Parameter(np.empty((num_embeddings, embedding_dim), dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weight anew."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            self.weight.data[self.padding_idx] = 0

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        return embedding(x, self.weight, self.padding_idx)

    def describe(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"


def embedding(
    input: Tensor | ArrayLike, weight: Tensor | ArrayLike, padding_idx: int | None = None
) -> Tensor:
    """The rows of `weight` that the integers name."""
    rows, w = as_tensor(input).data, as_tensor(weight)
    if w.ndim != 2:
        raise ValueError(f"embedding: weight must be (number, dim), got shape {w.shape}")
    check_labels("embedding", "numbers", rows, len(w))
    padding = _row("embedding", padding_idx, len(w))

    def scatter(g: np.ndarray) -> np.ndarray:
        whole = np.zeros_like(w.data)
        np.add.at(whole, rows, g)
        if padding is not None:
            whole[padding] = 0
        return whole

    return record("embedding", w.data[rows], (w, scatter))


def _row(where: str, padding_idx: int | None, count: int) -> int | None:
    if padding_idx is None:
        return None
    if not -count <= padding_idx < count:
        raise ValueError(
            f"{where}: padding_idx must name one of the {count} rows, got {padding_idx}"
        )
    return padding_idx % count
