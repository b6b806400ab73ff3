"""What `load_state_dict` does beyond torch's: no digits are lost."""

from __future__ import annotations

from collections.abc import Collection, Mapping, MutableMapping, Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["restore_types"]

Group = Mapping[str, Any]


def restore_types(
    groups: Sequence[Group],
    states: Mapping[Tensor, MutableMapping[str, Any]],
    loaded: Mapping[str, Any],
    numbers: Collection[str],
) -> None:
    """Take states again that torch rounded to their parameter's type (pytorch#43706).

    A state stays as wide as it was saved; under `state_dtype="float32"` it has that type. A single
    number, one of the keys in `numbers`, is float32 or float64, whatever its parameter is.
    """
    ids = [i for group in loaded["param_groups"] for i in group["params"]]
    owners = [(p, group) for group in groups for p in group["params"]]
    for number, (p, group) in zip(ids, owners, strict=True):
        for key, value in loaded["state"].get(number, {}).items():
            have = states[p].get(key)
            if not (isinstance(have, Tensor) and isinstance(value, Tensor)):
                continue
            if key in numbers:
                dtype = torch.float64 if value.dtype == torch.float64 else torch.float32
                states[p][key] = value.to(device=have.device, dtype=dtype)
            elif group.get("state_dtype") == "float32":
                dtype = torch.complex64 if have.is_complex() else torch.float32
                states[p][key] = value.to(device=have.device, dtype=dtype)
            elif _is_wider(value, have):
                states[p][key] = value.to(have.device)


def _is_wider(value: Tensor, have: Tensor) -> bool:
    """Whether a loaded state holds more digits than torch left of it."""
    if value.is_complex() != have.is_complex():
        return False
    is_float = value.is_floating_point() or value.is_complex()
    return is_float and value.element_size() > have.element_size()
