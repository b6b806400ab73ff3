"""What `load_state_dict` does beyond torch's: by name where there are names, no digits lost."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["by_name", "restore_types"]

Group = Mapping[str, Any]


def by_name(
    title: str, loaded: dict[str, Any], groups: Sequence[Group], strict: bool
) -> dict[str, Any]:
    """A loaded state_dict in the order of the live groups, if both sides have names.

    torch goes by position and gives a reordered parameter another one's momentum
    (pytorch#1489). Each live group takes the settings of the saved group with the same names, or
    else of the one in its place. With `strict`, the names on both sides must be the same.
    """
    saved = loaded["param_groups"]
    if not (_are_named(groups) and _are_named(saved)):
        return loaded
    place = {name: (group, i) for group in saved for i, name in enumerate(group["param_names"])}
    names = [list(group["param_names"]) for group in groups]
    live = {name for of_group in names for name in of_group}
    if strict and live != place.keys():
        raise RuntimeError(
            f"{title}.load_state_dict: the file must hold the optimizer's own parameters; "
            f"missing in it: {_listed(live - place.keys())}; "
            f"unexpected in it: {_listed(place.keys() - live)}; strict=False takes what fits"
        )
    state: dict[Any, Any] = {}
    taken: list[dict[str, Any]] = []
    number = 0
    for i, (group, of_group) in enumerate(zip(groups, names, strict=True)):
        twin = dict(_twin(set(of_group), i, groups, saved) or group)
        twin["params"] = list(range(number, number + len(of_group)))
        twin["param_names"] = of_group
        if isinstance(twin.get("decay_filter"), list | tuple):  # one truth value per parameter
            twin["decay_filter"] = _reordered_filter(of_group, place, group)
        for name in of_group:
            if name in place:
                saved_group, at = place[name]
                key = saved_group["params"][at]
                if key in loaded["state"]:
                    state[number] = loaded["state"][key]
            number += 1
        taken.append(twin)
    numbered = {id_ for group in saved for id_ in group["params"]}
    state |= {key: held for key, held in loaded["state"].items() if key not in numbered}
    return {**loaded, "state": state, "param_groups": taken}


def _are_named(groups: Sequence[Group]) -> bool:
    """Whether every group has a name for each parameter, and no two have the same."""
    names = [group.get("param_names") for group in groups]
    if any(n is None or len(n) != len(g["params"]) for n, g in zip(names, groups, strict=True)):
        return False
    flat = [name for of_group in names for name in of_group or ()]
    return len(set(flat)) == len(flat)


def _twin(
    names: set[str], index: int, groups: Sequence[Group], saved: Sequence[Group]
) -> Group | None:
    """The saved group whose settings a live one takes."""
    for group in saved:
        if names and set(group["param_names"]) == names:
            return group
    if len(saved) == len(groups):
        return saved[index]
    return next((group for group in saved if names & set(group["param_names"])), None)


def _reordered_filter(
    names: Sequence[str], place: Mapping[str, tuple[Group, int]], group: Group
) -> list[bool]:
    """A saved decay filter by name; what the file does not know keeps the live group's."""
    own = group.get("decay_filter")
    found = []
    for i, name in enumerate(names):
        saved, at = place.get(name, ({}, 0))
        decays = saved.get("decay_filter")
        source = (decays, at) if isinstance(decays, list | tuple) else (own, i)
        values, position = source
        found.append(bool(values[position]) if isinstance(values, list | tuple) else True)
    return found


def _listed(names: set[str]) -> str:
    return ", ".join(map(repr, sorted(names))) or "none"


def restore_types(
    groups: Sequence[Group],
    states: Mapping[Tensor, MutableMapping[str, Any]],
    loaded: Mapping[str, Any],
) -> None:
    """Take states again that torch rounded to their parameter's type (pytorch#43706).

    A state stays as wide as it was saved; under `state_dtype="float32"` it has that type.
    """
    numbers = [i for group in loaded["param_groups"] for i in group["params"]]
    owners = [(p, group) for group in groups for p in group["params"]]
    for number, (p, group) in zip(numbers, owners, strict=True):
        for key, value in loaded["state"].get(number, {}).items():
            have = states[p].get(key)
            if not (isinstance(have, Tensor) and isinstance(value, Tensor)):
                continue
            if group.get("state_dtype") == "float32" and have.dim() == p.dim() and key != "step":
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
