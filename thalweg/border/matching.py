"""Loading by name: which saved parameter belongs to which live one, whatever their order.

DistributedDataParallel, torch.compile and others wrap a model and put words into its names. They
are told from the model's own, and taken off where that makes the names fit.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

__all__ = ["WRAPPERS", "by_name", "pairs_of_names"]

Group = Mapping[str, Any]

# the words that wrappers of a model put into its parameters' names, and whose they are
WRAPPERS = {
    "module": "DataParallel or DistributedDataParallel",
    "_orig_mod": "torch.compile",
    "_fsdp_wrapped_module": "FullyShardedDataParallel",
    "_checkpoint_wrapped_module": "checkpoint_wrapper",
    "_forward_module": "Fabric",
}


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
    else of the one in its place. With `strict`, the names on both sides must be the same, but for
    those of wrappers; without it, a parameter that the file lacks keeps the state it has in `held`.
    """
    saved = loaded["param_groups"]
    if not (_are_named(groups) and _are_named(saved)):
        return loaded
    own_name = _agreed(title, _names(saved), _names(groups), strict)
    saved = [{**one, "param_names": [own_name[n] for n in one["param_names"]]} for one in saved]
    place = {name: (group, i) for group in saved for i, name in enumerate(group["param_names"])}
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


def pairs_of_names(saved: Sequence[str], live: Sequence[str]) -> dict[str, str]:
    """The live name of each saved one that has one: the same, or the same without wrappers' words.

    One way of taking them off is used for all names, the first of those by which most fit.
    """
    if set(saved) == set(live):
        return {name: name for name in saved}
    best: dict[str, str] = {}
    for of_saved, of_live in _ways(saved, live):
        ours = {of_live(name): name for name in live}
        theirs = {of_saved(name): name for name in saved}
        if len(ours) < len(live) or len(theirs) < len(saved):
            continue  # two parameters would have one name
        found = {name: ours[key] for key, name in theirs.items() if key in ours}
        if len(found) > len(best):
            best = found
    return best


def _ways(
    saved: Sequence[str], live: Sequence[str]
) -> Iterable[tuple[Callable[[str], str], Callable[[str], str]]]:
    """The ways to make names comparable: the words in front of all of them off, or all words."""
    most = _words_in_front(saved), _words_in_front(live)
    for counts in sorted(itertools.product(*(range(n + 1) for n in most)), key=sum):
        yield _without_front(counts[0]), _without_front(counts[1])
    yield _bare, _bare


def _without_front(count: int) -> Callable[[str], str]:
    return lambda name: ".".join(name.split(".")[count:])


def _words_in_front(names: Sequence[str]) -> int:
    """How many wrappers' words all names begin with."""
    paths = [name.split(".")[:-1] for name in names]
    common = itertools.takewhile(lambda words: len(set(words)) == 1, zip(*paths, strict=False))
    return len(list(itertools.takewhile(lambda words: words[0] in WRAPPERS, common)))


def _bare(name: str) -> str:
    *path, last = name.split(".")
    return ".".join([*(word for word in path if word not in WRAPPERS), last])


def _agreed(title: str, saved: Sequence[str], live: Sequence[str], strict: bool) -> dict[str, str]:
    """What each saved name is called here, or a name of its own if nobody is called so."""
    found = pairs_of_names(saved, live)
    fit = len(found)
    if strict and not fit == len(saved) == len(live):
        raise RuntimeError(
            f"{title}.load_state_dict: the file must hold the optimizer's own parameters; "
            f"missing in it: {_listed(set(live) - set(saved))}; "
            f"unexpected in it: {_listed(set(saved) - set(live))}; "
            f"{_wrapped(saved, live, fit)}strict=False takes what fits"
        )
    if not fit and saved and live:
        raise RuntimeError(
            f"{title}.load_state_dict: none of the file's {len(saved)} parameters has the name of "
            f"one of the optimizer's {len(live)}; the file has {_listed(set(saved), 3)}, the "
            f"optimizer {_listed(set(live), 3)}"
        )
    if fit < len(live) or fit < len(saved):
        warnings.warn(
            f"{title}.load_state_dict: strict=False took the states of {fit} of the optimizer's "
            f"{len(live)} parameters from a file that has {len(saved)}; "
            f"missing in it: {_listed(set(live) - set(found.values()), 3)}; "
            f"unexpected in it: {_listed(set(saved) - set(found), 3)}",
            stacklevel=5,
        )
    nobodys = set(live)
    for name in saved:
        if name not in found:
            found[name] = _free(name, nobodys)
            nobodys.add(found[name])
    return found


def _free(name: str, taken: set[str]) -> str:
    """The name itself, unless it is that of another parameter here."""
    while name in taken:
        name = f"{name} of the file"
    return name


def _wrapped(saved: Sequence[str], live: Sequence[str], fit: int) -> str:
    """Whose words are in the names, for an error."""
    words = {word for name in (*saved, *live) for word in name.split(".")[:-1] if word in WRAPPERS}
    if not words:
        return ""
    whose = ", ".join(f"{word + '.'!r} of {WRAPPERS[word]}" for word in sorted(words))
    return f"without the prefixes of wrappers ({whose}) {fit} of {len(live)} names fit; "


def _names(groups: Sequence[Group]) -> list[str]:
    return [name for group in groups for name in group["param_names"]]


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


def _listed(names: set[str], most: int = 12) -> str:
    """Names in order; of many, the first."""
    shown = ", ".join(map(repr, sorted(names)[:most])) or "none"
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
