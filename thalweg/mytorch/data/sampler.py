"""Orders in which a DataLoader takes the items of a dataset, for those that `shuffle` is not.

A sampler is anything that gives item numbers when it is walked through, a list as well. Those here
draw from mytorch's generator, anew at each walk.
"""

from collections.abc import Iterable, Iterator, Sequence, Sized

import numpy as np
from numpy.typing import ArrayLike

from thalweg.mytorch.checks import check_positive
from thalweg.mytorch.random import generator
from thalweg.mytorch.tensor import as_tensor

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]


class SequentialSampler:
    """One item after another."""

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler:
    """All items in a random order, or `num_samples` of them, each as often as it comes if
    `replacement`."""

    def __init__(
        self, data_source: Sized, replacement: bool = False, num_samples: int | None = None
    ) -> None:
        self.data_source, self.replacement = data_source, replacement
        self.num_samples = check_positive(
            "RandomSampler", "num_samples", len(data_source) if num_samples is None else num_samples
        )

    def __iter__(self) -> Iterator[int]:
        count, left = len(self.data_source), self.num_samples
        if self.replacement:
            yield from generator().integers(count, size=left).tolist()
            return
        while left > 0:  # more than there are: every item once, and then again
            yield from generator().permutation(count)[:left].tolist()
            left -= count

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler:
    """Some items in a random order."""

    def __init__(self, indices: Sequence[int]) -> None:
        self.indices = indices

    def __iter__(self) -> Iterator[int]:
        return (int(self.indices[i]) for i in generator().permutation(len(self.indices)))

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler:
    """Items drawn as often as their weights say: for classes of which one has few examples."""

    def __init__(self, weights: ArrayLike, num_samples: int, replacement: bool = True) -> None:
        self.weights = np.asarray(as_tensor(weights).data, np.float64)
        title = "WeightedRandomSampler"
        self.num_samples = check_positive(title, "num_samples", num_samples)
        self.replacement = replacement
        if self.weights.ndim != 1 or not (self.weights >= 0).all() or not self.weights.sum() > 0:
            raise ValueError(
                f"{title}: weights must be one number of at least 0 for each item, and not all 0"
            )
        if not replacement and num_samples > np.count_nonzero(self.weights):
            raise ValueError(
                f"{title}: without replacement, num_samples must be at most the "
                f"{np.count_nonzero(self.weights)} items that have a weight, got {num_samples}"
            )

    def __iter__(self) -> Iterator[int]:
        shares = self.weights / self.weights.sum()
        drawn = generator().choice(len(shares), self.num_samples, self.replacement, shares)
        return iter(drawn.tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler:
    """The item numbers of another sampler, so many at a time."""

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool = False) -> None:
        self.sampler, self.drop_last = sampler, drop_last
        self.batch_size = check_positive("BatchSampler", "batch_size", batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        batch: list[int] = []
        for index in self.sampler:
            batch.append(int(index))
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def __len__(self) -> int:
        whole, rest = divmod(len(self.sampler), self.batch_size)  # type: ignore[arg-type]
        return whole + (rest > 0 and not self.drop_last)
