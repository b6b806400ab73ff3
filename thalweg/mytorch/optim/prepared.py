"""A step of NumPy's arrays, prepared: it looks at what can have changed since the last, no more.

Asked are, of all at once: the groups and their settings, whether the states are the same objects,
the counts, and of each array its type, its shape, its order and where it lies. No address is used
that this step has not been given.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from operator import is_
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from thalweg.averaging import at_rest
from thalweg.border.again import StandingGroups
from thalweg.border.blocks import is_cut
from thalweg.border.groups import lots
from thalweg.border.states import lacking
from thalweg.chain import Chain
from thalweg.fuse import threads
from thalweg.fuse.engines import host
from thalweg.fuse.prepared import PreparedCall
from thalweg.mytorch.nn import Parameter
from thalweg.mytorch.optim.memory import ArrayLayout, Turn, ready_gradient

if TYPE_CHECKING:
    from thalweg.mytorch.optim.optimizer import Optimizer

__all__ = ["PreparedArrays"]

_values, _flat = dict.values, itertools.chain.from_iterable


class PreparedArrays:
    """The arrays of a layout, which has a row for each parameter whose states are made."""

    def __init__(
        self, opt: Optimizer, layout: ArrayLayout, turns: Sequence[Turn], without: list[Parameter]
    ) -> None:
        chain, rows = layout.chain, layout._rows
        all_lots = lots(chain.name, opt.param_groups)
        now = [opt._now(group) for group in opt.param_groups]
        self._layout, self._without = layout, without
        self._params = [row.p for row in rows]
        self._groups = StandingGroups(chain, now, all_lots, layout.live)
        self._rests = at_rest(chain) is not None
        self._owners, self._dicts = list(opt.state), list(opt.state.values())
        self._keys = list(_flat(self._dicts))
        # the arrays among all that is kept, and the numbers that the steps of these rows count
        held, cells = list(_flat(map(_values, self._dicts))), chain.cells.keys()
        counted = {row.p: cells for row in rows}
        self._are_cells = [key in counted.get(p, ()) for p, own in opt.state.items() for key in own]
        self._held = [v for v, is_cell in zip(held, self._are_cells, strict=True) if not is_cell]
        self._counted = [row.held for row in rows]
        data = [row.data for row in rows]
        states = [array for row in rows for _, array in row.arrays.values()]
        self._standing = [*data, *states]
        self._look = host().array_look(self._standing, [turn.grad for turn in turns])
        views = [
            chain.views(now[number], all_lots[lot].spared)
            for number, its in enumerate(self._groups.lots_of)
            for lot in its
        ]
        self._call = PreparedCall(layout.work, layout.pointers, layout._read(), views)
        # of little work one thread does all: how many there are need not be asked
        self._is_small = sum(array.size for array in data) < 2 * threads.ELEMENTS_PER_TEAM_THREAD
        self._arrays: Sequence[NDArray[Any] | None] = ()

    @classmethod
    def of(cls, opt: Optimizer) -> PreparedArrays | None:
        """What the optimizer's next steps find as it is now; None where that is no use."""
        chain, layout, states = opt._chain, opt._layout, opt.state
        if not (PreparedCall.can_take(chain) and host().array_look.can_look()):
            return None
        all_lots = lots(chain.name, opt.param_groups)
        if is_cut(chain, all_lots):
            return None  # copies of blocks are others at every step
        turns, without, views = list[Turn](), list[Parameter](), list[Any]()
        for number, lot in enumerate(all_lots):
            views.append(chain.views(opt._now(lot.group), lot.spared))
            for p in lot.params:
                if not _is_ready(chain, states, p, views[-1]):
                    without.append(p)
                else:
                    grad = p.data if p.grad is None else ready_gradient(chain.name, p)
                    turns.append(Turn(p, number, grad))
        if not turns or any(turn.grad.size == 0 for turn in turns):
            return None
        if layout is None or len(layout._rows) < len(turns):
            live = [chain.live_slots(view) for view in views]
            layout = ArrayLayout(chain, turns, views, live, states)
        return cls(opt, layout, turns, without)

    def fits(self, opt: Optimizer) -> bool:
        """Whether this step is the one prepared; if so, all is settled, and nothing has moved."""
        changed = self._groups.changes([opt._now(group) for group in opt.param_groups])
        if changed is None or not self._has_same_states(opt.state):
            return False
        params, look = self._params, self._look
        if not all(map(is_, [p.data for p in params], self._standing)):
            return False
        if any([p.grad is not None for p in self._without]):
            return False
        self._arrays = [*self._standing, *[p.grad for p in params]]
        if not look.holds(self._arrays):
            return False
        missing = look.missing
        if missing + len(self._without) and self._rests:
            return False
        if missing and not self._call.can_miss():
            return False
        for lot, views in changed:
            self._call.set(lot, views)
        self._call.prepare(look.found, missing, self._threads())
        return True

    def _has_same_states(self, states: Mapping[Parameter, dict[str, Any]]) -> bool:
        """Whether the states are the same objects under the same keys, and count as they did."""
        if len(states) != len(self._owners) or not all(map(is_, states, self._owners)):
            return False
        dicts = list(states.values())
        if not all(map(is_, dicts, self._dicts)) or list(_flat(dicts)) != self._keys:
            return False
        if self._call.cells.size:
            keys = self._layout._keys
            counted = [own[key] for own in self._counted for key in keys]
            if counted != self._call.cells.ravel().tolist():
                return False
        held = list(_flat(map(_values, dicts)))
        arrays = [v for v, is_cell in zip(held, self._are_cells, strict=True) if not is_cell]
        return all(map(is_, arrays, self._held))

    def move(self) -> None:
        """Take the step and count it: called again, it does what is left of it."""
        call, layout = self._call, self._layout
        call.run(self._threads())
        if call.cells.size:
            for key, values in zip(layout._keys, call.cells.T.tolist(), strict=True):
                for own, value in zip(self._counted, values, strict=True):
                    own[key] = value

    def _threads(self) -> int:
        return 1 if self._is_small else threads.available()

    def let_go(self) -> None:
        """The gradients are nobody's business any more."""
        self._arrays = ()


def _is_ready(
    chain: Chain, states: Mapping[Parameter, Any], p: Parameter, view: Sequence[Any]
) -> bool:
    """Whether a parameter's states are all made."""
    return p in states and lacking(chain, states[p], chain.live_slots(view), view) == ({}, [])
