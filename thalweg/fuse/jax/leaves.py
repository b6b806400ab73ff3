"""One leaf of the parameters on its way through a chain, and all of them abreast."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from thalweg.chain import Chain, Part, Slot
from thalweg.fuse.jax.running import MISSING, Asked, Run, Running
from thalweg.fuse.jax.words import REDUCTIONS, finished, is_decided
from thalweg.parts import sees_stack
from thalweg.reductions import AXES
from thalweg.requests import drawn
from thalweg.text import STREAMS
from thalweg.view import sides_of

__all__ = ["Leaf", "abreast", "computed_in"]


def computed_in(dtype: Any) -> Any:
    """The type that elements of a parameter of this type are computed in."""
    return dtype if jnp.dtype(dtype).itemsize >= 4 else jnp.dtype(jnp.float32)


class Leaf:
    """One leaf: its streams, its state arrays by qualified name, its kept numbers by key.

    `place` is its number among all leaves, `views` are its settings by part, None for a part that
    it does not go through. Where texts talk of matrices it is one, or a stack of them.
    """

    def __init__(self, chain: Chain, place: int, p: Any, views: Sequence[Any], t: Any) -> None:
        self.place, self.views, self.t, self.own = place, views, t, p.shape
        self.shape: tuple[int, ...] = p.shape
        self._sides: Mapping[str, tuple[int, ...]] = {"element": p.shape}
        self.axes: Mapping[str, Sequence[int]] = {
            "row": range(1, p.ndim),
            "column": range(min(p.ndim, 1)),
        }
        if chain.on_matrices:
            there = [part for part, h in zip(chain.parts, views, strict=True) if h is not None]
            self._sides = sides_of(p.shape, sees_stack(there))
            self.shape, self.axes = self._sides["element"], AXES
        self.type = computed_in(p.dtype)
        self.streams = {"p": self.unfolded(p)}
        self.arrays: dict[str, Any] = {}
        self.cells: dict[str, Any] = {}

    def goes_through(self, i: int) -> bool:
        """Whether the i-th part has anything to do with it."""
        return self.views[i] is not None and math.prod(self.own) > 0

    def unfolded(self, value: Any) -> Any:
        """What there is one of per element, as the texts see it."""
        return jnp.asarray(value, self.type).reshape(self.shape)

    def put(self, slot: Slot, value: Any) -> None:
        """Take a state; it may be `MISSING`."""
        if value is not MISSING:
            sides = (
                value.shape if isinstance(slot.state.per, tuple) else self._sides[slot.state.per]
            )
            value = jnp.asarray(value, self.type).reshape(sides)
        self.arrays[slot.qualified] = value

    def run(self, i: int, part: Part) -> Running:
        """Take the text of one part, the i-th of the chain."""
        declared = part.declared
        text, source = declared.text, declared.text.source
        table = self.table(i, part)
        run = Run(source, text, {name: table[name] for name in source.arguments}, self)
        yield from run.block(text.body)
        for name in source.returned:
            value, qualified = run.table[name], part.qualified(name)
            if name in declared.declaration.cells:
                self.cells[part.key(name, declared.declaration.cells[name].key)] = value
            elif name in STREAMS:
                self.streams[name] = self._whole(value, self.shape)
            elif value is not MISSING:
                self.arrays[qualified] = self._whole(value, self.arrays[qualified].shape)

    def table(self, i: int, part: Part) -> dict[str, Any]:
        """Everything that a part's functions may take, by its own names."""
        declared = part.declared.declaration
        return {
            **vars(self.views[i]),
            **{name: self.streams[name] for name in STREAMS if name in self.streams},
            **{name: self.arrays[part.qualified(name)] for name in declared.arrays},
            **{name: self.cells[part.key(name, one.key)] for name, one in declared.cells.items()},
            "t": self.t,
            "first": self.t == 1,
            "ndim": len(self.own),
            "rows": self.own[0] if self.own else 1,
            "columns": math.prod(self.own[1:]),
        }

    def noise(self, name: str, seed: Any, t: Any) -> Any:
        """What `noise(seed, t)` is for this leaf, as at every border: the host draws it."""

        def draw(seed: Any, t: Any) -> Any:
            return drawn(seed, t, self.place, name, self.shape).astype(self.type)

        if is_decided(seed) and is_decided(t):
            return jnp.asarray(draw(seed, t))
        like = jax.ShapeDtypeStruct(self.shape, self.type)
        told = [jax.lax.stop_gradient(jnp.asarray(one)) for one in (seed, t)]
        return jax.pure_callback(draw, like, *told, vmap_method="sequential")

    def take_step(self) -> None:
        """Subtract the step from the weights."""
        self.streams["p"] = self.streams["p"] - self.streams["u"]

    def set_weights(self, value: Any) -> None:
        """Put others in their place."""
        self.streams["p"] = self._whole(value, self.shape)

    def _whole(self, value: Any, shape: tuple[int, ...]) -> Any:
        return jnp.broadcast_to(jnp.asarray(value, self.type), shape)


def abreast(
    runs: Mapping[int, Running],
    order: Sequence[str],
    answered: Callable[[Mapping[int, Asked]], Mapping[int, Any]],
) -> None:
    """Run a text on all leaves; what it asks of all of them, each waits for until those have come
    to it that do.

    `order` are the names of what is asked, as the text comes to them: a leaf that waits for a later
    one has passed by the earlier. `answered` is what each leaf is told of a request.
    """
    waiting: dict[int, Asked] = {}
    for i, run in runs.items():
        _go_on(waiting, i, run, None)
    while waiting:
        name = min((asked.name for asked in waiting.values()), key=order.index)
        asking = {i: asked for i, asked in waiting.items() if asked.name == name}
        is_sum = next(iter(asking.values())).kind in REDUCTIONS
        known = _together(asking) if is_sum else answered(asking)
        for i in asking:
            del waiting[i]
            _go_on(waiting, i, runs[i], known[i])


def _go_on(waiting: dict[int, Asked], i: int, run: Running, known: Any) -> None:
    try:
        waiting[i] = run.send(known)
    except StopIteration:
        return


def _together(asked: Mapping[int, Asked]) -> Mapping[int, Any]:
    """What these leaves have added up to, for each of them."""
    each = list(asked.values())
    combine = jnp.maximum if each[0].kind == "largest" else operator.add
    total = functools.reduce(combine, [one.value for one in each])
    count = functools.reduce(operator.add, [one.count for one in each])
    return dict.fromkeys(asked, finished(each[0].kind, total, jnp.maximum(count, 1)))
