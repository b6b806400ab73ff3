"""Where an optimizer's tensors lie in memory: looked at once, and checked again at every step.

Parameters move under the same object (`model.double()`, `share_memory_()`), states are replaced
from outside, gradients are new at every step: no address is used that this step has not seen.
The checks go over all tensors at once in C (`snapshot.py`), since on thousands of small
tensors they, not the arithmetic, are what a step costs.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from operator import is_
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from thalweg.chain import Chain, Slot
from thalweg.fuse import cpu
from thalweg.fuse.work import Kind, Work
from thalweg.groups import Lot
from thalweg.optim.odd import OddTensor
from thalweg.optim.reach import (
    address,
    as_complex_as,
    check_sound,
    dense,
    format_of,
    is_reachable,
    laid_out_like,
)
from thalweg.optim.rows import BorrowedRows, RowsInPlace
from thalweg.optim.snapshot import Addresses, Described
from thalweg.optim.states import NewStates

__all__ = ["Layout", "Seen", "look"]


@dataclass
class Seen:
    """The parameters that have a gradient now, in the order of the lots, and how many of each."""

    params: list[Tensor]
    grads: list[Tensor]
    sizes: list[int]

    def rounds(self) -> list[Seen]:
        """Parts without repetition: torch moves a parameter that is listed twice twice in a row."""
        if len(set(map(id, self.params))) == len(self.params):
            return [self]
        rounds: list[Seen] = []
        counts: dict[int, int] = {}
        for p, g, lot in zip(self.params, self.grads, self.lots(), strict=True):
            number = counts[id(p)] = counts.get(id(p), -1) + 1
            if number == len(rounds):
                rounds.append(Seen([], [], [0] * len(self.sizes)))
            rounds[number].params.append(p)
            rounds[number].grads.append(g)
            rounds[number].sizes[lot] += 1
        return rounds

    def lots(self) -> list[int]:
        """The number of each parameter's lot."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes).tolist()


@dataclass
class _Row:
    """One parameter with everything that one step of it touches.

    `state` holds its arrays and `home` its numbers: the same, unless only rows of it are stepped.
    """

    p: Tensor
    g: Tensor
    lot: int
    state: dict[str, Any]
    home: dict[str, Any]
    created: set[str]

    def states(self, chain: Chain, live: Sequence[Sequence[Slot]]) -> list[Tensor | None]:
        """Its state arrays, with None for those that its settings leave out."""
        keys = {slot.key for slot in live[self.lot]}
        return [self.state[s.key] if s.key in keys else None for s in chain.slots]


def look(lots: Sequence[Lot]) -> Seen:
    """Collect what this step has to move."""
    seen = Seen([], [], [])
    for lot in lots:
        params = list(lot.params)
        grads: list[Any] = [p.grad for p in params]
        if any(map(is_, grads, [None] * len(grads))):
            params = [p for p, g in zip(params, grads, strict=True) if g is not None]
            grads = [g for g in grads if g is not None]
        seen.params += params
        seen.grads += grads
        seen.sizes.append(len(params))
    return seen


