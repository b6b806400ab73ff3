"""A path of steps under one `jax.jit`, and the same by the reference engine on NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from tests.fuse.border import Border
from thalweg.chain import Chain
from thalweg.fuse import jax as engine

__all__ = ["SHAPES", "Jitted", "assert_same", "by_oracle", "drawn", "numbers", "switches"]

SHAPES = {"w": (2, 3, 2, 2), "b": (5,), "one": (), "none": (0, 3)}

Settings = Mapping[str, Any]


def drawn(seed: int, shapes: Mapping[str, tuple[int, ...]] = SHAPES) -> dict[str, np.ndarray]:
    """A tree of random numbers."""
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(shape) for name, shape in shapes.items()}


def numbers(made: Chain, h: Settings | None = None) -> dict[str, Any]:
    """Every setting that a jitted function may take as its argument."""
    values = {
        name: v for name, v in {**made.defaults, **(h or {})}.items() if name not in made.fixed
    }
    return {name: v for name, v in values.items() if not made.settings[name].is_switch}


def switches(made: Chain, h: Settings) -> dict[str, Any]:
    """The others among these."""
    return {name: value for name, value in h.items() if made.settings[name].is_switch}


class Jitted:
    """A chain's step as a user would compile it; `count` is how often it has been."""

    def __init__(self, made: Chain, settings: Settings | None = None) -> None:
        self.made, self.count = made, 0
        self._take = engine.step(made, settings)
        self._jitted = jax.jit(self._counted)

    def _counted(self, *given: Any) -> Any:
        self.count += 1  # Python runs it once for each time that it is traced
        return self._take(*given)

    def run(
        self, params: Any, gradients: Sequence[Any], states: Any, path: Sequence[Settings]
    ) -> tuple[Any, Any]:
        """So many steps; the settings of each are arrays."""
        for grads, h in zip(gradients, path, strict=True):
            params, states = self._jitted(params, grads, states, h)
        return params, states


def by_oracle(
    made: Chain, path: Sequence[Settings], value: Mapping[str, Any], gradients: Sequence[Any]
) -> dict[str, np.ndarray]:
    """What all arrays and numbers are after these steps, as `flat` has them."""
    border = Border(made, (path[0], list(value.values())), oracle=True)
    for grads, h in zip(gradients, path, strict=True):
        border.groups[0] = {**made.defaults, **h}
        border.step(list(grads.values()))
    keys = {"p": "p", **{slot.qualified: slot.key for slot in made.slots}}
    found: dict[str, np.ndarray] = {}
    for name, tensor in zip(value, border.tensors, strict=True):
        if tensor.shape == (0, 3):  # a border has nothing to do there, and does not count
            continue
        held = {keys[one]: array.values for one, array in tensor.held.items() if one != "g"}
        found |= {f"{key} {name}": np.asarray(v) for key, v in {**held, **tensor.cells}.items()}
    return found


def assert_same(
    ours: tuple[Any, Any], theirs: Mapping[str, np.ndarray], within: float = 1e-12
) -> None:
    """That params and states are what the oracle has, to this share of each array's largest."""
    params, states = ours
    trees = {"p": params, **states}
    for place, exact in theirs.items():
        key, name = place.rsplit(" ", 1)
        mine = trees[key][name] if isinstance(trees[key], dict) else trees[key]
        if mine is None:  # no leaf of this shape comes to it; the border there asks no shapes
            continue
        floor = within * np.abs(exact).max(initial=0, where=np.isfinite(exact))
        np.testing.assert_allclose(mine, exact, within, floor, err_msg=place)
