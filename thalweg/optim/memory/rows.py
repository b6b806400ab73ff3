"""The rows that a sparse gradient holds: stepped where they lie, or brought together and back."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Collection, Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from thalweg.chain import Chain, Decided, Slot
from thalweg.fuse.engine import Launch
from thalweg.fuse.engines import host
from thalweg.fuse.plan import plan_for
from thalweg.fuse.storage import FORMATS, computation
from thalweg.fuse.whole import Deed
from thalweg.optim.memory.reach import format_of, is_reachable
from thalweg.optim.memory.states import put

__all__ = ["BorrowedRows", "RowsInPlace"]

_OF_NUMPY = {torch.float32, torch.float64, torch.complex64, torch.complex128}
_FEW = 4  # up to a fourth of a gradient's rows, more than once, are added up here


class BorrowedRows:
    """Dense copies of the rows of a parameter and of its states that a sparse gradient holds.

    A row is what one index of the gradient's sparse dimensions stands for: of an embedding, one
    vector. The copies are of the batch's size, never of the table's.
    """

    def __init__(self, p: Tensor, grad: Tensor, states: Mapping[str, Tensor]) -> None:
        grad = grad.coalesce()  # a row that comes twice must be stepped once, with the sum
        self._index = tuple(grad.indices())
        self.values = grad.values()
        with torch.no_grad():
            self.p = self._take(p)
            self.states = {key: self._take(tensor) for key, tensor in states.items()}
        self._lent = [(p, self.p), *((states[key], rows) for key, rows in self.states.items())]

    def give_back(self) -> None:
        """Write the rows back to where they came from."""
        with torch.no_grad():
            for tensor, rows in self._lent:
                if len(self._index) == 1:
                    tensor.index_copy_(0, self._index[0], rows)
                else:
                    tensor.index_put_(self._index, rows)

    def _take(self, tensor: Tensor) -> Tensor:
        tensor = tensor.detach()
        if len(self._index) == 1:
            return tensor.index_select(0, self._index[0])
        return tensor[self._index]


class RowsInPlace:
    """The rows of a contiguous parameter, each a tensor of the engine's: nothing is copied."""

    def __init__(
        self,
        chain: Chain,
        p: Tensor,
        grad: Tensor,
        slots: Sequence[Slot],
        held: MutableMapping[str, Any],
        first: Collection[str],
    ) -> None:
        self._chain, self._p, self._held, self._first = chain, p, held, first
        self._index, self._at, self._memory = _each_once(grad)
        self._arrays = {slot.qualified: held[slot.key] for slot in slots}

    @staticmethod
    def can_take(
        chain: Chain, p: Tensor, grad: Tensor, slots: Sequence[Slot], held: Mapping[str, Any]
    ) -> bool:
        """Whether the rows lie one behind the other, and the chain asks for nothing beyond one."""
        if chain.reductions or chain.reduces_rows or grad.sparse_dim() != 1 or grad.is_conj():
            return False
        tensors = [p, *(held[slot.key] for slot in slots)]
        return (
            is_reachable(chain, p, p, slots, held, held)
            and all(tensor.is_contiguous() for tensor in tensors)
            and grad.dtype == p.dtype
            and grad.shape == p.shape
        )

    def prepare(self, views: Sequence[Any], threads: int) -> list[Deed]:
        """What is to be done to move the rows by one step, and to count it."""
        chain = self._chain
        cells = {key: float(self._held[key]) for key in chain.cells}
        t = int(cells.get("step", 0.0)) + 1
        first = {prefix: True for prefix in self._first}
        decided = chain.decide(views, t, first, tuple(self._p.shape), cells)
        carried = decided.kept
        if "step" in cells:
            carried["step"] = cells["step"] + 1
        launch = self._launch(decided)
        deeds: list[Deed] = [functools.partial(launch.run, threads)] if launch else []
        return [*deeds, functools.partial(self._finish, carried, bool(deeds))]

    def _finish(self, carried: Mapping[str, float], has_moved: bool) -> None:
        if has_moved:
            torch.autograd.graph.increment_version([self._p, *self._arrays.values()])
        for key, value in carried.items():
            put(self._held, key, value)

    def _launch(self, decided: Decided) -> Launch | None:
        pass_, count = plan_for(self._chain, decided.ways).main, len(self._index)
        width = _width(self._p)
        if not width or not count:
            return None
        arrays = {"p": self._p, "g": self._p, **self._arrays}
        formats = {name: format_of(self._chain, arrays[name]) for name in pass_.streams}
        pointers = np.empty((count, len(formats)), np.int64)
        for column, (name, form) in enumerate(formats.items()):
            if name == "g":
                pointers[:, column] = self._at
            else:
                np.multiply(self._index, width * FORMATS[form].size, out=pointers[:, column])
                pointers[:, column] += arrays[name].data_ptr()
        sweep = host().sweep(
            pass_,
            list(formats.values()),
            computation(format_of(self._chain, self._p)),
            re.sub(r"\W+", "_", self._chain.name),
            host().table_of_rows(count, width),
        )
        numbers = np.empty((count, len(pass_.numbers)))
        numbers[:] = [decided.numbers[name] for name in pass_.numbers]
        return sweep.launch(pointers, numbers)


