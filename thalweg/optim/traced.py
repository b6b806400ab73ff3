"""A step as one operator of torch: what torch.compile, make_fx and fake tensors see of it.

They follow tensors, not addresses. The operator names what a step reads and writes; run on tensors,
it is the fused pass, and on fake ones it does nothing.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._subclasses import FakeTensor

__all__ = ["Trace", "are_fake", "is_watched", "operator", "remember"]


@dataclass
class Trace:
    """One group of one traced step: its parameters in order, and how many of each lot."""

    optimizer: weakref.ref[Any]
    params: list[Tensor]
    sizes: list[int]


_traces: dict[int, Trace] = {}
_numbers = itertools.count(1)


def remember(optimizer: Any, params: list[Tensor], sizes: list[int]) -> int:
    """File a group under a number, which the operator is given; gone with the optimizer."""
    number = next(_numbers)
    _traces[number] = Trace(weakref.ref(optimizer), params, sizes)
    weakref.finalize(optimizer, _traces.pop, number, None)
    return number


def is_watched() -> bool:
    """Whether a mode is on that must see operators, such as a tracer's."""
    return torch._C._len_torch_dispatch_stack() > 0


def are_fake(tensors: Sequence[Tensor]) -> bool:
    """Whether a tensor among these has no memory behind it, only a shape."""
    return any(isinstance(tensor, FakeTensor) for tensor in tensors)


@torch.library.custom_op("thalweg::step", mutates_args=("params", "states"))
def operator(
    groups: list[int], params: list[Tensor], grads: list[Tensor], states: list[Tensor]
) -> None:
    """One step of the optimizer whose groups these are, on these tensors."""
    found = [_traces[number] for number in groups if number in _traces]
    optimizer = found[0].optimizer() if found else None
    if optimizer is None or len(found) < len(groups):
        raise RuntimeError(
            "thalweg::step: the optimizer that this graph was made from no longer exists"
        )
    own = [p for one in found for p in one.params]
    sizes = [size for one in found for size in one.sizes]
    optimizer._step_on(own, sizes, params, grads, states)


@operator.register_fake
def _(groups: list[int], params: list[Tensor], grads: list[Tensor], states: list[Tensor]) -> None:
    return None
