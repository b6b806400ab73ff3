"""Counts and settings that lie with the tensors on their device, as torch's `capturable` has them.

Under `capturable=True` or `fused=True` the numbers kept with a parameter lie where it lies, and a
setting may be a tensor there: the host never reads them, so that a CUDA graph can capture a step,
and a GradScaler need not be waited for.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, MutableMapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from thalweg.border.groups import Lot
from thalweg.chain import Chain
from thalweg.fuse.counted import Context, CountedStep, CountingEngine
from thalweg.fuse.whole import Deed
from thalweg.fuse.work import Work
from thalweg.optim.memory.device import (
    Home,
    check_not_captured,
    is_asked,
    is_captured,
    refuse_capture,
)
from thalweg.optim.memory.operands import views_of
from thalweg.optim.memory.touched import Row

__all__ = ["CountsThere", "again", "counts_of", "settings_of", "still", "stops", "unscale"]

_HOST = torch.device("cpu")
_NUMBERS = (torch.float32, torch.float64)
_SOMEWHERE = 16  # an address that nobody follows

_captured: MutableMapping[Tensor, list[CountedStep]] = WeakIdKeyDictionary()


def _lie_there(chain: Chain, row: Row, group: Mapping[str, Any], home: Home) -> bool:
    """Whether the numbers kept with a parameter, which its kernel can reach, lie on its device."""
    cells = [row.held[key] for key in chain.cells]
    if not all(isinstance(cell, Tensor) and cell.device == home.device for cell in cells):
        return False
    if row.engine is not home.engine:
        return False
    is_away = any(cell.device != _HOST for cell in cells)
    is_shared = row.whole is not None and bool(chain.reductions)
    return (is_asked(group) or is_away) and not is_shared and home.counts(chain)


def counts_of(
    chain: Chain, rows: list[Row], lots: Sequence[Lot], home: Home, are_all: bool
) -> tuple[CountsThere | None, list[Row]]:
    """The counts of these rows, if they lie on the device and the rows `are_all` that is stepped;
    else those of the rows whose counts no engine can read."""
    there = [row for row in rows if _lie_there(chain, row, lots[row.lot].group, home)]
    if there and are_all and len(there) == len(rows):
        return CountsThere(chain, home, lots), []
    return None, [row for row in rows if not row.has_its_cells_here(chain)]


def settings_of(
    chain: Chain, lots: Sequence[Lot], differentiable: bool, counts: CountsThere | None
) -> list[list[SimpleNamespace]]:
    """The settings of the lots by part; where counts lie on the device, without those that do."""
    if counts is None:
        return [views_of(chain, lot, differentiable) for lot in lots]
    return [_open_views(chain, lot, counts.device)[0] for lot in lots]


def _open_views(
    chain: Chain, lot: Lot, device: torch.device
) -> tuple[list[SimpleNamespace], list[dict[str, Any]]]:
    """The settings of a lot by part, but for those that lie on the device; and where these do."""
    there = {n: _place(lot.group.get(n), device) for n in chain.settings}
    there = {n: place for n, place in there.items() if place is not None}
    if lot.spared:
        there = {n: place for n, place in there.items() if n not in chain.spares}
    group = {name: value for name, value in lot.group.items() if name not in there}
    views = chain.views(group, lot.spared, False, lot.which)
    found: list[dict[str, Any]] = []
    wiring = chain._wirings[chain.choice.told(lot.which)[0]]
    for h, pairs in zip(views, wiring.settings, strict=True):
        found.append({n: there[public] for n, public in pairs or () if public in there})
        for name in found[-1]:
            delattr(h, name)
    return views, found


def _place(value: Any, device: torch.device) -> Any:
    """Where a setting lies, if it is a number on the device, or numbers all of which are."""
    if isinstance(value, tuple | list):
        places = [_place(one, device) for one in value]
        return None if None in places or not places else tuple(places)
    is_number = isinstance(value, Tensor) and value.numel() == 1 and value.dtype in _NUMBERS
    if not is_number or value.device != device:
        return None
    return value.data_ptr(), value.dtype == torch.float64


class CountsThere:
    """The counts of a layout's tensors, which lie on their device, and the step that reads them."""

    def __init__(self, chain: Chain, home: Home, lots: Sequence[Lot]) -> None:
        self.device = home.device
        self._chain, self._lots = chain, lots
        self._engine = cast(CountingEngine, home.engine)
        self._step: CountedStep | None = None
        self._settings: Any = None
        self._first = b""
        self._examples: list[int] = []
        self._context_of: NDArray[np.int64] = np.zeros(0, np.int64)

    def deeds(
        self,
        work: Work,
        pointers: NDArray[np.int64],
        cells: tuple[NDArray[np.int64], NDArray[np.int64]],
        first: NDArray[np.bool_],
        stop: Tensor | None,
    ) -> list[Deed]:
        """What is to be done to take one step, unless `stop`, a single on the device, is more than
        0: all is then as it was. `first` [tensor, part] are the parts that take their first."""
        contexts = self._contexts(work, first)
        known = repr([(vars(h), one.first) for one in contexts for h in one.views])
        is_taken = is_captured(self.device)
        if self._step is None or (known != self._settings and not self._step.fits(contexts)):
            if is_taken:
                refuse_capture(self._chain.name, "its like has not been taken outside of the graph")
            self._step = self._made(work, pointers, cells, contexts)
        self._settings = known
        at = stop.data_ptr() if stop is not None else 0
        if is_taken and first.any():
            refuse_capture(self._chain.name, "its states are made in it")
        is_empty = np.array([0 in kind.shape for kind in work.kinds], np.bool_)[work.kind_of]
        gradients = np.where(is_empty, _SOMEWHERE, pointers[:, 1])  # counted all the same
        deeds = self._step.deeds(gradients, contexts, at, is_taken)
        if is_taken:  # a graph runs over its tables for as long as it runs over the parameters
            owner = next(p for lot in self._lots for p in lot.params)
            _captured.setdefault(owner, []).append(self._step)
        if first.any():  # the next one is another: it must be there when a graph is captured
            deeds.append(functools.partial(self._next, work, pointers, cells))
        return deeds

    def _next(
        self,
        work: Work,
        pointers: NDArray[np.int64],
        cells: tuple[NDArray[np.int64], NDArray[np.int64]],
    ) -> None:
        none = np.zeros((len(pointers), len(self._chain.parts)), np.bool_)
        contexts = self._contexts(work, none)
        self._step = self._made(work, pointers, cells, contexts)
        self._settings = repr([(vars(h), one.first) for one in contexts for h in one.views])

    def _made(
        self,
        work: Work,
        pointers: NDArray[np.int64],
        cells: tuple[NDArray[np.int64], NDArray[np.int64]],
        contexts: Sequence[Context],
    ) -> CountedStep:
        try:
            return self._engine.counted_step(work, pointers, cells, contexts, self._context_of)
        except ValueError as error:
            raise ValueError(
                f"{self._chain.name}: its counts lie on {self.device}, and {error}; "
                "make it without capturable=True and fused=True"
            ) from None

    def _contexts(self, work: Work, first: NDArray[np.bool_]) -> list[Context]:
        """What tensors have in common, and in `_context_of` what each has."""
        key = first.tobytes()
        if not len(self._context_of) or key != self._first:
            both = np.column_stack([work._fellows, first])
            _, examples, inverse = np.unique(both, axis=0, return_index=True, return_inverse=True)
            self._examples, self._context_of = examples.tolist(), inverse.reshape(-1)
            self._first = key
        views = [_open_views(self._chain, lot, self.device) for lot in self._lots]
        found = []
        for i in self._examples:
            own, there = views[int(work.lot_of[i])]
            shape = work.kinds[int(work.kind_of[i])].shape
            found.append(Context(own, there, first[i].tolist(), shape))
        return found


