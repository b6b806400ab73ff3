"""Where the arrays of one step lie: the engine is handed addresses, and fills them."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, MutableMapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from thalweg.averaging import count_rest
from thalweg.chain import Chain, Slot
from thalweg.declaration import starting
from thalweg.fuse.engines import host
from thalweg.fuse.whole import Deed
from thalweg.fuse.work import Kind, Work
from thalweg.mytorch.nn import Parameter

__all__ = ["FORMATS", "Layout", "Turn", "first_state", "ready_gradient"]

# in the processor's own byte order: the engine reads what it finds
FORMATS = {np.dtype(name): name for name in ("float32", "float64")}

State = dict[str, Any]


class Turn(NamedTuple):
    """A parameter to be stepped, the number of its lot, and its gradient as the engine wants it."""

    p: Parameter
    lot: int
    grad: NDArray[Any]


def ready_gradient(title: str, p: Parameter) -> NDArray[Any]:
    """A parameter's gradient in one piece of memory: itself, or a copy if it lies otherwise."""
    grad: Any = p.grad
    if isinstance(grad, np.ndarray) and grad.shape == p.data.shape:
        if grad.dtype in FORMATS and grad.flags.carray:  # nearly always
            return grad
        native = grad.dtype.newbyteorder("=")
        if native in FORMATS:
            return np.require(grad, native, ["C", "A", "W"])
    raise ValueError(
        f"{title}: a gradient must be a float32 or float64 array of its parameter's shape "
        f"{p.data.shape}, got {getattr(grad, 'dtype', type(grad).__name__)} "
        f"of shape {np.shape(grad)}"
    )


def first_state(
    chain: Chain, p: Parameter, held: Mapping[str, Any], slots: Sequence[Slot], views: Sequence[Any]
) -> State:
    """What a parameter's state lacks before the step that needs it."""
    made: State = {}
    if any(key not in held for key in chain.cells):
        first = chain.first_cells(views)
        made = {key: first[key] for key in chain.cells if key not in held}
    for slot in slots:
        if slot.key not in held:
            start = starting(slot.state, views[chain.parts.index(slot.part)])
            is_like = isinstance(start, str)
            made[slot.key] = p.data.copy() if is_like else np.full_like(p.data, start)
    return made


class _Row:
    """One parameter with all that a step of it touches; `made` is the part of its state that the
    optimizer gets to see when the first step has succeeded."""

    def __init__(self, title: str, turn: Turn, held: State, made: State, slots: Sequence[Slot]):
        self.p, self.data, self.lot = turn.p, turn.p.data, turn.lot
        self.form = turn.grad.dtype
        self.held, self.made = held, made
        self.full = held | made if made else held
        self.arrays = {slot.qualified: (slot.key, self.full[slot.key]) for slot in slots}
        self.new = {slot.part.prefix for slot in slots if slot.key in made}
        for key, array in self.arrays.values():
            _check_state(title, self.data.shape, key, array)

    def fits(self, turn: Turn, held: State | None) -> bool:
        """Whether another step of the same parameter finds the same arrays."""
        if turn.p is not self.p or turn.lot != self.lot or turn.grad.dtype != self.form:
            return False
        if turn.p.data is not self.data or held is not self.held:
            return False
        return all([held.get(key) is array for key, array in self.arrays.values()])

    def array(self, name: str, grad: NDArray[Any]) -> NDArray[Any] | None:
        """The array of a plan's name; None for a state that the settings leave out."""
        if name in ("p", "g"):
            return self.data if name == "p" else grad
        return self.arrays[name][1] if name in self.arrays else None


