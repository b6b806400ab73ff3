"""A step of torch's tensors, prepared: it looks at what can have changed since the last, no more.

Under the same Python objects tensors move (`p.data = ...`, `model.double()`), states are replaced,
gradients are new at every step. Asked are, of all at once: the groups and their settings, whether
the states are the same objects, whether parameters, states and gradients have the types, shapes and
strides they had (torch's guards), where they lie, and the counts. No address is used that this step
has not been given.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from operator import is_
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from thalweg.averaging import at_rest
from thalweg.border.again import StandingGroups
from thalweg.border.groups import Lot
from thalweg.border.states import lacking
from thalweg.chain import Chain
from thalweg.fuse.engines import host
from thalweg.fuse.prepared import PreparedCall
from thalweg.fuse.whole import Deed
from thalweg.fuse.work import EXACT
from thalweg.optim.memory.layout import TensorLayout
from thalweg.optim.memory.seen import Seen
from thalweg.optim.memory.snapshot import ADDRESS_OF
from thalweg.optim.memory.states import NewStates
from thalweg.optim.traced import is_watched

if TYPE_CHECKING:
    from thalweg.optim.fused import FusedOptimizer

__all__ = ["PreparedTensors"]

_values, _flat = dict.values, itertools.chain.from_iterable


class PreparedTensors:
    """The tensors of a layout, which has a row for each parameter whose states are made."""

    def __init__(
        self, opt: FusedOptimizer, lots: Sequence[Lot], layout: TensorLayout, without: list[Tensor]
    ) -> None:
        chain = layout.chain
        self._layout, self._without = layout, without
        self._groups = StandingGroups(chain, opt.param_groups, lots, layout.live)
        self._rests = at_rest(chain) is not None
        self._owners = list(opt.state)
        self._dicts = list(opt.state.values())
        self._keys, self._held = list(_flat(self._dicts)), list(_flat(map(_values, self._dicts)))
        # what stands for a missing gradient where torch's guards look at all of them
        self._nothing: list[Tensor] = []
        views = [chain.views(lot.group, lot.spared) for lot in lots]
        narrow = np.flatnonzero(~layout.wide.any(axis=0)).tolist()
        self._call = PreparedCall(layout.work, layout.pointers, layout._read(), views, narrow)
        cells = [cell for of_one in layout._cells for cell in of_one]
        places = np.frombuffer(layout._at, np.int64)[: len(layout._standing)].copy()
        self._look = host().look(
            ADDRESS_OF,
            [*layout._standing, *cells],
            np.concatenate([places, layout.cells.reshape(-1)]),
            layout.cells,
            layout.wide,
            self._call.cells,
            len(layout.params),
        )
        self._is_wide = bool(layout.wide.all())
        self._grads: Sequence[Tensor | None] = ()

    @classmethod
    def of(cls, opt: FusedOptimizer, lots: Sequence[Lot]) -> PreparedTensors | None:
        """What the optimizer's next steps find as it is now; None where that is no use."""
        if not (PreparedCall.can_take(opt._chain) and ADDRESS_OF):
            return None
        if opt._first or opt.defaults["differentiable"]:
            return None
        chain, states = opt._chain, opt.state
        views = [chain.views(lot.group, lot.spared) for lot in lots]
        seen, without = Seen([], [], []), list[Tensor]()
        for lot, view in zip(lots, views, strict=True):
            its = [p for p in lot.params if _is_ready(chain, states, p, view)]
            ready = set(its)
            without += [p for p in lot.params if p not in ready]
            seen.params += its
            seen.grads += [p.detach() if p.grad is None else p.grad for p in its]
            seen.sizes.append(len(its))
        layout = opt._layout
        if layout is None or len(layout.params) < len(seen.params):
            if any(not p.numel() for p in seen.params) or len(seen.rounds(states)) > 1:
                return None
            layout = TensorLayout(chain, seen, lots, views, states, NewStates({}), False)
        if not layout.reusable or not layout.params or not layout.pointers[:, 1].all():
            return None
        if (layout.wide.any(axis=0) != layout.wide.all(axis=0)).any():
            return None  # of one number, some in single precision and some in double
        return cls(opt, lots, layout, without)

    def fits(self, opt: FusedOptimizer) -> bool:
        """Whether this step is the one prepared; if so, all is settled, and nothing has moved."""
        if opt._swapped or opt._first or is_watched():
            return False
        changed = self._groups.changes(opt.param_groups)
        if changed is None or not self._has_same_states(opt.state):
            return False
        layout, look = self._layout, self._look
        grads = [p.grad for p in layout.params]
        if any([p.grad is not None for p in self._without]):
            return False
        if not look.holds(grads):
            return False
        missing = look.missing
        if missing + len(self._without) and self._rests:
            return False
        if not layout._described.fits([*layout._standing, *self._filled(grads, missing)]):
            return False
        self._grads = grads
        for lot, views in changed:
            self._call.set(lot, views)
        largest = self._call.prepare(look.found, missing)
        return self._is_wide or largest < EXACT

    def _has_same_states(self, states: Mapping[Tensor, dict[str, Any]]) -> bool:
        """Whether the states are the same objects under the same keys."""
        if len(states) != len(self._owners) or not all(map(is_, states, self._owners)):
            return False
        dicts = list(states.values())
        if list(_flat(dicts)) != self._keys:
            return False
        held = list(_flat(map(_values, dicts)))
        return len(held) == len(self._held) and all(map(is_, held, self._held))

    def _filled(self, grads: Sequence[Tensor | None], missing: int) -> Sequence[Tensor]:
        """The gradients, with another tensor of the same description for each that is missing."""
        if not missing:
            return grads  # type: ignore[return-value]
        if not self._nothing:
            self._nothing = [p.detach() for p in self._layout.params]
        return [n if g is None else g for g, n in zip(grads, self._nothing, strict=True)]

    def deeds(self, opt: FusedOptimizer) -> list[Deed]:
        """Take the step, and say so."""
        return [self._move, opt._turn.note]

    def _move(self) -> list[Deed]:
        """Take the step and count it: called again, it does what is left of it."""
        layout = self._layout
        self._call.run(torch.get_num_threads())
        if layout.cells.size:
            self._look.keep()
        moved = layout.params
        if self._look.missing:
            moved = [p for p, g in zip(moved, self._grads, strict=True) if g is not None]
        # the kernels wrote behind torch's back: autograd must hear of it
        torch.autograd.graph.increment_version(moved)
        return []

    def let_go(self) -> None:
        """The gradients are nobody's business any more."""
        self._grads = ()


def _is_ready(
    chain: Chain, states: Mapping[Tensor, dict[str, Any]], p: Tensor, view: Sequence[Any]
) -> bool:
    """Whether a parameter's states are all made; a defaultdict is asked without making one."""
    slots = chain.live_slots(view)
    if not (slots or chain.cells):
        return True
    return p in states and lacking(chain, states[p], slots, view) == ({}, [])
