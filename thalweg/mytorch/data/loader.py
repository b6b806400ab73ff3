"""Batches of a dataset, in order, shuffled, or as a sampler says."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from thalweg.mytorch.checks import check_default, check_positive
from thalweg.mytorch.data.collate import map_parts
from thalweg.mytorch.data.dataset import Dataset, as_dataset
from thalweg.mytorch.data.sampler import BatchSampler
from thalweg.mytorch.random import generator as own_generator
from thalweg.mytorch.tensor import as_tensor

__all__ = ["DataLoader"]

# torch's arguments for what mytorch has not, with the only value that each may have
_ALONE = "mytorch loads in the process that trains"
_HERE = "mytorch computes on the CPU"
_FIXED: dict[str, tuple[Any, str]] = {
    "num_workers": (0, _ALONE),
    "pin_memory": (False, _HERE),
    "timeout": (0, _ALONE),
    "worker_init_fn": (None, _ALONE),
    "multiprocessing_context": (None, _ALONE),
    "prefetch_factor": (None, _ALONE),
    "persistent_workers": (False, _ALONE),
    "pin_memory_device": ("", _HERE),
    "in_order": (True, _ALONE),
}


class DataLoader:
    """Each walk through it is an epoch: a tensor, or a tuple or a dict of them, for each batch.

    The order of an epoch depends on `seed` and on `epoch`, which counts the walks begun, and on
    nothing else: a training that is taken up again sets `epoch` and sees what it would have seen.
    Without a seed, one is drawn from `generator`, or from mytorch's.

    `sampler` gives the item numbers in place of `shuffle`; `batch_sampler` gives lists of them, in
    place of `batch_size` and `drop_last` too; with `batch_size=None` items come one by one.
    `collate_fn` makes a batch of a list of items, in place of `default_collate`. `transform` is any
    function of a batch's arrays that gives back what to use in their place, such as

        def brighten(images, labels):
            return images * 1.1, labels

    What `collate_fn` gives is handed on as it is.

    Differs: torch's arguments for processes of workers and pinned memory are taken at their
    defaults only. `seed` and `transform` are not torch's; a tuple of parts comes as a tuple, where
    torch gives a list.
    """

    def __init__(
        self,
        dataset: Dataset | Sequence[Any],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[int] | None = None,
        batch_sampler: Iterable[Sequence[int]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: None = None,
        multiprocessing_context: None = None,
        generator: np.random.Generator | None = None,
        *,
        prefetch_factor: None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
        seed: int | None = None,
        transform: Callable[..., Any] | None = None,
    ) -> None:
        _check_fixed(
            num_workers=num_workers,
            pin_memory=pin_memory,
            timeout=timeout,
            worker_init_fn=worker_init_fn,
            multiprocessing_context=multiprocessing_context,
            prefetch_factor=prefetch_factor,
            persistent_workers=persistent_workers,
            pin_memory_device=pin_memory_device,
            in_order=in_order,
        )
        self.dataset = as_dataset("DataLoader", dataset)
        _check_one_order(batch_size, shuffle, sampler, batch_sampler, drop_last)
        if batch_size is not None:
            check_positive("DataLoader", "batch_size", batch_size)
        if sampler is None and batch_sampler is None:
            self._check_not_empty(batch_size, drop_last)
        self.batch_size = None if batch_sampler is not None else batch_size
        self.shuffle, self.drop_last = bool(shuffle), drop_last
        self.sampler, self.batch_sampler = sampler, batch_sampler
        self.collate_fn, self.transform = collate_fn, transform
        self.epoch = 0
        self.seed = _seed(seed, generator) if shuffle else seed or 0

    def _check_not_empty(self, batch_size: int | None, drop_last: bool) -> None:
        if len(self.dataset) == 0:
            raise ValueError(
                "DataLoader: the dataset is empty: there is nothing to make batches of"
            )
        if drop_last and batch_size is not None and len(self.dataset) < batch_size:
            raise ValueError(
                f"DataLoader: drop_last leaves no batch of {batch_size}: the dataset has "
                f"{len(self.dataset)} items"
            )

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        source = self.sampler if self.batch_sampler is None else self.batch_sampler
        counted: Any = self.dataset if source is None else source
        if not hasattr(counted, "__len__"):
            raise TypeError(
                f"DataLoader: how many batches there are is not known: {type(counted).__name__} "
                "has no length"
            )
        if self.batch_size is None:
            return len(counted)
        whole, rest = divmod(len(counted), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Any]:
        order = self._order()
        self.epoch += 1
        if self.batch_size is None and self.batch_sampler is None:
            return (map_parts(as_tensor, self.dataset[int(index)]) for index in order)
        return (self._load(np.asarray(chosen, np.intp)) for chosen in self._chosen(order))

    def _order(self) -> Any:
        if self.sampler is not None:
            return self.sampler
        if not self.shuffle:
            return np.arange(len(self.dataset))
        return np.random.default_rng([self.seed, self.epoch]).permutation(len(self.dataset))

    def _chosen(self, order: Any) -> Iterable[Sequence[int] | np.ndarray]:
        """The item numbers of each batch."""
        if self.batch_sampler is not None:
            return self.batch_sampler
        size = self.batch_size or 1
        if self.sampler is not None:
            return BatchSampler(order, size, self.drop_last)
        return (order[i * size : (i + 1) * size] for i in range(len(self)))

    def _load(self, indices: np.ndarray) -> Any:
        if self.collate_fn is not None:
            batch = self.collate_fn([self.dataset[int(index)] for index in indices])
        else:
            batch = self.dataset.batch(indices)
        if self.transform is not None:
            batch = self.transform(*batch) if isinstance(batch, tuple) else self.transform(batch)
        return batch if self.collate_fn is not None else map_parts(as_tensor, batch)


def _check_fixed(**given: Any) -> None:
    for name, value in given.items():
        default, reason = _FIXED[name]
        check_default("DataLoader", name, value, default, reason)


def _check_one_order(
    batch_size: int | None,
    shuffle: bool | None,
    sampler: Any,
    batch_sampler: Any,
    drop_last: bool,
) -> None:
    """Raise ValueError where two arguments say which items come when."""
    if sampler is not None and shuffle:
        raise ValueError("DataLoader: a sampler says the order, so shuffle must be False")
    if batch_sampler is not None and (
        batch_size != 1 or shuffle or sampler is not None or drop_last
    ):
        raise ValueError(
            "DataLoader: a batch_sampler says what is in each batch, so batch_size, shuffle, "
            "sampler and drop_last must not be given"
        )
    if batch_size is None and drop_last:
        raise ValueError("DataLoader: with batch_size=None there are no batches for drop_last")


def _seed(seed: int | None, generator: Any) -> int:
    if seed is not None:
        return seed
    source = own_generator() if generator is None else generator
    if not isinstance(source, np.random.Generator):
        raise TypeError(
            "DataLoader: generator must be a NumPy Generator, as np.random.default_rng(0) gives "
            f"one, got {type(source).__name__}; for one number, use seed"
        )
    return int(source.integers(2**31))
