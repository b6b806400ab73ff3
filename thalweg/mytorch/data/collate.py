"""Items made one batch: arrays stacked, whatever tuples, lists and dicts they lie in."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from thalweg.mytorch.tensor import Tensor, as_tensor

__all__ = ["collate", "default_collate", "map_parts"]


def default_collate(batch: Sequence[Any]) -> Any:
    """A list of items as one batch of tensors, as a DataLoader makes it unless told otherwise.

    Items may be arrays, tensors, numbers, or tuples, lists and dicts of them, in each other; all
    must have the same parts. Words stay a list of words.
    """
    return map_parts(as_tensor, collate("default_collate", batch))


def collate(where: str, items: Sequence[Any]) -> Any:
    """The same with arrays for tensors; `where` says whose items they are."""
    return _collate(where, items, "")


def map_parts(function: Callable[[Any], Any], batch: Any) -> Any:
    """A batch with every array in it replaced by what a function makes of it."""
    if isinstance(batch, Mapping):
        return {key: map_parts(function, part) for key, part in batch.items()}
    if isinstance(batch, tuple):
        return _like(batch, [map_parts(function, part) for part in batch])
    if isinstance(batch, list) and any(not _is_number(part) for part in batch):
        return [map_parts(function, part) for part in batch]
    return batch if isinstance(batch, str | bytes) or batch is None else function(batch)


def _collate(where: str, items: Sequence[Any], path: str) -> Any:
    first = items[0]
    if isinstance(first, Mapping):
        return _dicts(where, items, path)
    if isinstance(first, tuple | list):
        return _sequences(where, items, path)
    if isinstance(first, str | bytes):
        return list(items)
    return _stack(where, items, path)


def _dicts(where: str, items: Sequence[Any], path: str) -> dict[Any, Any]:
    keys = list(items[0])
    for item in items:
        if not isinstance(item, Mapping) or set(item) != set(keys):
            got = sorted(map(str, item)) if isinstance(item, Mapping) else type(item).__name__
            raise ValueError(
                f"{where}: every item must have the keys {sorted(map(str, keys))}, got {got}"
                f"{_at(path)}"
            )
    return {key: _collate(where, [item[key] for item in items], f"{path}[{key!r}]") for key in keys}


def _sequences(where: str, items: Sequence[Any], path: str) -> Any:
    kind = type(items[0])
    sizes = {len(item) if isinstance(item, tuple | list) else 0 for item in items}
    if len(sizes) > 1:
        raise ValueError(
            f"{where}: every item must have as many parts, got {sorted(sizes)}{_at(path)}"
        )
    parts = [
        _collate(where, part, f"{path}[{i}]") for i, part in enumerate(zip(*items, strict=True))
    ]
    return parts if issubclass(kind, list) else _like(items[0], parts)


def _stack(where: str, items: Sequence[Any], path: str) -> np.ndarray:
    """Arrays of one shape along a new first axis."""
    arrays = [_as_array(where, item, path) for item in items]
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        some, other, *_ = sorted(shapes)
        raise ValueError(
            f"{where}: the items of a batch must have one shape, got {some} and {other}{_at(path)}"
        )
    return np.stack(arrays)


def _like(given: tuple[Any, ...], parts: list[Any]) -> tuple[Any, ...]:
    """A tuple, named as the one given is if it has names."""
    return type(given)(*parts) if hasattr(given, "_fields") else tuple(parts)


def _as_array(where: str, item: Any, path: str) -> np.ndarray:
    """A part of an item as an array; a Tensor's own numbers."""
    if isinstance(item, Tensor):
        return item.data
    try:
        return as_tensor(item).data
    except (TypeError, ValueError):
        raise TypeError(
            f"{where}: an item must be an array, a tensor, a number, or a tuple, a list or a dict "
            f"of them, got {type(item).__name__}{_at(path)}; for anything else pass collate_fn"
        ) from None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number)


def _at(path: str) -> str:
    return f" in item{path}" if path else ""
