"""How tensors are described in their own C++ objects, to be compared by the word.

torch's guards answer whether a tensor has the type, shape and strides that it had, in a fifth of a
microsecond; of thousands of small tensors that is what a step costs. The same stands in the first
words of a tensor's object. Which words these are is found out by looking at tensors of which it is
known how they differ, and believed only if it tells all of them apart. Where words differ, it may
be for another reason: then the guards are asked.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import math
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from thalweg.fuse.expected import Words

__all__ = ["words_of"]

_WORDS = 22  # of a tensor's object that are looked at
_HEAD = 6  # of the Python object
_MOST_AXES = 5  # more lie elsewhere
_SAME = 4  # tensors of each description
_LOOSE = 8  # bits of a word that may mean nothing; of an address or a number more differ
_ALL = (1 << 64) - 1


@dataclass(frozen=True)
class _Learned:
    """Which word of a Python object is its type, which leads to the tensor's own object, and which
    bits of that describe it."""

    type_at: int
    body_at: int
    mask: NDArray[np.uint64]


def words_of(tensors: Sequence[Tensor]) -> Words | None:
    """What describes each of these tensors; None where that cannot be told from their words."""
    learned = _learned()
    if learned is None or any(t.dim() > _MOST_AXES for t in tensors):
        return None
    rows = [(id(type(t)), *_masked(learned, t)) for t in tensors]
    number_of = {row: i for i, row in enumerate(dict.fromkeys(rows))}
    kinds = np.array([number_of[row] for row in rows], np.int64)
    distinct = np.array(list(number_of), np.uint64).astype(np.int64, casting="unsafe")
    return Words(learned.type_at, learned.body_at, learned.mask.view(np.int64), distinct, kinds)


def _masked(learned: _Learned, tensor: Tensor) -> list[int]:
    found: list[int] = (np.array(_body(tensor), np.uint64) & learned.mask).tolist()
    return found


def _body(tensor: Tensor) -> tuple[int, ...]:
    return _read(tensor._cdata, _WORDS)


def _read(at: int, count: int) -> tuple[int, ...]:
    return struct.unpack(f"{count}Q", ctypes.string_at(at, 8 * count))


@functools.cache
def _learned() -> _Learned | None:
    """What was found out; None where these objects are made otherwise."""
    if struct.calcsize("P") != 8 or os.name != "posix" or not hasattr(Tensor, "_cdata"):
        return None
    with torch.no_grad():
        groups = [[make() for _ in range(_SAME)] for make in _descriptions()]
    some = [tensor for group in groups for tensor in group]
    heads = [_read(id(tensor), _HEAD) for tensor in some]
    type_at = _common([[i for i, w in enumerate(h) if w == id(Tensor)] for h in heads])
    leads = [
        [i for i, w in enumerate(h) if w == t._cdata] for h, t in zip(heads, some, strict=True)
    ]
    body_at = _common(leads)
    if type_at is None or body_at is None:
        return None
    bodies = np.array([[_body(tensor) for tensor in group] for group in groups], np.uint64)
    varies = np.bitwise_or.reduce(bodies ^ bodies[:, :1], axis=(0, 1))
    kept = [0 if word.bit_count() > _LOOSE else ~word & _ALL for word in varies.tolist()]
    mask = np.array(kept, np.uint64)
    first = bodies[:, 0] & mask
    mask[(first == first[0]).all(axis=0)] = 0  # what is the same everywhere says nothing
    distinct = {tuple(row) for row in (first & mask).tolist()}
    return _Learned(type_at, body_at, mask) if len(distinct) == len(groups) else None


def _common(places: Sequence[Sequence[int]]) -> int | None:
    """The place that all have found, if there is one and no other."""
    both = set(places[0]).intersection(*places)
    return both.pop() if len(both) == 1 else None


def _descriptions() -> Iterator[Callable[[], Tensor]]:
    """Ways to make a tensor, no two of which make one of the same description."""
    shape = (2, 3, 4, 5, 6)
    for dim in range(len(shape)):
        yield functools.partial(_varied, shape[:dim], torch.float32)
    for dtype in (torch.float32, torch.float64, torch.bfloat16, torch.float16):
        yield functools.partial(_varied, shape, dtype)
    for axis in range(len(shape)):
        sizes = [*shape[:axis], 7, *shape[axis + 1 :]]
        yield functools.partial(_varied, tuple(sizes), torch.float32)
        yield functools.partial(_stretched, shape, axis, 0)
        yield functools.partial(_stretched, shape, axis, 5000)
    yield lambda: _varied(shape, torch.complex64)
    yield lambda: _varied(shape, torch.complex64).conj()
    yield lambda: _varied(shape, torch.complex64).conj().imag
    yield lambda: _varied(shape, torch.float32).to_sparse()
    yield lambda: torch.empty(shape, device="meta")


def _stretched(shape: tuple[int, ...], axis: int, stride: int) -> Tensor:
    """A tensor with another stride along one axis."""
    dense = _varied((6 * 5000,), torch.float32)
    strides = [*torch.empty(shape, device="meta").stride()]
    strides[axis] = stride
    return dense.as_strided(shape, strides)


def _varied(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """A tensor in one block of memory, each time in other circumstances."""
    number = next(_turn)
    if number % 2:
        _soil()
    start = 341 * number
    made = torch.empty(math.prod(shape) + start, dtype=dtype)[start:].view(shape)
    if number % 2:
        made = made.clone()
    for _ in range(number % 4):
        made.zero_()
    return made.requires_grad_(number % 3 == 0).detach() if number % 5 else made


def _soil() -> None:
    """Leave memory behind in which all bits are set, so that bits which nobody sets are seen."""
    library = ctypes.CDLL(None)
    library.malloc.restype, library.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    blocks = [(library.malloc(size), size) for size in range(8 * _WORDS - 32, 8 * _WORDS + 96, 16)]
    for at, size in blocks:
        ctypes.memset(at, 255, size)
        library.free(at)


_turn = itertools.cycle(range(_SAME))
