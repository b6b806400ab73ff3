"""What `load_state_dict` does beyond torch's: it looks first, loses no digits, shares nothing."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Collection, Mapping, MutableMapping, Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = [
    "Rests",
    "Wanted",
    "check_form",
    "check_states",
    "check_vectors",
    "fits_in_number",
    "restore_types",
    "unshare",
]

Group = Mapping[str, Any]

_clone_all = getattr(torch, "_foreach_clone", None)  # since torch 2.11
_LEAVES = {bool, int, float, str, type(None)}  # what holds no tensor, of the kinds that states have

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


def check_states(
    title: str,
    groups: Sequence[Group],
    loaded: Mapping[str, Any],
    cells: Collection[str],
    wanted: Wanted,
    rests: Rests,
) -> None:
    """Raise for states that the next step could not take."""
    states = loaded["state"]
    for saved, group in zip(loaded["param_groups"], groups, strict=True):
        known: dict[tuple[int, ...], Any] = {}  # of each shape: many parameters are alike
        for number, p in zip(saved["params"], group["params"], strict=True):
            if number not in states:
                continue
            held = states[number]
            if not isinstance(held, Mapping):
                raise ValueError(
                    f"{title}: the state of a parameter must be a dict, got {_described(held)}"
                )
            shape = tuple(p.shape)
            if shape not in known:
                known[shape] = wanted(p, saved)
            shapes, needed = known[shape]
            for key in cells:
                if key in held and key not in shapes:
                    _check_number(title, key, held[key])
            for key in () if rests(held, saved) else needed:
                if key not in held:
                    raise ValueError(
                        f"{title}: the state of parameter {number} lacks {key!r}; it has "
                        f"{', '.join(map(repr, held))}"
                    )
            for key in shapes:
                # torch's SGD once wrote None for a momentum that had not begun
                if key in held and (key in needed or held[key] is not None):
                    _check_array(title, key, held[key], tuple(shapes[key]), p)


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


def restore_types(
    groups: Sequence[Group],
    states: Mapping[Tensor, MutableMapping[str, Any]],
    loaded: Mapping[str, Any],
    cells: Collection[str],
    home: Callable[[Tensor, Group], torch.device],
) -> None:
    """Take states again that torch rounded to their parameter's type (pytorch#43706).

    A state stays as wide as it was saved; under `state_dtype="float32"` it has that type. A single
    number, one of the keys in `cells`, is float32 or float64, whatever its parameter is, and lies
    at its `home`, where a step reads it: torch takes all but the step to the parameter's device.
    """
    ids = [i for group in loaded["param_groups"] for i in group["params"]]
    owners = [(p, group) for group in groups for p in group["params"]]
    for number, (p, group) in zip(ids, owners, strict=True):
        saved = loaded["state"].get(number)
        if not saved:
            continue
        own, is_single = states[p], group.get("state_dtype") == "float32"
        for key, value in saved.items():
            have = own.get(key)
            if have is value and key not in cells and not is_single:
                continue  # torch took it as it was saved
            if not (isinstance(have, Tensor) and isinstance(value, Tensor)):
                continue
            if key in cells:
                dtype = torch.float64 if value.dtype == torch.float64 else torch.float32
                is_fake = "meta" in (value.device.type, have.device.type)
                there = have.device if is_fake else home(p, group)
                own[key] = value.to(device=there, dtype=dtype)
            elif is_single:
                dtype = torch.complex64 if have.is_complex() else torch.float32
                own[key] = value.to(device=have.device, dtype=dtype)
            elif value.dtype is not have.dtype and _is_wider(value, have):
                own[key] = value.to(have.device)


def _is_wider(value: Tensor, have: Tensor) -> bool:
    """Whether a loaded state holds more digits than torch left of it."""
    if value.is_complex() != have.is_complex():
        return False
    is_float = value.is_floating_point() or value.is_complex()
    return is_float and value.element_size() > have.element_size()


def unshare(states: MutableMapping[Any, Any], loaded: Mapping[Any, Any]) -> None:
    """Copy what is still one tensor with the loaded state.

    torch takes the tensors that it need not convert as they are, and then a step of the optimizer
    that was loaded moves the state of the one that was saved. Where one tensor stood in several
    places, one copy does.
    """
    theirs = set(map(id, _tensors(loaded)))
    shared = {id(t): t for t in _tensors(states) if id(t) in theirs}
    copies = dict(zip(shared, _copied([*shared.values()]), strict=True))

    def own(value: Any) -> Any:
        if isinstance(value, Tensor):
            return copies.get(id(value), value)
        if isinstance(value, dict):
            made = copy.copy(value)  # it may be the loaded one
            for key, one in value.items():
                made[key] = copies.get(id(one), one) if type(one) is Tensor else own(one)
            return made
        if isinstance(value, list):
            return [own(one) for one in value]
        if type(value) is tuple:
            return tuple(map(own, value))
        return value

    for key, held in states.items():
        states[key] = own(held)


def _copied(tensors: list[Tensor]) -> Sequence[Tensor]:
    """A copy of each: many plain ones in one call, where torch has it."""
    if tensors and _clone_all is not None and {*map(type, tensors)} == {Tensor}:
        found: Sequence[Tensor] = _clone_all(tensors)
        return found
    return [tensor.clone() for tensor in tensors]


def _tensors(value: Any) -> list[Tensor]:
    """Every tensor in nested containers."""
    found: list[Tensor] = []
    _gather(value, found)
    return found


def _gather(value: Any, found: list[Tensor]) -> None:
    if isinstance(value, Tensor):
        found.append(value)
    elif isinstance(value, list | tuple | Mapping):
        for one in value.values() if isinstance(value, Mapping) else value:
            if type(one) is Tensor:
                found.append(one)
            elif type(one) not in _LEAVES:
                _gather(one, found)
