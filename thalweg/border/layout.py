"""The tables that a step hands to the engine, and the way of a step past them.

Before a step is settled what its tensors are, which states of them are new, and where all of it
lies: a `Layout`. A step then reads the settings of the groups (`views`, by the border), the cells,
and the addresses of the gradients. `Layout.prepare` makes deeds of that, while nothing moves;
`fuse.whole.take` does them, all or none, and the last of them is the layout's own `_finish`.

The optimizer owns parameters, states and cells; a layout holds where they lie. The gradients are
held until the step has happened, so that their memory is not given to others.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.averaging import count_rest
from thalweg.chain import Chain, Slot
from thalweg.fuse import threads
from thalweg.fuse.desk import Desk
from thalweg.fuse.engine import Engine
from thalweg.fuse.engines import host
from thalweg.fuse.whole import Deed
from thalweg.fuse.work import Kind, Prepared, Work
from thalweg.settings import as_double

__all__ = ["Layout"]


class Layout:
    """One step after another of the same tensors under one chain, as long as they lie where they
    lay.

    It holds

    - `work`: the tensors sorted by plan and format (`fuse/work.py`);
    - `pointers` [tensor, array]: where each array of `work.arrays` lies; column 1, the gradients,
      is new at every step;
    - `first` [tensor, part]: whether the part's states were made for this step, so that it is the
      part's first of this tensor; False in all of it from the second step on;
    - `live`: the states, by lot, that exist under the settings;
    - `odd`: the tensors that no pointer leads to, for the reference engine;
    - `engine`: what runs the passes of the rest, or of most of them; `others` those of tensors that
      lie elsewhere.

    It is made at the first step, and anew where it does not fit: other parameters have a gradient,
    a switch has changed which states are live, a parameter, a state or a gradient is another
    object, in another place, type or order, or a file was loaded. Whether it fits, each border
    asks in its own way (`fits`). With `rests`, the step is the optimizer's and not one of these
    tensors': their averages follow, and they count it as missed.
    """

    work: Work
    pointers: NDArray[np.int64]
    first: NDArray[np.bool_]

    def __init__(self, chain: Chain, live: Sequence[Sequence[Slot]], rests: bool) -> None:
        self.chain, self.live, self.rests = chain, live, rests
        self.engine: Engine = host()
        self.others: Sequence[Engine] = ()
        self.odd: Sequence[Any] = ()  # of fuse.work.Odd

    def _tabulate(
        self,
        kinds: Sequence[Kind],
        lots: Sequence[int],
        addresses: Sequence[Sequence[int]],
        first: Sequence[Collection[str]],
    ) -> None:
        """Fill the tables: a row of each for every tensor, `first` by the parts' prefixes."""
        parts = self.chain.parts
        self.work = Work(self.chain, kinds, lots, self.engine, *self.others)
        self.pointers = np.array(addresses, np.int64).reshape(len(kinds), len(self.work.arrays))
        is_first = [[part.prefix in of_one for part in parts] for of_one in first]
        self.first = np.array(is_first, np.bool_).reshape(len(kinds), len(parts))

    def prepare(self, views: Sequence[list[Any]], asking: Any = None) -> list[Deed]:
        """What is to be done to take one step; nothing moves yet. `asking` answers what the texts
        ask for."""
        cells = self._read()
        if self.chain.shared:
            self._share(cells)
        desk = self._desk(asking) if self.chain.on_matrices or self.chain.requests else None
        made = self.work.prepare(
            views, self.pointers, cells, self.first, self.odd, self._threads(), 0, desk
        )
        if self.rests:
            self._count_rest(cells, made)
        deeds = [*made.deeds, *self._besides(views, made)]
        if self.chain.shared:
            deeds.append(functools.partial(self._spread, made))
        deeds.append(functools.partial(self._finish, made, self.odd))
        return deeds

    def _share(self, cells: NDArray[np.float64]) -> None:
        """Of a number that is one for all tensors, a tensor that is new gets what the others
        have."""
        for key, part in self.chain.shared.items():
            column, prefix = list(self.chain.cells).index(key), self.chain.parts[part].prefix
            known = cells[~self.first[:, part], column].tolist()
            known += [one.cells[key] for one in self.odd if not one.first.get(prefix)]
            known += [as_double(held[key]) for held in self._resting() if key in held]
            known = known or self.work.first_of(cells[:, column], self.odd, key)
            if known:
                if len(cells):
                    cells[:, column] = float(known[0])
                for one in self.odd:
                    one.cells = {**one.cells, key: known[0]}

    def _spread(self, made: Prepared) -> None:
        """What is one for all tensors, told to those that rest."""
        for key in self.chain.shared:
            column = list(self.chain.cells).index(key)
            values = [*made.cells[:1, column].tolist(), *(one[key] for one in made.odd_cells)]
            for held in self._resting() if values else ():
                if key in held:
                    self._put_number(held, key, values[0])

    def _resting(self) -> Sequence[Any]:
        """The states of the parameters that this step does not touch."""
        raise NotImplementedError

    def _put_number(self, held: Any, key: str, value: float) -> None:
        """Store a number that is kept with a parameter."""
        held[key] = value

    def _count_rest(self, cells: NDArray[np.float64], made: Prepared) -> None:
        """The step was the optimizer's, and not one of these parameters'."""
        columns = dict(zip(self.chain.cells, made.cells.T, strict=True))
        count_rest(self.chain, dict(zip(self.chain.cells, cells.T, strict=True)), columns)
        made.cells = np.array(list(columns.values())).T.reshape(cells.shape)
        for one, values in zip(self.odd, made.odd_cells, strict=True):
            count_rest(self.chain, one.cells, values)

    def _threads(self) -> int:
        """How many threads may take part."""
        return threads.available()

    def _read(self) -> NDArray[np.float64]:
        """The cells [tensor, key] as the last step left them."""
        raise NotImplementedError

    def _desk(self, asking: Any) -> Desk:
        """Where lines on matrices and questions find their arrays."""
        raise NotImplementedError

    def _besides(self, views: Sequence[list[Any]], made: Prepared) -> list[Deed]:
        """What a border does besides: of parameters that are in no row of the tables."""
        return []

    def _finish(self, made: Prepared, odd: Sequence[Any]) -> None:
        """The step has happened: store the cells of the next one, hand over the states that are
        new, let go of the gradients. It may be called twice."""
        raise NotImplementedError
