"""Makes the states a step needs and does not find, and takes them back if the step fails."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping, Sequence
from operator import attrgetter, itemgetter
from typing import Any

import torch
from torch import Tensor

from thalweg.border.groups import Lot
from thalweg.border.states import lacking
from thalweg.chain import Chain, Slot
from thalweg.fuse.work import EXACT
from thalweg.optim.memory.device import cells_home

__all__ = [
    "STATE_TYPES",
    "First",
    "NewStates",
    "all_narrowed",
    "as_they_are",
    "cell_of",
    "cell_type",
    "cells_in_kind",
    "put",
    "widened",
]

# Of each parameter the parts, by prefix, whose states are new: their first step is ahead. The
# optimizer has one; a parameter is in it from the moment its states are made until the step that
# needed them has happened. A tracing makes states long before that.
First = MutableMapping[Tensor, set[str]]

# what a group's state_dtype may be: torch's way, or wider than a narrow parameter
STATE_TYPES = ("param", "float32")

_dtype = attrgetter("dtype")


def cell_type(fused: bool) -> torch.dtype:
    """The type of a cell, as the step count is; as torch, a program whose default is float64 counts
    in float64."""
    is_double = torch.get_default_dtype() == torch.float64 and not fused
    return torch.float64 if is_double else torch.float32


def widened(cell: Tensor) -> Tensor:
    """A cell where it can grow beyond the limit; Apple's GPUs have no double."""
    return cell if cell.device.type == "mps" else cell.double()


def put(held: MutableMapping[str, Any], key: str, value: float) -> None:
    """Store a cell's next number in its own kind, or in a wider one if that cannot hold it."""
    cell = held[key]
    if not isinstance(cell, Tensor):
        held[key] = int(value)
    elif value >= EXACT and cell.dtype != torch.float64:
        held[key] = widened(cell).fill_(value)
    else:
        cell.fill_(value)


def all_narrowed(states: Mapping[Any, Any], keys: Collection[str]) -> Mapping[Any, Any]:
    """The states of all parameters as torch would have them in a file; mostly they are so already,
    which is asked of all at once."""
    try:
        are_wide = [torch.float64 in map(_dtype, map(itemgetter(k), states.values())) for k in keys]
    except (AttributeError, LookupError, TypeError):  # some have none, or a plain number
        are_wide = [True]
    if not any(are_wide):
        return states
    return {number: _narrowed(own, keys) for number, own in states.items()}


def _narrowed(held: Mapping[str, Any], keys: Collection[str]) -> Mapping[str, Any]:
    """A parameter's state as torch would have it in a file: cells there are of one type."""
    wide = {}
    for key in keys:
        cell = held.get(key)
        if isinstance(cell, Tensor) and cell.dtype is torch.float64 and cell.numel() == 1:
            own = cell_type(fused=False)
            if own is not torch.float64 and cell >= EXACT:
                wide[key] = cell.to(own)
    return {**held, **wide} if wide else held


def cell_of(start: float, dtype: torch.dtype) -> Tensor:
    """A number kept with a parameter: as torch's Adam has it, never on a default device."""
    return torch.tensor(start, dtype=dtype, device="cpu")


def cells_in_kind(chain: Chain, states: Iterable[dict[str, Any]]) -> None:
    """Have the cells of loaded states in the kind that steps take them in; old files have plain
    numbers."""
    in_int = chain.counts_in_int
    for held in states:
        for key in chain.cells:
            value = held.get(key)
            if value is None or (type(value) is Tensor and not in_int):
                continue
            if key == "step" and in_int:
                held[key] = int(value)
            elif not isinstance(value, Tensor):
                held[key] = cell_of(float(value), cell_type(fused=False))


