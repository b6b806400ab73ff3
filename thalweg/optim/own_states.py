"""The states of a file as an optimizer's own: looked at first, no digit lost, nothing shared."""

from __future__ import annotations

import copy
import functools
import itertools
import math
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor

from thalweg.optim.loading import Group, Rests, Wanted, check_state

__all__ = ["OwnStates", "Typed", "no_narrower"]

_clone_all = getattr(torch, "_foreach_clone", None)  # since torch 2.11
_shape = attrgetter("shape")
_KIND = tuple(map(attrgetter, ("dtype", "device", "layout")))
_LEAVES = {bool, int, float, str, type(None)}  # what holds no tensor, of the kinds that states have

# of a saved tensor's type, its parameter's, and whether states are in single precision: its own
Typed = Callable[[torch.dtype, torch.dtype, bool], torch.dtype]


@functools.cache
def no_narrower(saved: torch.dtype, of_parameter: torch.dtype, is_single: bool) -> torch.dtype:
    """The type of a loaded state: the parameter's, as in torch, but none with fewer digits than
    what was saved (pytorch#43706); under `state_dtype="float32"` that one."""
    usual = of_parameter if of_parameter.is_floating_point else saved
    if is_single:
        return torch.complex64 if usual.is_complex else torch.float32
    is_number = saved.is_floating_point or saved.is_complex
    is_wider = is_number and saved.itemsize > usual.itemsize
    return saved if is_wider and saved.is_complex == usual.is_complex else usual


class _Table:
    """States of parameters of one group that have the same keys: a row for each parameter."""

    def __init__(self, saved: Group, keys: tuple[Any, ...]) -> None:
        self.saved, self.keys = saved, keys
        self.numbers: list[Any] = []
        self.params: list[Tensor] = []
        self.rows: list[Any] = []

    @functools.cached_property
    def columns(self) -> list[tuple[Any, ...]]:
        """By key, what the rows hold."""
        return list(zip(*[row.values() for row in self.rows], strict=True))


def _tables(saved: Group, group: Group, states: Mapping[Any, Any]) -> Iterable[_Table]:
    """The states of a group's parameters; one that is no plain dict has a table without keys."""
    found: dict[Any, _Table] = {}
    for number, p in zip(saved["params"], group["params"], strict=True):
        if number in states:
            held = states[number]
            keys = tuple(held) if type(held) is dict else ()
            if (table := found.get(keys)) is None:
                table = found[keys] = _Table(saved, keys)
            table.numbers.append(number)
            table.params.append(p)
            table.rows.append(held)
    return found.values()


