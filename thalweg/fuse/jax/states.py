"""The states of an optimizer as a tree: made before the first step, taken apart, put together.

Under a state's key stands a tree like the parameters', of an array or a number for each, None where
a parameter has no such state; or one number, where there is one for all of them. "step" counts the
steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp

from thalweg.chain import Chain, Slot
from thalweg.deciding import reached
from thalweg.declaration import starting
from thalweg.fuse.jax.leaves import Leaf, computed_in
from thalweg.fuse.jax.running import MISSING
from thalweg.fuse.jax.settings import Settings, plain
from thalweg.fuse.jax.trees import Tree
from thalweg.fuse.jax.words import is_array, number
from thalweg.source import unknown

__all__ = ["first_states", "leaves_of", "states_of"]

States = Mapping[str, Any]


def first_states(chain: Chain, h: Settings, tree: Tree) -> dict[str, Any]:
    """The states before the first step, of those that the settings may ask for."""
    states: dict[str, Any] = {"step": jnp.zeros((), jnp.int32)}
    views = [h.views(p) for p in tree.leaves]
    for i, part in enumerate(chain.parts):
        own = [slot for slot in chain.slots if slot.part is part]
        asked_for = [
            set() if of[i] is None else reached(part.declared.text, plain(of[i]))[0] for of in views
        ]
        for slot in own:
            pairs = zip(views, tree.leaves, asked_for, strict=True)
            arrays = [
                _start(chain, slot, of[i], p) if slot.name in names else None
                for of, p, names in pairs
            ]
            _add(states, tree, slot.key, arrays)
        for name, one in part.declared.declaration.cells.items():
            key = part.key(name, one.key)
            starts = [None if of[i] is None else starting(one, of[i]) for of in views]
            if key in chain.shared:
                default = chain.first_cells(chain.views({}))[key]  # of no parameters
                start = next((x for x in starts if x is not None), default)
                states[key] = jnp.full((), start, float)
            else:
                cells = [None if x is None else jnp.full((), x, float) for x in starts]
                _add(states, tree, key, cells)
    return states


def _add(states: dict[str, Any], tree: Tree, key: str, values: Sequence[Any]) -> None:
    """Keep what a part begins with; other leaves may have a state of that name by another part."""
    before = tree.values("states", states[key]) if key in states else [None] * len(values)
    whole = [one if other is None else other for one, other in zip(before, values, strict=True)]
    if any(one is not None for one in whole):
        states[key] = tree.of(whole)


def _start(chain: Chain, slot: Slot, h: Any, p: Any) -> Any:
    start, shape = starting(slot.state, h), _shape(chain, slot, h, p)
    if isinstance(start, str):  # a copy: the caller may let a step overwrite both
        return jnp.array(p)
    is_wide = slot.state.is_apart and not slot.state.is_short
    return jnp.full(shape, start, computed_in(p.dtype) if is_wide else p.dtype)


def _shape(chain: Chain, slot: Slot, h: Any, p: Any) -> tuple[int, ...]:
    for name in slot.state.settings:
        if is_array(getattr(h, name)):
            raise TypeError(
                f"{chain.name}: {slot.part.public(name)} must be a plain number in JAX, got an "
                f"array: it is how long a side of the state {slot.key!r} is"
            )
    return slot.state.shape(p.shape, h)


def leaves_of(chain: Chain, h: Settings, tree: Tree, states: States, t: Any) -> list[Leaf]:
    """Each leaf with its states, at step t; a state that is not kept is `MISSING`."""
    _check(chain, states)
    leaves = [Leaf(chain, i, p, h.views(p), t) for i, p in enumerate(tree.leaves)]
    for slot in chain.slots:
        i = chain.parts.index(slot.part)
        for leaf, value in zip(leaves, _held(chain, slot, tree, leaves, states), strict=True):
            if leaf.views[i] is not None:
                leaf.put(slot, value)
    for key in chain.cells.keys() - {"step"}:
        values = [states[key]] * len(leaves)
        if key not in chain.shared:
            values = tree.values(f"states[{key!r}]", states[key])
        for leaf, value in zip(leaves, values, strict=True):
            if value is not None:
                leaf.cells[key] = number(jnp.asarray(value))
    return leaves


def _held(
    chain: Chain, slot: Slot, tree: Tree, leaves: Sequence[Leaf], states: States
) -> list[Any]:
    """A state of each leaf, `MISSING` where none is kept."""
    if slot.key not in states:
        return [MISSING] * len(leaves)
    what, i = f"states[{slot.key!r}]", chain.parts.index(slot.part)
    shapes = [
        None if value is None or leaf.views[i] is None else _shape(chain, slot, leaf.views[i], p)
        for value, leaf, p in zip(
            tree.values(what, states[slot.key]), leaves, tree.leaves, strict=True
        )
    ]
    found = tree.arrays(what, states[slot.key], shapes)
    return [MISSING if one is None else one for one in found]


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
    """The states behind a step, in the types and shapes that they had before."""
    after = dict(before)
    for slot in chain.slots:
        if slot.key in before:
            held = tree.values("states", after[slot.key])
            values = [leaf.arrays.get(slot.qualified, MISSING) for leaf in leaves]
            after[slot.key] = tree.of(_like(values, held))
    for key in chain.cells.keys() - {"step"}:
        values = [leaf.cells.get(key, MISSING) for leaf in leaves]
        if key not in chain.shared:
            after[key] = tree.of(_like(values, tree.values("states", before[key])))
        else:  # of a number that is one for all, the first leaf that has it decides
            there = [x for x, leaf in zip(values, leaves, strict=True) if math.prod(leaf.own)]
            decided = next((x for x in there if x is not MISSING), MISSING)
            after[key] = _like([decided], [before[key]])[0]
    return after


def _like(values: Sequence[Any], before: Sequence[Any]) -> list[Any]:
    """In the types of before, or a step after this one would be compiled anew."""
    return [
        one
        if value is MISSING
        else jnp.asarray(value, jnp.result_type(one)).reshape(jnp.shape(one))
        for value, one in zip(values, before, strict=True)
    ]