class NewStates:
    """The states made for one step: a first step that fails must still be the first.

    `first` says of which parts they are; it may know of others that were made before.
    """

    def __init__(self, first: First) -> None:
        self.first = first
        self._made: list[tuple[dict[str, Any], str]] = []
        self._first: list[tuple[Tensor, str]] = []
        self._owners: list[tuple[MutableMapping[Tensor, dict[str, Any]], Tensor]] = []

    def of(self, states: MutableMapping[Tensor, dict[str, Any]], p: Tensor) -> dict[str, Any]:
        """The state of a parameter, empty if it had none."""
        if p not in states:
            self._owners.append((states, p))
        return states[p]

    def in_order(
        self,
        states: MutableMapping[Tensor, dict[str, Any]],
        lots: Sequence[Lot],
        params: Sequence[Tensor],
    ) -> None:
        """Begin the states of these parameters, which come lot by lot, in the order that their
        groups list them in: so a file has them."""
        ahead = {p for p in params if p not in states}
        for lot in lots if ahead else ():
            for p in lot.group["params"]:  # of every lot of a group: then none is left
                if p in ahead:
                    ahead.discard(p)
                    self.of(states, p)

    def make(
        self,
        chain: Chain,
        held: dict[str, Any],
        p: Tensor,
        slots: Sequence[Slot],
        views: Sequence[Any],
        group: Mapping[str, Any],
    ) -> None:
        """Fill in what a parameter's state lacks."""
        cells, arrays = lacking(chain, held, slots, views)
        dtype = cell_type(fused=bool(group.get("fused")))
        for key, start in cells.items():
            self._made.append((held, key))
            held[key] = _cell(chain, key, start, dtype)
            if isinstance(held[key], Tensor):
                held[key] = held[key].to(cells_home(chain, p, group))
        for slot, start in arrays:
            self._made.append((held, slot.key))
            if slot.state.is_apart:
                held[slot.key] = _apart(slot, start, p, views[chain.parts.index(slot.part)], group)
            else:
                held[slot.key] = _start(start, p, group)
            self._first.append((p, slot.part.prefix))
            self.first.setdefault(p, set()).add(slot.part.prefix)

    def keep(self, stepped: Sequence[Tensor]) -> None:
        """The step of these parameters has happened: their states stay, and are new no longer."""
        for p in stepped if self.first else ():
            self.first.pop(p, None)
        self._made.clear()
        self._first.clear()
        self._owners.clear()

    def undo(self) -> None:
        """Remove them again."""
        for held, key in self._made:
            held.pop(key, None)
        for p, prefix in self._first:
            self.first.get(p, set()).discard(prefix)
            if not self.first.get(p, True):
                del self.first[p]
        for states, p in self._owners:
            if not states.get(p, True):
                del states[p]


def as_they_are(
    states: MutableMapping[Tensor, dict[str, Any]], params: Sequence[Tensor]
) -> Callable[[], None]:
    """A function that brings these parameters' states back to what is in them now."""
    before = {p: (states[p], {**states[p]}) for p in params if p in states}

    def undo() -> None:
        for p in params:
            if p in before:
                held, kept = before[p]
                for key in held.keys() - kept.keys():
                    del held[key]
                held.update(kept)
            else:
                states.pop(p, None)

    return undo


def _cell(chain: Chain, key: str, start: Any, dtype: torch.dtype) -> Any:
    """A cell before its first step."""
    if key == "step" and chain.counts_in_int:
        return int(start)
    dtype = torch.float64 if key in chain.doubles else dtype
    if isinstance(start, Tensor):  # under autograd
        return start.reshape(()).to(dtype)
    return cell_of(start, dtype)


def _apart(slot: Slot, start: Any, p: Tensor, h: Any, group: Mapping[str, Any]) -> Tensor:
    """A matrix, or one number per row or column, before the first step: of the computation type,
    since no basis survives a short one, and what is so small costs nothing; or as the rule says."""
    dtype = torch.float64 if p.dtype == torch.float64 else torch.float32
    if slot.state.is_short and group.get("state_dtype") != "float32":
        dtype = p.dtype
    return torch.full(slot.state.shape(p.shape, h), float(start), dtype=dtype, device=p.device)


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