def _width(p: Tensor) -> int:
    """The numbers in a row of a parameter."""
    return math.prod(p.shape[1:]) * (2 if p.is_complex() else 1)


def _each_once(grad: Tensor) -> tuple[NDArray[np.int64], NDArray[np.int64], Sequence[Tensor]]:
    """The rows that a gradient holds, where the values of each lie, and what must live as long.

    A row that comes twice is stepped once, with the sum. Where few do, only these are added up;
    torch would sort and copy all.
    """
    index, values = grad._indices()[0].numpy(), grad._values().detach().contiguous()
    if not grad.is_coalesced() and len(index) > 1:
        order = np.argsort(index)
        ordered = index[order]  # in the order of memory, too, rows are stepped faster
        is_next = ordered[1:] != ordered[:-1]
        if np.count_nonzero(is_next) < (len(index) - 1) * (1 - 1 / _FEW):
            grad = grad.coalesce()
            index, values = grad.indices()[0].numpy(), grad.values().contiguous()
        elif is_next.all():
            return ordered, _places(values, order), [values]
        else:
            return _few_added_up(ordered, order, is_next, values)
    return index, _places(values, np.arange(len(values), dtype=np.int64)), [values]


def _few_added_up(
    ordered: NDArray[np.int64], order: NDArray[np.int64], is_next: NDArray[np.bool_], values: Tensor
) -> tuple[NDArray[np.int64], NDArray[np.int64], Sequence[Tensor]]:
    """The same where few rows come more than once: `ordered` is `index[order]`, and `is_next` says
    which differ from the one before."""
    begins = np.concatenate([[True], is_next])
    is_single = begins & np.concatenate([is_next, [True]])
    several = np.flatnonzero(~is_single)
    which = np.cumsum(begins[several]) - 1
    twice = ordered[several[begins[several]]]
    by_place = np.lexsort((order[several], which))  # each sum in the order of the gradient
    sums = _added_up(values, order[several][by_place], which[by_place], len(twice))
    own = _places(values, order[is_single]), _places(sums, np.arange(len(twice), dtype=np.int64))
    return np.concatenate([ordered[is_single], twice]), np.concatenate(own), [values, sums]


def _added_up(
    values: Tensor, taken: NDArray[np.int64], which: NDArray[np.int64], count: int
) -> Tensor:
    """So many sums of the rows taken, of which each goes to one."""
    sums = values.new_zeros(count, *values.shape[1:])
    if values.dtype in _OF_NUMPY and not values.is_neg():
        # for a few rows torch would wait for its threads, twice
        np.add.at(sums.numpy(), which, values.numpy()[taken])
        return sums
    return sums.index_add_(0, torch.from_numpy(which), values[torch.from_numpy(taken)])


def _places(values: Tensor, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where these rows of a contiguous tensor lie."""
    return rows * (values.stride(0) * values.element_size()) + values.data_ptr()
