"""Tensors that the fused pass cannot take, as the reference engine meets them."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

import torch
from torch import Tensor

from thalweg.chain import Chain
from thalweg.optim.memory.sharded import is_sharded, part_of, store, whole
from thalweg.optim.memory.states import put

__all__ = ["BOTH", "OddTensor"]

BOTH = "both"


class OddTensor:
    """One parameter that lies where, or as, no kernel can reach it: another device, a tensor
    subclass, elements in one place, or `differentiable=True`.

    Of a complex parameter it is one component, which `component` picks from every tensor; or it is
    both, the imaginary part's rows behind those of the real one.
    """

    def __init__(
        self,
        chain: Chain,
        lot: int,
        parameter: Tensor,
        grad: Tensor,
        arrays: MutableMapping[str, Any],
        held: MutableMapping[str, Any],
        first: Mapping[str, bool],
        differentiable: bool,
        component: str = "",
    ) -> None:
        self.chain, self.lot, self.parameter, self.grad = chain, lot, parameter, grad
        self._arrays, self._held, self.first, self.component = arrays, held, first, component
        self.differentiable = differentiable
        self.shape = tuple(parameter.shape)
        self.cells = {key: self._cell(key, held[key]) for key in chain.cells}

    def _cell(self, key: str, cell: Any) -> Any:
        """The number in a cell; under autograd, where it depends on a setting, as it is."""
        if isinstance(cell, Tensor) and cell.numel() != 1:
            raise RuntimeError(
                f"{self.chain.name}: the state {key!r} must be one number, "
                f"got a tensor of shape {tuple(cell.shape)}"
            )
        return cell if self.differentiable and _has_history(cell) else float(cell)

    def _part(self, tensor: Tensor) -> Tensor:
        if self.component != BOTH:
            return getattr(tensor, self.component) if self.component else tensor
        parts = [tensor.real, tensor.imag]
        return torch.cat(parts) if tensor.dim() else torch.stack(parts)

    def _store(self, target: Tensor, value: Tensor) -> None:
        """Write a new value where it was taken from."""
        if self.component != BOTH:
            store(self._part(target), value)
            return
        for part, of_part in zip((target.real, target.imag), value.chunk(2), strict=True):
            store(part, of_part.reshape(part.shape))

    def arrays(self) -> dict[str, Any]:
        """Its arrays in the computation type; copies, unless torch must see the originals."""
        tensors = {"p": self.parameter, "g": self.grad}
        tensors |= {
            slot.qualified: self._arrays[slot.key]
            for slot in self.chain.slots
            if slot.key in self._arrays
        }
        double = self.parameter.dtype in (torch.float64, torch.complex128)
        dtype = torch.float64 if double else torch.float32
        if self.differentiable:  # p is written in place, and autograd must find what it was
            tensors = {name: t.clone() for name, t in tensors.items()}
        else:
            tensors = {name: t.detach() for name, t in tensors.items()}
        if self.chain.on_matrices:  # of which torch has no routines that share them out
            tensors = {name: whole(t) for name, t in tensors.items()}
        return {name: self._part(t).to(dtype) for name, t in tensors.items()}

    def keep(self, arrays: Mapping[str, Any], names: Sequence[str]) -> None:
        """Store what the step gave a value, the parameter first."""
        keys = {slot.qualified: slot.key for slot in self.chain.slots}
        targets = [self.parameter, *(self._arrays[keys[name]] for name in names if name != "p")]
        written = {0, *map(_memory, targets)}
        # `before = p` is p as it was, and not what is written there first
        apart = {n for n in names if _memory(arrays[n]) in written}
        arrays = {n: arrays[n].clone() if n in apart else arrays[n] for n in names}
        for name in names:
            if name == "p":
                self._store(self.parameter, arrays[name])
            elif self.differentiable and not self.component:
                self._arrays[keys[name]] = arrays[name].to(self._arrays[keys[name]].dtype)
            else:
                self._store(self._arrays[keys[name]], arrays[name])

    def keep_cells(self, cells: Mapping[str, Any]) -> None:
        """Store the cells of its next step."""
        for key, value in cells.items():
            if _has_history(value):
                # a copy: two that share memory would be stepped one after the other
                self._held[key] = value.reshape(()).to(self._held[key].dtype, copy=True)
            else:
                put(self._held, key, value)


def _memory(tensor: Tensor) -> int:
    """Where the memory of a tensor begins; 0, where it does not say."""
    try:
        return (part_of(tensor) if is_sharded(tensor) else tensor).untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError):
        return 0


def _has_history(value: Any) -> bool:
    return isinstance(value, Tensor) and value.requires_grad