class OwnStates:
    """Makes the states of a file an optimizer's own: of the types and in the places that a step
    wants, and every tensor a copy. torch takes those that it need not convert as they are, and then
    a step of the optimizer that was loaded moves the state of the one that was saved.

    A single number, one of the keys in `cells`, is float32 or float64, whatever its parameter is,
    and lies at its `home`, where a step reads it. Where one tensor stood in several places, one
    copy does.
    """

    def __init__(
        self,
        title: str,
        cells: Collection[str],
        home: Callable[[Tensor, Group], torch.device],
        wanted: Wanted,
        rests: Rests,
        typed: Typed = no_narrower,
    ) -> None:
        self._title, self._cells, self._home = title, cells, home
        self._wanted, self._rests, self._typed = wanted, rests, typed
        self._copies: dict[int, Tensor] = {}  # of the file's tensors, by their identity

    def of(
        self, groups: Sequence[Group], loaded: Mapping[str, Any]
    ) -> defaultdict[Any, dict[str, Any]]:
        """The states of a file by the parameters of `groups`, of which it has as many; raises
        ValueError for one that the next step could not take."""
        states = loaded["state"]
        plain: list[_Table] = []
        others: list[_Table] = []
        if not states:
            return defaultdict(dict)
        owners: dict[Any, Any] = dict(zip(states, states, strict=True))
        for saved, group in zip(loaded["param_groups"], groups, strict=True):
            for table in _tables(saved, group, states):
                owners.update(zip(table.numbers, table.params, strict=True))
                (plain if self._is_plain(table) else others).append(table)
        made = self._copied(plain)
        for table in others:
            for number, p, held in zip(table.numbers, table.params, table.rows, strict=True):
                made[number] = self._converted(held, p, table.saved)
        found: defaultdict[Any, Any] = defaultdict(dict)
        for number, p in owners.items():  # in the order of the file, which may hold other things
            found[p] = made[number] if number in made else _each(states[number], self._copy)
        return found

    def _is_plain(self, table: _Table) -> bool:
        """Whether states are sound and need no conversion, as nearly always, which all are asked
        together; if not, each is looked at, and raises for what is wrong."""
        params, shapes = table.params, [*map(_shape, table.params)]
        wanted = {
            shape: self._wanted(p, table.saved)
            for shape, p in dict(zip(shapes, params, strict=True)).items()
        }
        if self._are_usual(table, shapes, wanted):
            return True
        for number, p, shape, held in zip(table.numbers, params, shapes, table.rows, strict=True):
            check_state(
                self._title, number, held, p, wanted[shape], self._cells, table.saved, self._rests
            )
        return False

    def _are_usual(
        self, table: _Table, shapes: Sequence[torch.Size], wanted: Mapping[torch.Size, Any]
    ) -> bool:
        """Whether all states have what they need, in the types and places where it is used."""
        params, keys = table.params, set(table.keys)
        alike = [{*map(type, params)}, *({*map(of, params)} for of in _KIND)]
        if any(len(each) > 1 for each in alike) or not keys:
            return False
        if params[0].is_meta or any(not keys.issuperset(needed) for _, needed in wanted.values()):
            return False
        dtype = self._typed(params[0].dtype, params[0].dtype, _is_single(table.saved))
        array = {dtype}, {params[0].device}, {torch.strided}
        cell = {torch.float32}, {self._home(params[0], table.saved)}
        for key, column in zip(table.keys, table.columns, strict=True):
            if {*map(type, column)} != {Tensor}:
                return False
            is_cell = key in self._cells
            usual = cell if is_cell else array
            if any({*map(of, column)} != one for of, one in zip(_KIND, usual, strict=False)):
                return False
            sizes: list[Any] = [wanted[one][0].get(key) for one in shapes]
            if [*map(_shape, column)] != ([()] * len(column) if is_cell else sizes):
                return False
            if key == "step" and not all(map(_is_count, {*map(Tensor.item, column)})):
                return False
        return True

    def _copied(self, tables: Sequence[_Table]) -> dict[Any, dict[str, Any]]:
        """Copies, by number, of states that need nothing else: all their tensors together."""
        columns = [column for table in tables for column in table.columns]
        tensors = list(itertools.chain.from_iterable(columns))
        is_each = len({*map(id, tensors)}) == len(tensors)
        copies = iter(_cloned(tensors) if is_each else map(self._copy, tensors))
        found: dict[Any, dict[str, Any]] = {}
        for table in tables:
            each = [list(itertools.islice(copies, len(table.rows))) for _ in table.keys]
            rows = map(zip, itertools.repeat(table.keys), zip(*each, strict=True))
            found.update(zip(table.numbers, map(dict, rows), strict=True))
        return found

    def _copy(self, tensor: Tensor) -> Tensor:
        known = self._copies.get(id(tensor))
        if known is None:
            known = self._copies[id(tensor)] = tensor.clone()
        return known

    def _converted(self, held: Mapping[str, Any], p: Tensor, saved: Group) -> dict[str, Any]:
        """A parameter's state, whatever it holds."""

        def array(value: Tensor) -> Tensor:
            return self._in(value, p.device, self._typed(value.dtype, p.dtype, _is_single(saved)))

        made = {}
        for key, value in held.items():
            is_cell = key in self._cells or key == "step"
            if is_cell and isinstance(value, Tensor):
                dtype = torch.float64 if value.dtype == torch.float64 else torch.float32
                made[key] = self._in(value, self._home_of(key, value, p, saved), dtype)
            else:
                made[key] = _each(value, array)
        return made

    def _home_of(self, key: str, value: Tensor, p: Tensor, saved: Group) -> torch.device:
        if value.is_meta or p.is_meta:
            return value.device if key == "step" else p.device
        return self._home(p, saved)

    def _in(self, value: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
        made = value.to(device=device, dtype=dtype)
        return self._copy(value) if made is value else made


def _is_count(number: float) -> bool:
    return 0 <= number < math.inf and number % 1 == 0


def _is_single(group: Group) -> bool:
    return group.get("state_dtype") == "float32"


def _each(value: Any, made: Callable[[Tensor], Tensor]) -> Any:
    """A value of a state with every tensor in it replaced, its containers made anew."""
    if isinstance(value, Tensor):
        return made(value)
    if type(value) in _LEAVES:
        return value
    if isinstance(value, Mapping):
        is_own_kind = isinstance(value, dict) and type(value) is not dict
        found: Any = copy.copy(value) if is_own_kind else {}
        for key, one in value.items():
            found[key] = _each(one, made)
        return found
    if isinstance(value, list | tuple | set | deque):
        kind = type(value)
        return getattr(kind, "_make", kind)(_each(one, made) for one in value)
    return value


def _cloned(tensors: list[Tensor]) -> Sequence[Tensor]:
    """A copy of each: many plain ones in one call, where torch has it."""
    if tensors and _clone_all is not None and {*map(type, tensors)} == {Tensor}:
        found: Sequence[Tensor] = _clone_all(tensors)
        return found
    return [tensor.clone() for tensor in tensors]
