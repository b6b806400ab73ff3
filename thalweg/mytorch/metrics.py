"""How good an output is, as a number to look at: it has no gradient."""

import numpy as np
from numpy.typing import ArrayLike

from thalweg.mytorch.tensor import Tensor, as_tensor

__all__ = ["accuracy"]


def accuracy(output: Tensor | ArrayLike, target: Tensor | ArrayLike) -> float:
    """The share of labels that are read right.

    `output` has a score for each class along axis 1, as cross_entropy takes it, and `target` the
    number of the right one; or both have class numbers or bools of one shape. Scores of yes or no
    are to be compared first: `accuracy(logits > 0, target)`.
    """
    found, right = as_tensor(output).data, as_tensor(target).data
    if found.ndim == right.ndim + 1 and found.shape[:1] + found.shape[2:] == right.shape:
        found = found.argmax(axis=1)
    elif found.shape != right.shape or found.dtype.kind not in "biu":
        raise ValueError(
            f"accuracy: output must have scores (N, C) beside labels (N,), or labels of the "
            f"target's shape {right.shape}, got {found.dtype} of shape {found.shape}"
        )
    if right.size == 0:
        raise ValueError("accuracy: there must be at least one label, got none")
    return float(np.mean(found == right))