def stops(opt: Any, counts: CountsThere | None) -> Tensor | None:
    """What a GradScaler has found, where the device may read it."""
    found: Tensor | None = getattr(opt, "found_inf", None)
    if counts is None or found is None:
        return None
    is_single = found.dtype == torch.float32 and found.numel() == 1
    return found if is_single and found.device == counts.device else None


def _is_stopped(opt: Any) -> bool:
    """Whether a GradScaler stops this step; the host waits for what the device might have read."""
    stop = stops(opt, opt._counts)
    return stop is not None and float(stop) > 0


def still(
    opt: Any, views: list[list[SimpleNamespace]], resting: Any, states: Any
) -> list[Deed] | None:
    """What moves of the parameters without a gradient, if they are those of the step before; None
    if they have to be laid out anew."""
    layout = opt._rest
    fits = layout is not None and layout.fits(resting, views, states)
    if not (fits and layout.counts) and _is_stopped(opt):
        return []
    deeds: list[Deed] = layout.prepare(views, None, stops(opt, layout.counts)) if fits else []
    return deeds if fits else None


def unscale(opt: Any) -> bool:
    """Apply what a GradScaler left on the optimizer; False if this step must not happen, and the
    host is to know it."""
    found_inf = getattr(opt, "found_inf", None)
    if found_inf is not None and stops(opt, opt._counts) is None and float(found_inf) > 0:
        return False
    scale: Tensor | None = getattr(opt, "grad_scale", None)
    if scale is not None:
        grads = [p.grad for group in opt.param_groups for p in group["params"]]
        _divide([grad for grad in grads if grad is not None], scale)
    return True


def _divide(grads: Sequence[Tensor], scale: Tensor) -> None:
    """Divide gradients, those of one device and type in few launches: the scale lies on one of the
    devices."""
    alike: dict[Any, list[Tensor]] = {}
    for grad in grads:
        is_plain = type(grad) is Tensor and grad.layout == torch.strided
        alike.setdefault((grad.device, grad.dtype) if is_plain else object(), []).append(grad)
    for own in alike.values():
        there = scale.to(own[0].device, non_blocking=True)
        if len(own) > 1:
            torch._foreach_div_(own, there)
        else:
            own[0].div_(there)


def again(
    opt: Any, lots: Sequence[Lot], differentiable: bool, views: list[list[SimpleNamespace]]
) -> tuple[list[list[SimpleNamespace]], bool]:
    """All settings, and whether this step must not happen, where it has to be laid out anew: the
    host then reads what the device might have read."""
    if opt._counts is None:
        return views, False
    for device in {p.device for lot in lots for p in lot.params}:
        check_not_captured(opt._chain.name, device)
    return settings_of(opt._chain, lots, differentiable, None), _is_stopped(opt)
