"""Where torch's tensors are laid out for lines on matrices and questions: see `fuse.desk`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from thalweg.chain import Chain
from thalweg.fuse.storage import computation
from thalweg.optim.memory.gathers import gathered
from thalweg.optim.memory.odd import OddTensor
from thalweg.optim.memory.reach import address, dense, format_of, is_dense, laid_out_like
from thalweg.optim.memory.sharded import cut_like, is_sharded, part_of, vector_part
from thalweg.text import Request

__all__ = ["TensorDesk"]


class TensorDesk:
    """The parameters of a layout, in the order of its tables, with their gradients and states;
    `asking` answers a request about parameters and weights."""

    def __init__(
        self,
        chain: Chain,
        params: Sequence[Tensor],
        grads: Sequence[Tensor],
        held: Sequence[Mapping[str, Any]],
        asking: Callable[[Request, Sequence[tuple[Any, Any]]], list[Any]] | None,
        wholes: Sequence[Tensor],
    ) -> None:
        self._wholes = wholes
        self.chain, self.params, self.grads, self.held = chain, params, grads, held
        self._asking = asking
        self._types: dict[torch.dtype, torch.dtype] = {}  # that is computed in, by the stored one
        self._keys = {slot.qualified: slot.key for slot in chain.slots}

    def array(self, tensor: int, name: str) -> Tensor:
        """What lies here of a parameter, its gradient or a state, in the computation type."""
        return self._here(tensor, name).to(self._type(self.params[tensor]))

    def _here(self, tensor: int, name: str) -> Tensor:
        if name == "p":
            return self.params[tensor].detach()
        if name == "g":
            return self.grads[tensor].detach()
        found = self.held[tensor][self._keys[name]]
        return (part_of(found) if is_sharded(found) else found).detach()

    def wholes(self, asked: Sequence[tuple[int, str, Tensor | None]]) -> list[Tensor]:
        """Each with the parts of all processes that share it, in one exchange for all."""
        found = [self._here(i, name) if array is None else array for i, name, array in asked]
        shared = [k for k, (i, _, _) in enumerate(asked) if is_sharded(self._wholes[i])]
        if shared:
            made = gathered([self._wholes[asked[k][0]] for k in shared], [found[k] for k in shared])
            for k, one in zip(shared, made, strict=True):
                found[k] = one
        both = zip(asked, found, strict=True)
        return [array.to(self._type(self.params[i])) for (i, _, _), array in both]

    def empty(self, tensor: int) -> Tensor:
        """A tensor that lies as the parameter does."""
        p = self.params[tensor]
        return torch.empty_like(p, dtype=self._type(p), memory_format=torch.preserve_format)

    def like(self, tensor: int, array: Tensor) -> Tensor:
        """The same numbers in a tensor that lies as the parameter does."""
        p, whole = self.params[tensor], self._wholes[tensor]
        if is_sharded(whole):
            array = part_of(cut_like(whole, array.contiguous())).to(p.device)
        lies_so = p if p.is_contiguous() or is_dense(p) else self.empty(tensor)
        return laid_out_like(lies_so, array.to(self._type(p)))

    def vector(self, tensor: int, array: Tensor, per: str) -> Tensor:
        """The same numbers, one per "row" or "column", one behind the other."""
        whole = self._wholes[tensor]
        if is_sharded(whole):
            array = vector_part(whole, array.contiguous(), per).to(array.device)
        return array.to(self._type(self.params[tensor])).contiguous()

    def numbers(self, tensor: int, values: NDArray[np.float64]) -> Tensor:
        """These numbers in a tensor of the computation type."""
        p = self.params[tensor]
        return torch.from_numpy(values).to(p.device, self._type(p))

    def address(self, array: Tensor) -> int:
        """Where a tensor lies."""
        return address(array)

    def vectors(self, tensors: Sequence[int], array: Tensor) -> Tensor | None:
        """The same numbers, one behind the other; None where the tensors are shared out."""
        if any(is_sharded(self._wholes[tensor]) for tensor in tensors):
            return None
        return array.to(self._type(self.params[tensors[0]])).contiguous()

    def stacked(self, tensors: Sequence[int], name: str) -> Tensor:
        """A state of tensors of one shape, as one tensor."""
        held = [self.held[tensor][self._keys[name]] for tensor in tensors]
        return torch.stack(held).detach().to(self._type(self.params[tensors[0]]))

    def keep(self, tensors: Sequence[int], name: str, array: Tensor) -> None:
        """Store the new values of a matrix that is a state."""
        held = [self.held[tensor][self._keys[name]] for tensor in tensors]
        new = array.reshape((len(held), *held[0].shape))
        torch._foreach_copy_(held, list(new.unbind()))

    def answer(self, request: Request, about: Sequence[tuple[Any, Any]]) -> list[Tensor]:
        """What was asked for, each as its parameter lies; zeros where the loss does not depend on
        it."""
        assert self._asking is not None
        params = [
            one.parameter if isinstance(one, OddTensor) else self.params[one] for one, _ in about
        ]
        given = self._asking(request, list(zip(params, (at for _, at in about), strict=True)))
        found: list[Tensor] = []
        for p, grad in zip(params, given, strict=True):
            if request.kind == "noise":  # drawn by NumPy, at every border
                grad = torch.from_numpy(grad).to(p.device)
            whole = torch.zeros_like(p) if grad is None else dense(self.chain, grad)
            found.append(laid_out_like(p, whole.detach().to(self._type(p))))
        return found

    def _type(self, p: Tensor) -> torch.dtype:
        found = self._types.get(p.dtype)
        if found is None:
            is_double = computation(format_of(self.chain, p)) == "float64"
            found = self._types[p.dtype] = torch.float64 if is_double else torch.float32
        return found
