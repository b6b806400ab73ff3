"""Where the arrays of one step lie: the engine is handed addresses, and fills them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.chain import Chain, Slot
from thalweg.fuse.work import Kind, Work
from thalweg.mytorch.nn import Parameter
from thalweg.rule import starting

__all__ = ["FORMATS", "Layout", "Row", "make_states"]

FORMATS = ("float32", "float64")

State = dict[str, Any]


class Row:
    """One parameter with all that a step of it touches."""

    def __init__(self, p: Parameter, lot: int, state: State, slots: Sequence[Slot]) -> None:
        self.p, self.lot, self.state = p, lot, state
        self.slots = {slot.qualified: slot.key for slot in slots}
        self.grad = np.ascontiguousarray(p.grad)
        self.new: set[str] = set()

    def array(self, name: str) -> NDArray[Any] | None:
        """The array of a plan's name; None for a state that the settings leave out."""
        if name in ("p", "g"):
            return self.p.data if name == "p" else self.grad
        return self.state[self.slots[name]] if name in self.slots else None

    def arrays(self, names: Sequence[str]) -> list[NDArray[Any] | None]:
        return [self.array(name) for name in names]


def make_states(chain: Chain, row: Row, slots: Sequence[Slot], views: Sequence[Any]) -> None:
    """Fill in what a parameter's state lacks; `row.new` are the parts that got an array."""
    if any(key not in row.state for key in chain.cells):
        row.state.update(chain.first_cells(views) | row.state)
    for slot in slots:
        if slot.key not in row.state:
            start = starting(slot.state, views[chain.parts.index(slot.part)])
            data = row.p.data
            row.state[slot.key] = (
                data.copy() if isinstance(start, str) else np.full_like(data, start)
            )
            row.new.add(slot.part.prefix)


class Layout:
    """The engine's work for parameters of given shapes and types; kept while these stay."""

    def __init__(self, chain: Chain, rows: Sequence[Row]) -> None:
        self.chain = chain
        self.key = self.key_of(chain, rows)
        self.work = Work(chain, [kind for kind, _ in self.key], [lot for _, lot in self.key])

    @staticmethod
    def key_of(chain: Chain, rows: Sequence[Row]) -> list[tuple[Kind, int]]:
        """What decides whether another step can use the same work."""
        names = ["p", "g", *(slot.qualified for slot in chain.slots)]
        return [(_kind(row, names), row.lot) for row in rows]

    def step(self, rows: Sequence[Row], views: Sequence[Any], threads: int) -> None:
        """Run one step, and store the numbers of the next."""
        arrays = [row.arrays(self.work.arrays) for row in rows]
        pointers = [[_address(a) for a in of_one] for of_one in arrays]
        keys, parts = list(self.chain.cells), self.chain.parts
        cells = [[row.state[key] for key in keys] for row in rows]
        first = [[part.prefix in row.new for part in parts] for row in rows]
        following, _ = self.work.step(
            views,
            np.array(pointers, np.int64).reshape(len(rows), len(self.work.arrays)),
            np.array(cells, np.float64).reshape(len(rows), len(keys)),
            np.array(first, np.bool_).reshape(len(rows), len(parts)),
            [],
            threads,
        )
        for row, values in zip(rows, following.tolist(), strict=True):
            row.state.update(zip(keys, values, strict=True))


def _kind(row: Row, names: Sequence[str]) -> Kind:
    formats = tuple(None if a is None else a.dtype.name for a in row.arrays(names))
    return Kind(row.p.data.shape, formats)


def _address(array: NDArray[Any] | None) -> int:
    if array is None or not array.size:
        return 0
    return int(array.__array_interface__["data"][0])
