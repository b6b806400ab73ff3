"""One leaf of the parameters on its way through a chain, and all of them abreast."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import jax.numpy as jnp

from thalweg.chain import Part
from thalweg.fuse.jax.running import MISSING, Asked, Run, Running
from thalweg.fuse.jax.words import finished, number
from thalweg.text import STREAMS

__all__ = ["Leaf", "abreast", "computed_in"]


def computed_in(dtype: Any) -> Any:
    """The type that elements of a parameter of this type are computed in."""
    return dtype if jnp.dtype(dtype).itemsize >= 4 else jnp.dtype(jnp.float32)


class Leaf:
    """One leaf: its streams, its state arrays by qualified name, its kept numbers by key."""

    def __init__(
        self, p: Any, g: Any, arrays: Mapping[str, Any], cells: Mapping[str, Any], t: Any
    ) -> None:
        self.shape, self.t = p.shape, t
        self._type = computed_in(p.dtype)
        self.streams = {"p": self._element(p)} | ({} if g is None else {"g": self._element(g)})
        self.arrays = {
            name: value if value is MISSING else self._element(value)
            for name, value in arrays.items()
        }
        self.cells = {key: number(jnp.asarray(value)) for key, value in cells.items()}

    def run(self, part: Part, h: SimpleNamespace) -> Running:
        """Take one part's text."""
        declared = part.declared
        text, source = declared.text, declared.text.source
        table = self.table(part, h)
        given = {name: table[name] for name in source.arguments}
        run = Run(source, text.reductions, given, self.shape)
        yield from run.block(text.body)
        for name in source.returned:
            value = run.table[name]
            if name in declared.declaration.cells:
                self.cells[part.key(name, declared.declaration.cells[name].key)] = value
            elif name in STREAMS:
                self.streams[name] = self._element(value)
            elif value is not MISSING:
                self.arrays[part.qualified(name)] = self._element(value)

    def table(self, part: Part, h: SimpleNamespace) -> dict[str, Any]:
        """Everything that a part's functions may take, by its own names."""
        declared = part.declared.declaration
        return {
            **vars(h),
            **{name: self.streams[name] for name in STREAMS if name in self.streams},
            **{name: self.arrays[part.qualified(name)] for name in declared.arrays},
            **{name: self.cells[part.key(name, one.key)] for name, one in declared.cells.items()},
            "t": self.t,
            "first": self.t == 1,
            "ndim": len(self.shape),
            "rows": self.shape[0] if self.shape else 1,
            "columns": math.prod(self.shape[1:]),
        }

    def take_step(self) -> None:
        """Subtract the step from the weights."""
        self.streams["p"] = self.streams["p"] - self.streams["u"]

    def set_weights(self, value: Any) -> None:
        """Put others in their place."""
        self.streams["p"] = self._element(value)

    def _element(self, value: Any) -> Any:
        return jnp.broadcast_to(jnp.asarray(value, self._type), self.shape)


def abreast(runs: Sequence[Running], order: Sequence[str]) -> None:
    """Run a text on all leaves; where it reduces over all, each waits for those that come to it.

    `order` are the names of its reductions: a leaf that waits for a later one has passed by the
    earlier.
    """
    waiting: dict[int, Asked] = {}
    for i, run in enumerate(runs):
        _go_on(waiting, i, run, None)
    while waiting:
        name = min((asked.name for asked in waiting.values()), key=order.index)
        asking = {i: asked for i, asked in waiting.items() if asked.name == name}
        known = _together(list(asking.values()))
        for i in asking:
            del waiting[i]
            _go_on(waiting, i, runs[i], known)


def _go_on(waiting: dict[int, Asked], i: int, run: Running, known: Any) -> None:
    try:
        waiting[i] = run.send(known)
    except StopIteration:
        return


def _together(asked: Sequence[Asked]) -> Any:
    kind = asked[0].kind
    combine = jnp.maximum if kind == "largest" else operator.add
    total = functools.reduce(combine, [one.total for one in asked])
    count = functools.reduce(operator.add, [one.count for one in asked])
    return finished(kind, total, jnp.maximum(count, 1))
