"""Parameter groups, as every border has them: decay filters, and loading by name.

A parameter is whatever has a `shape`; a group is a mapping with `params` and settings.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["NO_BIAS_NORM", "Lot", "by_name", "check_filter", "decide", "lots"]

NO_BIAS_NORM = "no_bias_norm"

Group = Mapping[str, Any]


@dataclass(frozen=True)
class Lot:
    """Parameters of one group that are treated alike; `spared` ones do not decay."""

    group: Group
    params: Sequence[Any]
    spared: bool = False


def lots(title: str, param_groups: Sequence[Group]) -> list[Lot]:
    """The groups in order; one with a decay filter is two lots, those that decay first."""
    found = []
    for group in param_groups:
        if group.get("decay_filter") is None:
            found.append(Lot(group, group["params"]))
            continue
        decays = _decays(title, group)
        for spared in (False, True):
            params = [p for p, d in zip(group["params"], decays, strict=True) if d is not spared]
            found.append(Lot(group, params, spared))
    return found


def check_filter(title: str, value: Any) -> None:
    """Raise for a decay filter that is none."""
    if not (value is None or value == NO_BIAS_NORM or callable(value) or _is_decided(value)):
        raise ValueError(
            f"{title}: decay_filter must be None, {NO_BIAS_NORM!r} or a predicate of (name, "
            f"parameter) that says which parameters decay, got {value!r}"
        )


def decide(title: str, group: dict[str, Any]) -> None:
    """Replace a predicate by what it says of each parameter: a state_dict cannot hold functions."""
    decays: Callable[[str, Any], bool] | Any = group.get("decay_filter")
    if callable(decays):
        names = group.get("param_names")
        if names is None:
            raise ValueError(
                f"{title}: a predicate as decay_filter needs the parameters' names; make the "
                "optimizer from model.named_parameters()"
            )
        pairs = zip(names, group["params"], strict=True)
        group["decay_filter"] = [bool(decays(name, p)) for name, p in pairs]


def _decays(title: str, group: Group) -> list[bool]:
    """Whether each parameter of a group decays."""
    decays, params = group["decay_filter"], list(group["params"])
    if decays == NO_BIAS_NORM:
        names = group.get("param_names") or [""] * len(params)
        return [
            len(p.shape) > 1 and name.rpartition(".")[2] != "bias"
            for name, p in zip(names, params, strict=True)
        ]
    if not _is_decided(decays) or len(decays) != len(params):
        raise ValueError(
            f"{title}: decay_filter must be {NO_BIAS_NORM!r} or one truth value for each of the "
            f"group's {len(params)} parameters, got {decays!r}"
        )
    return list(map(bool, decays))


def _is_decided(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(v, bool) for v in value)


def by_name(
    title: str,
    loaded: dict[str, Any],
    groups: Sequence[Group],
    held: Mapping[Any, Any],
    strict: bool,
) -> dict[str, Any]:
    """A loaded state_dict in the order of the live groups, if both sides have names.

    torch goes by position and gives a reordered parameter another one's momentum
    (pytorch#1489). Each live group takes the settings of the saved group with the same names, or
    else of the one in its place. With `strict`, the names on both sides must be the same; without
    it, a parameter that the file lacks keeps the state it has in `held`.
    """
    saved = loaded["param_groups"]
    if not (_are_named(groups) and _are_named(saved)):
        return loaded
    place = {name: (group, i) for group in saved for i, name in enumerate(group["param_names"])}
    live = {name for group in groups for name in group["param_names"]}
    if strict and live != place.keys():
        raise RuntimeError(
            f"{title}.load_state_dict: the file must hold the optimizer's own parameters; "
            f"missing in it: {_listed(live - place.keys())}; "
            f"unexpected in it: {_listed(place.keys() - live)}; strict=False takes what fits"
        )
    state: dict[Any, Any] = {}
    taken: list[dict[str, Any]] = []
    for i, group in enumerate(groups):
        names, first = list(group["param_names"]), sum(len(one["params"]) for one in taken)
        twin = dict(_twin(set(names), i, groups, saved) or group)
        twin["params"] = list(range(first, first + len(names)))
        twin["param_names"] = names
        if isinstance(twin.get("decay_filter"), list | tuple):  # one truth value per parameter
            twin["decay_filter"] = _reordered_filter(names, place, group)
        taken.append(twin)
        for number, name, p in zip(itertools.count(first), names, group["params"], strict=False):
            owner, at = place.get(name, (None, 0))
            if owner is None and p in held:
                state[number] = held[p]
            elif owner is not None and owner["params"][at] in loaded["state"]:
                state[number] = loaded["state"][owner["params"][at]]
    numbered = {number for group in saved for number in group["params"]}
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
        values, position = (decays, at) if isinstance(decays, list | tuple) else (own, i)
        found.append(bool(values[position]) if isinstance(values, list | tuple) else True)
    return found


def _listed(names: set[str]) -> str:
    return ", ".join(map(repr, sorted(names))) or "none"
