"""Where an optimizer's tensors lie in memory: looked at once, and checked again at every step.

Parameters move under the same object (`model.double()`, `share_memory_()`), states are replaced
from outside, gradients are new at every step: no address is used that this step has not seen.
The checks go over all tensors at once in C (`snapshot.py`), since on thousands of small
tensors they, not the arithmetic, are what a step costs.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from itertools import chain as joined
from operator import is_, methodcaller
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from thalweg.chain import Chain, Slot
from thalweg.fuse import cpu
from thalweg.fuse.storage import FORMATS
from thalweg.fuse.work import Kind, Work
from thalweg.optim.odd import OddTensor
from thalweg.optim.snapshot import Addresses, Described

__all__ = ["Layout", "Seen", "look"]

_values = methodcaller("values")
_PLAIN = {Tensor, torch.nn.Parameter}
_FORMAT = {getattr(torch, name): name for name in FORMATS}
_FORMAT |= {torch.complex64: "float32", torch.complex128: "float64"}


@dataclass
class Seen:
    """The parameters that have a gradient now, in the order of the groups."""

    params: list[Tensor]
    grads: list[Tensor]
    sizes: list[int]


def look(param_groups: Sequence[Mapping[str, Any]]) -> Seen:
    """Collect what this step has to move; `sizes` is how many of each group."""
    seen = Seen([], [], [])
    for group in param_groups:
        params = list(group["params"])
        grads = [p.grad for p in params]
        if any(map(is_, grads, [None] * len(grads))):
            params = [p for p, g in zip(params, grads, strict=True) if g is not None]
            grads = [g for g in grads if g is not None]
        seen.params += params
        seen.grads += grads
        seen.sizes.append(len(params))
    return seen


class Layout:
    """The addresses of everything one step touches, and what they were derived from."""

    def __init__(
        self,
        chain: Chain,
        seen: Seen,
        views: Sequence[Sequence[Any]],
        states: MutableMapping[Tensor, dict[str, Any]],
        differentiable: bool,
    ) -> None:
        live = [chain.live_slots(view) for view in views]
        self.chain, self.sizes, self.live = chain, seen.sizes, live
        self.odd: list[OddTensor] = []
        self.copies = False  # whether a gradient had to be brought into its parameter's layout
        grads: list[Tensor] = []
        arrays: list[list[Any]] = []
        cells: list[list[Tensor]] = []
        first: list[list[bool]] = []
        kinds: list[Kind] = []
        groups: list[int] = []
        group_of = np.repeat(np.arange(len(seen.sizes)), seen.sizes).tolist()
        for p, g, group in zip(seen.params, seen.grads, group_of, strict=True):
            g = _dense(chain, g)
            slots = live[group]
            state = states[p] if slots or chain.cells else {}
            created = _create(chain, slots, views[group], state, p)
            if differentiable or not _is_reachable(chain, p, g, slots, state):
                self.odd += _odd(chain, group, p, g, state, created, differentiable)
                continue
            laid_out = _laid_out_like(p, g)
            self.copies |= laid_out is not g
            grads.append(laid_out)
            for slot in slots:
                state[slot.key] = _laid_out_like(p, state[slot.key])
            held = {slot.qualified: state[slot.key] for slot in slots}
            arrays.append([p, *(held.get(slot.qualified) for slot in chain.slots)])
            cells.append([state[key] for key in chain.cells])
            first.append([part.prefix in created for part in chain.parts])
            kinds.append(_kind(p, laid_out, arrays[-1][1:]))
            groups.append(group)
        self.first = np.array(first, np.bool_).reshape(len(arrays), len(chain.parts))
        self.work = Work(chain, kinds, groups)
        self.params: list[Tensor] = [row[0] for row in arrays]
        self.cells = np.array([[c.data_ptr() for c in row] for row in cells], np.int64)
        self.cells = self.cells.reshape(len(arrays), len(chain.cells))
        wide = [[c.dtype == torch.float64 for c in row] for row in cells]
        self.wide = np.array(wide, np.int64).reshape(self.cells.shape)
        self.pointers = np.array(
            [[_address(t), 0, *map(_address, rest)] for t, *rest in arrays], np.int64
        ).reshape(len(arrays), len(self.work.arrays))
        self.pointers[:, 1] = list(map(_address, grads))
        self._grads = grads
        self._remember(arrays, cells, states)

    def _remember(self, arrays: list[list[Any]], cells: list[list[Tensor]], states: Any) -> None:
        """Keep what `fits` compares with."""
        self._owners, self._dicts = list(states), list(states.values())
        self._values = [value for d in self._dicts for value in d.values()]
        held = [t for row in arrays for t in row[1:] if t is not None]
        held += [c for row in cells for c in row]
        self._addresses = Addresses([*self.params, *held])
        self._at = self._addresses.now()
        if not (self.odd or self.copies):
            self._described = Described([*self.params, *self._grads])

    def fits(
        self,
        seen: Seen,
        views: Sequence[Sequence[Any]],
        states: MutableMapping[Tensor, dict[str, Any]],
    ) -> bool:
        """Whether the addresses still hold; if so, those of the new gradients are taken in."""
        if self.odd or self.copies or seen.sizes != self.sizes:
            return False
        if [self.chain.live_slots(view) for view in views] != self.live:
            return False
        if not (_same(seen.params, self.params) and self._states_fit(states)):
            return False
        if not self._described.fits([*self.params, *seen.grads]):
            return False
        if not np.array_equal(self._addresses.now(), self._at):
            return False
        self._grads = seen.grads
        at = Addresses(seen.grads).now()
        self.pointers[:, 1] = at if at.all() else list(map(_address, seen.grads))
        return True

    def _states_fit(self, states: MutableMapping[Tensor, dict[str, Any]]) -> bool:
        """Whether the states are the same objects; where they lie is asked apart."""
        dicts = list(states.values())
        return (
            _same(list(states), self._owners)
            and _same(dicts, self._dicts)
            and sum(map(len, dicts)) == len(self._values)
            and all(map(is_, joined.from_iterable(map(_values, dicts)), self._values))
        )

    def read_cells(self) -> NDArray[np.float64]:
        """The numbers kept per parameter, such as the step, as they are in memory now."""
        return cpu.read_cells(self.cells, self.wide)

    def finish(self, values: NDArray[np.float64]) -> None:
        """Store the numbers of the next step, and let go of this step's gradients."""
        cpu.write_cells(self.cells, self.wide, values)
        self.first[:] = False
        self._grads = []
        if self.params:
            # the kernels wrote behind torch's back: autograd must hear of it
            torch.autograd.graph.increment_version(self.params)


