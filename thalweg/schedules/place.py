"""A hyper-parameter's place in a parameter group: its name, and its element if it has several.

A framework's tensor is filled in place, since somebody may hold it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from thalweg.number import is_number, is_schedulable, is_tensor, plain

__all__ = ["Place", "check_param", "check_schedulable", "copied", "for_each_group"]


@dataclass(frozen=True)
class Place:
    """Where a hyper-parameter is: `lr`, `weight_decay`, or one of several, `betas[0]`."""

    key: str
    index: int | None = None

    @classmethod
    @functools.cache
    def parse(cls, param: str) -> Place:
        """The place that a name such as `betas[0]` stands for."""
        match = re.fullmatch(r"([^\[\]]+)\[(\d+)\]", param)
        return cls(match[1], int(match[2])) if match else cls(param)

    def is_in(self, group: dict[str, Any]) -> bool:
        """Whether a group has it, as a number."""
        if self.key not in group:
            return False
        value = group[self.key]
        if self.index is None:
            return is_number(value)
        return _is_row(value) and self.index < len(value)

    def read(self, group: dict[str, Any]) -> Any:
        """The value itself, NumPy's numbers as Python's; a tensor is not copied."""
        value = group[self.key] if self.index is None else group[self.key][self.index]
        return value if type(value) is float else plain(value)

    def find(self, group: dict[str, Any]) -> Any:
        """The value, or None in a group that lacks it."""
        return self.read(group) if self.is_in(group) else None

    def write(self, group: dict[str, Any], value: Any) -> None:
        """Set the value; a tensor is filled in place, since a captured step reads it there."""
        held = self.read(group)
        if type(held) is not float and is_tensor(held):
            held.fill_(value.squeeze() if is_tensor(value) else value)
        elif self.index is None:
            group[self.key] = value
        else:
            several = group[self.key]
            group[self.key] = (*several[: self.index], value, *several[self.index + 1 :])


def copied(value: Any) -> Any:
    """The value, apart from the group it came from: a tensor there is changed in place."""
    if type(value) is float:
        return value
    if isinstance(value, np.ndarray):
        return plain(value.copy())
    return value.clone() if is_tensor(value) else plain(value)


def check_param(owner: str, param_groups: Sequence[dict[str, Any]], param: Any) -> None:
    """Raise for a name that no group has, or not each, and say which there are."""
    if not isinstance(param, str):
        raise TypeError(f"{owner}: param must be the name of a setting, got {param!r}")
    for group in param_groups:
        if not Place.parse(param).is_in(group):
            available = ", ".join(map(repr, _available(group)))
            # a constructor takes True for a rate of 1, as torch's does
            has_it = param in group and param != "params"
            why = f", which is {group[param]!r} and no number" if has_it else ""
            raise ValueError(f"{owner}: param must be one of {available}, got {param!r}{why}")
        check_schedulable(owner, group, param)


def check_schedulable(owner: str, group: dict[str, Any], param: str) -> None:
    """Raise for a tensor of integers, which would cut each value to a whole number."""
    value = group.get(param)
    if type(value) is float:  # nearly always
        return
    value = Place.parse(param).read(group)
    if not is_schedulable(value):
        raise TypeError(
            f"{owner}: {param} must be a number or a floating-point tensor of one element, "
            f"got {value!r}"
        )


def for_each_group(
    owner: str,
    name: str,
    value: Any,
    count: int,
    check: Callable[[str, Any], None],
    words: str = "",
) -> list[Any]:
    """One value for each group, out of one for all of them or a list of as many, each checked.

    `words` are what a framework says of a list of another length.
    """
    if not isinstance(value, list | tuple):
        check(f"{owner}: {name}", value)
        return [copied(value) for _ in range(count)]
    if len(value) != count:
        said = f" ({words.format(name=name, got=len(value), count=count)})" if words else ""
        raise ValueError(
            f"{owner}: {name} must have one value for each of the {count} parameter groups, "
            f"got {value!r}{said}"
        )
    for i, each in enumerate(value):
        check(f"{owner}: {name}[{i}]", each)
    return [copied(each) for each in value]


def _is_row(value: Any) -> bool:
    several = isinstance(value, tuple | list) or (isinstance(value, np.ndarray) and value.ndim == 1)
    return several and all(map(is_number, value))


# what schedulers keep in a group beside the settings of the optimizer
_KEPT = re.compile(r"(initial|max|min|base|swa)_")


def _available(group: dict[str, Any]) -> list[str]:
    found = []
    for key, value in group.items():
        if key == "params" or _KEPT.match(key):
            continue
        if is_number(value):
            found.append(key)
        elif _is_row(value):
            found += [f"{key}[{i}]" for i in range(len(value))]
    return found
