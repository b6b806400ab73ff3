"""Batches of a dataset, in order or shuffled."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from thalweg.mytorch.data.dataset import Dataset
from thalweg.mytorch.nn.checks import check_positive
from thalweg.mytorch.random import generator
from thalweg.mytorch.tensor import as_tensor

__all__ = ["DataLoader"]


class DataLoader:
    """Each walk through it is an epoch: a tensor, or a tuple of them, for each batch.

    The order of an epoch depends on `seed` and on `epoch`, which counts the walks begun, and on
    nothing else: a training that is taken up again sets `epoch` and sees what it would have seen.
    Without a seed, one is drawn from mytorch's generator. `transform` is any function of a batch's
    arrays that gives back what to use in their place, such as

        def brighten(images, labels):
            return images * 1.1, labels
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 1,
        shuffle: bool = False,
        *,
        drop_last: bool = False,
        seed: int | None = None,
        transform: Callable[..., Any] | None = None,
    ) -> None:
        if not isinstance(dataset, Dataset):
            raise TypeError(f"DataLoader: dataset must be a Dataset, got {type(dataset).__name__}")
        self.batch_size = check_positive("DataLoader", "batch_size", batch_size)
        if len(dataset) == 0:
            raise ValueError(
                "DataLoader: the dataset is empty: there is nothing to make batches of"
            )
        if drop_last and len(dataset) < batch_size:
            raise ValueError(
                f"DataLoader: drop_last leaves no batch of {batch_size}: the dataset has "
                f"{len(dataset)} items"
            )
        self.dataset, self.shuffle, self.drop_last = dataset, shuffle, drop_last
        self.transform = transform
        self.epoch = 0
        self.seed = int(generator().integers(2**31)) if shuffle and seed is None else seed or 0

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Any]:
        order = self._order()
        self.epoch += 1
        for i in range(len(self)):
            yield self._load(order[i * self.batch_size : (i + 1) * self.batch_size])

    def _order(self) -> np.ndarray:
        if not self.shuffle:
            return np.arange(len(self.dataset))
        return np.random.default_rng([self.seed, self.epoch]).permutation(len(self.dataset))

    def _load(self, indices: np.ndarray) -> Any:
        batch = self.dataset.batch(indices)
        if self.transform is not None:
            batch = self.transform(*batch) if isinstance(batch, tuple) else self.transform(batch)
        return tuple(map(as_tensor, batch)) if isinstance(batch, tuple) else as_tensor(batch)
