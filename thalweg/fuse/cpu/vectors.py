"""Sums per row and per column: how a kernel adds them up, and what the chunks' sums are together.

Every chunk has a room of its own, a double for each of its rows and each column, of each result.
What is in the rooms is put together in the order of the chunks, whoever ran them: the sums are the
same however many threads took part.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.fuse.legs import Pass

__all__ = ["STRIP", "Rooms", "added_to_columns", "added_to_rows", "places", "sums_of_columns"]

# So many columns at once are added up, row after row: their sums stay in the nearest cache.
STRIP = 1 << 11

Group = tuple[list[int], NDArray[np.float64]]  # tensors, and what each of them has
Matrices = tuple[int, int, int]  # how many a tensor is, and of what sides


def _of(pass_: Pass, over: str) -> list[int]:
    """The results of one kind, by their places."""
    return [i for i, one in enumerate(pass_.vectors) if one.over == over]


def _start(kind: str) -> str:
    return "-INF" if kind == "largest" else "0.0"


def _joined(kind: str) -> str:
    return "k_larger" if kind == "largest" else "add"


def sums_of_columns(pass_: Pass) -> list[str]:
    """The arrays, by name, in which a kernel has the sums of columns."""
    return [f"K_column{i}" for i in _of(pass_, "column")]


def places(pass_: Pass) -> list[str]:
    """Where a chunk's sums are, and what they are of nothing: of its rows, then of columns."""
    if not pass_.vectors:
        return []
    rows, columns = _of(pass_, "row"), _of(pass_, "column")
    lines = ["k_room = integer(k_beside, 2 * k_chunk + 1)"]
    for n, i in enumerate([*rows, *columns]):
        place, length = f"k_room + {n} * k_count", "k_count"
        if i in columns:
            place = f"k_room + {len(rows)} * k_count + {n - len(rows)} * k_row_length"
            length = "k_row_length"
        lines += [
            f"k_sums{i} = {place}",
            f"for k_i in range(k_sums{i}, k_sums{i} + {length}):",
            f"    put_double(k_vectors, k_i, {_start(pass_.vectors[i].kind)})",
        ]
    lines += [f"AT_K_column{i} = k_vectors + 8 * k_sums{i}" for i in columns]
    return lines


def added_to_rows(pass_: Pass) -> tuple[list[str], list[str], list[str]]:
    """The lines in front of a row, or a strip of one, those for each element, and those behind."""
    before, each, behind = list[str](), list[str](), list[str]()
    for i in _of(pass_, "row"):
        one, joined = pass_.vectors[i], _joined(pass_.vectors[i].kind)
        more = "k_value * k_value" if one.kind == "norm" else "k_value"
        place = f"k_sums{i} + k_row - k_first"
        before.append(f"k_of_row{i} = {_start(one.kind)}")
        each += [f"k_value = D({one.value})", f"k_of_row{i} = {joined}(k_of_row{i}, {more})"]
        both = f"{joined}(double(k_vectors, {place}), k_of_row{i})"
        behind.append(f"put_double(k_vectors, {place}, {both})")
    return before, each, behind


def added_to_columns(pass_: Pass) -> list[str]:
    """The lines that take one element into the sums of its column."""
    lines = []
    for i in _of(pass_, "column"):
        one = pass_.vectors[i]
        more = "k_value * k_value" if one.kind == "norm" else "k_value"
        place = f"AT_K_column{i}, k_i - k_start + k_strip"
        both = f"{_joined(one.kind)}(LOAD_K_column{i}({place}), {more})"
        lines += [f"k_value = D({one.value})", f"STORE_K_column{i}({place}, {both})"]
    return lines


class Rooms:
    """The chunks' rooms, one behind the other; `at` says where each begins."""

    def __init__(
        self, pass_: Pass, chunks: NDArray[np.int64], matrices: Sequence[Matrices]
    ) -> None:
        self._rows, self._columns = _of(pass_, "row"), _of(pass_, "column")
        self._kinds = [one.kind for one in pass_.vectors]
        self._matrices, self._chunks = matrices, chunks.tolist()
        widths = np.array([columns for _, _, columns in matrices], np.int64)[chunks[:, 0]]
        sizes = len(self._rows) * chunks[:, 2] + len(self._columns) * widths
        self.size = int(sizes.sum())
        self.at = np.cumsum(sizes) - sizes
        self._at: list[int] = self.at.tolist()
        self._starts = np.searchsorted(chunks[:, 0], np.arange(len(matrices) + 1)).tolist()
        self._groups = self._grouped()
        self._takes = [self._taking(i) for i in range(len(self._kinds))]

    def _grouped(self) -> list[tuple[list[int], NDArray[np.int64] | None]]:
        """The tensors that are of one shape, and where their rooms begin if each is one chunk."""
        found: dict[Any, list[int]] = {}
        for k, shape in enumerate(self._matrices):
            is_one = self._starts[k + 1] - self._starts[k] == 1
            found.setdefault(shape if is_one else k, []).append(k)
        groups: list[tuple[list[int], NDArray[np.int64] | None]] = []
        for of_one, members in found.items():
            at = self.at[[self._starts[k] for k in members]] if isinstance(of_one, tuple) else None
            groups.append((members, at))
        return groups

    def together(self, rooms: NDArray[np.float64]) -> list[list[Group]]:
        """For each result, of groups of tensors of one shape the sums of rows or columns."""
        return [[(members, take(rooms)) for members, take in of_one] for of_one in self._takes]

    def _taking(self, i: int) -> list[tuple[list[int], Callable[[NDArray[np.float64]], Any]]]:
        """How what one result has is taken out of the rooms, by groups of tensors of one shape."""
        is_of_rows, kind = i in self._rows, self._kinds[i]
        n = (self._rows if is_of_rows else self._columns).index(i)
        found: list[tuple[list[int], Callable[[NDArray[np.float64]], Any]]] = []
        for members, at in self._groups:
            _, rows, columns = self._matrices[members[0]]
            if at is None:
                made = self._of_rows if is_of_rows else self._of_columns
                found.append((members, functools.partial(made, n, kind, members[0])))
                continue
            begin = n * rows if is_of_rows else len(self._rows) * rows + n * columns
            places: Any = (at + begin)[:, None] + np.arange(rows if is_of_rows else columns)
            if not members[1:] and places.size:  # seen where they are: no copy
                places = np.s_[None, int(places[0, 0]) : int(places[0, -1]) + 1]
            found.append((members, operator.itemgetter(places)))
        return found

    def _of_tensor(self, k: int) -> Iterator[tuple[int, int, int]]:
        """Of each chunk of a tensor: where its room begins, its first row, and how many."""
        for c in range(self._starts[k], self._starts[k + 1]):
            _, first, count = self._chunks[c]
            yield self._at[c], first, count

    def _of_rows(
        self, n: int, kind: str, k: int, rooms: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        matrices, rows, _ = self._matrices[k]
        made = np.full(matrices * rows, -np.inf if kind == "largest" else 0.0)
        for at, first, count in self._of_tensor(k):
            made[first : first + count] = rooms[at + n * count : at + (n + 1) * count]
        return made[None]

    def _of_columns(
        self, n: int, kind: str, k: int, rooms: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        matrices, rows, columns = self._matrices[k]
        made = np.full((matrices, columns), -np.inf if kind == "largest" else 0.0)
        add = np.maximum if kind == "largest" else np.add
        for at, first, count in self._of_tensor(k):
            at += len(self._rows) * count + n * columns
            own = made[first // rows]
            add(own, rooms[at : at + columns], out=own)
        return made.reshape(1, -1)
