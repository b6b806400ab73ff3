"""What settings and tensors of an optimizer are refused, with torch's words beside ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor

from thalweg.chain import Chain
from thalweg.optim.memory.reach import as_complex_as
from thalweg.optim.memory.states import STATE_TYPES
from thalweg.settings import Setting

__all__ = [
    "check_dense",
    "check_flags",
    "check_ranges",
    "check_state_type",
    "check_tensors",
    "refuse",
]


def check_ranges(
    title: str, ranges: Mapping[str, Setting], given: Mapping[str, Any], words: Mapping[str, str]
) -> None:
    """Raise TypeError for the wrong kind and ValueError for a value out of range.

    `words` are torch's own for some settings (`d`) or parts of them (`eps[0]`), with a place for
    the value: its tests and perhaps programs look for them in the message.
    """
    for name, s in ranges.items():
        if name not in given:
            continue
        value = given[name]
        if isinstance(value, Tensor) and value.numel() != 1:
            raise ValueError(
                f"{title}: {name} must be a number or a tensor of one element, got a tensor of "
                f"shape {tuple(value.shape)} (Tensor {name} must be 1-element)"
            )
        try:
            s.check(f"{title}: {name}", value)
        except ValueError as error:
            place = str(error).removeprefix(f"{title}: ").partition(" ")[0]
            _, _, index = place.rstrip("]").partition("[")
            said = words.get(place, "").format(value[int(index)] if index else value)
            hint = f" ({said})" if said else ""
            raise ValueError(f"{error}{hint}") from None


def refuse(title: str, params: Sequence[Tensor], grads: Sequence[Tensor]) -> None:
    """Raise, before anything has moved, for what the algorithm is not defined on."""
    for p, g in zip(params, grads, strict=True):
        if p.is_complex():
            raise RuntimeError(f"{title} does not support complex parameters")
        as_complex_as(title, p, g)
        if g.layout != torch.strided:
            raise RuntimeError(f"{title} does not support sparse gradients")
        if not p.is_floating_point():
            raise TypeError(f"{title}: a parameter must be floating point, got {p.dtype}")


def check_dense(title: str, params: Sequence[Tensor]) -> None:
    """Raise for a parameter that is not dense."""
    if {*map(attrgetter("layout"), params)} - {torch.strided}:
        p = next(one for one in params if one.layout != torch.strided)
        raise ValueError(
            f"{title} requires dense parameter tensors, got one of layout {p.layout} and shape "
            f"{tuple(p.shape)}"
        )


def check_flags(title: str, settings: Mapping[str, Any]) -> None:
    """Raise for flags of torch's that do not go together."""
    if settings["fused"] and settings["differentiable"]:
        raise RuntimeError(f"{title}: `fused` does not support `differentiable`")
    if settings["fused"] and settings["foreach"]:
        raise RuntimeError(f"{title}: `fused` and `foreach` cannot be `True` together.")


def check_state_type(title: str, settings: Mapping[str, Any]) -> None:
    """Raise for a type of the states that is none."""
    if settings.get("state_dtype", "param") not in STATE_TYPES:
        raise ValueError(
            f"{title}: state_dtype must be one of {', '.join(map(repr, STATE_TYPES))}, "
            f"got {settings['state_dtype']!r}"
        )


def check_tensors(chain: Chain, settings: Mapping[str, Any]) -> None:
    """Raise for a tensor of several numbers where a setting is one."""
    for key, value in settings.items():
        is_one = key in chain.settings and type(chain.settings[key].default) is not tuple
        if is_one and isinstance(value, Tensor) and value.numel() != 1:
            raise ValueError(
                f"{chain.name}: {key} must be a number or a tensor of one element, "
                f"got a tensor of shape {tuple(value.shape)}"
            )
