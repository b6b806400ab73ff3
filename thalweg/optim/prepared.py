"""A step of torch's tensors, prepared: it looks at what can have changed since the last, no more.

Under the same Python objects tensors move (`p.data = ...`, `model.double()`), states are replaced,
gradients are new at every step. Asked are, of all at once: the groups and their settings, whether
the states are the same objects, whether parameters, states and gradients have the types, shapes and
strides they had (torch's guards), where they lie, and the counts. No address is used that this step
has not been given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, get_num_threads

from thalweg.averaging import at_rest
from thalweg.border.again import StandingGroups
from thalweg.border.blocks import is_cut
from thalweg.border.groups import Lot
from thalweg.border.states import lacking
from thalweg.chain import Chain
from thalweg.fuse.engines import host
from thalweg.fuse.expected import Expected
from thalweg.fuse.prepared import PreparedCall
from thalweg.fuse.work import EXACT
from thalweg.optim.memory.device import is_captured
from thalweg.optim.memory.gapped import stand_in
from thalweg.optim.memory.layout import TensorLayout
from thalweg.optim.memory.seen import Seen
from thalweg.optim.memory.snapshot import ADDRESS_OF
from thalweg.optim.memory.states import NewStates
from thalweg.optim.traced import modes

if TYPE_CHECKING:
    from thalweg.optim.fused import FusedOptimizer

__all__ = ["PreparedTensors"]

# what torch's function of that name calls, when it has looked at what it was given
increment_version = getattr(torch._C, "_increment_version", torch.autograd.graph.increment_version)


class PreparedTensors:
    """The tensors of a layout, which has a row for each parameter whose states are made."""

    def __init__(
        self,
        opt: FusedOptimizer,
        lots: Sequence[Lot],
        layout: TensorLayout,
        without: list[Tensor],
    ) -> None:
        chain = layout.chain
        self._layout, self._without, self._turn = layout, without, opt._turn
        self._params, self._counts = layout.params, layout.cells.size > 0
        self._is_shared, self._is_cuda = layout.is_shared, layout.device.type == "cuda"
        self._groups = StandingGroups(chain, opt.param_groups, lots, layout.live)
        self._rests = at_rest(chain) is not None
        # what stands for a missing gradient where torch's guards look at all of them
        self._nothing: list[Tensor] = []
        views = [chain.views(lot.group, lot.spared) for lot in lots]
        narrow = np.flatnonzero(~layout.wide.any(axis=0)).tolist()
        self._call = PreparedCall(layout.work, layout.pointers, layout._read(), views, narrow)
        cells = [cell for of_one in layout._cells for cell in of_one]
        places = np.frombuffer(layout._at, np.int64)[: len(layout._standing)]
        expected = Expected(
            groups=opt.param_groups,
            names=self._groups.names,
            values=self._groups.values(opt.param_groups),
            states=opt.state,
            standing=[*layout._standing, *cells],
            places=np.concatenate([places, layout.cells.reshape(-1)]),
            cells=layout.cells,
            wide=layout.wide,
            numbers=self._call.cells,
            rows=layout.wholes,
        )
        self._look = host().look(ADDRESS_OF, expected)
        self._check = layout._described.only
        self._is_wide = bool(layout.wide.all())

    @classmethod
    def of(cls, opt: FusedOptimizer, lots: Sequence[Lot]) -> PreparedTensors | None:
        """What the optimizer's next steps find as it is now; None where that is no use."""
        if not (PreparedCall.can_take(opt._chain) and ADDRESS_OF):
            return None
        if opt._first or opt.defaults["differentiable"] or opt._counts is not None:
            return None
        if is_cut(opt._chain, lots):
            return None  # copies of blocks are others at every step
        if any(type(group["params"]) is not list for group in opt.param_groups):
            return None  # it is looked at through C
        chain, states = opt._chain, opt.state
        views = [chain.views(lot.group, lot.spared) for lot in lots]
        seen, without = Seen([], [], []), list[Tensor]()
        for lot, view in zip(lots, views, strict=True):
            its = [p for p in lot.params if _is_ready(chain, states, p, view)]
            ready = set(its)
            without += [p for p in lot.params if p not in ready]
            seen.params += its
            seen.grads += [stand_in(p) if p.grad is None else p.grad for p in its]
            seen.sizes.append(len(its))
        layout = opt._layout
        if layout is None or len(layout.params) < len(seen.params):
            if any(not p.numel() for p in seen.params) or len(seen.rounds(states)) > 1:
                return None
            layout = TensorLayout(chain, seen, lots, views, states, NewStates({}), False)
        if chain.reductions and (
            layout.is_shared or any(one.name != "cpu" for one in layout.work.engines)
        ):
            return None  # sums are not at hand: other processes have a part, or a device is at work
        if not layout.reusable or not layout.params or not layout.pointers[:, 1].all():
            return None
        if (layout.wide.any(axis=0) != layout.wide.all(axis=0)).any():
            return None  # of one number, some in single precision and some in double
        return cls(opt, lots, layout, without)

    def _are_as_described(self) -> bool:
        """Whether torch's guards find the tensors described as they were."""
        grads, layout = self._look.grads, self._layout
        if self._check is not None and not self._look.missing:
            return bool(self._check(*layout._standing, *grads))
        if self._look.missing:
            # they look at another tensor of the same description
            self._nothing = self._nothing or [stand_in(p) for p in layout.params]
            pairs = zip(grads, self._nothing, strict=True)
            grads = [nothing if grad is None else grad for grad, nothing in pairs]
        return layout._described.fits(layout._standing, grads)

    def fits(self, opt: FusedOptimizer) -> bool:
        """Whether this step is the one prepared; if so, all is settled, and nothing has moved."""
        look, layout = self._look, self._layout
        if opt._swapped or opt._first or modes():
            return False
        if self._is_cuda and is_captured(layout.device):
            return False
        if not look.holds(opt.param_groups, opt.state):
            return False
        differs = look.differs
        changed = self._groups.changes(opt.param_groups) if differs else ()
        if changed is None:
            return False
        if self._without and any([p.grad is not None for p in self._without]):
            return False
        grads, missing = look.grads, look.missing
        if self._is_shared:
            parts = layout.parts_of(grads)
            if parts is None:
                return False
            grads[:] = parts  # where they lie is asked next
        if missing:
            if self._rests or not self._call.can_miss():
                return False
        elif self._without and self._rests:
            return False
        if not (self._are_as_described() and look.located()):
            return False
        if differs:
            look.take(self._groups.values(opt.param_groups))
        for lot, views in changed:
            self._call.set(lot, views)
        largest = self._call.prepare(look.found, missing, get_num_threads())
        return self._is_wide or largest < EXACT

    def move(self) -> None:
        """Take the step, count it and say so: called again, it does what is left of it."""
        look = self._look
        self._call.run(get_num_threads())
        if self._counts:
            look.keep()
        moved = self._params
        if look.missing:
            moved = [*compress(moved, look.found.tolist())]
        # the kernels wrote behind torch's back: autograd must hear of it
        increment_version(moved)
        if self._is_shared:
            increment_version(self._layout.wholes)
        self._turn.note()

    def let_go(self) -> None:
        """The gradients are nobody's business any more."""
        self._look.let_go()


def _is_ready(
    chain: Chain, states: Mapping[Tensor, dict[str, Any]], p: Tensor, view: Sequence[Any]
) -> bool:
    """Whether a parameter's states are all made; a defaultdict is asked without making one."""
    slots = chain.live_slots(view)
    if not (slots or chain.cells):
        return True
    return p in states and lacking(chain, states[p], slots, view) == ({}, [])