def _same(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Whether two sequences hold the same objects; `==` would compare tensors by value."""
    return len(one) == len(other) and all(map(is_, one, other))


def _address(tensor: Tensor | None) -> int:
    if tensor is None or not tensor.numel():
        return 0
    address = tensor.data_ptr()
    if not address:
        raise RuntimeError(
            f"a tensor of shape {tuple(tensor.shape)} has no memory (its storage was freed); "
            "it cannot be stepped"
        )
    return address


def _kind(p: Tensor, g: Tensor, states: Sequence[Tensor | None]) -> Kind:
    formats = tuple(None if t is None else _FORMAT[t.dtype] for t in (p, g, *states))
    return Kind(tuple(p.shape), formats, 2 if p.is_complex() else 1)


def _dense(chain: Chain, grad: Tensor) -> Tensor:
    if grad.layout == torch.strided:
        return grad
    if not chain.takes_sparse:
        raise RuntimeError(
            f"{chain.name} does not support sparse gradients, please consider SparseAdam instead"
        )
    return grad.to_dense()


def _create(
    chain: Chain, slots: Sequence[Slot], views: Sequence[Any], state: dict[str, Any], p: Tensor
) -> set[str]:
    """Make the states that are missing; returns the parts they belong to."""
    created = set()
    for key, start in chain.cells.items():
        if key not in state:
            # as torch: the default dtype decides, so that a float64 program counts in float64
            wide = torch.get_default_dtype() == torch.float64
            state[key] = torch.tensor(start, dtype=torch.float64 if wide else torch.float32)
    for slot in slots:
        if state.get(slot.key) is None:
            state[slot.key] = _start(slot.state.start, views[chain.parts.index(slot.part)], p)
            created.add(slot.part.prefix)
    return created


def _start(start: Any, h: Any, p: Tensor) -> Tensor:
    """A state before its first step; under autograd, if it is on, a copy of p depends on p."""
    if start == "p":
        return p.clone(memory_format=torch.preserve_format)
    value = start(h) if callable(start) else start
    return torch.full_like(p, value, memory_format=torch.preserve_format)


def _laid_out_like(p: Tensor, tensor: Tensor) -> Tensor:
    """A tensor in the parameter's own order of elements: itself, or else a copy."""
    if tensor.stride() == p.stride() and not tensor.is_conj() and not tensor.is_neg():
        return tensor
    with torch.no_grad():
        like = torch.empty_strided(p.size(), p.stride(), dtype=tensor.dtype, device=p.device)
        return like.copy_(tensor)


def _is_reachable(
    chain: Chain, p: Tensor, g: Tensor, slots: Sequence[Slot], state: Mapping[str, Any]
) -> bool:
    """Whether one kernel may run over the parameter, its gradient and its states in memory."""
    tensors = [p, g, *(state[slot.key] for slot in slots)]
    for tensor in tensors:
        if type(tensor) not in _PLAIN or tensor.device.type != "cpu" or tensor.shape != p.shape:
            return False
        if tensor.layout != torch.strided or _FORMAT.get(tensor.dtype) not in cpu.formats():
            return False
        if tensor.is_complex() != p.is_complex():
            return False
    if p.is_conj() or p.is_neg() or not _is_dense(p):
        return False
    if p.is_complex() and chain.measures_rows:  # rows of each component apart
        return False
    return all(isinstance(state[k], Tensor) and _is_cell(state[k]) for k in chain.cells)


def _is_cell(tensor: Tensor) -> bool:
    is_number = tensor.dtype in (torch.float32, torch.float64) and tensor.numel() == 1
    return is_number and type(tensor) is Tensor and tensor.device.type == "cpu"


def _is_dense(p: Tensor) -> bool:
    """Whether the elements fill one block of memory, in whatever order of axes."""
    expected = 1
    for stride, size in sorted(zip(p.stride(), p.shape, strict=True)):
        if size != 1 and p.numel():
            if stride != expected:
                return False
            expected *= size
    return True


def _odd(
    chain: Chain,
    group: int,
    p: Tensor,
    g: Tensor,
    state: dict[str, Any],
    created: set[str],
    differentiable: bool,
) -> list[OddTensor]:
    if not (p.is_floating_point() or p.is_complex()):
        raise TypeError(
            f"{chain.name}: a parameter must be floating point or complex, got {p.dtype}"
        )
    if not p.numel():
        return []
    first = {prefix: True for prefix in created}
    components = ("real", "imag") if p.is_complex() else ("",)
    return [
        OddTensor(chain, group, p, g, state, first, differentiable, component)
        for component in components
    ]
