"""What a parameter's state lacks before a step that needs it, and how that starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from thalweg.border.blocks import kept_in_blocks, slots_of
from thalweg.chain import Chain, Slot
from thalweg.declaration import starting
from thalweg.rule import Rule

__all__ = ["lacking", "wanted"]


def lacking(
    chain: Chain, held: Mapping[str, Any], slots: Sequence[Slot], views: Sequence[Any]
) -> tuple[dict[str, Any], list[tuple[Slot, Any]]]:
    """The cells that `held` lacks, with their numbers, and the arrays, each with its start.

    A start is a number, or "p" for a copy of the parameter. The parts that own these arrays take
    their first step.
    """
    cells: dict[str, Any] = {}
    if any([key not in held for key in chain.cells]):
        starts = chain.first_cells(views)
        cells = {key: start for key, start in starts.items() if key not in held}
    arrays = [
        (slot, starting(slot.state, views[chain.parts.index(slot.part)]))
        for slot in slots
        if held.get(slot.key) is None  # old checkpoints of torch's SGD hold a None
    ]
    return cells, arrays


def wanted(
    chain: Chain, shape: Sequence[int], group: Mapping[str, Any]
) -> tuple[dict[str, tuple[int, ...]], list[str]]:
    """The shapes of the arrays that a parameter of a group may keep, by key, and the keys that it
    has once it was stepped."""
    settings = SimpleNamespace(**{**chain.defaults, **group})
    slots = slots_of(chain, shape, group)
    needed = [s.key for s in slots if issubclass(s.part.declared, Rule) and s.is_certain]
    counts = any("t" in rule.text.source.arguments for rule in chain.rules)
    if needed or counts:  # its numbers too: one that began anew would be a jump that nobody sees
        needed += [
            key
            for key, (i, _) in chain.cells.items()
            if key == "step" or issubclass(chain.parts[i].declared, Rule)
        ]
    of_blocks = kept_in_blocks(chain, shape, group) or {}
    return {slot.key: slot.state.shape(shape, settings) for slot in slots} | of_blocks, needed
