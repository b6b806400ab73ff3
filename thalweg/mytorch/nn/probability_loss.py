"""How wrong a probability is, element by element.

`reduction` is "mean", "sum", or "none" for one number per element.
"""

import numpy as np
from numpy.typing import ArrayLike

from thalweg.mytorch.nn.reduction import ElementLoss, factor, reduced, same_shape, share_of_each
from thalweg.mytorch.tensor import Tensor, record

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "KLDivLoss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "kl_div",
]


class BCELoss(ElementLoss):
    """BCEWithLogitsLoss for an input that is probabilities already, as Sigmoid gives them.

        loss = -w (y log(x) + (1 - y) log(1 - x))

    As in torch, a logarithm is never below -100. BCEWithLogitsLoss is exact where this is not.
    """

    weight: np.ndarray | None

    def __init__(self, weight: ArrayLike | None = None, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.register_buffer("weight", weight)

    def forward(self, input: Tensor | ArrayLike, target: Tensor | ArrayLike) -> Tensor:
        return binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(ElementLoss):
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
        super().__init__(reduction=reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor | ArrayLike, target: Tensor | ArrayLike) -> Tensor:
        return binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class KLDivLoss(ElementLoss):
    """How far the distribution `target` is from the one whose logarithms are the input.

        loss = y (log(y) - x)        log_target=True: e^y (y - x)

    The input is log-probabilities, as LogSoftmax gives them; `log_target` says that the target is,
    too. The divergence itself is the sum over the classes: `reduction="batchmean"` divides the sum
    of all by the length of the batch, where "mean", the default as in torch, divides by the count
    of elements.
    """

    def __init__(self, *, reduction: str = "mean", log_target: bool = False) -> None:
        _check_with_batchmean("KLDivLoss", reduction)
        self.reduction, self.log_target = reduction, log_target

    def forward(self, input: Tensor | ArrayLike, target: Tensor | ArrayLike) -> Tensor:
        return kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


def binary_cross_entropy(
    input: Tensor | ArrayLike,
    target: Tensor | ArrayLike,
    weight: ArrayLike | None = None,
    *,
    reduction: str = "mean",
) -> Tensor:
    """See BCELoss."""
    x, y = same_shape("binary_cross_entropy", input, target, reduction)
    for name, tensor in (("input", x), ("target", y)):
        _check_probabilities(name, tensor.data)
    each = factor("binary_cross_entropy", "weight", weight, x)
    with np.errstate(divide="ignore"):  # log(0) is -100 here
        yes = np.maximum(np.log(x.data), -100)
        no = np.maximum(np.log1p(-x.data), -100)
    losses = -each * (y.data * yes + (1 - y.data) * no)
    scale = share_of_each(losses, reduction)

    def slope_of_x() -> np.ndarray:
        result: np.ndarray = each * (x.data - y.data) / np.maximum(x.data * (1 - x.data), 1e-12)
        return result

    return record(
        "binary_cross_entropy",
        reduced(losses, reduction),
        (x, lambda g: g * scale * slope_of_x()),
        (y, lambda g: g * scale * each * (no - yes)),
    )


def binary_cross_entropy_with_logits(
    input: Tensor | ArrayLike,
    target: Tensor | ArrayLike,
    weight: ArrayLike | None = None,
    *,
    reduction: str = "mean",
    pos_weight: ArrayLike | None = None,
) -> Tensor:
    """See BCEWithLogitsLoss."""
    where = "binary_cross_entropy_with_logits"
    x, y = same_shape(where, input, target, reduction)
    each, positive = factor(where, "weight", weight, x), factor(where, "pos_weight", pos_weight, x)
    on_yes = 1 + (positive - 1) * y.data
    small = np.exp(-np.abs(x.data))
    no = np.log1p(small) + np.maximum(-x.data, 0)  # log(1 + e^-x) = -log(sigmoid(x))
    losses = each * ((1 - y.data) * x.data + on_yes * no)
    scale = share_of_each(losses, reduction)

    def slope_of_x() -> np.ndarray:
        sigmoid_of_minus_x = np.where(x.data > 0, small, 1) / (1 + small)
        result: np.ndarray = each * ((1 - y.data) - on_yes * sigmoid_of_minus_x)
        return result

    return record(
        where,
        reduced(losses, reduction),
        (x, lambda g: g * scale * slope_of_x()),
        (y, lambda g: g * scale * each * ((positive - 1) * no - x.data)),
    )


def kl_div(
    input: Tensor | ArrayLike,
    target: Tensor | ArrayLike,
    *,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """See KLDivLoss."""
    _check_with_batchmean("kl_div", reduction)
    is_by_batch = reduction == "batchmean"
    x, y = same_shape("kl_div", input, target, "sum" if is_by_batch else reduction)
    if is_by_batch and x.ndim == 0:
        raise ValueError("kl_div: reduction='batchmean' needs a batch, got one number")
    if log_target:
        share, log_share = np.exp(y.data), y.data
    else:
        share = y.data
        log_share = np.log(np.where(share > 0, share, 1))  # 0 log(0) is 0
    losses = share * (log_share - x.data)
    total = losses.sum() / len(losses) if is_by_batch else reduced(losses, reduction)
    scale = 1 / len(losses) if is_by_batch else share_of_each(losses, reduction)

    def slope_of_y() -> np.ndarray:
        if log_target:
            result: np.ndarray = losses + share
            return result
        return np.where(share > 0, log_share + 1 - x.data, 0)

    return record(
        "kl_div",
        total,
        (x, lambda g: g * -scale * share),
        (y, lambda g: g * scale * slope_of_y()),
    )


def _check_probabilities(name: str, values: np.ndarray) -> None:
    wrong = ~((values >= 0) & (values <= 1))
    if wrong.any():
        raise ValueError(
            f"binary_cross_entropy: {name} must be probabilities from 0 to 1, got "
            f"{values[wrong][0]}; for scores of any size use BCEWithLogitsLoss"
        )


def _check_with_batchmean(where: str, reduction: str) -> None:
    if reduction not in ("mean", "batchmean", "sum", "none"):
        raise ValueError(
            f"{where}: reduction must be 'mean', 'batchmean', 'sum' or 'none', got {reduction!r}"
        )
