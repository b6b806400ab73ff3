"""Nested states of arrays, numbers and words in a file of NumPy's, from which nothing is executed.

What comes back is equal to the last bit and of the same kinds: tuples stay tuples, and the keys of
dicts stay numbers.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

__all__ = ["read_state", "same", "write_state"]

_TREE = "tree"


def write_state(file: BinaryIO, value: Any) -> None:
    """Write a state; raises TypeError for what is no array, number or word, nor made of them."""
    arrays: dict[str, np.ndarray] = {}
    tree = json.dumps(_planted(value, arrays))
    np.savez(file, **{_TREE: np.array(tree)}, **arrays)  # type: ignore[arg-type]


def read_state(file: BinaryIO) -> Any:
    """What was written; raises ValueError or OSError for another file."""
    with np.load(file, allow_pickle=False) as found:
        return _grown(json.loads(str(found[_TREE])), lambda name: found[name])


def same(one: Any, other: Any) -> bool:
    """Whether two states are equal in every bit and every kind."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if hasattr(one, "dtype") or hasattr(other, "dtype"):
        return _same_arrays(one, other)
    return bool(one == other) or (one != one and other != other)


def _same_arrays(one: Any, other: Any) -> bool:
    kinds = [(getattr(x, "dtype", None), getattr(x, "shape", None)) for x in (one, other)]
    if kinds[0] != kinds[1]:
        return False
    one, other = (x.cpu() if hasattr(x, "cpu") else x for x in (one, other))
    return bool(((one == other) | ((one != one) & (other != other))).all())


def _planted(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        name = f"array{len(arrays)}"
        arrays[name] = np.asarray(value)
        return {"array" if isinstance(value, np.ndarray) else "number": name}
    if isinstance(value, dict):
        return {"dict": [[key, _planted(one, arrays)] for key, one in value.items()]}
    if isinstance(value, list | tuple):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [_planted(one, arrays) for one in value]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a state must be arrays, numbers and words, got {type(value).__name__}")


def _grown(tree: Any, array: Callable[[str], np.ndarray]) -> Any:
    if not isinstance(tree, dict):
        return tree
    ((kind, held),) = tree.items()
    if kind == "array":
        return array(held)
    if kind == "number":
        return array(held)[()]
    if kind == "dict":
        return {key: _grown(one, array) for key, one in held}
    values = [_grown(one, array) for one in held]
    return tuple(values) if kind == "tuple" else values
