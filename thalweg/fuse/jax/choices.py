"""An `if` on a traced number: JAX's conditional, of two sides that need not give the same types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import jaxpr_as_fun

from thalweg.fuse.jax.words import alike, smaller, truth

__all__ = ["Side", "chosen", "selected"]

# gives the values that one side of an `if` leaves, by name
Side = Callable[[], Mapping[str, Any]]


def chosen(test: Any, one: Side, other: Side) -> dict[str, Any]:
    """What `one` gives where the test holds and `other` where not, of the names that both give.

    Only that side is run, and only it has a derivative: what the other would have divided by zero
    is in neither.
    """
    sides = [_Traced(side) for side in (one, other)]
    types = {
        name: jax.tree.map(_joined, type_, sides[1].types[name])
        for name, type_ in sides[0].types.items()
        if name in sides[1].types
    }
    found: dict[str, Any] = lax.cond(truth(test), *(side.giving(types) for side in sides))
    return found


def selected(test: Any, one: Any, other: Any) -> Any:
    """The same of two values that are both there."""
    return one if one is other else jnp.where(truth(test), *alike([one, other]))


class _Traced:
    """One side, run once, on nothing: what it does and the types of what it gives."""

    def __init__(self, side: Side) -> None:
        made = jax.make_jaxpr(lambda: dict(side()), return_shape=True)()
        self._closed, self.types = made
        self._structure = jax.tree.structure(self.types)

    def giving(self, types: Mapping[str, Any]) -> Callable[[], dict[str, Any]]:
        """It as a function that gives these names, of these types."""

        def run() -> dict[str, Any]:
            values = jax.tree.unflatten(self._structure, jaxpr_as_fun(self._closed)())
            return {name: jax.tree.map(_of_type, values[name], one) for name, one in types.items()}

        return run


def _joined(one: Any, other: Any) -> Any:
    shape = jnp.broadcast_shapes(one.shape, other.shape)
    return jax.ShapeDtypeStruct(shape, smaller([one.dtype, other.dtype]))


def _of_type(value: Any, type_: Any) -> Any:
    return jnp.broadcast_to(jnp.asarray(value, type_.dtype), type_.shape)
