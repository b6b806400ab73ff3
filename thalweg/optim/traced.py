"""A step as one operator of torch: what torch.compile, make_fx and fake tensors see of it.

They follow tensors, not addresses. The operator names what a step reads and writes; run on tensors,
it is the fused pass, and on fake ones it does nothing.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._subclasses import FakeTensor

__all__ = ["Trace", "are_fake", "freeze", "is_watched", "modes", "operator", "remember"]


@dataclass(frozen=True)
class _Place:
    """Where among the tensors given to a graph a setting is found."""

    index: int


@dataclass
class Trace:
    """One group of one traced step: its parameters in order, and how many of each lot.

    `resting` are those without a gradient whose averages move. `settings` are the group's when it
    was traced; None where the graph reads the live ones.
    """

    optimizer: weakref.ref[Any]
    params: list[Tensor]
    sizes: list[int]
    resting: list[Tensor]
    resting_sizes: list[int]
    settings: dict[str, Any] | None = None

    def group(self, live: Mapping[str, Any], numbers: Sequence[Tensor]) -> Mapping[str, Any]:
        """The group that the step is taken with."""
        if self.settings is None:
            return live
        return {**_filled(self.settings, numbers), "params": live["params"]}


_traces: dict[int, Trace] = {}
_numbers = itertools.count(1)


def remember(
    optimizer: Any,
    params: list[Tensor],
    sizes: list[int],
    resting: list[Tensor],
    resting_sizes: list[int],
) -> int:
    """File a group under a number, which the operator is given; gone with the optimizer."""
    number = next(_numbers)
    _traces[number] = Trace(weakref.ref(optimizer), params, sizes, resting, resting_sizes)
    weakref.finalize(optimizer, _traces.pop, number, None)
    return number


def freeze(number: int, group: Mapping[str, Any], before: int) -> list[Tensor]:
    """Keep a group's settings as they are now; returns those that are tensors, which the operator
    is given behind `before` others."""
    found: list[Tensor] = []

    def kept(value: Any) -> Any:
        if isinstance(value, Tensor):
            found.append(value)
            return _Place(before + len(found) - 1)
        return type(value)(map(kept, value)) if type(value) in (list, tuple) else value

    _traces[number].settings = {k: kept(v) for k, v in group.items() if k != "params"}
    return found


def _filled(value: Any, numbers: Sequence[Tensor]) -> Any:
    """Settings with the tensors in their places."""
    if isinstance(value, _Place):
        return numbers[value.index]
    if isinstance(value, dict):
        return {key: _filled(each, numbers) for key, each in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_filled(each, numbers) for each in value)
    return value


# how many modes are on that must see operators, such as a tracer's
modes = torch._C._len_torch_dispatch_stack


def is_watched() -> bool:
    """Whether there is any."""
    return modes() > 0


def are_fake(tensors: Sequence[Tensor]) -> bool:
    """Whether a tensor among these has no memory behind it, only a shape."""
    return any(isinstance(tensor, FakeTensor) for tensor in tensors)


@torch.library.custom_op("thalweg::step", mutates_args=("params", "states"))
def operator(
    groups: list[int],
    params: list[Tensor],
    grads: list[Tensor],
    states: list[Tensor],
    numbers: list[Tensor],
) -> None:
    """One step of the optimizer whose groups these are, on these tensors.

    Of each group in turn come the parameters that move and those that rest; `grads` are of the
    former, `states` of both, and `numbers` the settings that are tensors.
    """
    found = [_traces[number] for number in groups if number in _traces]
    optimizer = found[0].optimizer() if found else None
    if optimizer is None or len(found) < len(groups):
        raise RuntimeError(
            "thalweg::step: the optimizer that this graph was made from no longer exists"
        )
    optimizer._step_on(found, iter(params), iter(grads), iter(states), numbers)


@operator.register_fake
def _(
    groups: list[int],
    params: list[Tensor],
    grads: list[Tensor],
    states: list[Tensor],
    numbers: list[Tensor],
) -> None:
    return None
