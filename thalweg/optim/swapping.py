"""Puts other values into the parameters for the length of a `with` block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

__all__ = ["check_home", "swapped"]


@contextmanager
def swapped(opt: Any, block: str, pairs: Iterable[tuple[Tensor, Tensor]]) -> Iterator[None]:
    """Give each parameter its other value; its own comes back, whatever happens meanwhile.

    `block` is what the user wrote behind `with`; the same block inside itself changes nothing.
    """
    inside = getattr(opt, "_swapped", "")
    if inside == block:
        yield
        return
    if inside:
        raise RuntimeError(
            f"{type(opt).__name__}: {block} was called inside `with {inside}`; "
            "leave that block first"
        )
    kept = [(p, p.detach().clone(), other) for p, other in pairs]
    opt._swapped = block
    try:
        with torch.no_grad():
            for p, _, other in kept:
                p.copy_(other)
        yield
    finally:
        with torch.no_grad():
            for p, own, _ in kept:
                p.copy_(own)
        opt._swapped = ""


def check_home(opt: Any) -> None:
    """Raise if the parameters hold other values than their own."""
    if inside := getattr(opt, "_swapped", ""):
        raise RuntimeError(
            f"{type(opt).__name__}: step() was called inside `with {inside}`; "
            "leave the block first, so that the weights are back"
        )
