"""The settings of a step: plain numbers, which Python decides by, and traced ones, which it cannot.

What is plain is checked as everywhere; of what is traced there is nothing to check but its shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax

from thalweg.chain import Chain
from thalweg.fuse.jax.words import is_array, number
from thalweg.settings import as_held, with_precision
from thalweg.source import unknown

__all__ = ["Settings", "plain"]


class Settings:
    """The settings of a chain: its defaults, and over them what is `given`, the last one first.

    Where more are to come (`is_all` False) nobody asks yet whether they fit together.
    """

    def __init__(self, chain: Chain, *given: Mapping[str, Any] | None, is_all: bool = True) -> None:
        self.chain = chain
        values = {name: one.default for name, one in chain.settings.items()} | {**chain.fixed}
        for each in given:
            values |= {self._public(name): value for name, value in (each or {}).items()}
        self._plain = {name: value for name, value in values.items() if _is_plain(value)}
        self._check(is_all)
        held = {n: as_held(v, chain.settings[n].default) for n, v in self._plain.items()}
        self._values = {n: held[n] if n in held else self._traced(n, v) for n, v in values.items()}
        self._held = held

    def views(self, p: Any) -> list[Any]:
        """The settings for a leaf as each part sees them, by its own names; None for a part that
        leaves of this shape do not go through. Raises ValueError for a leaf that no rule takes."""
        chain, choice = self.chain, self.chain.choice
        choice.check(p.shape, self._held)
        which = 0 if choice.numbers is None else choice.numbers(p.shape, self._held)
        by_type = {n: with_precision(self._values[n], str(p.dtype)) for n in chain.by_type}
        return chain.views({**self._values, **by_type}, as_tensors=True, which=which)

    def _public(self, name: str) -> str:
        chain = self.chain
        name = chain.aliases.get(name, name)
        if name in chain.fixed:
            raise TypeError(f"{chain.name}: {name} is {chain.fixed[name]!r} in every {chain.name}")
        if name not in chain.settings:
            known = [one for one in chain.settings if one not in chain.fixed]
            raise TypeError(f"{chain.name}: {unknown(name, known)}")
        return name

    def _check(self, is_all: bool) -> None:
        if is_all and len(self._plain) == len(self.chain.settings):
            self.chain.check(self._plain)
        else:
            self.chain.check_ranges(self._plain)

    def _traced(self, name: str, value: Any) -> Any:
        """A setting of which only JAX knows the value."""
        where, default = f"{self.chain.name}: {name}", self.chain.settings[name].default
        if not isinstance(default, tuple):
            return self._one(where, value)
        size = len(default)
        if not hasattr(value, "__len__") or getattr(value, "ndim", 1) != 1 or len(value) != size:
            raise TypeError(f"{where} must be {size} numbers, got {value!r}")
        return tuple(self._one(f"{where}[{i}]", one) for i, one in enumerate(value))

    def _one(self, where: str, value: Any) -> Any:
        if getattr(value, "shape", ()) != ():
            raise TypeError(f"{where} must be one number, got {value!r}")
        return number(value)


def plain(view: Any) -> dict[str, Any]:
    """Those of a part's settings that Python knows."""
    return {name: value for name, value in vars(view).items() if _is_plain(value)}


def _is_plain(value: Any) -> bool:
    return not any(map(is_array, jax.tree.leaves(value)))
