"""How wrong the scores of classes are, beside the numbers of the right ones.

`reduction` is "mean", "sum", or "none" for one number per label.
"""

import numpy as np
from numpy.typing import ArrayLike

from thalweg.mytorch.checks import check_floats, check_labels, check_reduction, check_share
from thalweg.mytorch.nn.module import Module
from thalweg.mytorch.tensor import Tensor, as_tensor, record

__all__ = ["CrossEntropyLoss", "NLLLoss", "cross_entropy", "nll_loss"]


class CrossEntropyLoss(Module):
    """For one class out of many: minus the logarithm of the probability given to the right one.

        loss = log(sum over c of e^x[c]) - x[y]

    input: (N, C) or (N, C, ...) of scores, not of probabilities; target: (N,) or (N, ...) of
    class numbers. `weight` (C,) says how much each class counts, in the mean's divisor, too;
    targets equal to `ignore_index` count for nothing. With `label_smoothing` that part of the
    target is spread evenly over all classes.
    """

    weight: np.ndarray | None

    def __init__(
        self,
        weight: ArrayLike | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        check_reduction("CrossEntropyLoss", reduction)
        self.register_buffer("weight", weight)
        self.ignore_index, self.reduction = ignore_index, reduction
        self.label_smoothing = check_share("CrossEntropyLoss", "label_smoothing", label_smoothing)

    def forward(self, input: Tensor | ArrayLike, target: Tensor | ArrayLike) -> Tensor:
        return cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(Module):
    """CrossEntropyLoss for an input that is log-probabilities already, as LogSoftmax gives them.

    loss = -x[y]
    """

    weight: np.ndarray | None

    def __init__(
        self, weight: ArrayLike | None = None, *, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        check_reduction("NLLLoss", reduction)
        self.register_buffer("weight", weight)
        self.ignore_index, self.reduction = ignore_index, reduction

    def forward(self, input: Tensor | ArrayLike, target: Tensor | ArrayLike) -> Tensor:
        return nll_loss(
            input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction
        )


def cross_entropy(
    input: Tensor | ArrayLike,
    target: Tensor | ArrayLike,
    weight: ArrayLike | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """See CrossEntropyLoss."""
    x = as_tensor(input)
    labels = _Labels("cross_entropy", x, target, weight, ignore_index, reduction)
    check_share("cross_entropy", "label_smoothing", label_smoothing)
    scores = labels.rows_of(x.data)
    shifted = scores - scores.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    sums = exponentials.sum(axis=1)
    logs = np.log(sums)
    losses = (1 - label_smoothing) * labels.counts * (logs - labels.pick(shifted))
    if label_smoothing:
        spread = label_smoothing / labels.classes * labels.class_weights
        smooth = logs * spread.sum() - shifted @ spread
        losses += np.where(labels.kept, smooth, 0)

    def pull(g: np.ndarray) -> np.ndarray:
        each = labels.spread(g)
        on_label = (1 - label_smoothing) * labels.counts * each
        on_all = each * spread.sum() if label_smoothing else 0
        gx = exponentials * ((on_label + on_all) / sums)[:, None]
        gx[labels.places] -= on_label
        if label_smoothing:
            gx -= each[:, None] * spread
        return labels.image_of(gx)

    return record("cross_entropy", labels.reduce(losses), (x, pull))


def nll_loss(
    input: Tensor | ArrayLike,
    target: Tensor | ArrayLike,
    weight: ArrayLike | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """See NLLLoss."""
    x = as_tensor(input)
    labels = _Labels("nll_loss", x, target, weight, ignore_index, reduction)
    rows = labels.rows_of(x.data)
    losses = -labels.counts * labels.pick(rows)

    def pull(g: np.ndarray) -> np.ndarray:
        gx = np.zeros_like(rows)
        gx[labels.places] = -labels.counts * labels.spread(g)
        return labels.image_of(gx)

    return record("nll_loss", labels.reduce(losses), (x, pull))


class _Labels:
    """Class numbers beside scores, both made rows: (N, C, ...) and (N, ...) of any depth."""

    def __init__(
        self,
        where: str,
        x: Tensor,
        target: Tensor | ArrayLike,
        weight: ArrayLike | None,
        ignore_index: int,
        reduction: str,
    ) -> None:
        check_reduction(where, reduction)
        check_floats(where, input=x)
        labels = as_tensor(target).data
        if x.ndim < 2 or labels.shape != x.shape[:1] + x.shape[2:]:
            raise ValueError(
                f"{where}: input {x.shape} and target {labels.shape} do not fit: they must be "
                "(N, C) and (N,), or (N, C, ...) and (N, ...)"
            )
        self.shape, self.classes, self.reduction = labels.shape, x.shape[1], reduction
        self.kept = (labels != ignore_index).ravel()
        labels = np.where(self.kept, labels.ravel(), 0)
        check_labels(where, "labels", labels.reshape(self.shape), self.classes)
        self.class_weights = _class_weights(where, weight, self.classes, x.dtype)
        self.counts = np.where(self.kept, self.class_weights[labels], x.dtype.type(0))
        self.places = np.arange(labels.size), labels

    def rows_of(self, x: np.ndarray) -> np.ndarray:
        return np.moveaxis(x, 1, -1).reshape(-1, self.classes)

    def image_of(self, rows: np.ndarray) -> np.ndarray:
        """The reverse of `rows_of`."""
        return np.moveaxis(rows.reshape(*self.shape, self.classes), -1, 1)

    def pick(self, rows: np.ndarray) -> np.ndarray:
        """Of each row, what belongs to its label; 0 where that counts for nothing."""
        result: np.ndarray = np.where(self.kept, rows[self.places], rows.dtype.type(0))
        return result

    def reduce(self, losses: np.ndarray) -> np.ndarray:
        if self.reduction == "none":
            return losses.reshape(self.shape)
        total = losses.sum()
        result: np.ndarray = total / self.counts.sum() if self.reduction == "mean" else total
        return result

    def spread(self, g: np.ndarray) -> np.ndarray:
        """The reverse of `reduce`: a gradient for each row that counts."""
        if self.reduction == "mean":
            g = g / self.counts.sum()
        return np.where(self.kept, g.ravel(), self.counts.dtype.type(0))


def _class_weights(
    where: str, weight: ArrayLike | None, classes: int, dtype: np.dtype
) -> np.ndarray:
    if weight is None:
        return np.ones(classes, dtype)
    weights = np.asarray(weight, dtype)
    if weights.shape != (classes,):
        raise ValueError(
            f"{where}: weight must have one number for each of {classes} classes, "
            f"got shape {weights.shape}"
        )
    return weights
