"""Which states exist under the settings of a group: those that the texts may come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from thalweg.deciding import decisive, reached
from thalweg.parts import Part, Slot

__all__ = ["Living"]

_MOST_SEEN = 256  # settings of groups, whose states are remembered

_PLAIN = {bool, float, int, str, tuple, type(None)}


class Living:
    """The states of a chain, asked for by settings. What a schedule changes at every step mostly
    decides no `if`, and then nothing is looked for anew."""

    def __init__(self, parts: Sequence[Part], slots: Sequence[Slot]) -> None:
        self._parts, self._slots = parts, slots
        self._found: dict[tuple[Any, ...], list[Slot]] = {}
        sides = {part.prefix: set[str]() for part in parts}
        for slot in slots:
            sides[slot.part.prefix].update(slot.state.settings)
        # of each part the settings that matter
        self._names = [sorted(decisive(p.declared.text) | sides[p.prefix]) for p in parts]

    def under(self, views: Sequence[SimpleNamespace | None]) -> list[Slot]:
        """The states, with what each part sees; None stands for a part of another alternative."""
        key: list[Any] = []
        for h, names in zip(views, self._names, strict=True):
            key += [h is None] if h is None else map(vars(h).get, names)
        if not all([type(value) in _PLAIN for value in key]):  # a tensor may change in place
            return self._under(views)
        known = tuple(key)
        if known not in self._found:
            if len(self._found) >= _MOST_SEEN:
                self._found.clear()
            self._found[known] = self._under(views)
        return self._found[known]

    def _under(self, views: Sequence[SimpleNamespace | None]) -> list[Slot]:
        of_part = {p.prefix: h for p, h in zip(self._parts, views, strict=True) if h is not None}
        read_by = {
            part.prefix: reached(part.declared.text, vars(of_part[part.prefix]))[0]
            for part in self._parts
            if part.prefix in of_part
        }
        live = [slot for slot in self._slots if slot.name in read_by.get(slot.part.prefix, ())]
        return [self._sized(slot, of_part[slot.part.prefix]) for slot in live]

    @staticmethod
    def _sized(slot: Slot, h: SimpleNamespace) -> Slot:
        """A state with the sides that settings give it."""
        if not slot.state.settings:
            return slot
        return replace(slot, sides=tuple(getattr(h, side) for side in slot.state.settings))
