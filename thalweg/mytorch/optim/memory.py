"""Where the arrays of one step lie: the engine is handed addresses, and fills them."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from thalweg.border.layout import Layout
from thalweg.border.states import lacking
from thalweg.chain import Chain, Slot
from thalweg.fuse.work import Kind, Prepared
from thalweg.mytorch.nn import Parameter
from thalweg.mytorch.optim.desk import ArrayDesk, address
from thalweg.mytorch.tensor import Tensor

__all__ = ["FORMAT_OF", "ArrayLayout", "Turn", "first_state", "ready_gradient"]

# in the processor's own byte order: the engine reads what it finds
FORMAT_OF = {np.dtype(name): name for name in ("float32", "float64")}

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
        if grad.dtype in FORMAT_OF and grad.flags.carray:  # nearly always
            return grad
        native = grad.dtype.newbyteorder("=")
        if native in FORMAT_OF:
            return np.require(grad, native, ["C", "A", "W"])
    is_wrapped = hasattr(grad, "dtype") and not isinstance(grad, np.ndarray)  # a tensor, say
    hint = "; the array in it is its .data" if isinstance(grad, Tensor) else ""
    raise ValueError(
        f"{title}: a gradient must be a float32 or float64 array of its parameter's shape "
        f"{p.data.shape}, got {getattr(grad, 'dtype', type(grad).__name__)} "
        f"of shape {np.shape(grad)}" + f" in a {type(grad).__name__}" * is_wrapped + hint
    )


def first_state(
    chain: Chain, p: Parameter, held: Mapping[str, Any], slots: Sequence[Slot], views: Sequence[Any]
) -> State:
    """What a parameter's state lacks before the step that needs it."""
    made, arrays = lacking(chain, held, slots, views)
    for slot, start in arrays:
        if slot.state.is_apart:
            shape = slot.state.shape(p.data.shape, views[chain.parts.index(slot.part)])
            made[slot.key] = np.full(shape, start, p.data.dtype)
        else:
            is_like = isinstance(start, str)
            made[slot.key] = p.data.copy() if is_like else np.full_like(p.data, start)
    return made


class _Row:
    """One parameter with all that a step of it touches; `made` is the part of its state that the
    optimizer gets to see when the first step has succeeded."""

    def __init__(
        self,
        chain: Chain,
        turn: Turn,
        held: State,
        made: State,
        slots: Sequence[Slot],
        views: Sequence[Any],
    ) -> None:
        self.p, self.data, self.lot = turn.p, turn.p.data, turn.lot
        self.form = turn.grad.dtype
        self.held, self.made = held, made
        self.full = held | made if made else held
        self.arrays = {slot.qualified: (slot.key, self.full[slot.key]) for slot in slots}
        self.first = {slot.part.prefix for slot in slots if slot.key in made}
        for slot in slots:
            shape = slot.state.shape(self.data.shape, views[chain.parts.index(slot.part)])
            _check_state(chain.name, shape, *self.arrays[slot.qualified])

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


class ArrayLayout(Layout):
    """A `Layout` of NumPy arrays: they fit while the arrays are the same objects.

    `states` is the optimizer's; new ones get into it when the step has happened.
    """

    def __init__(
        self,
        chain: Chain,
        turns: Sequence[Turn],
        views: Sequence[Sequence[Any]],
        live: Sequence[Sequence[Slot]],
        states: MutableMapping[Parameter, State],
        rests: bool = False,
    ) -> None:
        super().__init__(chain, live, rests)
        self._turns, self._states, self._keys = turns, states, list(chain.cells)
        self._rows = []
        for turn in turns:
            slots, held = live[turn.lot], states.get(turn.p, {})
            made = first_state(chain, turn.p, held, slots, views[turn.lot])
            self._rows.append(_Row(chain, turn, held, made, slots, views[turn.lot]))
        names = ["p", "g"]  # and the states; matrices are in no table
        names += ["" if slot.state.is_apart else slot.qualified for slot in chain.slots]
        pairs = list(zip(self._rows, turns, strict=True))
        arrays = [[row.array(name, turn.grad) for name in names] for row, turn in pairs]
        self._tabulate(
            [Kind(turn.p.shape, _formats(a)) for turn, a in zip(turns, arrays, strict=True)],
            [turn.lot for turn in turns],
            [list(map(address, of_one)) for of_one in arrays],
            [row.first for row in self._rows],
        )

    def fits(
        self,
        turns: Sequence[Turn],
        live: Sequence[Sequence[Slot]],
        states: MutableMapping[Parameter, State],
    ) -> bool:
        """Whether the addresses still hold; if so, those of the new gradients are taken in."""
        if len(turns) != len(self._rows) or live != self.live:
            return False
        for row, turn in zip(self._rows, turns, strict=True):
            if not row.fits(turn, states.get(turn.p)):
                return False
        self._turns, self._states = turns, states
        self.pointers[:, 1] = [address(turn.grad) for turn in turns]
        return True

    def _read(self) -> NDArray[np.float64]:
        held = [[row.full[key] for key in self._keys] for row in self._rows]
        return np.array(held, np.float64).reshape(len(held), len(self._keys))

    def _desk(self, asking: Any) -> ArrayDesk:
        rows = [
            (row.p, turn.grad, row.arrays)
            for row, turn in zip(self._rows, self._turns, strict=True)
        ]
        return ArrayDesk(self.chain, rows, asking)

    def _resting(self) -> list[State]:
        touched = {row.p for row in self._rows}
        return [held for p, held in self._states.items() if p not in touched]

    def _finish(self, made: Prepared, odd: Sequence[Any]) -> None:
        for row, values in zip(self._rows, made.cells.tolist(), strict=True):
            if row.made:
                row.held.update(row.made)
                row.full = row.held
                row.made = {}
            row.held.update(zip(self._keys, values, strict=True))
            self._states[row.p] = row.held
        self.first[:] = False
        self._turns = ()


def _formats(arrays: Sequence[NDArray[Any] | None]) -> tuple[str | None, ...]:
    return tuple(None if array is None else FORMAT_OF[array.dtype] for array in arrays)


def _check_state(title: str, shape: tuple[int, ...], key: str, array: Any) -> None:
    """Raise for a state that somebody has replaced by what the engine cannot take."""
    is_array = isinstance(array, np.ndarray) and array.dtype in FORMAT_OF
    if not (is_array and array.shape == shape and array.flags.carray):
        raise ValueError(
            f"{title}: the state {key!r} must be a C-contiguous array of float32 or float64 and of "
            f"shape {shape}, got {getattr(array, 'dtype', type(array).__name__)} "
            f"of shape {np.shape(array)}"
        )
