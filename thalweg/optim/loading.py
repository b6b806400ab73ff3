"""What `load_state_dict` does beyond torch's: it looks first, loses no digits, shares nothing."""

from __future__ import annotations

import copy
import functools
import math
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = [
    "OwnStates",
    "Rests",
    "Typed",
    "Wanted",
    "check_form",
    "check_states",
    "check_vectors",
    "fits_in_number",
    "no_narrower",
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
            shape = p.shape
            if shape not in known:
                known[shape] = wanted(p, saved)
            shapes, needed = known[shape]
            for key in cells:
                if key in held:
                    _check_number(title, key, held[key])
            lacks = [key for key in needed if key not in held]
            if lacks and not rests(held, saved):
                raise ValueError(
                    f"{title}: the state of parameter {number} lacks {lacks[0]!r}; it has "
                    f"{', '.join(map(repr, held))}"
                )
            for key, own in shapes.items():
                # torch's SGD once wrote None for a momentum that had not begun
                if key in held and (key in needed or held[key] is not None):
                    _check_array(title, key, held[key], own, p)


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


def _check_array(title: str, key: str, value: Any, shape: Sequence[int], p: Tensor) -> None:
    if not isinstance(value, Tensor) or value.shape != shape:
        raise ValueError(
            f"{title}: the state {key!r} must be a tensor of shape {tuple(shape)}, got "
            f"{_described(value)}"
        )
    if value.layout is torch.strided and value.dtype is p.dtype:  # nearly always
        return
    if value.layout not in (torch.strided, p.layout):
        raise ValueError(f"{title}: the state {key!r} must be dense, got one of {value.layout}")
    if value.is_complex() and not p.is_complex():
        raise ValueError(
            f"{title}: the state {key!r} of a real parameter must be real, got one of {value.dtype}"
        )


def _check_number(title: str, key: str, value: Any) -> None:
    if type(value) is Tensor and value.dtype is torch.float32 and not value.dim():
        if not value.is_meta and 0 <= (count := value.item()) < math.inf and count % 1 == 0:
            return  # nearly always
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


# of a saved tensor's type and its parameter's, and whether states are in single precision: its type
Typed = Callable[[torch.dtype, torch.dtype, bool], torch.dtype]


@functools.cache
def no_narrower(saved: torch.dtype, of_parameter: torch.dtype, is_single: bool) -> torch.dtype:
    """The type of a loaded state: the parameter's, as in torch, but none that has fewer digits than
    what was saved (pytorch#43706); under `state_dtype="float32"` that type."""
    usual = of_parameter if of_parameter.is_floating_point else saved
    if is_single:
        return torch.complex64 if usual.is_complex else torch.float32
    is_number = saved.is_floating_point or saved.is_complex
    is_wider = is_number and saved.itemsize > usual.itemsize
    return saved if is_wider and saved.is_complex == usual.is_complex else usual


class OwnStates:
    """Makes the states of a file the optimizer's own: in the types and places that a step wants,
    and every tensor a copy, where torch takes those that it need not convert as they are: then a
    step of the optimizer that was loaded moves the state of the one that was saved.

    A single number, one of the keys in `cells`, is float32 or float64, whatever its parameter is,
    and lies at its `home`, where a step reads it. Where one tensor stood in several places, one
    copy does.
    """

    def __init__(
        self,
        cells: Collection[str],
        home: Callable[[Tensor, Group], torch.device],
        typed: Typed = no_narrower,
    ) -> None:
        self._cells, self._home, self._typed = {*cells, "step"}, home, typed
        self._shared: dict[int, Tensor] = {}  # what is still the file's, by its identity

    def of(
        self, groups: Sequence[Group], loaded: Mapping[str, Any]
    ) -> defaultdict[Any, dict[str, Any]]:
        """The states of a file by the parameters of `groups`, of which it has as many."""
        owners = {
            number: (p, saved)
            for saved, group in zip(loaded["param_groups"], groups, strict=True)
            for number, p in zip(saved["params"], group["params"], strict=True)
        }
        found: dict[Any, Any] = {}
        for number, held in loaded["state"].items():
            owner = owners.get(number)
            if owner is None:
                found[number] = _each(held, self._as_it_is)
            else:
                found[owner[0]] = self._converted(held, *owner)
        copies = dict(zip(self._shared, _copied([*self._shared.values()]), strict=True))

        def own(tensor: Tensor) -> Tensor:
            return copies.get(id(tensor), tensor)

        return defaultdict(dict, {key: _each(held, own) for key, held in found.items()})

    def _converted(self, held: Mapping[str, Any], p: Tensor, group: Group) -> dict[str, Any]:
        """A parameter's state."""
        dtype, device = p.dtype, p.device
        is_single = group.get("state_dtype") == "float32"

        def array(value: Tensor) -> Tensor:
            saved = value.dtype
            wanted = self._typed(saved, dtype, is_single)
            if wanted is saved and value.device == device:
                return self._as_it_is(value)
            return value.to(device=device, dtype=wanted)

        made = {}
        for key, value in held.items():
            if key in self._cells:
                is_tensor = isinstance(value, Tensor)
                made[key] = self._cell(key, value, p, group) if is_tensor else value
            else:
                made[key] = array(value) if type(value) is Tensor else _each(value, array)
        return made

    def _cell(self, key: str, value: Tensor, p: Tensor, group: Group) -> Tensor:
        if value.is_meta or p.is_meta:
            there = value.device if key == "step" else p.device
        else:
            there = self._home(p, group)
        dtype = torch.float64 if value.dtype == torch.float64 else torch.float32
        if value.dtype is dtype and value.device == there:
            return self._as_it_is(value)
        return value.to(device=there, dtype=dtype)

    def _as_it_is(self, tensor: Tensor) -> Tensor:
        self._shared[id(tensor)] = tensor
        return tensor


def _each(value: Any, made: Callable[[Tensor], Tensor]) -> Any:
    """A value of a state with every tensor in it replaced, its containers made anew."""
    if isinstance(value, Tensor):
        return made(value)
    if type(value) in _LEAVES:
        return value
    if isinstance(value, Mapping):
        is_own_kind = isinstance(value, dict) and type(value) is not dict
        found = copy.copy(value) if is_own_kind else {}
        for key, one in value.items():
            found[key] = one if type(one) in _LEAVES else _each(one, made)
        return found
    if isinstance(value, list | tuple | set | deque):
        kind = type(value)
        return getattr(kind, "_make", kind)(_each(one, made) for one in value)
    return value


def _copied(tensors: list[Tensor]) -> Sequence[Tensor]:
    """A copy of each: many plain ones in one call, where torch has it."""
    if tensors and _clone_all is not None and {*map(type, tensors)} == {Tensor}:
        found: Sequence[Tensor] = _clone_all(tensors)
        return found
    return [tensor.clone() for tensor in tensors]
