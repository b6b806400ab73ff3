"""What there is to learn from: items by number, and whole batches of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from thalweg.mytorch.random import generator
from thalweg.mytorch.tensor import Tensor, as_tensor

__all__ = ["Dataset", "Subset", "TensorDataset", "random_split"]


class Dataset:
    """Items by number: subclass it and write `__len__` and `__getitem__`.

    An item is an array or a number or, mostly, a tuple of them, such as an image and its label. Of
    one that holds all its items in arrays, `batch` can do better than one item after another.
    """

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} has no __len__(self)")

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no __getitem__(self, index)")

    def batch(self, indices: np.ndarray) -> Any:
        """Some items stacked: an array, or a tuple of them if an item is one."""
        items = [self[int(index)] for index in indices]
        if isinstance(items[0], tuple):
            sizes = {len(item) for item in items}
            if len(sizes) > 1:
                raise ValueError(
                    f"{type(self).__name__}: every item must have as many parts, got {sizes}"
                )
            return tuple(self._stack(part) for part in zip(*items, strict=True))
        return self._stack(items)

    def _stack(self, values: Sequence[Any]) -> np.ndarray:
        arrays = [as_tensor(value).data for value in values]
        shapes = {array.shape for array in arrays}
        if len(shapes) > 1:
            some, other, *_ = sorted(shapes)
            raise ValueError(
                f"{type(self).__name__}: the items of a batch must have one shape, got {some} and "
                f"{other}"
            )
        return np.stack(arrays)


class TensorDataset(Dataset):
    """Arrays of equal length; item i is what each of them has at i."""

    def __init__(self, *arrays: Tensor | ArrayLike) -> None:
        if not arrays:
            raise ValueError("TensorDataset: there must be at least one array")
        self.arrays = tuple(as_tensor(array).data for array in arrays)
        if any(array.ndim == 0 for array in self.arrays):
            raise ValueError("TensorDataset: a single number has no items")
        lengths = [len(array) for array in self.arrays]
        if len(set(lengths)) > 1:
            raise ValueError(
                f"TensorDataset: all arrays must be as long, got {' and '.join(map(str, lengths))}"
            )

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        return tuple(array[index] for array in self.arrays)

    def batch(self, indices: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(array[indices] for array in self.arrays)


class Subset(Dataset):
    """Some items of another dataset."""

    def __init__(self, dataset: Dataset, indices: ArrayLike) -> None:
        self.dataset, self.indices = dataset, np.asarray(indices, np.intp)
        wrong = (self.indices < 0) | (self.indices >= len(dataset))
        if wrong.any():
            raise IndexError(
                f"Subset: indices must lie in 0 to {len(dataset) - 1}, got {self.indices[wrong][0]}"
            )

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[int(self.indices[index])]

    def batch(self, indices: np.ndarray) -> Any:
        return self.dataset.batch(self.indices[indices])


def random_split(
    dataset: Dataset, lengths: Sequence[float], *, seed: int | None = None
) -> list[Subset]:
    """Split at random into parts of these lengths, or of these shares if they add up to 1.

    Without a seed, the order comes from mytorch's generator.
    """
    count = len(dataset)
    if any(not length >= 0 for length in lengths):
        raise ValueError(f"random_split: lengths must be at least 0, got {list(lengths)}")
    if abs(sum(lengths) - 1) < 1e-9 and count != 1:
        ends = [round(count * end) for end in np.cumsum(lengths)]
    elif sum(lengths) == count and all(length % 1 == 0 for length in lengths):
        ends = [int(end) for end in np.cumsum(lengths)]
    else:
        raise ValueError(
            f"random_split: lengths must add up to the dataset's {count}, or to 1 as shares, "
            f"got {list(lengths)}"
        )
    source = generator() if seed is None else np.random.default_rng(seed)
    order = source.permutation(count)
    return [Subset(dataset, part) for part in np.split(order, ends[:-1])]
