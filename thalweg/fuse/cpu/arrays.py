"""One look at many NumPy arrays: whether they are of the type, shape and order they were, and where
they lie.

NumPy's C interface shows an array as a struct, the same since its first version 1.7: behind the
object's head lie the address, the number of axes, their lengths, the strides, the base, the type
and the flags. Asked through Python, each array would cost as much as this look at all of them.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.fuse.cpu.cache import compiled
from thalweg.fuse.cpu.sweep import address

__all__ = ["ArrayLook"]

_HEAD = object.__basicsize__ // 8  # words; then those of the struct
_ADDRESS, _AXES, _LENGTHS, _TYPE, _FLAGS = (_HEAD + i for i in (0, 1, 2, 5, 6))
_WHOLE = 0x1 | 0x100 | 0x400  # C-contiguous, aligned, writeable

_LOOK = f"""# Made by thalweg: whether NumPy's arrays are as they were, and where they lie.
from thalweg.fuse.cpu.memory import integer, put_integer


def kernel(table):
    nothing, objects, count = integer(table, 0), integer(table, 1), integer(table, 2)
    types, axes, lengths = integer(table, 3), integer(table, 4), integer(table, 5)
    places, standing = integer(table, 6), integer(table, 7)
    changed, missing, first = 0, 0, 0
    for i in range(count):
        array, dimensions = integer(objects, i), integer(axes, i)
        at = 0
        if array == nothing:
            missing += 1
        elif (
            integer(array, {_TYPE}) != integer(types, i)
            or integer(array, {_AXES}) & 0xFFFFFFFF != dimensions
            or integer(array, {_FLAGS}) & {_WHOLE} != {_WHOLE}
        ):
            changed += 1
        else:
            at, own = integer(array, {_ADDRESS}), integer(array, {_LENGTHS})
            for axis in range(dimensions):
                if integer(own, axis) != integer(lengths, first + axis):
                    changed += 1
        first += dimensions
        if i >= standing:
            put_integer(places, i, at)
        elif at != integer(places, i):
            changed += 1
    put_integer(table, 8, changed)
    put_integer(table, 9, missing)
"""


class ArrayLook:
    """Looks at arrays again: first those that must lie where they lay, then as many as there are
    tensors, which may be others each time, or None."""

    def __init__(self, standing: Sequence[NDArray[Any]], rows: Sequence[NDArray[Any]]) -> None:
        arrays = [*standing, *rows]
        lengths = list(itertools.chain.from_iterable(array.shape for array in arrays))
        self._places = np.array([array.ctypes.data for array in arrays], np.int64)
        self.found = self._places[len(standing) :]
        self._memory = (
            np.array([id(array.dtype) for array in arrays], np.int64),
            np.array([array.ndim for array in arrays], np.int64),
            np.array([*lengths, 0], np.int64),
            self._places,
        )
        self._types = [array.dtype for array in arrays]  # kept alive: known by their identities
        places = map(address, self._memory)
        fields = [id(None), 0, len(arrays), *places, len(standing), 0, 0]
        self._table = np.array(fields, np.int64)
        self._at = address(self._table)
        self._look = compiled(_LOOK, "array_look", 1, holds_gil=True)

    @staticmethod
    @functools.cache
    def can_look() -> bool:
        """Whether this NumPy keeps an array as it always has."""
        array = np.zeros((3, 5), np.float32)
        words = (ctypes.c_int64 * (_FLAGS + 1)).from_address(id(array))
        lengths = (ctypes.c_int64 * 2).from_address(words[_LENGTHS])
        found = words[_ADDRESS], words[_AXES] & 0xFFFFFFFF, words[_TYPE], list(lengths)
        is_whole = words[_FLAGS] & _WHOLE == _WHOLE
        expected = array.ctypes.data, 2, id(array.dtype), [3, 5]
        array.flags.writeable = False
        return is_whole and found == expected and words[_FLAGS] & _WHOLE != _WHOLE

    def holds(self, arrays: Sequence[Any]) -> bool:
        """Whether the arrays are as they were; then `found` says where the last ones lie."""
        kinds = {*map(type, arrays)}
        if kinds != {np.ndarray} and kinds != {np.ndarray, type(None)}:
            return False
        ids = np.fromiter(map(id, arrays), np.int64, len(arrays))
        self._table[1] = address(ids)
        self._look(self._at)
        return not self._table[8]

    @property
    def missing(self) -> int:
        """How many of them were None when it looked last."""
        return int(self._table[9])
