"""The states of an optimizer as a tree: made before the first step, taken apart, put together.

Under a state's key stands a tree like the parameters', of an array or a number for each; or one
number, where there is one for all of them. "step" counts the steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp

from thalweg.chain import Chain
from thalweg.deciding import reached
from thalweg.declaration import State, starting
from thalweg.fuse.jax.leaves import Leaf
from thalweg.fuse.jax.running import MISSING
from thalweg.fuse.jax.settings import Settings
from thalweg.fuse.jax.trees import Tree
from thalweg.source import unknown

__all__ = ["first_states", "leaves_of", "states_of"]

States = Mapping[str, Any]


def first_states(chain: Chain, h: Settings, tree: Tree) -> dict[str, Any]:
    """The states before the first step, of those that the settings may ask for."""
    states: dict[str, Any] = {"step": jnp.zeros((), jnp.int32)}
    for part, view, plain in zip(chain.parts, h.views, h.plain_views, strict=True):
        asked_for = reached(part.declared.text, vars(plain))[0]
        for slot in chain.slots:
            if slot.part is part and slot.name in asked_for:
                states[slot.key] = tree.of([_start(slot.state, view, p) for p in tree.leaves])
        for name, one in part.declared.declaration.cells.items():
            key, start = part.key(name, one.key), starting(one, view)
            is_shared = key in chain.shared
            cells = [jnp.full((), start, float) for _ in ([0] if is_shared else tree.leaves)]
            states[key] = cells[0] if is_shared else tree.of(cells)
    return states


def _start(state: State, h: Any, p: Any) -> Any:
    start = starting(state, h)
    # a copy: the caller may let a step overwrite both
    return jnp.array(p) if isinstance(start, str) else jnp.full(p.shape, start, p.dtype)


def leaves_of(chain: Chain, tree: Tree, grads: Sequence[Any], states: States, t: Any) -> list[Leaf]:
    """Each leaf with its states, at step t; a state that is not kept is `MISSING`."""
    _check(chain, states)
    arrays: dict[str, list[Any]] = {}
    for slot in chain.slots:
        held = states.get(slot.key, MISSING)
        what = f"states[{slot.key!r}]"
        missing = [MISSING] * len(tree.leaves)
        arrays[slot.qualified] = missing if held is MISSING else tree.arrays(what, held)
    cells: dict[str, list[Any]] = {}
    for key in chain.cells.keys() - {"step"}:
        one = states[key]
        shared = [one] * len(tree.leaves)
        cells[key] = shared if key in chain.shared else tree.values(f"states[{key!r}]", one)
    return [
        Leaf(
            p,
            grads[i],
            {name: values[i] for name, values in arrays.items()},
            {key: values[i] for key, values in cells.items()},
            t,
        )
        for i, p in enumerate(tree.leaves)
    ]


def _check(chain: Chain, states: States) -> None:
    """Refuse what are not the states of this chain."""
    cells = ["step", *(key for key in chain.cells if key != "step")]
    known = [*cells, *(slot.key for slot in chain.slots)]
    for key in states:
        if key not in known:
            raise TypeError(f"{chain.name}: states: {unknown(key, known)}")
    if missing := [key for key in cells if key not in states]:
        said = f"states must have {', '.join(missing)}, as `init` makes them"
        raise TypeError(f"{chain.name}: {said}")


def states_of(chain: Chain, tree: Tree, leaves: Sequence[Leaf], before: States) -> dict[str, Any]:
    """The states behind a step, in the types that they had before."""
    after = dict(before)
    for slot in chain.slots:
        if slot.key in before:
            held = tree.values("states", before[slot.key])
            values = [leaf.arrays[slot.qualified] for leaf in leaves]
            after[slot.key] = tree.of(_like(values, held))
    for key in chain.cells.keys() - {"step"}:
        values = [leaf.cells[key] for leaf in leaves]
        if key not in chain.shared:
            after[key] = tree.of(_like(values, tree.values("states", before[key])))
        elif leaves:  # of a number that is one for all, the first leaf decides
            after[key] = _like(values[:1], [before[key]])[0]
    return after


def _like(values: Sequence[Any], before: Sequence[Any]) -> list[Any]:
    """In the types of before, or a step after this one would be compiled anew."""
    return [
        jnp.asarray(value, jnp.result_type(one)) for value, one in zip(values, before, strict=True)
    ]
