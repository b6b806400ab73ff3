"""What `load_state_dict` refuses, before anything changes."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = [
    "Group",
    "Rests",
    "Wanted",
    "check_form",
    "check_state",
    "check_vectors",
    "fits_in_number",
]

Group = Mapping[str, Any]

# of a parameter and its group: the shape of each array it keeps, and the keys it cannot do without
Wanted = Callable[[Tensor, Group], tuple[Mapping[str, Sequence[int]], Collection[str]]]

# of a parameter's state and its group: whether the parameter was never stepped
Rests = Callable[[Mapping[str, Any], Group], bool]


def check_form(title: str, given: Any) -> None:
    """Raise for what no state_dict is."""
    is_one = isinstance(given, Mapping) and {"state", "param_groups"} <= given.keys()
    if not is_one or not isinstance(given["state"], Mapping):
        raise ValueError(
            f"{title}: the state must be what state_dict gave, a dict with 'state' and "
            f"'param_groups', got {_described(given)}"
        )
    groups = given["param_groups"]
    for group in groups if isinstance(groups, list | tuple) else [groups]:
        if not (isinstance(group, Mapping) and "params" in group):
            raise ValueError(
                f"{title}: 'param_groups' must be a list of dicts with 'params', got "
                f"{_described(group)}"
            )
        if not isinstance(group["params"], list | tuple):
            raise ValueError(
                f"{title}: 'params' of a group must be a list of the parameters' numbers, got "
                f"{_described(group['params'])}"
            )


def fits_in_number(groups: Sequence[Group], loaded: Mapping[str, Any]) -> bool:
    """Whether the groups are as many, and as large, as the live ones; torch refuses them if not."""
    sizes = [[len(group["params"]) for group in of] for of in (groups, loaded["param_groups"])]
    return sizes[0] == sizes[1]


def check_state(
    title: str,
    number: Any,
    held: Any,
    p: Tensor,
    wanted: tuple[Mapping[str, Sequence[int]], Collection[str]],
    cells: Collection[str],
    saved: Group,
    rests: Rests,
) -> None:
    """Raise for a parameter's state that the next step could not take."""
    if not isinstance(held, Mapping):
        raise ValueError(
            f"{title}: the state of a parameter must be a dict, got {_described(held)}"
        )
    shapes, needed = wanted
    for key in cells:
        if key in held and key not in shapes:
            _check_number(title, key, held[key])
    lacks = [key for key in needed if key not in held]
    if lacks and not rests(held, saved):
        raise ValueError(
            f"{title}: the state of parameter {number} lacks {lacks[0]!r}; it has "
            f"{', '.join(map(repr, held))}"
        )
    for key, shape in shapes.items():
        # torch's SGD once wrote None for a momentum that had not begun
        if key in held and (key in needed or held[key] is not None):
            _check_array(title, key, held[key], tuple(shape), p)


def check_vectors(title: str, held: Mapping[str, Any], size: int) -> None:
    """Raise for a history of L-BFGS that is not of so many numbers, or not in pairs."""
    lists = {key: held.get(key) or [] for key in ("old_dirs", "old_stps", "ro")}
    for key in ("d", "prev_flat_grad"):
        lists[key] = [] if held.get(key) is None else [held[key]]
    for key, values in lists.items():
        count = 1 if key == "ro" else size
        for value in values if isinstance(values, list) else [values]:
            if not isinstance(value, Tensor) or value.numel() != count:
                raise ValueError(
                    f"{title}: the state {key!r} must hold tensors of {count} numbers, "
                    f"got {_described(value)}"
                )
    if not len(lists["old_dirs"]) == len(lists["old_stps"]) == len(lists["ro"]):
        raise ValueError(
            f"{title}: the states 'old_dirs', 'old_stps' and 'ro' must be of one length, got "
            f"{', '.join(str(len(lists[key])) for key in ('old_dirs', 'old_stps', 'ro'))}"
        )


def _check_array(title: str, key: str, value: Any, shape: tuple[int, ...], p: Tensor) -> None:
    if not isinstance(value, Tensor) or tuple(value.shape) != shape:
        raise ValueError(
            f"{title}: the state {key!r} must be a tensor of shape {shape}, got {_described(value)}"
        )
    if value.layout not in (torch.strided, p.layout):
        raise ValueError(f"{title}: the state {key!r} must be dense, got one of {value.layout}")
    if value.is_complex() and not p.is_complex():
        raise ValueError(
            f"{title}: the state {key!r} of a real parameter must be real, got one of {value.dtype}"
        )


def _check_number(title: str, key: str, value: Any) -> None:
    is_tensor = isinstance(value, Tensor) and value.numel() == 1 and not value.is_complex()
    if not (is_tensor or (isinstance(value, int | float) and not isinstance(value, bool))):
        raise ValueError(f"{title}: the state {key!r} must be one number, got {_described(value)}")
    is_fake = isinstance(value, Tensor) and value.device.type == "meta"
    if key == "step" and not is_fake:
        count = float(value)
        if not (math.isfinite(count) and count >= 0 and count.is_integer()):
            raise ValueError(
                f"{title}: the state 'step' must be a whole number >= 0 and finite, got {count!r}"
            )


def _described(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, Mapping):
        return f"a dict with {', '.join(map(repr, list(value)[:6])) or 'nothing in it'}"
    return repr(value)[:80]
