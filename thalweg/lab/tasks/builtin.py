"""The task of a table and one of the networks that come along."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Any

import numpy as np

from thalweg.lab.errors import UserError
from thalweg.lab.frameworks import load_backend
from thalweg.lab.loading import is_place
from thalweg.lab.tasks.layers import MODELS, describe, first_layers
from thalweg.lab.tasks.tables import Part, Table, open_table
from thalweg.lab.tasks.task import Material, Task
from thalweg.lab.tasks.task_file import open_task_file

__all__ = ["Batches", "open_task"]

# So many items are scored at once.
_SCORED = 1024

# What the digits are learnt to, of the validation images.
_DIGITS_TARGET = 0.95


class Batches:
    """Batches of arrays or tensors, in a new order each time if there are random numbers for it.

    In a new order they are all of one size: what is left over, a few items whose gradient would be
    noise, waits for the next time.
    """

    def __init__(
        self, arrays: tuple[Any, ...], size: int, random: np.random.Generator | None = None
    ) -> None:
        self._arrays, self._size, self._random = arrays, size, random
        self._count = len(arrays[-1])

    def __len__(self) -> int:
        whole = self._count // self._size
        return whole if whole and self._random is not None else -(-self._count // self._size)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        order = None if self._random is None else self._random.permutation(self._count)
        for begin in range(0, len(self) * self._size, self._size):
            end = begin + self._size
            chosen = slice(begin, end) if order is None else order[begin:end]
            yield tuple(array[chosen] for array in self._arrays)


def open_task(
    data: str | None = None, model: str = "mlp", backend: str = "mytorch", batch_size: int = 64
) -> Task:
    """The task of `--data` and `--model`: the user's own if the model is a FILE.py:function."""
    if is_place(model):
        if data is not None:
            raise UserError(f"--data says what mlp and cnn learn; {model} brings its own data")
        return open_task_file(model)
    if model not in MODELS:
        raise UserError(f"--model must be {', '.join(MODELS)} or FILE.py:function, got {model!r}")
    load_backend(backend)
    source = data or "digits"
    table = _opened(source)
    shape = table.train.inputs.shape[1:]
    parts = f"{len(table.train.targets):,} to train on, {len(table.validation.targets):,} to "
    parts += f"validate, {len(table.test.targets):,} to test"
    return Task(
        name=f"{source}, {model}",
        description=f"{table.name}: {parts}; {describe(model, shape, table.outputs)} in {backend}",
        framework=backend,
        start=partial(_start, source, model, backend, batch_size),
        metric="accuracy" if table.classes else None,
        is_higher_better=bool(table.classes),
        target=_DIGITS_TARGET if source == "digits" else None,
        fingerprint=table.fingerprint,
    )


@lru_cache(maxsize=4)
def _opened(source: str) -> Table:
    return open_table(source)


def _start(source: str, model: str, backend_name: str, batch_size: int, seed: int) -> Material:
    """The same weights and the same batches for the same seed, in every framework."""
    table, backend = _opened(source), load_backend(backend_name)
    layers = first_layers(model, table.train.inputs.shape[1:], table.outputs, seed)

    def batches(part: Part, size: int, random: np.random.Generator | None = None) -> Batches:
        return Batches(tuple(map(backend.as_data, part)), size, random)

    return Material(
        model=backend.build(layers),
        loss=backend.loss_of(table.classes),
        train=batches(table.train, batch_size, np.random.default_rng([seed, 1])),
        validation=batches(table.validation, _SCORED),
        test=batches(table.test, _SCORED),
        metric=backend.accuracy if table.classes else None,
    )
