"""Where an optimizer's tensors lie in memory: looked at once, and checked again at every step.

Parameters move under the same object (`model.double()`, `share_memory_()`), states are replaced
from outside, gradients are new at every step: no address is used that this step has not seen.
The checks go over all tensors at once in C (`snapshot.py`): of many small ones they are the cost.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from operator import is_
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from thalweg.border.groups import Lot
from thalweg.border.layout import Layout
from thalweg.chain import Chain, Slot
from thalweg.fuse.whole import Deed, take
from thalweg.fuse.work import EXACT, Prepared
from thalweg.optim.memory.desk import TensorDesk
from thalweg.optim.memory.device import check_not_captured, home_for, home_of
from thalweg.optim.memory.gapped import DenseCopy, walks
from thalweg.optim.memory.odd import OddTensor
from thalweg.optim.memory.reach import (
    address,
    as_complex_as,
    check_fused,
    check_sound,
    dense,
    is_reachable,
    laid_out_like,
)
from thalweg.optim.memory.rows import BorrowedRows, RowsInPlace
from thalweg.optim.memory.seen import Seen
from thalweg.optim.memory.sharded import (
    SharingProcesses,
    is_alike,
    is_sharded,
    of_part,
    part_of,
    share_out,
)
from thalweg.optim.memory.snapshot import Addresses, Described
from thalweg.optim.memory.states import NewStates, cell_of, put, widened
from thalweg.optim.memory.there import CountsThere, counts_of
from thalweg.optim.memory.touched import Row
from thalweg.optim.traced import is_watched

__all__ = ["TensorLayout"]


class TensorLayout(Layout):
    """A `Layout` of torch's tensors: addresses, and what they were derived from.

    It also holds `cells` [tensor, key], where each cell lies, and `wide`, whether it is a double:
    the engine reads and writes them there. It is `reusable` unless something had to be copied for
    this one step: a sparse gradient, another order of elements, a cell that is a Python number.
    """

    walks_matrices = False  # whether rules on matrices step tensors with gaps where they lie

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
        self._copies = False  # whether something was brought into another layout for this step
        self.counts: CountsThere | None = None
        self._rows: list[BorrowedRows | DenseCopy] = []
        self._in_place: list[tuple[int, RowsInPlace]] = []
        self._counts: list[tuple[dict[str, Any], Tensor]] = []
        try:
            made = self._rows_of(seen, lots, views, states, differentiable)
            rows = self._counted(made, lots, differentiable)
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
    ) -> list[Row]:
        """The parameters that the fused pass takes; the others are filed with their kind."""
        chain, rows = self.chain, list[Row]()
        pairs = zip(seen.params, seen.lots(), strict=True)
        self.new.in_order(states, lots, [p for p, i in pairs if self.live[i] or chain.cells])
        for p, g, lot in zip(seen.params, seen.grads, seen.lots(), strict=True):
            slots, view = self.live[lot], views[lot]
            home = home_for(p, self._home)
            check_not_captured(chain.name, p.device)
            check_fused(chain, p, lots[lot].group)
            held = self.new.of(states, p) if slots or chain.cells else {}
            self.new.make(chain, held, p, slots, view, lots[lot].group)
            first = frozenset(self.new.first.get(p, ()))
            given, g = g, as_complex_as(chain.name, p, g)
            self._copies |= given is not g
            check_sound(chain, p, g, slots, view, held)
            if self._steps_in_place(p, g, slots, view, held, differentiable):
                self._in_place.append((lot, RowsInPlace(chain, p, g, slots, held, first)))
                self._copies = True
                continue
            row = Row(p, g, lot, held, held, first)
            if is_sharded(p) and not differentiable and not is_watched():
                share_out(chain, p, g, slots, held)
                row = row.in_parts(chain, slots)
            row = self._gathered(row, view, differentiable)
            row.engine = home.engine
            may_walk = self.walks_matrices or not chain.on_matrices
            is_plain = may_walk and not (differentiable or chain.requests)
            is_own = row.whole is not None or (is_plain and row.p is p)
            if is_plain and row.p is p and walks(chain, row, slots, home):
                self._copies |= row.g is not g
            elif is_own and DenseCopy.can_take(row.p):
                dense = DenseCopy(row.p)
                if is_reachable(chain, dense.p, row.g, slots, row.arrays, held, home):
                    self._rows.append(dense)
                    self._copies, row.p = True, dense.p
            arrays = row.p, row.g, slots, row.arrays, held
            if differentiable or not is_reachable(chain, *arrays, home, row.walk is not None):
                if row.whole is not None:
                    row = Row(p, g, lot, held, held, first)
                self.odd += row.as_written(chain, differentiable)
            else:
                rows.append(self._reached(row) if row.walk is None else row)
        return rows

    def _counted(self, rows: list[Row], lots: Sequence[Lot], differentiable: bool) -> list[Row]:
        """The rows whose counts an engine can read: on the host, or all of them on the device."""
        tells = any(key in held for key in self.chain.shared for held in self._resting())
        are_all = not (tells or self.odd or self._in_place or (self.rests and self.chain.cells))
        self.counts, away = counts_of(self.chain, rows, lots, self._home, are_all)
        for row in away:
            self.odd += row.as_written(self.chain, differentiable)
        return [row for row in rows if all(row is not one for one in away)]

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

    def _gathered(self, row: Row, view: Sequence[Any], differentiable: bool) -> Row:
        """A row with a dense gradient: where it is sparse, perhaps of the rows it holds only."""
        p, g = row.p, row.g
        if g.layout != torch.sparse_coo or p.layout != torch.strided or differentiable:
            row.g = dense(self.chain, g)
        elif self.chain.takes_sparse and self.chain.rests(view):
            arrays = {slot.key: row.arrays[slot.key] for slot in self.live[row.lot]}
            rows = BorrowedRows(p, g, arrays)
            self._rows.append(rows)
            self._copies = True
            return Row(rows.p, rows.values, row.lot, dict(rows.states), row.held, row.first)
        elif any(rule.rows_only for rule in self.chain.rules):
            raise RuntimeError(
                f"{self.chain.name}: a sparse gradient moves the rows that it has, and a stage of "
                "this chain moves all of them; leave average= out, or give dense gradients"
            )
        else:
            row.g = dense(self.chain, g)
        return row

    def _reached(self, row: Row) -> Row:
        """Bring gradient and states into the parameter's order of elements."""
        laid_out = laid_out_like(row.p, row.g)
        self._copies |= laid_out is not row.g
        row.g = laid_out
        for slot in self.live[row.lot]:
            if not slot.state.is_apart:
                there = row.arrays[slot.key]
                row.arrays[slot.key] = laid_out = laid_out_like(row.p, there)
                if row.whole is not None and laid_out is not there:
                    row.held[slot.key] = made = of_part(row.whole, there)
                    row.arrays[slot.key] = part_of(made)
        return row

    def _cells_of(self, row: Row) -> list[Tensor]:
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

    def _locate(self, rows: list[Row]) -> None:
        """Fill the tables."""
        chain = self.chain
        arrays = [[row.p, row.g, *row.states(chain, self.live)] for row in rows]
        engines = list(dict.fromkeys([self.engine, *(row.engine for row in rows if row.engine)]))
        self.others = engines[1:]
        kinds = [row.kind(chain, self.live, engines) for row in rows]
        lots, first = [row.lot for row in rows], [row.first for row in rows]
        self._tabulate(kinds, lots, [[address(t) for t in of_one] for of_one in arrays], first)
        self.params = [row.p for row in rows]
        self.wholes = [row.p if row.whole is None else row.whole for row in rows]
        self._sharded = [i for i, row in enumerate(rows) if row.whole is not None]
        if self._sharded:
            self.work.processes = SharingProcesses(self.wholes)
        self._grads = [row.g for row in rows]
        self._held = [row.held for row in rows]
        self._cells = [self._cells_of(row) for row in rows]
        at = [[cell.data_ptr() for cell in of_one] for of_one in self._cells]
        is_wide = [[cell.dtype == torch.float64 for cell in of_one] for of_one in self._cells]
        self.cells = np.array(at, np.int64).reshape(len(rows), len(chain.cells))
        self.wide = np.array(is_wide, np.int64).reshape(self.cells.shape)

    def _remember(self, rows: list[Row], states: Mapping[Tensor, dict[str, Any]]) -> None:
        """Keep what `fits` compares with."""
        if self.odd or self._copies:
            self.reusable = False
            return
        self.reusable = True
        self._owners, self._dicts = list(states), list(states.values())
        keys = [*self.chain.cells, *(slot.key for slot in self.chain.slots)]
        having = {key: [row.held for row in rows if key in row.held] for key in keys}
        self._columns = [(key, ds, [d[key] for d in ds]) for key, ds in having.items()]
        held = [t for row in rows for t in row.states(self.chain, self.live) if t is not None]
        self._standing = [*self.params, *held]
        self._parts = [pair for row in rows for pair in row.with_parts(self.live[row.lot])]
        cells = [cell for of_one in self._cells for cell in of_one]
        self._addresses = Addresses([*self._standing, *cells])
        self._at = self._addresses.now().tobytes()
        self._described = Described([*self._standing, *self._shown(self._grads)])

    @property
    def is_shared(self) -> bool:
        """Whether parts are stepped, of tensors that processes share out."""
        return bool(self._sharded)

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
        if not (_same(seen.params, self.wholes) and self._states_fit(states)):
            return False
        grads = self.parts_of(seen.grads)
        if grads is None:
            return False
        if self._addresses.now().tobytes() != self._at:
            return False
        if not self._described.fits([*self._standing, *self._shown(grads)]):
            return False
        if self.counts is None:
            check_not_captured(self.chain.name, self.device)
        self._grads, self._states = grads, states
        at = Addresses(grads).now()
        self.pointers[:, 1] = at if at.all() else list(map(address, grads))
        return True

    def parts_of(self, grads: list[Any]) -> list[Any] | None:
        """The gradients as they lie here; None where what is shared out lies otherwise now."""
        if not self._sharded:
            return grads
        if not all([part_of(whole) is part for whole, part in self._parts]):
            return None
        found = list(grads)
        for i in self._sharded:
            grad = grads[i]
            if grad is None:
                continue
            if not is_alike(self.wholes[i], grad):
                return None
            found[i] = part_of(grad)
        return found

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

    def prepare(
        self, views: Sequence[list[Any]], asking: Any = None, stop: Tensor | None = None
    ) -> list[Deed]:
        """What is to be done to take one step; where counts lie on the device, none if `stop` is
        more than 0."""
        if self.counts is None:
            return super().prepare(views, asking)
        cells = self.cells, self.wide
        deeds = self.counts.deeds(self.work, self.pointers, cells, self.first, stop)
        return [*deeds, self._settle]

    def _desk(self, asking: Any) -> TensorDesk:
        return TensorDesk(self.chain, self.params, self._grads, self._held, asking, self.wholes)

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
        self._settle()

    def _settle(self) -> None:  # what was new is so no longer, and what was borrowed goes back
        self.first[:] = False
        self.new.keep(self._stepped)
        for rows in self._rows:
            rows.give_back()
        for held, cell in self._counts:
            held["step"] = int(cell)
        if self.params:
            # the kernels wrote behind torch's back: autograd must hear of it
            torch.autograd.graph.increment_version(self.params)
            if self._sharded:
                torch.autograd.graph.increment_version(self.wholes)
        self.odd, self._rows, self._in_place, self._counts, self._grads = [], [], [], [], []


def _same(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Whether two sequences hold the same objects; `==` would compare tensors by value."""
    return len(one) == len(other) and all(map(is_, one, other))
