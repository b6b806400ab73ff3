"""One look at an optimizer, through Python's C interface: everything that a prepared step rests on.

Looked at are lists and dicts that programs may write to, and where objects lie. In Python that is a
dozen loops over all tensors; compiled it is one call. Objects are compared by identity: who asks
keeps those it compares with alive, so that no other can have theirs.
"""

from __future__ import annotations

import ctypes
import itertools
from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np

from thalweg.fuse.cpu.cache import compiled
from thalweg.fuse.cpu.sweep import address
from thalweg.fuse.expected import ABSENT, Expected

__all__ = ["Look"]

# the words of the table that the look is given: functions, then what it is to find
_FUNCTIONS = (
    *("PyList_Size", "PyList_GetItem", "PyList_SetItem"),
    *("PyDict_Size", "PyDict_GetItem", "PyDict_Next", "PyObject_GetAttr"),
)
_SCRATCH = ("position", "key", "value", "inner_position", "inner_key", "inner_value")
_WORDS = (
    *_FUNCTIONS,
    *("address_of", "none", "params_name", "grad_name"),
    *("groups", "states", "grads"),
    *("group_count", "group_ids", "lists", "list_sizes", "members"),
    *("name_count", "names", "values"),
    *("state_count", "owners", "dicts", "dict_sizes", "keys", "held"),
    *("standing_count", "standing", "places"),
    *("cell_count", "cells", "wide", "numbers"),
    *("row_count", "rows", "found"),
    *("changed", "differs", "missing"),
    *_SCRATCH,
)
_AT = {name: i for i, name in enumerate(_WORDS)}

_CALLS = """# Made by thalweg: {what}.
from thalweg.fuse.cpu.memory import call, double, integer, load, put_integer

load_narrow = load("float32", "float64", "cell", ("cell",))
load_wide = load("float64", "float64", "cell", ("cell",))


def kernel(table):
{words}
"""

_LOOK = """    changed, differs, missing = 0, 0, 0
    if call(PyList_Size, groups) != group_count or call(PyDict_Size, states) != state_count:
        changed = 1
    first, at = 0, 0
    for i in range(group_count * (1 - changed)):
        group = call(PyList_GetItem, groups, i)
        if group != integer(group_ids, i):
            changed = 1
            break
        params, size = call(PyDict_GetItem, group, params_name), integer(list_sizes, i)
        if params != integer(lists, i) or call(PyList_Size, params) != size:
            changed = 1
            break
        for j in range(size):
            if call(PyList_GetItem, params, j) != integer(members, first + j):
                changed = 1
        for j in range(name_count):
            if call(PyDict_GetItem, group, integer(names, j)) != integer(values, at + j):
                differs = 1
        first += size
        at += name_count
    first = 0
    put_integer(position, 0, 0)
    for i in range(state_count * (1 - changed)):
        call(PyDict_Next, states, position, key, value)
        own, size = integer(value, 0), integer(dict_sizes, i)
        if integer(key, 0) != integer(owners, i) or own != integer(dicts, i):
            changed = 1
            break
        if call(PyDict_Size, own) != size:
            changed = 1
            break
        put_integer(inner_position, 0, 0)
        for j in range(first, first + size):
            call(PyDict_Next, own, inner_position, inner_key, inner_value)
            if integer(inner_key, 0) != integer(keys, j):
                changed = 1
            if integer(inner_value, 0) != integer(held, j):
                changed = 1
        first += size
    for i in range(row_count * (1 - changed)):
        grad = call(PyObject_GetAttr, integer(rows, i), grad_name)
        if grad == 0:  # an error, which the caller raises
            changed = 1
            break
        if grad == none:
            missing += 1
        call(PyList_SetItem, grads, i, grad)
    put_integer(table, {changed}, changed)
    put_integer(table, {differs}, differs)
    put_integer(table, {missing}, missing)
"""

_LOCATE = """    changed = 0
    for i in range(standing_count):
        changed |= call(address_of, integer(standing, i)) ^ integer(places, i)
    for i in range(cell_count):
        at = integer(cells, i)
        if integer(wide, i):
            number = load_wide(at, 0)
        else:
            number = load_narrow(at, 0)
        if number != double(numbers, i):
            changed |= 1
    for i in range(row_count):
        grad, at = call(PyList_GetItem, grads, i), 0
        if grad != none:
            at = call(address_of, grad)
            if at == 0:
                changed |= 1
        put_integer(found, i, at)
    put_integer(table, {changed}, changed)
"""

_KEEP = """# Made by thalweg: stores the numbers kept with tensors.
from thalweg.fuse.cpu.memory import double, integer, store

store_narrow = store("float32", "float64", "cell", ("cell",))
store_wide = store("float64", "float64", "cell", ("cell",))


def kernel(table):
    cells, numbers = integer(table, {cells}), integer(table, {numbers})
    wide = integer(table, {wide})
    for i in range(integer(table, {cell_count})):
        at = integer(cells, i)
        if integer(wide, i):
            store_wide(at, 0, double(numbers, i))
        else:
            store_narrow(at, 0, double(numbers, i))
"""


