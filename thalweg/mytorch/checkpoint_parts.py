"""What a checkpoint holds beside weights, as JSON: written here, and checked here when read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["STATE", "as_json", "joined", "loader_state", "part", "split"]

# how the names of an optimizer's arrays begin: optimizer:number:key
STATE = "optimizer:"
_NAME = re.compile(rf"{STATE}(0|[1-9]\d{{0,8}}):(.+)", re.DOTALL)
_NUMBER = re.compile(r"0|[1-9]\d{0,8}")
_LISTS = ("params", "param_names", "decay_filter")  # the rest of a group's lists were tuples

_Arrays = dict[str, np.ndarray]


def as_json(name: str, value: Any) -> str:
    """A part as it is written."""
    try:
        return json.dumps(value, default=lambda number: number.item())
    except (TypeError, ValueError, AttributeError, RecursionError):
        raise TypeError(
            f"save: the state of the {name} must be numbers, words, lists and dicts beside its "
            f"arrays, got {value!r}"
        ) from None


def part(path: Path, metadata: Mapping[str, str], name: str, one: Any = None) -> dict[str, Any]:
    """What the file holds of an optimizer, a scheduler or a loader, if it is of the same class."""
    if name not in metadata:
        raise ValueError(f"load: {path} holds no {name}; load the model alone")
    try:
        found: dict[str, Any] = json.loads(metadata[name])
    except (ValueError, RecursionError) as error:
        raise ValueError(f"load: {path}: its {name} must be JSON, but: {error}") from None
    _demand(isinstance(found, dict), path, name, "a dict", found)
    kind = type(one).__name__
    if name in ("optimizer", "scheduler"):
        _demand(isinstance(found.get("class"), str), path, f"{name}'s class", "a name", found)
        if found["class"] != kind:
            raise ValueError(
                f"load: {path} holds the state of {found['class']}, but the {name} is of the class "
                f"{kind}"
            )
    return found


def split(
    state_dict: Mapping[str, Any],
) -> tuple[_Arrays, dict[int, dict[str, Any]], list[dict[str, Any]]]:
    """An optimizer's state: arrays by the name they get in the file, numbers, and groups."""
    arrays: _Arrays = {}
    numbers: dict[int, dict[str, Any]] = {}
    for number, held in state_dict["state"].items():
        numbers[number] = {k: v for k, v in held.items() if not isinstance(v, np.ndarray)}
        for key in held.keys() - numbers[number].keys():
            # safetensors writes memory as it lies, whatever the order of the axes
            arrays[f"{STATE}{number}:{key}"] = np.array(held[key], order="C")
    return arrays, numbers, state_dict["param_groups"]


def joined(path: Path, about: Mapping[str, Any], tensors: _Arrays) -> dict[str, Any]:
    """The reverse of `split`; JSON has made words of the numbers and lists of tuples."""
    numbers: Any = about.get("numbers")
    _demand(
        _is_dict_of(numbers, lambda key, held: _NUMBER.fullmatch(key) and isinstance(held, dict)),
        path,
        "optimizer's numbers",
        "a dict of the number of a parameter and a dict",
        numbers,
    )
    state = {int(number): dict(held) for number, held in numbers.items()}
    for name, array in tensors.items():
        if name.startswith(STATE):
            found = _NAME.fullmatch(name)
            _demand(found is not None, path, "array", "named optimizer:number:key", name)
            assert found is not None
            state.setdefault(int(found[1]), {})[found[2]] = array
    groups: Any = about.get("param_groups")
    _demand(isinstance(groups, list) and groups, path, "optimizer's param_groups", "a list", groups)
    for group in groups:
        _check_group(path, group)
    known = [number for group in groups for number in group["params"]]
    _demand(len(set(known)) == len(known), path, "groups' params", "each in one group", known)
    strange = sorted(state.keys() - set(known))
    _demand(not strange, path, "states", f"of the parameters {known}", strange)
    restored = [
        {k: tuple(v) if isinstance(v, list) and k not in _LISTS else v for k, v in group.items()}
        for group in groups
    ]
    return {"state": state, "param_groups": restored}


def loader_state(path: Path, about: Mapping[str, Any]) -> tuple[int, int]:
    """The seed and the epoch of a loader."""
    for name in ("seed", "epoch"):
        _demand(_is_whole(about.get(name)), path, f"loader's {name}", "a whole number", about)
    return about["seed"], about["epoch"]


def _check_group(path: Path, group: Any) -> None:
    def demand(condition: Any, key: str, what: str) -> None:
        _demand(condition, path, f"group's {key}", what, group.get(key))

    _demand(isinstance(group, dict), path, "group", "a dict", group)
    params, names = group.get("params"), group.get("param_names", [])
    decays = group.get("decay_filter")
    demand(isinstance(params, list) and all(map(_is_whole, params)), "params", "whole numbers")
    words = isinstance(names, list) and all(isinstance(name, str) for name in names)
    demand(words and len(names) in (0, len(params)), "param_names", "a name for each parameter")
    demand(not isinstance(decays, list) or len(decays) == len(params), "decay_filter", "as many")


def _is_dict_of(value: Any, fits: Callable[[str, Any], Any]) -> bool:
    return isinstance(value, dict) and all(fits(key, held) for key, held in value.items())


def _is_whole(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _demand(condition: Any, path: Path, what: str, wanted: str, got: Any) -> None:
    if not condition:
        shown = repr(got)
        shown = shown if len(shown) < 200 else f"{shown[:200]}…"
        raise ValueError(f"load: {path}: its {what} must be {wanted}, got {shown}")
