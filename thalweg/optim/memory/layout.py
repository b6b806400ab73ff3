"""Where an optimizer's tensors lie in memory: looked at once, and checked again at every step.

Parameters move under the same object (`model.double()`, `share_memory_()`), states are replaced
from outside, gradients are new at every step: no address is used that this step has not seen.
The checks go over all tensors at once in C (`snapshot.py`), since on thousands of small
tensors they, not the arithmetic, are what a step costs.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence, Set
from dataclasses import dataclass
from operator import is_
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils._foreach_utils import _get_fused_kernels_supported_devices

from thalweg.border.groups import Lot
from thalweg.border.layout import Layout
from thalweg.chain import Chain, Slot
from thalweg.fuse.whole import Deed, take
from thalweg.fuse.work import EXACT, Kind, Prepared
from thalweg.optim.memory.desk import TensorDesk
from thalweg.optim.memory.device import check_not_captured, home_of
from thalweg.optim.memory.gapped import DenseCopy
from thalweg.optim.memory.odd import BOTH, OddTensor
from thalweg.optim.memory.reach import (
    address,
    as_complex_as,
    check_sound,
    dense,
    format_of,
    is_reachable,
    laid_out_like,
)
from thalweg.optim.memory.rows import BorrowedRows, RowsInPlace
from thalweg.optim.memory.seen import Seen
from thalweg.optim.memory.snapshot import Addresses, Described
from thalweg.optim.memory.states import NewStates, cell_of, put, widened

__all__ = ["TensorLayout"]


@dataclass
class _Row:
    """One parameter with everything that one step of it touches.

    `held` is its state; `arrays` are those of the state that are stepped: they are the same mapping
    unless only rows of them are. `first` are the parts whose states are new.
    """

    p: Tensor
    g: Tensor
    lot: int
    arrays: dict[str, Any]
    held: dict[str, Any]
    first: Set[str]

    def states(self, chain: Chain, live: Sequence[Sequence[Slot]]) -> list[Tensor | None]:
        """Its state arrays, with None for those that its settings leave out."""
        keys = {slot.key for slot in live[self.lot]}
        return [
            self.arrays[s.key] if s.key in keys and not s.state.is_apart else None
            for s in chain.slots
        ]


class TensorLayout(Layout):
    """A `Layout` of torch's tensors: addresses, and what they were derived from.

    It also holds `cells` [tensor, key], where each cell lies, and `wide`, whether it is a double:
    the engine reads and writes them there. It is `reusable` unless something had to be copied for
    this one step: a sparse gradient, another order of elements, a cell that is a Python number.
    """

    def __init__(
        self,
        chain: Chain,
        seen: Seen,
        lots: Sequence[Lot],
        views: Sequence[Sequence[Any]],
        states: MutableMapping[Tensor, dict[str, Any]],
        new: NewStates,
        differentiable: bool,
        rests: bool = False,
    ) -> None:
        super().__init__(chain, [chain.live_slots(view) for view in views], rests)
        self._home = home_of(seen.params)
        self.engine = self._home.engine
        self._sizes, self._stepped, self.new = seen.sizes, seen.params, new
        self._states = states
        self.odd: list[OddTensor] = []
        self._copies = (
            False  # whether something had to be brought into another layout for this step
        )
        self._rows: list[BorrowedRows | DenseCopy] = []
        self._in_place: list[tuple[int, RowsInPlace]] = []
        self._counts: list[tuple[dict[str, Any], Tensor]] = []
        try:
            rows = self._rows_of(seen, lots, views, states, differentiable)
            self._locate(rows)
            self._remember(rows, states)
        except BaseException:
            new.undo()
            raise

    def _rows_of(
        self,
        seen: Seen,
        lots: Sequence[Lot],
        views: Sequence[Sequence[Any]],
        states: MutableMapping[Tensor, dict[str, Any]],
        differentiable: bool,
    ) -> list[_Row]:
        """The parameters that the fused pass takes; the others are filed with their kind."""
        chain, rows = self.chain, list[_Row]()
        for p, g, lot in zip(seen.params, seen.grads, seen.lots(), strict=True):
            slots, view = self.live[lot], views[lot]
            check_not_captured(chain.name, p.device)
            _check_fused(chain, p, lots[lot].group)
            held = self.new.of(states, p) if slots or chain.cells else {}
            self.new.make(chain, held, p, slots, view, lots[lot].group)
            first = frozenset(self.new.first.get(p, ()))
            given, g = g, as_complex_as(chain.name, p, g)
            self._copies |= given is not g
            check_sound(chain, p, g, slots, view, held)
            if self._steps_in_place(p, g, slots, view, held, differentiable):
                rows_of = RowsInPlace(chain, p, g, slots, held, first)
                self._in_place.append((lot, rows_of))
                self._copies = True
                continue
            row = self._gathered(_Row(p, g, lot, held, held, first), view, differentiable)
            is_plain = not (differentiable or chain.requests or chain.on_matrices)
            if is_plain and row.p is p and DenseCopy.can_take(p):
                dense = DenseCopy(p)
                if is_reachable(chain, dense.p, row.g, slots, row.arrays, held, self._home):
                    self._rows.append(dense)
                    self._copies, row.p = True, dense.p
            arrays = row.p, row.g, slots, row.arrays, held
            if differentiable or not is_reachable(chain, *arrays, self._home):
                self.odd += _odd(chain, row, differentiable)
            else:
                rows.append(self._reached(row))
        return rows

    def _steps_in_place(
        self,
        p: Tensor,
        g: Tensor,
        slots: Sequence[Slot],
        view: Sequence[Any],
        held: dict[str, Any],
        differentiable: bool,
    ) -> bool:
        """Whether a sparse gradient's rows can be stepped where they lie."""
        if g.layout != torch.sparse_coo or differentiable:
            return False
        if not (self.chain.takes_sparse and self.chain.rests(view)):
            return False
        return RowsInPlace.can_take(self.chain, p, g, slots, held)

    def _gathered(self, row: _Row, view: Sequence[Any], differentiable: bool) -> _Row:
        """A row with a dense gradient: where it is sparse, perhaps of the rows it holds only."""
        p, g = row.p, row.g
        if g.layout != torch.sparse_coo or p.layout != torch.strided or differentiable:
            row.g = dense(self.chain, g)
        elif self.chain.takes_sparse and self.chain.rests(view):
            arrays = {slot.key: row.arrays[slot.key] for slot in self.live[row.lot]}
            rows = BorrowedRows(p, g, arrays)
            self._rows.append(rows)
            self._copies = True
            return _Row(rows.p, rows.values, row.lot, dict(rows.states), row.held, row.first)
        elif any(rule.rows_only for rule in self.chain.rules):
            raise RuntimeError(
                f"{self.chain.name}: a sparse gradient moves the rows that it has, and a stage of "
                "this chain moves all of them; leave average= out, or give dense gradients"
            )
        else:
            row.g = dense(self.chain, g)
        return row

    def _reached(self, row: _Row) -> _Row:
        """Bring gradient and states into the parameter's order of elements."""
        laid_out = laid_out_like(row.p, row.g)
        self._copies |= laid_out is not row.g
        row.g = laid_out
        for slot in self.live[row.lot]:
            if not slot.state.is_apart:
                row.arrays[slot.key] = laid_out_like(row.p, row.arrays[slot.key])
        return row

    def _cells_of(self, row: _Row) -> list[Tensor]:
        """The tensors that are a row's cells; for a Python int, a tensor for this step."""
        found = []
        for key in self.chain.cells:
            cell = row.held[key]
            if not isinstance(cell, Tensor):
                cell = cell_of(float(cell), torch.float64)
                self._counts.append((row.held, cell))
                self._copies = True
            found.append(cell)
        return found

    def _locate(self, rows: list[_Row]) -> None:
        """Fill the tables."""
        chain = self.chain
        arrays = [[row.p, row.g, *row.states(chain, self.live)] for row in rows]
        kinds = [
            Kind(
                tuple(row.p.shape),
                tuple(None if t is None else format_of(chain, t) for t in tensors),
                2 if row.p.is_complex() else 1,
            )
            for row, tensors in zip(rows, arrays, strict=True)
        ]
        lots, first = [row.lot for row in rows], [row.first for row in rows]
        self._tabulate(kinds, lots, [[address(t) for t in of_one] for of_one in arrays], first)
        self.params = [row.p for row in rows]
        self._grads = [row.g for row in rows]
        self._held = [row.held for row in rows]
        self._cells = [self._cells_of(row) for row in rows]
        at = [[cell.data_ptr() for cell in of_one] for of_one in self._cells]
        is_wide = [[cell.dtype == torch.float64 for cell in of_one] for of_one in self._cells]
        self.cells = np.array(at, np.int64).reshape(len(rows), len(chain.cells))
        self.wide = np.array(is_wide, np.int64).reshape(self.cells.shape)

    def _remember(self, rows: list[_Row], states: Mapping[Tensor, dict[str, Any]]) -> None:
        """Keep what `fits` compares with."""
        if self.odd or self._copies:
            self.reusable = False
            return
        self.reusable = True
        self._owners, self._dicts = list(states), list(states.values())
        keys = [*self.chain.cells, *(slot.key for slot in self.chain.slots)]
        having = {key: [row.arrays for row in rows if key in row.arrays] for key in keys}
        self._columns = [(key, ds, [d[key] for d in ds]) for key, ds in having.items()]
        held = [t for row in rows for t in row.states(self.chain, self.live) if t is not None]
        self._standing = [*self.params, *held]
        cells = [cell for of_one in self._cells for cell in of_one]
        self._addresses = Addresses([*self._standing, *cells])
        self._at = self._addresses.now().tobytes()
        self._described = Described([*self._standing, *self._shown(self._grads)])

    @property
    def device(self) -> torch.device:
        """Where the tensors lie that the engine runs over."""
        return self._home.device

    def fits(
        self,
        seen: Seen,
        views: Sequence[Sequence[Any]],
        states: MutableMapping[Tensor, dict[str, Any]],
    ) -> bool:
        """Whether the addresses still hold; if so, those of the new gradients are taken in."""
        if not self.reusable or seen.sizes != self._sizes:
            return False
        if [self.chain.live_slots(view) for view in views] != self.live:
            return False
        if not (_same(seen.params, self.params) and self._states_fit(states)):
            return False
        if self._addresses.now().tobytes() != self._at:
            return False
        if not self._described.fits([*self._standing, *self._shown(seen.grads)]):
            return False
        check_not_captured(self.chain.name, self.device)
        self._grads, self._states = seen.grads, states
        at = Addresses(seen.grads).now()
        self.pointers[:, 1] = at if at.all() else list(map(address, seen.grads))
        return True

    def _shown(self, grads: list[Tensor]) -> list[Tensor]:
        """The gradients, where they are any: torch's guards take no tensor twice."""
        return [] if self.rests else grads

    def _states_fit(self, states: MutableMapping[Tensor, dict[str, Any]]) -> bool:
        """Whether the states are the same objects; where they lie is asked apart."""
        if not _same(list(states), self._owners) or not _same(list(states.values()), self._dicts):
            return False
        try:
            return all(
                all([d[key] is tensor for d, tensor in zip(ds, tensors, strict=True)])
                for key, ds, tensors in self._columns
            )
        except KeyError:
            return False

    def step(self, views: Sequence[list[Any]]) -> None:
        """Take one step, or none."""
        take(lambda: self.prepare(views), self.new.undo)

    def _desk(self, asking: Any) -> TensorDesk:
        return TensorDesk(self.chain, self.params, self._grads, self._held, asking)

    def _threads(self) -> int:
        return torch.get_num_threads()

    def _read(self) -> NDArray[np.float64]:
        return self.engine.read_numbers(self.cells, self.wide)

    def _resting(self) -> list[dict[str, Any]]:
        touched = {*self._stepped}
        return [held for p, held in self._states.items() if p not in touched]

    def _put_number(self, held: dict[str, Any], key: str, value: float) -> None:
        put(held, key, value)

    def _besides(self, views: Sequence[list[Any]], made: Prepared) -> list[Deed]:
        if made.is_large:
            self._widen(made.cells)
        deeds = []
        for lot, rows in self._in_place:
            deeds += rows.prepare(views[lot], self._threads())
        return deeds

    def _widen(self, following: NDArray[np.float64]) -> None:
        """Put the cells that outgrow float32 into double precision."""
        for i, j in np.argwhere((following >= EXACT) & (self.wide == 0)).tolist():
            key = list(self.chain.cells)[j]
            cell = self._held[i][key] = widened(self._cells[i][j])
            self._cells[i][j] = cell
            self.cells[i, j], self.wide[i, j] = cell.data_ptr(), 1
            self.reusable = False

    def _finish(self, made: Prepared, odd: Sequence[OddTensor]) -> None:
        for one, values in zip(odd, made.odd_cells, strict=True):
            one.keep_cells(values)
        self.engine.write_numbers(self.cells, self.wide, made.cells)
        self.first[:] = False
        self.new.keep(self._stepped)
        for rows in self._rows:
            rows.give_back()
        for held, cell in self._counts:
            held["step"] = int(cell)
        if self.params:
            # the kernels wrote behind torch's back: autograd must hear of it
            torch.autograd.graph.increment_version(self.params)
        self.odd, self._rows, self._in_place, self._counts, self._grads = [], [], [], [], []


def _same(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Whether two sequences hold the same objects; `==` would compare tensors by value."""
    return len(one) == len(other) and all(map(is_, one, other))


def _check_fused(chain: Chain, p: Tensor, group: Mapping[str, Any]) -> None:
    """Where torch has no fused kernels, `fused=True` is refused as torch does."""
    if group.get("fused") and p.device.type not in _get_fused_kernels_supported_devices():
        raise RuntimeError(
            f"{chain.name}: `fused=True` requires all the params to be floating point Tensors of "
            f"supported devices: {_get_fused_kernels_supported_devices()} but {p.dtype} and "
            f"{p.device.type}"
        )


def _odd(chain: Chain, row: _Row, differentiable: bool) -> list[OddTensor]:
    format_of(chain, row.p)  # refuses what no engine computes with
    first = dict.fromkeys(row.first, True)
    components: tuple[str, ...] = ("",)
    if row.p.is_complex():  # of which a sum over the tensor has both
        components = (BOTH,) if chain.reductions else ("real", "imag")
    return [
        OddTensor(
            chain, row.lot, row.p, row.g, row.arrays, row.held, first, differentiable, component
        )
        for component in components
    ]