def _kernel(what: str, body: str) -> str:
    """A kernel with its words: each field of the table by its name, or, of scratch, its place."""
    found = ("changed", "differs", "missing")
    lines = [f"    {n} = integer(table, {i})" for n, i in _AT.items() if n not in found + _SCRATCH]
    lines += [f"    {name} = table + {8 * _AT[name]}" for name in _SCRATCH]
    used = [line for line in lines if line.split()[0] in body]
    return (_CALLS + body).format(**_AT, what=what, words="\n".join(used))


class Look:
    """Looks at an optimizer, as often as need be; `address_of` is a C function from an object to
    where it lies."""

    def __init__(self, address_of: int, expected: Expected) -> None:
        api = ctypes.pythonapi
        self._kept: dict[str, Any] = {}
        self._table = array("q", [0] * len(_WORDS))  # a word of it is read in half of NumPy's time
        self._at = self._table.buffer_info()[0]
        for name in _FUNCTIONS:
            self._put(name, ctypes.cast(getattr(api, name), ctypes.c_void_p).value or 0)
        self.grads: list[Any] = [None] * len(expected.rows)
        self._nothing = list(self.grads)
        self.differs, self.missing = False, 0
        self.found = np.zeros(len(expected.rows), np.int64)
        words = {"address_of": address_of, "none": id(None), "grads": id(self.grads)}
        words |= {"group_count": len(expected.groups), "name_count": len(expected.names)}
        words |= {"state_count": len(expected.states), "standing_count": len(expected.standing)}
        words |= {"cell_count": expected.cells.size, "row_count": len(expected.rows)}
        for name, word in words.items():
            self._put(name, word)
        lists, dicts = (
            [group["params"] for group in expected.groups],
            list(expected.states.values()),
        )
        self._point(
            group_ids=expected.groups,
            lists=lists,
            members=[p for own in lists for p in own],
            names=expected.names,
            owners=list(expected.states),
            dicts=dicts,
            keys=list(itertools.chain.from_iterable(dicts)),
            held=[value for own in dicts for value in own.values()],
            standing=expected.standing,
            rows=expected.rows,
        )
        self.take(expected.values)
        sizes = {"list_sizes": lists, "dict_sizes": dicts}
        tables = {name: np.array([len(one) for one in of], np.int64) for name, of in sizes.items()}
        tables |= {"places": expected.places, "cells": expected.cells, "wide": expected.wide}
        for name, table in {**tables, "numbers": expected.numbers, "found": self.found}.items():
            self._kept[name] = table
            self._put(name, address(table))
        self._names = ["params", "grad"]
        self._put("params_name", id(self._names[0]))
        self._put("grad_name", id(self._names[1]))
        look = _kernel("whether an optimizer is as it was", _LOOK)
        self._look = compiled(look, "look", 1, holds_gil=True)
        locate = _kernel("whether tensors lie where they lay", _LOCATE)
        self._locate = compiled(locate, "locate", 1, holds_gil=True)
        self._keep = compiled(_KEEP.format(**_AT), "keep", 1, holds_gil=True)

    def _put(self, name: str, word: int) -> None:
        self._table[_AT[name]] = word

    def _point(self, **tables: Sequence[Any]) -> None:
        """Tables of identities, of objects that are kept alive."""
        for name, objects in tables.items():
            ids = np.fromiter(map(id, objects), np.int64, len(objects))
            self._kept[name] = ids, list(objects)
            self._put(name, address(ids))

    def take(self, values: Sequence[Any]) -> None:
        """The values of the groups are others from now on."""
        self._point(values=values)
        ids = self._kept["values"][0]
        for i, value in enumerate(values):
            if value is ABSENT:
                ids[i] = 0

    def holds(self, groups: list[Any], states: dict[Any, Any]) -> bool:
        """Whether all objects are what they were, but for the values of the groups: `differs` says
        that. Then `grads` are the gradients, and `missing` how many of them are None."""
        table = self._table
        table[_AT_GROUPS], table[_AT_STATES] = id(groups), id(states)
        self._look(self._at)
        self.differs, self.missing = table[_AT_DIFFERS] != 0, table[_AT_MISSING]
        return not table[_AT_CHANGED]

    def located(self) -> bool:
        """Whether all lies where it lay, and the numbers are what they were; then `found` says
        where the gradients lie, 0 for None. Asked only of what is known to lie in memory."""
        self._locate(self._at)
        return not self._table[_AT_CHANGED]

    def keep(self) -> None:
        """Store the numbers, as they are now, into the cells."""
        self._keep(self._at)

    def let_go(self) -> None:
        """Keep no gradient alive."""
        self.grads[:] = self._nothing


_AT_GROUPS, _AT_STATES, _AT_CHANGED = _AT["groups"], _AT["states"], _AT["changed"]
_AT_DIFFERS, _AT_MISSING = _AT["differs"], _AT["missing"]