class Layout:
    """The addresses of everything one step touches, and what they were derived from."""

    def __init__(
        self,
        chain: Chain,
        seen: Seen,
        lots: Sequence[Lot],
        views: Sequence[Sequence[Any]],
        states: MutableMapping[Tensor, dict[str, Any]],
        fresh: Mapping[Tensor, set[str]],
        differentiable: bool,
    ) -> None:
        self.chain, self.sizes = chain, seen.sizes
        self.live = [chain.live_slots(view) for view in views]
        self.new = NewStates(chain)
        self.odd: list[OddTensor] = []
        self.copies = False  # whether something had to be brought into another layout for this step
        self._rows: list[BorrowedRows] = []
        self._in_place: list[tuple[int, RowsInPlace]] = []
        self._counts: list[tuple[dict[str, Any], Tensor]] = []
        rows: list[_Row] = []
        try:
            for p, g, lot in zip(seen.params, seen.grads, seen.lots(), strict=True):
                slots, view = self.live[lot], views[lot]
                home = states[p] if slots or chain.cells else {}
                created = self.new.make(home, p, slots, view, lots[lot].group)
                created |= fresh.get(p, set())
                given, g = g, as_complex_as(chain.name, p, g)
                self.copies |= given is not g
                check_sound(chain, p, g, {s.key: home[s.key] for s in slots})
                if self._steps_in_place(p, g, slots, view, home, differentiable):
                    rows_of = RowsInPlace(chain, p, g, slots, home, created)
                    self._in_place.append((lot, rows_of))
                    self.copies = True
                    continue
                row = self._gathered(_Row(p, g, lot, home, home, created), view, differentiable)
                if differentiable or not is_reachable(chain, row.p, row.g, slots, row.state, home):
                    self.odd += _odd(chain, row, differentiable)
                else:
                    rows.append(self._reached(row))
            self._tabulate(rows)
            self._remember(rows, states)
        except BaseException:
            self.new.undo()
            raise

    def _steps_in_place(
        self,
        p: Tensor,
        g: Tensor,
        slots: Sequence[Slot],
        view: Sequence[Any],
        home: dict[str, Any],
        differentiable: bool,
    ) -> bool:
        """Whether a sparse gradient's rows can be stepped where they lie."""
        if g.layout != torch.sparse_coo or differentiable:
            return False
        if not (self.chain.takes_sparse and self.chain.rests(view)):
            return False
        return RowsInPlace.can_take(self.chain, p, g, slots, home)

    def _gathered(self, row: _Row, view: Sequence[Any], differentiable: bool) -> _Row:
        """A row with a dense gradient: where it is sparse, perhaps of the rows it holds only."""
        p, g = row.p, row.g
        if g.layout != torch.sparse_coo or p.layout != torch.strided or differentiable:
            row.g = dense(self.chain, g)
        elif self.chain.takes_sparse and self.chain.rests(view):
            arrays = {slot.key: row.state[slot.key] for slot in self.live[row.lot]}
            rows = BorrowedRows(p, g, arrays)
            self._rows.append(rows)
            self.copies = True
            return _Row(rows.p, rows.values, row.lot, dict(rows.states), row.home, row.created)
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
        self.copies |= laid_out is not row.g
        row.g = laid_out
        for slot in self.live[row.lot]:
            row.state[slot.key] = laid_out_like(row.p, row.state[slot.key])
        return row

    def _numbers(self, row: _Row) -> list[Tensor]:
        """The tensors that hold a row's numbers; of a Python int, a tensor for this step."""
        found = []
        for key in self.chain.cells:
            number = row.home[key]
            if not isinstance(number, Tensor):
                number = torch.tensor(float(number), dtype=torch.float64)
                self._counts.append((row.home, number))
                self.copies = True
            found.append(number)
        return found

    def _tabulate(self, rows: list[_Row]) -> None:
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
        self.work = Work(chain, kinds, [row.lot for row in rows])
        self.params = [row.p for row in rows]
        self._grads = [row.g for row in rows]
        created = [[part.prefix in row.created for part in chain.parts] for row in rows]
        self.first = np.array(created, np.bool_).reshape(len(rows), len(chain.parts))
        pointers = [[address(t) for t in tensors] for tensors in arrays]
        self.pointers = np.array(pointers, np.int64).reshape(len(rows), len(self.work.arrays))
        self._cells = [self._numbers(row) for row in rows]
        at = [[cell.data_ptr() for cell in of_one] for of_one in self._cells]
        is_wide = [[cell.dtype == torch.float64 for cell in of_one] for of_one in self._cells]
        self.cells = np.array(at, np.int64).reshape(len(rows), len(chain.cells))
        self.wide = np.array(is_wide, np.int64).reshape(self.cells.shape)

    def _remember(self, rows: list[_Row], states: Mapping[Tensor, dict[str, Any]]) -> None:
        """Keep what `fits` compares with."""
        if self.odd or self.copies:
            self.reusable = False
            return
        self.reusable = True
        self._owners, self._dicts = list(states), list(states.values())
        keys = [*self.chain.cells, *(slot.key for slot in self.chain.slots)]
        having = {key: [row.state for row in rows if key in row.state] for key in keys}
        self._columns = [(key, ds, [d[key] for d in ds]) for key, ds in having.items()]
        held = [t for row in rows for t in row.states(self.chain, self.live) if t is not None]
        self._standing = [*self.params, *held]
        cells = [cell for of_one in self._cells for cell in of_one]
        self._addresses = Addresses([*self._standing, *cells])
        self._at = self._addresses.now()
        self._described = Described([*self._standing, *self._grads])

    def fits(
        self,
        seen: Seen,
        views: Sequence[Sequence[Any]],
        states: MutableMapping[Tensor, dict[str, Any]],
    ) -> bool:
        """Whether the addresses still hold; if so, those of the new gradients are taken in."""
        if not self.reusable or seen.sizes != self.sizes:
            return False
        if [self.chain.live_slots(view) for view in views] != self.live:
            return False
        if not (_same(seen.params, self.params) and self._states_fit(states)):
            return False
        if not np.array_equal(self._addresses.now(), self._at):
            return False
        if not self._described.fits([*self._standing, *seen.grads]):
            return False
        self._grads = seen.grads
        at = Addresses(seen.grads).now()
        self.pointers[:, 1] = at if at.all() else list(map(address, seen.grads))
        return True

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
        """Run one step; if it fails, the states made for it are taken back."""
        try:
            cells, odd_cells = self.work.step(
                views,
                self.pointers,
                cpu.read_cells(self.cells, self.wide),
                self.first,
                self.odd,
                torch.get_num_threads(),
            )
        except BaseException:
            self.new.undo()
            raise
        for lot, rows in self._in_place:
            rows.step(views[lot], torch.get_num_threads())
        for one, values in zip(self.odd, odd_cells, strict=True):
            one.keep_cells(values)
        self._finish(cells)

    def _finish(self, values: NDArray[np.float64]) -> None:
        """Store the numbers of the next step, and let go of this step's gradients."""
        cpu.write_cells(self.cells, self.wide, values)
        self.first[:] = False
        self.new.keep()
        for rows in self._rows:
            rows.give_back()
        for home, number in self._counts:
            home["step"] = int(number)
        self.odd, self._rows, self._in_place, self._counts, self._grads = [], [], [], [], []
        if self.params:
            # the kernels wrote behind torch's back: autograd must hear of it
            torch.autograd.graph.increment_version(self.params)


def _same(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Whether two sequences hold the same objects; `==` would compare tensors by value."""
    return len(one) == len(other) and all(map(is_, one, other))


def _odd(chain: Chain, row: _Row, differentiable: bool) -> list[OddTensor]:
    format_of(chain, row.p)  # refuses what no engine computes with
    first = {prefix: True for prefix in row.created}
    components = ("real", "imag") if row.p.is_complex() else ("",)
    return [
        OddTensor(
            chain, row.lot, row.p, row.g, row.state, row.home, first, differentiable, component
        )
        for component in components
    ]
