"""One parameter with everything that one step of it touches."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from thalweg.chain import Chain, Slot
from thalweg.fuse.engine import Engine
from thalweg.fuse.walk import Walk
from thalweg.fuse.work import Kind
from thalweg.optim.memory.odd import BOTH, OddTensor
from thalweg.optim.memory.reach import format_of
from thalweg.optim.memory.sharded import is_sharded, moved_in_parts, part_of
from thalweg.optim.memory.traffic import note_unseen

__all__ = ["Row"]


@dataclass
class Row:
    """A row of the tables: a parameter, its gradient and its states.

    `held` is its state; `arrays` are those of the state that are stepped: they are the same mapping
    unless only rows of them are. `first` are the parts whose states are new. `whole` is the
    parameter itself, where `p`, `g` and `arrays` are the parts of it that lie in this process.
    They are walked as `walk` says, where they have gaps between their elements.
    """

    p: Tensor
    g: Tensor
    lot: int
    arrays: dict[str, Any]
    held: dict[str, Any]
    first: Set[str]
    whole: Tensor | None = None
    walk: Walk | None = None
    engine: Engine | None = None
    """What steps it."""

    def states(self, chain: Chain, live: Sequence[Sequence[Slot]]) -> list[Tensor | None]:
        """Its state arrays, with None for those that its settings leave out."""
        its = {slot.qualified for slot in live[self.lot]}  # two alternatives may share a key
        return [
            self.arrays[s.key] if s.qualified in its and not s.state.is_apart else None
            for s in chain.slots
        ]

    def standing(self, live: Sequence[Sequence[Slot]]) -> list[Tensor]:
        """Its states, matrices too, in the order of their slots."""
        return [self.arrays[slot.key] for slot in live[self.lot]]

    def in_parts(self, chain: Chain, slots: Sequence[Slot]) -> Row:
        """The part that lies here of a parameter of which every process has one, and all that goes
        with it; the row as it is, where parts cannot be stepped by themselves."""
        if not moved_in_parts(chain, self.p, self.g):
            return self
        arrays = {
            slot.key: self.held[slot.key] if slot.state.is_apart else part_of(self.held[slot.key])
            for slot in slots
        }
        p, g = part_of(self.p), part_of(self.g)
        return Row(p, g, self.lot, arrays, self.held, self.first, self.p)

    def with_parts(self, slots: Sequence[Slot]) -> list[tuple[Any, Tensor]]:
        """Of a parameter that is shared out, it and its states, each with the part that is here."""
        if self.whole is None:
            return []
        keys = [slot.key for slot in slots if not slot.state.is_apart]
        return [(self.whole, self.p), *((self.held[key], self.arrays[key]) for key in keys)]

    def kind(self, chain: Chain, live: Sequence[Sequence[Slot]], engines: Sequence[Engine]) -> Kind:
        """What decides its plan."""
        tensors = [self.p, self.g, *self.states(chain, live)]
        return Kind(
            tuple(self.p.shape if self.whole is None else self.whole.shape),
            tuple(None if t is None else format_of(chain, t) for t in tensors),
            2 if self.p.is_complex() else 1,
            None if self.whole is None else tuple(self.p.shape),
            self.walk,
            0 if self.engine is None else engines.index(self.engine),
        )

    def has_its_cells_here(self, chain: Chain) -> bool:
        """Whether the numbers kept with it lie on the host."""
        cells = [self.held[key] for key in chain.cells]
        return all(not isinstance(one, Tensor) or one.device.type == "cpu" for one in cells)

    def as_written(self, chain: Chain, differentiable: bool) -> list[OddTensor]:
        """What the reference engine steps: of complex numbers perhaps each component."""
        if is_sharded(self.p):
            note_unseen()
        format_of(chain, self.p)  # refuses what no engine computes with
        first = dict.fromkeys(self.first, True)
        components: tuple[str, ...] = ("",)
        if self.p.is_complex():  # of which a sum over the tensor has both
            components = (BOTH,) if chain.reductions else ("real", "imag")
        return [
            OddTensor(
                chain,
                self.lot,
                self.p,
                self.g,
                self.arrays,
                self.held,
                first,
                differentiable,
                component,
            )
            for component in components
        ]
