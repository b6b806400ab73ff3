"""How wrong an output is, element by element.

`reduction` is "mean", "sum", or "none" for one number per element.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from thalweg.mytorch.nn.checks import check_floats, check_reduction
from thalweg.mytorch.nn.module import Module
from thalweg.mytorch.tensor import Tensor, as_tensor, record

__all__ = ["BCEWithLogitsLoss", "MSELoss", "binary_cross_entropy_with_logits", "mse_loss"]


class BCEWithLogitsLoss(Module):
    """For yes or no, any number of times: cross-entropy of sigmoid(x) with y, from 0 to 1.

        loss = -w (pos_weight y log(sigmoid(x)) + (1 - y) log(1 - sigmoid(x)))

    computed so that it is finite for every x. input and target have the same shape; `weight` and
    `pos_weight`, which makes a yes count for more, broadcast to it.
    """

    weight: np.ndarray | None
    pos_weight: np.ndarray | None

    def __init__(
        self,
        weight: ArrayLike | None = None,
        *,
        reduction: str = "mean",
        pos_weight: ArrayLike | None = None,
    ) -> None:
        check_reduction("BCEWithLogitsLoss", reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)
        self.reduction = reduction

    def forward(self, input: Tensor | ArrayLike, target: Tensor | ArrayLike) -> Tensor:
        return binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class MSELoss(Module):
    """For numbers: the squared difference of input and target, which have the same shape.

    Differs: torch broadcasts, with a warning, so that (N, 1) and (N,) compare each with each.
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        check_reduction("MSELoss", reduction)
        self.reduction = reduction

    def forward(self, input: Tensor | ArrayLike, target: Tensor | ArrayLike) -> Tensor:
        return mse_loss(input, target, reduction=self.reduction)


def binary_cross_entropy_with_logits(
    input: Tensor | ArrayLike,
    target: Tensor | ArrayLike,
    weight: ArrayLike | None = None,
    *,
    reduction: str = "mean",
    pos_weight: ArrayLike | None = None,
) -> Tensor:
    """See BCEWithLogitsLoss."""
    x, y = _same_shape("binary_cross_entropy_with_logits", input, target, reduction)
    each, positive = _factor("weight", weight, x), _factor("pos_weight", pos_weight, x)
    on_yes = 1 + (positive - 1) * y.data
    small = np.exp(-np.abs(x.data))
    no = np.log1p(small) + np.maximum(-x.data, 0)  # log(1 + e^-x) = -log(sigmoid(x))
    losses = each * ((1 - y.data) * x.data + on_yes * no)
    scale = _scale(losses, reduction)

    def slope_of_x() -> np.ndarray:
        sigmoid_of_minus_x = np.where(x.data > 0, small, 1) / (1 + small)
        return each * ((1 - y.data) - on_yes * sigmoid_of_minus_x)

    return record(
        "binary_cross_entropy_with_logits",
        _reduce(losses, reduction),
        (x, lambda g: g * scale * slope_of_x()),
        (y, lambda g: g * scale * each * ((positive - 1) * no - x.data)),
    )


def mse_loss(
    input: Tensor | ArrayLike, target: Tensor | ArrayLike, *, reduction: str = "mean"
) -> Tensor:
    """See MSELoss."""
    x, y = _same_shape("mse_loss", input, target, reduction)
    difference = x.data - y.data
    losses = difference * difference
    scale = 2 * _scale(losses, reduction)
    return record(
        "mse_loss",
        _reduce(losses, reduction),
        (x, lambda g: g * scale * difference),
        (y, lambda g: g * -scale * difference),
    )


def _factor(name: str, values: ArrayLike | None, x: Tensor) -> np.ndarray:
    """What each element's loss, or a part of it, is multiplied by: 1 unless given."""
    if values is None:
        return np.ones((), x.dtype)
    try:
        return np.broadcast_to(np.asarray(values, x.dtype), x.shape)
    except ValueError:
        raise ValueError(
            f"binary_cross_entropy_with_logits: {name} must broadcast to the input's shape "
            f"{x.shape}, got {np.shape(values)}"
        ) from None


def _same_shape(where: str, input: Any, target: Any, reduction: str) -> tuple[Tensor, Tensor]:
    check_reduction(where, reduction)
    x, y = as_tensor(input), as_tensor(target)
    if x.shape != y.shape:
        raise ValueError(f"{where}: input {x.shape} and target {y.shape} must have the same shape")
    check_floats(where, input=x, target=y)
    return x, y


def _reduce(losses: np.ndarray, reduction: str) -> np.ndarray:
    if reduction == "none":
        return losses
    return losses.mean() if reduction == "mean" else losses.sum()


def _scale(losses: np.ndarray, reduction: str) -> float:
    """What an element's gradient is multiplied by."""
    return 1 / losses.size if reduction == "mean" and losses.size else 1.0
