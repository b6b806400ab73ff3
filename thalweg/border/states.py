"""What a parameter's state lacks before a step that needs it, and how that starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from thalweg.chain import Chain, Slot
from thalweg.declaration import starting

__all__ = ["lacking"]


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
