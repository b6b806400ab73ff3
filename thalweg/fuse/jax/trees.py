"""Trees of arrays: those of the parameters, and others that must be like them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from thalweg.fuse.jax.words import is_float

__all__ = ["Tree"]


class Tree:
    """The parameters as a list of `leaves`; `title` is whose they are, in errors."""

    def __init__(self, title: str, params: Any) -> None:
        self.title = title
        found, self._structure = jax.tree_util.tree_flatten_with_path(params)
        named = [(jax.tree_util.keystr(path), leaf) for path, leaf in found]
        self.leaves = [self._checked(name, leaf) for name, leaf in named]
        self._names = [name for name, _ in named]

    def _checked(self, name: str, leaf: Any) -> Any:
        array = jnp.asarray(leaf) if hasattr(leaf, "dtype") else leaf
        if not hasattr(leaf, "dtype") or not is_float(array):
            got = f"one of {leaf.dtype}" if hasattr(leaf, "dtype") else repr(leaf)
            raise TypeError(
                f"{self.title}: params{name} must be an array of real floating-point numbers, "
                f"got {got}"
            )
        return array

    def of(self, values: Sequence[Any]) -> Any:
        """A tree like that of the parameters, of one value for each leaf."""
        return jax.tree.unflatten(self._structure, values)

    def values(self, what: str, tree: Any) -> list[Any]:
        """The values of a tree that must be like that of the parameters."""
        try:
            return list(self._structure.flatten_up_to(tree))
        except ValueError as error:
            raise ValueError(f"{self.title}: {what} must be a tree like params: {error}") from None

    def arrays(
        self, what: str, tree: Any, shapes: Sequence[tuple[int, ...] | None] | None = None
    ) -> list[Any]:
        """The same, of which each must be of its leaf's shape, or of one of `shapes`: where there
        is none of a leaf, nothing is looked at."""
        found = self.values(what, tree)
        wanted = [leaf.shape for leaf in self.leaves] if shapes is None else shapes
        for name, value, shape in zip(self._names, found, wanted, strict=True):
            if shape is not None and getattr(value, "shape", None) != shape:
                got = f"one of {value.shape}" if hasattr(value, "shape") else repr(value)
                raise ValueError(
                    f"{self.title}: {what}{name} must be an array of the shape {shape}, got {got}"
                )
        return found
