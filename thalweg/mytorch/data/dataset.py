"""What there is to learn from: items by number, and whole batches of them."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from thalweg.mytorch.data.collate import collate
from thalweg.mytorch.random import generator
from thalweg.mytorch.tensor import Tensor, as_tensor

__all__ = ["ConcatDataset", "Dataset", "Subset", "TensorDataset", "as_dataset", "random_split"]


class Dataset:
    """Items by number: subclass it and write `__len__` and `__getitem__`.

    An item is an array or a number or, mostly, a tuple or a dict of them, such as an image and its
    label. Of one that holds all its items in arrays, `batch` can do better than one item after
    another.
    """

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} has no __len__(self)")

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no __getitem__(self, index)")

    def batch(self, indices: np.ndarray) -> Any:
        """Some items stacked: an array, or a tuple, a list or a dict of them if an item is one."""
        return collate(type(self).__name__, [self[int(index)] for index in indices])

    def __add__(self, other: Any) -> "ConcatDataset":
        return ConcatDataset([self, other])


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

    def __init__(self, dataset: Any, indices: ArrayLike) -> None:
        self.dataset = as_dataset("Subset", dataset)
        self.indices = np.asarray(indices, np.intp)
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


class ConcatDataset(Dataset):
    """Several datasets one behind the other; `one + other` makes one of two."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = [as_dataset("ConcatDataset", one) for one in datasets]
        if not self.datasets:
            raise ValueError("ConcatDataset: there must be at least one dataset")

    def __len__(self) -> int:
        return sum(map(len, self.datasets))

    def __getitem__(self, index: int) -> Any:
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(f"ConcatDataset: there are {len(self)} items, none is number {index}")
        for dataset in self.datasets:
            if place < len(dataset):
                return dataset[place]
            place -= len(dataset)
        raise AssertionError("the lengths of the datasets have changed")


class _Items(Dataset):
    """A list, or whatever else has items by number, as a Dataset."""

    def __init__(self, where: str, items: Any) -> None:
        self.where, self.items = where, items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.items[index]

    def batch(self, indices: np.ndarray) -> Any:
        return collate(self.where, [self[int(index)] for index in indices])


def as_dataset(where: str, value: Any) -> Dataset:
    """A Dataset as it is; anything else with a length and items by number, as one."""
    if isinstance(value, Dataset):
        return value
    is_mapping = hasattr(value, "keys")
    if is_mapping or not (hasattr(value, "__len__") and hasattr(value, "__getitem__")):
        raise TypeError(
            f"{where}: dataset must be a Dataset, or a list or another thing with a length and "
            f"items by number, got {type(value).__name__}"
        )
    return _Items(where, value)


def random_split(
    dataset: Any, lengths: Sequence[float], *, seed: int | None = None
) -> list[Subset]:
    """Split at random into parts of these lengths, or of these shares if they add up to 1.

    Without a seed, the order comes from mytorch's generator.
    """
    dataset = as_dataset("random_split", dataset)
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
