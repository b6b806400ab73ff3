"""Images of any size brought to one size: the mean of each part."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from thalweg.mytorch.blas import product
from thalweg.mytorch.checks import check_floats
from thalweg.mytorch.nn.module import Module
from thalweg.mytorch.tensor import Tensor, as_tensor, record

__all__ = ["AdaptiveAvgPool2d", "adaptive_avg_pool2d"]

Size = int | None | tuple[int | None, int | None]


class AdaptiveAvgPool2d(Module):
    """The mean over windows that share an image out evenly: (N, C, H, W) becomes (N, C, *size).

    `AdaptiveAvgPool2d(1)` is the mean of each channel, as networks have it before their last layer.
    `output_size` is one number or two, and None keeps an axis as long as it is.
    """

    def __init__(self, output_size: Size) -> None:
        _check_size("AdaptiveAvgPool2d", output_size)
        self.output_size = output_size

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        return adaptive_avg_pool2d(x, self.output_size)

    def describe(self) -> str:
        return f"output_size={self.output_size}"


def adaptive_avg_pool2d(input: Tensor | ArrayLike, output_size: Size) -> Tensor:
    """See AdaptiveAvgPool2d; the batch may be left out: (C, H, W)."""
    x = as_tensor(input)
    check_floats("adaptive_avg_pool2d", input=x)
    if x.ndim not in (3, 4):
        raise ValueError(f"adaptive_avg_pool2d: input must be (N, C, H, W), got {x.shape}")
    height, width = _check_size("adaptive_avg_pool2d", output_size)
    rows = _shares(x.shape[-2], height, x.dtype)
    columns = _shares(x.shape[-1], width, x.dtype)
    y = product(rows, product(x.data, columns.T))
    return record("adaptive_avg_pool2d", y, (x, lambda g: product(rows.T, product(g, columns))))


def _shares(size: int, parts: int | None, dtype: np.dtype) -> np.ndarray:
    """[part, input]: what each input weighs in the mean of a part.

    Part i has the inputs from floor(i size / parts) to ceil((i + 1) size / parts), as in torch, so
    that neighbours overlap where the size is no multiple of the parts.
    """
    parts = size if parts is None else parts
    shares = np.zeros((parts, size), dtype)
    for i in range(parts):
        first, last = i * size // parts, -(-(i + 1) * size // parts)
        shares[i, first:last] = 1 / (last - first)
    return shares


def _check_size(where: str, size: Any) -> tuple[int | None, int | None]:
    pair = tuple(size) if isinstance(size, tuple | list) else (size, size)
    whole = [
        one is None
        or (isinstance(one, int | np.integer) and not isinstance(one, bool) and one >= 1)
        for one in pair
    ]
    if len(pair) != 2 or not all(whole):
        raise ValueError(
            f"{where}: output_size must be one or two whole numbers of at least 1, or None, "
            f"got {size!r}"
        )
    return pair
