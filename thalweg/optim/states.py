"""Makes the states a step needs and does not find, and takes them back if the step fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from thalweg.chain import Chain, Slot

__all__ = ["NewStates", "number_type"]


def number_type(fused: bool) -> torch.dtype:
    """The type of a step count; as torch, a program whose default is float64 counts in float64."""
    is_double = torch.get_default_dtype() == torch.float64 and not fused
    return torch.float64 if is_double else torch.float32


class NewStates:
    """The states made for one step: a first step that fails must still be the first."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._made: list[tuple[dict[str, Any], str]] = []

    def make(
        self,
        state: dict[str, Any],
        p: Tensor,
        slots: Sequence[Slot],
        views: Sequence[Any],
        number: torch.dtype,
    ) -> set[str]:
        """Fill in what a parameter's state lacks; returns the parts that got an array.

        `number` is the type that numbers are kept in.
        """
        for key, start in self._chain.cells.items():
            if key not in state:
                state[key] = torch.tensor(start, dtype=number)
                self._made.append((state, key))
        created = set()
        for slot in slots:
            if state.get(slot.key) is None:  # old checkpoints of torch's SGD hold a None
                h = views[self._chain.parts.index(slot.part)]
                state[slot.key] = _start(slot.state.start, h, p)
                self._made.append((state, slot.key))
                created.add(slot.part.prefix)
        return created

    def keep(self) -> None:
        """The step has happened: they stay."""
        self._made.clear()

    def undo(self) -> None:
        """Remove them again."""
        for state, key in self._made:
            state.pop(key, None)


def _start(start: Any, h: Any, p: Tensor) -> Tensor:
    """A state before its first step; under autograd, if it is on, a copy of p depends on p."""
    if start == "p":
        return p.clone(memory_format=torch.preserve_format)
    value = start(h) if callable(start) else start
    return torch.full_like(p, value, memory_format=torch.preserve_format)
