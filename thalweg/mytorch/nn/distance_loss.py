"""How far numbers are from what they ought to be, element by element.

`reduction` is "mean", "sum", or "none" for one number per element. Input and target have the same
shape.

Differs: torch broadcasts, with a warning, so that (N, 1) and (N,) compare each with each.
"""

import numpy as np
from numpy.typing import ArrayLike

from thalweg.mytorch.nn.reduction import ElementLoss, reduced, same_shape, share_of_each
from thalweg.mytorch.tensor import Tensor, record

__all__ = [
    "HuberLoss",
    "L1Loss",
    "MSELoss",
    "SmoothL1Loss",
    "huber_loss",
    "l1_loss",
    "mse_loss",
    "smooth_l1_loss",
]


class MSELoss(ElementLoss):
    """For numbers: the squared difference of input and target, which have the same shape.

    Differs: torch broadcasts, with a warning, so that (N, 1) and (N,) compare each with each.
    """

    def forward(self, input: Tensor | ArrayLike, target: Tensor | ArrayLike) -> Tensor:
        return mse_loss(input, target, reduction=self.reduction)


class L1Loss(ElementLoss):
    """The difference without its sign: a few targets far off count for less than in MSELoss.

    Differs: the shapes must be the same, as in MSELoss.
    """

    def forward(self, input: Tensor | ArrayLike, target: Tensor | ArrayLike) -> Tensor:
        return l1_loss(input, target, reduction=self.reduction)


class HuberLoss(ElementLoss):
    """MSELoss near the target and L1Loss away from it, where the difference d is above delta.

        loss = d^2 / 2  if |d| < delta  else  delta (|d| - delta / 2)

    Differs: the shapes must be the same, as in MSELoss.

    Paper: Huber 1964.
    """

    def __init__(self, *, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = _check_bend("HuberLoss", "delta", delta, "above 0", delta > 0)

    def forward(self, input: Tensor | ArrayLike, target: Tensor | ArrayLike) -> Tensor:
        return huber_loss(input, target, reduction=self.reduction, delta=self.delta)

    def describe(self) -> str:
        return f"delta={self.delta}"


class SmoothL1Loss(ElementLoss):
    """HuberLoss divided by its delta, here called beta; with beta = 0 it is L1Loss.

    Differs: the shapes must be the same, as in MSELoss.
    """

    def __init__(self, *, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.beta = _check_bend("SmoothL1Loss", "beta", beta, "at least 0", beta >= 0)

    def forward(self, input: Tensor | ArrayLike, target: Tensor | ArrayLike) -> Tensor:
        return smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)

    def describe(self) -> str:
        return f"beta={self.beta}"


def mse_loss(
    input: Tensor | ArrayLike, target: Tensor | ArrayLike, *, reduction: str = "mean"
) -> Tensor:
    """See MSELoss."""
    x, y = same_shape("mse_loss", input, target, reduction)
    difference = x.data - y.data
    return _loss("mse_loss", x, y, difference * difference, 2 * difference, reduction)


def l1_loss(
    input: Tensor | ArrayLike, target: Tensor | ArrayLike, *, reduction: str = "mean"
) -> Tensor:
    """See L1Loss."""
    x, y = same_shape("l1_loss", input, target, reduction)
    difference = x.data - y.data
    return _loss("l1_loss", x, y, np.abs(difference), np.sign(difference), reduction)


def huber_loss(
    input: Tensor | ArrayLike,
    target: Tensor | ArrayLike,
    *,
    reduction: str = "mean",
    delta: float = 1.0,
) -> Tensor:
    """See HuberLoss."""
    x, y = same_shape("huber_loss", input, target, reduction)
    _check_bend("huber_loss", "delta", delta, "above 0", delta > 0)
    losses, slopes = _bent(x.data - y.data, delta)
    return _loss("huber_loss", x, y, losses, slopes, reduction)


def smooth_l1_loss(
    input: Tensor | ArrayLike,
    target: Tensor | ArrayLike,
    *,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """See SmoothL1Loss."""
    _check_bend("smooth_l1_loss", "beta", beta, "at least 0", beta >= 0)
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    x, y = same_shape("smooth_l1_loss", input, target, reduction)
    losses, slopes = _bent(x.data - y.data, beta)
    return _loss("smooth_l1_loss", x, y, losses / beta, slopes / beta, reduction)


def _bent(difference: np.ndarray, delta: float) -> tuple[np.ndarray, np.ndarray]:
    """Huber's loss and its slope."""
    near = np.clip(difference, -delta, delta)
    return near * (difference - 0.5 * near), near


def _loss(
    op: str, x: Tensor, y: Tensor, losses: np.ndarray, slopes: np.ndarray, reduction: str
) -> Tensor:
    """A loss of x - y, whose gradients are each other's opposite."""
    scale = share_of_each(losses, reduction)
    return record(
        op,
        reduced(losses, reduction),
        (x, lambda g: g * scale * slopes),
        (y, lambda g: g * -scale * slopes),
    )


def _check_bend(where: str, name: str, value: float, what: str, is_right: bool) -> float:
    if not is_right:
        raise ValueError(f"{where}: {name} must be {what}, got {value!r}")
    return value
