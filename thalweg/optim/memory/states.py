"""Makes the states a step needs and does not find, and takes them back if the step fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from thalweg.chain import Chain, Slot
from thalweg.rule import starting

__all__ = ["STATE_TYPES", "NewStates", "number_type"]

# what a group's state_dtype may be: torch's way, or wider than a narrow parameter
STATE_TYPES = ("param", "float32")


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
        group: Mapping[str, Any],
    ) -> set[str]:
        """Fill in what a parameter's state lacks; returns the parts that got an array."""
        if any(key not in state for key in self._chain.cells):
            self._make_numbers(state, self._chain.first_cells(views), group)
        created = set()
        for slot in slots:
            if state.get(slot.key) is None:  # old checkpoints of torch's SGD hold a None
                h = views[self._chain.parts.index(slot.part)]
                state[slot.key] = _start(starting(slot.state, h), p, group)
                self._made.append((state, slot.key))
                created.add(slot.part.prefix)
        return created

    def _make_numbers(
        self, state: dict[str, Any], first: Mapping[str, Any], group: Mapping[str, Any]
    ) -> None:
        number = number_type(fused=bool(group.get("fused")))
        for key, start in first.items():
            if key not in state:
                if key == "step" and self._chain.counts_in_int:
                    state[key] = int(start)
                elif isinstance(start, Tensor):  # under autograd
                    state[key] = start.reshape(()).to(number)
                else:
                    state[key] = torch.tensor(start, dtype=number)
                self._made.append((state, key))

    def keep(self) -> None:
        """The step has happened: they stay."""
        self._made.clear()

    def undo(self) -> None:
        """Remove them again."""
        for state, key in self._made:
            state.pop(key, None)


def _start(start: Any, p: Tensor, group: Mapping[str, Any]) -> Tensor:
    """A state before its first step; under autograd, if it is on, a copy of p depends on p."""
    dtype = p.dtype
    if group.get("state_dtype") == "float32":
        dtype = torch.complex64 if p.is_complex() else torch.float32
    if isinstance(start, str):  # "p"
        return p.clone(memory_format=torch.preserve_format).to(dtype)
    both = start * (1 + 1j) if p.is_complex() else start  # two real numbers, which both start there
    if isinstance(start, Tensor):
        zeros = torch.zeros_like(p, dtype=dtype, memory_format=torch.preserve_format)
        return zeros + both
    return torch.full_like(p, both, dtype=dtype, memory_format=torch.preserve_format)
