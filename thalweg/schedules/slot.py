"""A hyper-parameter's place in a parameter group: its name, and its element if it has several.

A framework's tensor is known by having `fill_`: it is filled in place, since somebody may hold it.
"""

from __future__ import annotations

import functools
import numbers
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Slot", "check_param", "copied"]


@dataclass(frozen=True)
class Slot:
    """Where a hyper-parameter is: `lr`, `weight_decay`, or one of several, `betas[0]`."""

    key: str
    index: int | None = None

    @classmethod
    @functools.cache
    def parse(cls, param: str) -> Slot:
        """The slot that a name such as `betas[0]` stands for."""
        match = re.fullmatch(r"([^\[\]]+)\[(\d+)\]", param)
        return cls(match[1], int(match[2])) if match else cls(param)

    def is_in(self, group: dict[str, Any]) -> bool:
        """Whether a group has it, as a number."""
        if self.key not in group:
            return False
        value = group[self.key]
        if self.index is None:
            return _is_number(value)
        return _is_row(value) and self.index < len(value)

    def read(self, group: dict[str, Any]) -> Any:
        """The value itself: a tensor is not copied."""
        return group[self.key] if self.index is None else group[self.key][self.index]

    def write(self, group: dict[str, Any], value: Any) -> None:
        """Set the value; a tensor is filled in place, since a captured step reads it there."""
        held = self.read(group)
        if _is_tensor(held):
            held.fill_(value.squeeze() if _is_tensor(value) else value)
        elif self.index is None:
            group[self.key] = value
        else:
            several = group[self.key]
            group[self.key] = (*several[: self.index], value, *several[self.index + 1 :])


def copied(value: Any) -> Any:
    """The value, apart from the group it came from: a tensor there is changed in place."""
    return value.clone() if _is_tensor(value) else value


def check_param(owner: str, param_groups: Sequence[dict[str, Any]], param: Any) -> None:
    """Raise for a name that no group has, or not each, and say which there are."""
    if not isinstance(param, str):
        raise TypeError(f"{owner}: param must be the name of a setting, got {param!r}")
    for group in param_groups:
        if not Slot.parse(param).is_in(group):
            available = ", ".join(map(repr, _available(group)))
            raise ValueError(f"{owner}: param must be one of {available}, got {param!r}")


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "fill_")


def _is_number(value: Any) -> bool:
    if _is_tensor(value):
        return value.numel() == 1 and not str(value.dtype).endswith("bool")
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _is_row(value: Any) -> bool:
    return isinstance(value, tuple | list) and all(map(_is_number, value))


# what schedulers keep in a group beside the settings of the optimizer
_KEPT = re.compile(r"(initial|max|min|base|swa)_")


def _available(group: dict[str, Any]) -> list[str]:
    found = []
    for key, value in group.items():
        if key == "params" or _KEPT.match(key):
            continue
        if _is_number(value):
            found.append(key)
        elif _is_row(value):
            found += [f"{key}[{i}]" for i in range(len(value))]
    return found
