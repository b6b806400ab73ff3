"""What the classes that are not made of a rule refuse, with torch's words beside ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from thalweg.optim.memory.reach import as_complex_as
from thalweg.settings import Setting

__all__ = ["check_ranges", "refuse"]


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
