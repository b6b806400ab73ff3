"""Makes the states a step needs and does not find, and takes them back if the step fails."""

from __future__ import annotations

from collections.abc import Collection, Mapping, MutableMapping, Sequence
from typing import Any

import torch
from torch import Tensor

from thalweg.chain import Chain, Slot
from thalweg.declaration import starting
from thalweg.fuse.work import EXACT

__all__ = ["STATE_TYPES", "NewStates", "narrowed", "number_cell", "number_type", "put", "widened"]

# what a group's state_dtype may be: torch's way, or wider than a narrow parameter
STATE_TYPES = ("param", "float32")


def number_type(fused: bool) -> torch.dtype:
    """The type of a step count; as torch, a program whose default is float64 counts in float64."""
    is_double = torch.get_default_dtype() == torch.float64 and not fused
    return torch.float64 if is_double else torch.float32


def widened(number: Tensor) -> Tensor:
    """A number where it can grow beyond the limit; Apple's GPUs have no double."""
    return number if number.device.type == "mps" else number.double()


def put(home: MutableMapping[str, Any], key: str, value: float) -> None:
    """Store a number in its own kind, or in a wider one if that cannot hold it."""
    number = home[key]
    if not isinstance(number, Tensor):
        home[key] = int(value)
    elif value >= EXACT and number.dtype != torch.float64:
        home[key] = widened(number).fill_(value)
    else:
        number.fill_(value)


def narrowed(held: Mapping[str, Any], keys: Collection[str]) -> Mapping[str, Any]:
    """A parameter's state as torch would have it in a file: numbers there are of one type."""
    own = number_type(fused=False)
    wide = {
        key: number.to(own)
        for key, number in held.items()
        if key in keys
        and isinstance(number, Tensor)
        and number.dtype == torch.float64 != own
        and number.numel() == 1
        and number >= EXACT
    }
    return {**held, **wide} if wide else held


def number_cell(start: float, dtype: torch.dtype) -> Tensor:
    """A number kept with a parameter: as torch's Adam has it, never on a default device."""
    return torch.tensor(start, dtype=dtype, device="cpu")


class NewStates:
    """The states made for one step: a first step that fails must still be the first."""

    def __init__(self) -> None:
        self._made: list[tuple[dict[str, Any], str]] = []
        self._homes: list[tuple[MutableMapping[Tensor, dict[str, Any]], Tensor]] = []

    def home(self, states: MutableMapping[Tensor, dict[str, Any]], p: Tensor) -> dict[str, Any]:
        """The state of a parameter, empty if it had none."""
        if p not in states:
            self._homes.append((states, p))
        return states[p]

    def make(
        self,
        chain: Chain,
        state: dict[str, Any],
        p: Tensor,
        slots: Sequence[Slot],
        views: Sequence[Any],
        group: Mapping[str, Any],
    ) -> set[str]:
        """Fill in what a parameter's state lacks; returns the parts that got an array."""
        if any(key not in state for key in chain.cells):
            self._make_numbers(chain, state, chain.first_cells(views), group)
        created = set()
        for slot in slots:
            if state.get(slot.key) is None:  # old checkpoints of torch's SGD hold a None
                h = views[chain.parts.index(slot.part)]
                self._made.append((state, slot.key))
                state[slot.key] = _start(starting(slot.state, h), p, group)
                created.add(slot.part.prefix)
        return created

    def _make_numbers(
        self,
        chain: Chain,
        state: dict[str, Any],
        first: Mapping[str, Any],
        group: Mapping[str, Any],
    ) -> None:
        number = number_type(fused=bool(group.get("fused")))
        for key, start in first.items():
            if key not in state:
                self._made.append((state, key))
                if key == "step" and chain.counts_in_int:
                    state[key] = int(start)
                elif isinstance(start, Tensor):  # under autograd
                    state[key] = start.reshape(()).to(number)
                else:
                    state[key] = number_cell(start, number)

    def keep(self) -> None:
        """The step has happened: they stay."""
        self._made.clear()
        self._homes.clear()

    def undo(self) -> None:
        """Remove them again."""
        for state, key in self._made:
            state.pop(key, None)
        for states, p in self._homes:
            if not states.get(p, True):
                del states[p]


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
        result: Tensor = zeros + both
        return result
    return torch.full_like(p, both, dtype=dtype, memory_format=torch.preserve_format)
