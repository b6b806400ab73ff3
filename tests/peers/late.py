"""The first step of a tensor whose first gradient comes when the others have had some."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from tests.peers.row import Make, Row, Shape
from thalweg.optimizers import OPTIMIZERS

__all__ = ["first_step_after", "steps_by_itself"]

_WAITS = 6  # steps at most, of RAdam's silent phase


def steps_by_itself(row: Row) -> bool:
    """Whether a tensor's step of ours depends on no other tensor."""
    chain = OPTIMIZERS[row.name]
    return not chain.asked_of_all and not chain.shared


def first_step_after(late: int, make: Make, shapes: Sequence[Shape]) -> torch.Tensor:
    """How the last tensor moves at its first gradient, which comes `late` steps after the others'.

    Of a rule that only looks around at first, it is the first one that moves.
    """
    generator = torch.Generator().manual_seed(3)
    params = [torch.randn(s, dtype=torch.float64, generator=generator) for s in shapes]
    gradients = [torch.randn(s, dtype=torch.float64, generator=generator) for s in shapes]
    last = params[-1]
    optimizer = make([p.requires_grad_() for p in params])
    if hasattr(optimizer, "train"):
        optimizer.train()
    before = last.detach().clone()
    for t in range(late + _WAITS + 1):
        for p, g in zip(params, gradients, strict=True):
            p.grad = g.clone()
        if t < late:
            last.grad = None
        optimizer.step()
        if t >= late and not torch.equal(last.detach(), before):
            break
    return last.detach() - before