class Layout:
    """One step after another of the same parameters, as long as their arrays stay the same."""

    def __init__(
        self,
        chain: Chain,
        turns: Sequence[Turn],
        views: Sequence[Sequence[Any]],
        live: Sequence[Sequence[Slot]],
        states: Mapping[Parameter, State],
        rests: bool = False,
    ) -> None:
        self._chain, self._rests = chain, rests
        self._cells, self._live = list(chain.cells), live
        self._rows = []
        for turn in turns:
            slots, held = live[turn.lot], states.get(turn.p, {})
            made = first_state(chain, turn.p, held, slots, views[turn.lot])
            self._rows.append(_Row(chain.name, turn, held, made, slots))
        names = ["p", "g", *(slot.qualified for slot in chain.slots)]
        pairs = list(zip(self._rows, turns, strict=True))
        arrays = [[row.array(name, turn.grad) for name in names] for row, turn in pairs]
        kinds = [Kind(turn.p.shape, _formats(a)) for turn, a in zip(turns, arrays, strict=True)]
        self._work = Work(chain, kinds, [turn.lot for turn in turns], host())
        addresses = [list(map(_address, of_one)) for of_one in arrays]
        self._pointers = np.array(addresses, np.int64).reshape(len(turns), len(names))
        first = [[part.prefix in row.new for part in chain.parts] for row in self._rows]
        self._first = np.array(first, np.bool_).reshape(len(turns), len(chain.parts))

    def fits(
        self,
        turns: Sequence[Turn],
        live: Sequence[Sequence[Slot]],
        states: Mapping[Parameter, State],
    ) -> bool:
        """Whether the addresses still hold; if so, those of the new gradients are taken in."""
        if len(turns) != len(self._rows) or live != self._live:
            return False
        for row, turn in zip(self._rows, turns, strict=True):
            if not row.fits(turn, states.get(turn.p)):
                return False
        self._pointers[:, 1] = [_address(turn.grad) for turn in turns]
        return True

    def prepare(
        self,
        turns: Sequence[Turn],
        views: Sequence[Any],
        states: MutableMapping[Parameter, State],
        threads: int,
    ) -> list[Deed]:
        """What is to be done to take one step; nothing moves yet."""
        count = len(self._rows), len(self._cells)
        held = [[row.full[key] for key in self._cells] for row in self._rows]
        cells = np.array(held, np.float64).reshape(count)
        made = self._work.prepare(views, self._pointers, cells, self._first, [], threads)
        following = [dict(zip(self._cells, values, strict=True)) for values in made.cells.tolist()]
        if self._rests:
            for before, after in zip(held, following, strict=True):
                count_rest(self._chain, dict(zip(self._cells, before, strict=True)), after)
        return [*made.deeds, partial(self._finish, turns, following, states)]

    def _finish(
        self,
        turns: Sequence[Turn],  # until now the gradients must not be freed
        following: Sequence[State],
        states: MutableMapping[Parameter, State],
    ) -> None:
        """Store the numbers of the next step, and hand over the states that are new."""
        for row, values in zip(self._rows, following, strict=True):
            if row.made:
                row.held.update(row.made)
                row.full = row.held
                row.made = {}
            row.held.update(values)
            states[row.p] = row.held
        self._first[:] = False


def _formats(arrays: Sequence[NDArray[Any] | None]) -> tuple[str | None, ...]:
    return tuple(None if array is None else FORMATS[array.dtype] for array in arrays)


def _check_state(title: str, shape: tuple[int, ...], key: str, array: Any) -> None:
    """Raise for a state that somebody has replaced by what the engine cannot take."""
    is_array = isinstance(array, np.ndarray) and array.dtype in FORMATS
    if not (is_array and array.shape == shape and array.flags.carray):
        raise ValueError(
            f"{title}: the state {key!r} must be a C-contiguous array of float32 or float64 and of "
            f"its parameter's shape {shape}, got {getattr(array, 'dtype', type(array).__name__)} "
            f"of shape {np.shape(array)}"
        )


def _address(array: NDArray[Any] | None) -> int:
    """Where an array lies; asked through ctypes, NumPy itself takes four times as long."""
    if array is None or not array.size:
        return 0
    return ctypes.addressof(ctypes.c_char.from_buffer(array.data))
