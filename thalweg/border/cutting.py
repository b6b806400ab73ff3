"""A step in which large matrices are cut into blocks and small axes are taken together.

A block stands in for its parameter, as a parameter of its own: nobody below knows of it. What of it
does not lie in one piece is copied, and put back where it belongs behind the step.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from thalweg.border.answering import About
from thalweg.border.blocks import kept_of, number_of, numbers_of_blocks, slots_of, stacked
from thalweg.border.groups import Lot
from thalweg.chain import Chain, Slot
from thalweg.requests import drawn
from thalweg.text import Request
from thalweg.view import Blocks

__all__ = ["InBlocks"]

Shape = tuple[int, ...]


@dataclass
class _Cut:
    """A parameter in blocks: what stands in for it, and what each of them keeps."""

    p: Any
    blocks: Blocks
    slots: list[Slot]
    kept: list[dict[str, Shape]]
    pieces: list[Any]

    def places(self, key: str) -> list[tuple[int, slice]]:
        """Where in the one array of a key, taken as one row, a block finds its own."""
        own = [j for j, one in enumerate(self.kept) if key in one]
        ends = itertools.accumulate(math.prod(self.kept[j][key]) for j in own)
        starts = [0, *ends]
        return [(j, slice(*starts[i : i + 2])) for i, j in enumerate(own)]


class InBlocks:
    """The parameters of one step, those that are cut as their blocks.

    `turns` are what is stepped, each with the number of its lot and its gradient, `lots` the lots,
    `states` what is kept, by parameter or what stands in for it. When the step has happened,
    `put_together` stores what has come of it. How arrays are handled is the border's.
    """

    def __init__(
        self,
        chain: Chain,
        lots: Sequence[Lot],
        turns: Iterable[tuple[Any, int, Any]],
        states: MutableMapping[Any, dict[str, Any]],
    ) -> None:
        self.chain, self._given, self._kept_by = chain, lots, states
        self._cuts: dict[Any, _Cut] = {}
        self.states: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        found: dict[tuple[int, int], list[tuple[Any, Any]]] = {}
        for p, i, grad in turns:
            blocks = chain.choice.blocks(p.shape, lots[i].group)
            if blocks is None:
                if p in states:
                    self.states[p] = states[p]
                found.setdefault((i, lots[i].which), []).append((p, grad))
                continue
            pieces = self._cut(p, blocks, lots[i])
            grads = self._taken(self._plain(grad), blocks)
            numbers = {s: number_of(chain, s, lots[i].group) for s in set(blocks.shapes)}
            for piece, its, shape in zip(pieces, grads, blocks.shapes, strict=True):
                found.setdefault((i, numbers[shape]), []).append((piece, its))
        self.lots, self.turns = list[Lot](), list[tuple[Any, int, Any]]()
        for i, which in sorted(found):
            self.turns += [(p, len(self.lots), grad) for p, grad in found[i, which]]
            params = [p for p, _ in found[i, which]]
            self.lots.append(Lot(lots[i].group, params, lots[i].spared, which))

    def put_together(self) -> None:
        """Store what has come of the blocks, and what is kept of all parameters."""
        params = [p for lot in self._given for p in lot.group["params"]]
        for p in dict.fromkeys(params):
            if p in self._cuts:
                self._join(self._cuts[p])
            elif self.states.get(p):
                self._kept_by[p] = self.states[p]

    def asked(
        self, asking: Callable[[Request, About], list[Any]] | None
    ) -> Callable[[Request, About], list[Any]] | None:
        """What answers the questions of blocks: about their parameters; what is drawn at random is
        drawn as for parameters of their own."""

        def answered(request: Request, about: About) -> list[Any]:
            if request.kind == "noise":
                places = self._places()
                return [
                    drawn(told[0], told[1], places[p], request.name, tuple(p.shape))
                    for p, told in about
                ]
            assert asking is not None
            found = dict(about)
            wholes = [
                (cut.p, self._joined(cut, [found[one] for one in cut.pieces]))
                for cut in self._cuts.values()
                if cut.pieces[0] in found
            ]
            others = [pair for pair in about if pair[0] not in self._pieces()]
            answers: dict[Any, Any] = {}
            both = [*wholes, *others]
            for (p, _), answer in zip(both, asking(request, both), strict=True):
                cut = self._cuts.get(p)
                if cut is None or answer is None:
                    answers |= dict.fromkeys([p] if cut is None else cut.pieces, answer)
                else:
                    its = self._taken(self._plain(answer), cut.blocks)
                    answers |= dict(zip(cut.pieces, its, strict=True))
            return [answers[p] for p, _ in about]

        return None if asking is None else answered

    def _pieces(self) -> set[Any]:
        return {one for cut in self._cuts.values() for one in cut.pieces}

    def _places(self) -> dict[Any, int]:
        """The place that each parameter would have, were every block one."""
        groups = list[Mapping[str, Any]]()
        for lot in self._given:  # by type, a lot may have a copy of its group
            if not any(lot.group["params"] is group["params"] for group in groups):
                groups.append(lot.group)
        found, place = dict[Any, int](), 0
        for group in groups:
            for p in group["params"]:
                cut, blocks = self._cuts.get(p), self.chain.choice.blocks(p.shape, group)
                found |= {one: place + j for j, one in enumerate(cut.pieces if cut else [p])}
                place += 1 if blocks is None else len(blocks.shapes)
        return found

    def _cut(self, p: Any, blocks: Blocks, lot: Lot) -> list[Any]:
        """What stands in for a parameter, and its states."""
        chain, held = self.chain, self._kept_by.get(p, {})
        arrays = self._taken(self._plain(p), blocks)
        pieces = list(map(self._standing_in, arrays))
        kept = kept_of(chain, blocks, lot.group, lot.spared)
        cut = _Cut(p, blocks, slots_of(chain, p.shape, lot.group), kept, pieces)
        self._cuts[p] = cut
        of_blocks = numbers_of_blocks(chain) if pieces[1:] else []
        for key, value in held.items():
            if value is None:
                continue
            if key in chain.cells:
                if key in of_blocks:
                    self._check(key, value, (len(pieces),))
                for j, piece in enumerate(pieces):
                    self.states[piece][key] = self._copied(value[j] if key in of_blocks else value)
        for slot in cut.slots:
            whole = held.get(slot.key)
            if whole is None:
                continue
            if not slot.state.is_apart:
                self._check(slot.key, whole, tuple(p.shape))
                its = self._taken(self._plain(whole), blocks)
                for piece, array in zip(pieces, its, strict=True):
                    self.states[piece][slot.key] = array
            elif own := [one[slot.key] for one in cut.kept if slot.key in one]:
                self._check(slot.key, whole, stacked(own))
                row = self._plain(whole).reshape(-1)
                for j, place in cut.places(slot.key):
                    shape = cut.kept[j][slot.key]
                    self.states[pieces[j]][slot.key] = row[place].reshape(shape)
        return pieces

    def _check(self, key: str, array: Any, shape: Shape) -> None:
        """Raise for a state that was kept of other blocks, before anything has moved."""
        found = tuple(getattr(array, "shape", ()))
        if found != shape:
            raise RuntimeError(
                f"{self.chain.name}: the state {key!r} of a parameter in blocks must have the "
                f"shape {shape}, got {found}; block_size and merge_dims must be those "
                "that it was begun with"
            )

    def _taken(self, array: Any, blocks: Blocks) -> list[Any]:
        """The blocks of an array, each in one piece: a copy, where it is not one."""
        seen = array.reshape(blocks.sides)
        pairs = zip(blocks.places, blocks.shapes, strict=True)
        return [self._in_one_piece(seen[place]).reshape(shape) for place, shape in pairs]

    def _put(self, array: Any, cut: _Cut, pieces: Mapping[int, Any]) -> None:
        """Write blocks, by their numbers, where they belong."""
        shape, memory = tuple(array.shape), self._memory(array)
        plain = self._zeros(shape, next(iter(pieces.values()))) if memory is None else memory
        seen = plain.reshape(cut.blocks.sides)
        for j, piece in pieces.items():
            there = seen[cut.blocks.places[j]]
            if not self._is_same(there, piece):
                there[...] = piece.reshape(there.shape)
        if memory is None or not self._is_same(seen, memory):
            self._store(array, seen.reshape(shape))

    def _joined(self, cut: _Cut, arrays: Sequence[Any]) -> Any:
        """An array of a parameter's shape, of its blocks."""
        made = self._zeros(tuple(cut.p.shape), arrays[0])
        self._put(made, cut, dict(enumerate(arrays)))
        return made

    def _join(self, cut: _Cut) -> None:
        """Store what has come of the blocks of one parameter."""
        its = [self._state(piece) for piece in cut.pieces]
        held = self._kept_by.setdefault(cut.p, {})
        of_blocks = numbers_of_blocks(self.chain) if its[1:] else []
        for key in self.chain.cells:
            values = [one[key] for one in its if key in one]
            if values:
                held[key] = self._stack(values) if key in of_blocks else values[0]
        for slot in cut.slots:
            there = {j: one[slot.key] for j, one in enumerate(its) if slot.key in one}
            if not there:
                continue
            first = next(iter(there.values()))
            if slot.state.is_apart:
                self._join_apart(cut, held, slot.key, there)
            else:
                if held.get(slot.key) is None:
                    held[slot.key] = self._like(cut.p, first)
                self._put(held[slot.key], cut, there)
        self._put(cut.p, cut, {j: self._array(one) for j, one in enumerate(cut.pieces)})

    def _join_apart(
        self, cut: _Cut, held: MutableMapping[str, Any], key: str, there: Mapping[int, Any]
    ) -> None:
        """Store a state that is an array of a shape of its own."""
        if held.get(key) is None:
            shape = stacked([tuple(one.shape) for one in there.values()])
            held[key] = self._zeros(shape, next(iter(there.values())))
        row = self._plain(held[key]).reshape(-1)
        for j, place in cut.places(key):
            if j in there and not self._is_same(row[place], there[j]):
                row[place] = there[j].reshape(-1)

    def _state(self, piece: Any) -> dict[str, Any]:
        """What is kept of a block."""
        return self.states[piece]

    # how a border handles arrays

    def _plain(self, array: Any) -> Any:
        """A parameter, or another array, as one of the framework's own that can be cut."""
        raise NotImplementedError

    def _memory(self, array: Any) -> Any:
        """The same in the memory of the parameter or array itself; None, if there is no such."""
        return self._plain(array)

    def _in_one_piece(self, array: Any) -> Any:
        """An array whose elements lie one behind the other: itself, or a copy."""
        raise NotImplementedError

    def _standing_in(self, array: Any) -> Any:
        """A parameter with these elements."""
        raise NotImplementedError

    def _array(self, piece: Any) -> Any:
        """The elements of what stands in for a parameter."""
        raise NotImplementedError

    def _is_same(self, one: Any, other: Any) -> bool:
        """Whether two arrays of as many elements, one of them in one piece, lie at one place."""
        raise NotImplementedError

    def _zeros(self, shape: Shape, like: Any) -> Any:
        """An array of zeros of the type of another."""
        raise NotImplementedError

    def _like(self, p: Any, like: Any) -> Any:
        """An array that lies as a parameter does, of the type of another, of zeros."""
        raise NotImplementedError

    def _store(self, array: Any, plain: Any) -> None:
        """Write all elements of an array, or of a parameter."""
        raise NotImplementedError

    def _copied(self, number: Any) -> Any:
        """A number kept with a parameter, for itself alone."""
        raise NotImplementedError

    def _stack(self, numbers: Sequence[Any]) -> Any:
        """Such numbers in one array."""
        raise NotImplementedError
