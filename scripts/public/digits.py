"""scikit-learn's 1,797 digits as pictures, in batches that go round."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from sklearn.datasets import load_digits
from torch import Tensor

__all__ = ["batches", "digits"]


def digits() -> tuple[Tensor, Tensor]:
    """Pictures of 1 x 8 x 8 from 0 to 1, and what they show."""
    found = load_digits()
    images = torch.tensor(found.images / 16.0, dtype=torch.get_default_dtype())
    return images[:, None], torch.tensor(found.target)


def batches(size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Epoch after epoch, each in another order."""
    images, labels = digits()
    while True:
        for chosen in torch.randperm(len(images)).split(size)[: len(images) // size]:
            yield images[chosen], labels[chosen]
