"""Teaches the words of the language torch's tensors: the reference engine runs on them too."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from thalweg import elementwise, matrices
from thalweg.optim.memory.sharded import cut_like, is_sharded

__all__: list[str] = []


def _both(function: Any) -> Any:
    """torch.maximum and torch.minimum take two tensors and no numbers."""

    def apply(a: Any, b: Any) -> Tensor:
        like = a if isinstance(a, Tensor) else b
        a = a if isinstance(a, Tensor) else torch.full_like(like, a)
        b = b if isinstance(b, Tensor) else torch.full_like(like, b)
        result: Tensor = function(a, b)
        return result

    return apply


def _sign(x: Tensor) -> Tensor:
    """torch.sign calls NaN zero; everybody else calls it NaN."""
    return torch.where(torch.isnan(x), x, torch.sign(x))


def _double(x: Tensor) -> Tensor:
    return x if x.device.type == "mps" else x.double()  # Apple's GPUs have no double


def _cbrt(x: Tensor) -> Tensor:
    """torch has a power alone, of a third that is rounded; a step of Newton's makes it exact. At 0
    the derivative is taken as 0."""
    least, up, down = (2.0**-1000, 108, -36) if x.dtype == torch.float64 else (2.0**-100, 48, -16)
    is_number = (x != 0) & torch.isfinite(x)
    size = torch.where(is_number, x.abs(), 1.0)
    is_small = size < least  # of the smallest a power loses digits
    size = torch.where(is_small, size * 2.0**up, size)
    root = size ** (1 / 3)
    root = root - (root - size / (root * root)) / 3
    root = torch.where(is_small, root * 2.0**down, root)
    return torch.where(is_number, torch.copysign(root, x), x.detach())


def _where(condition: Any, a: Any, b: Any) -> Any:
    if not isinstance(condition, Tensor):
        return a if condition else b
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):  # torch would round to float32
        a = torch.full((), a, dtype=torch.float64, device=condition.device)
    return torch.where(condition, a, b)


elementwise.register(
    Tensor,
    SimpleNamespace(
        sqrt=torch.sqrt,
        cbrt=_cbrt,
        exp=torch.exp,
        log=torch.log,
        abs=torch.abs,
        sign=_sign,
        maximum=_both(torch.maximum),
        minimum=_both(torch.minimum),
        atan2=_both(torch.atan2),
        where=_where,
        double=_double,
    ),
)


def _length(x: Tensor) -> Tensor:
    if x.dim() == 2:  # as torch's Muon has it: the last bit of a short norm moves all of x
        result: Tensor = x.norm().reshape(1, 1)
        return result
    result = torch.linalg.vector_norm(x, dim=(-2, -1), keepdim=True)
    return result


def _add_product(x: Tensor, a: Tensor, b: Tensor, beta: float, alpha: float) -> Tensor:
    function: Any = torch.addmm if x.dim() == 2 else torch.baddbmm
    result: Tensor = function(x, a, b, beta=beta, alpha=alpha)
    return result


def _ordered(x: Tensor, by: Tensor) -> Tensor:
    order = torch.argsort(by, dim=-1, descending=True, stable=True)
    return torch.take_along_dim(x, order[..., None, :], -1)


# bfloat16 is what torch's Muon iterates in, on every device
matrices.register(
    Tensor,
    matrices.Library(
        torch.linalg,
        torch.stack,
        _length,
        _add_product,
        Tensor.bfloat16,
        # laid out as most parameters are: a transposed result is copied once, not twice
        typed=lambda x, like: x.to(like.dtype, memory_format=torch.contiguous_format),
        triu=torch.triu,
        identity=lambda x: torch.eye(x.shape[-1], dtype=x.dtype, device=x.device),
        solve=lambda q, x: torch.linalg.solve_triangular(q, x, upper=True, left=False),
        spread=torch.Tensor.expand_as,
        wide=lambda x: x.float() if x.dtype.itemsize < 4 else x,
        ordered=_ordered,
        whole=lambda x: x.full_tensor() if is_sharded(x) else x,
        shared=lambda x, like: cut_like(like, x) if is_sharded(like) else x,
    ),
)
