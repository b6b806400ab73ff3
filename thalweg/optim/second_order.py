"""The curvature of the loss along a direction, by differentiating its gradient once more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from thalweg.text import Request

__all__ = ["differentiated"]


@torch.enable_grad()
def differentiated(
    title: str, request: Request, about: Sequence[tuple[Tensor, Tensor]]
) -> list[Any]:
    """The Hessian of the loss, times a direction for each parameter; the gradients that are there
    must have been made with `create_graph=True`. None where the loss is linear."""
    grads = [p.grad for p, _ in about]
    known = [
        (grad, along.to(grad.dtype))
        for grad, (_, along) in zip(grads, about, strict=True)
        if grad is not None and grad.requires_grad
    ]
    if not known:
        raise RuntimeError(
            f"{title}: a step asks for {request.written}, which the gradients there cannot "
            "tell; compute them by loss.backward(create_graph=True)"
        )
    made, directions = zip(*known, strict=True)
    params = [p for p, _ in about]
    found = torch.autograd.grad(made, params, directions, retain_graph=True, allow_unused=True)
    return list(found)
