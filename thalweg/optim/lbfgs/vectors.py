"""What L-BFGS asks of vectors, on torch's tensors: the elementwise work is torch's; the two passes
over the history, where its time goes, are kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from thalweg.fuse.engines import host
from thalweg.fuse.storage import ELEMENTS
from thalweg.lbfgs.vectors import Array

__all__ = ["TensorVectors"]

_FORMAT_OF = {getattr(torch, name): name for name in ELEMENTS}


class TensorVectors:
    """The `Vectors` of `thalweg.lbfgs` that are tensors."""

    def inner(self, rows: Sequence[Tensor], u: Tensor, v: Tensor) -> Array:
        """The inner products of every row with u and with v, as doubles."""
        if not rows:
            return np.zeros((0, 2))
        if not _is_reachable(u):
            wide_u, wide_v = u.double(), v.double()
            found = [torch.stack((row @ wide_u, row @ wide_v)) for row in map(Tensor.double, rows)]
            return torch.stack(found).cpu().numpy()
        at = [row.data_ptr() for row in rows]
        form, threads = _FORMAT_OF[u.dtype], torch.get_num_threads()
        return host().inner_products(at, u.numel(), form, u.data_ptr(), v.data_ptr(), threads)

    def combined(self, k: float, u: Tensor, coefficients: Array, rows: Sequence[Tensor]) -> Tensor:
        """k u, and every row times its coefficient, added up."""
        if not rows:
            return u * k
        if not _is_reachable(u):
            out = u * k
            for coefficient, row in zip(coefficients.tolist(), rows, strict=True):
                out.add_(row, alpha=coefficient)
            return out
        out, at = torch.empty_like(u), [row.data_ptr() for row in rows]
        where = u.data_ptr(), coefficients, at, out.data_ptr(), u.numel()
        host().combine(k, *where, _FORMAT_OF[u.dtype], torch.get_num_threads())
        return out

    def dot(self, u: Tensor, v: Tensor) -> Tensor:
        """The inner product of two, in their type."""
        return u.dot(v)

    def length(self, u: Tensor) -> Tensor:
        """The sum of the sizes of the elements."""
        return u.abs().sum()

    def largest(self, u: Tensor) -> Tensor:
        """max |u_i| without a copy of u; NaN if there is one."""
        low, high = torch.aminmax(u)
        return torch.maximum(-low, high)

    def number(self, value: float, like: Tensor) -> Tensor:
        """A tensor without axes: in half the time of `new_tensor`."""
        return torch.scalar_tensor(value, dtype=like.dtype, device=like.device)

    def tiny(self, of: Tensor) -> float:
        """The smallest number of its type that has all digits."""
        return torch.finfo(of.dtype).tiny

    def zeros_like(self, u: Tensor) -> Tensor:
        """A vector of zeros."""
        return torch.zeros_like(u)

    def brought_to(self, u: Tensor, like: Tensor) -> Tensor:
        """A vector in the type and on the device of another."""
        return u.to(like).contiguous()

    def version(self, u: Tensor) -> Any:
        """torch counts the writes to a tensor."""
        return u._version


def _is_reachable(vector: Tensor) -> bool:
    """Whether a kernel may run over a vector of a history, and so over all of them."""
    is_plain = type(vector) is Tensor and vector.device.type == "cpu"
    return is_plain and _FORMAT_OF.get(vector.dtype) in host().formats()
