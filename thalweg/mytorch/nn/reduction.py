"""What losses of one number per element share: two inputs of one shape, and how they are summed."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from thalweg.mytorch.checks import check_floats, check_reduction
from thalweg.mytorch.nn.module import Module
from thalweg.mytorch.tensor import Tensor, as_tensor

__all__ = ["ElementLoss", "factor", "reduced", "same_shape", "share_of_each"]


class ElementLoss(Module):
    """A loss whose one setting, beside its own, is `reduction`."""

    def __init__(self, *, reduction: str = "mean") -> None:
        check_reduction(type(self).__name__, reduction)
        self.reduction = reduction


def same_shape(
    where: str, input: Tensor | ArrayLike, target: Tensor | ArrayLike, reduction: str
) -> tuple[Tensor, Tensor]:
    check_reduction(where, reduction)
    x, y = as_tensor(input), as_tensor(target)
    if x.shape != y.shape:
        raise ValueError(f"{where}: input {x.shape} and target {y.shape} must have the same shape")
    check_floats(where, input=x, target=y)
    return x, y


def reduced(losses: np.ndarray, reduction: str) -> np.ndarray:
    if reduction == "none":
        return losses
    result: np.ndarray = losses.mean() if reduction == "mean" else losses.sum()
    return result


def share_of_each(losses: np.ndarray, reduction: str) -> float:
    """What an element's gradient is multiplied by."""
    return 1 / losses.size if reduction == "mean" and losses.size else 1.0


def factor(where: str, name: str, values: Any, x: Tensor) -> np.ndarray:
    """What each element's loss, or a part of it, is multiplied by: 1 unless given."""
    if values is None:
        return np.ones((), x.dtype)
    numbers = np.asarray(as_tensor(values).data, x.dtype)
    try:
        return np.broadcast_to(numbers, x.shape)
    except ValueError:
        raise ValueError(
            f"{where}: {name} must broadcast to the input's shape {x.shape}, got {numbers.shape}"
        ) from None
