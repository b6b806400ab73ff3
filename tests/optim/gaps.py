"""Tensors with gaps between their elements."""

import torch
from torch import Tensor


def with_gaps(tensor: Tensor) -> Tensor:
    """The same numbers, of which none lies beside the next in memory."""
    return torch.stack([tensor, tensor + 1], -1)[..., 0]


def is_gapped(p: Tensor) -> bool:
    return p.stride() == with_gaps(p).stride() and p.dim() > 0


def can_walk(opt: torch.optim.Optimizer) -> bool:
    """Whether a kernel may walk over gaps: it knows no rows then."""
    return not (opt._chain.reduces_rows or opt._chain.reads_columns)
