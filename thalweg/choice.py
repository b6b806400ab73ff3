"""Which parts of a chain a tensor goes through, in what blocks, and which states it keeps, by its
shape."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from thalweg.deciding import reached
from thalweg.either import OTHERS, takes
from thalweg.parts import Part, sees_stack
from thalweg.rule import Rule
from thalweg.settings import Setting, as_held
from thalweg.view import Blocks, blocks_of

__all__ = ["BLOCKS", "Choice"]

BLOCKS: Mapping[str, Setting] = {"block_size": Setting(0, low=0), "merge_dims": Setting(0, low=0)}
"""What a group may say of the matrices of its parameters, whatever their rule: see
`thalweg.view.blocks_of`."""

_MOST_AXES = 5
_SIDES = (1, 2, 1 << 62)  # none, some, and more than any limit
_BITS = 64  # of a side, in a number

_BY_SHAPE: Mapping[str, Any] = {}


class Choice:
    """The alternatives of a chain: those of `either(...)`, or one.

    `settings` are the chain's defaults by their public names.
    """

    def __init__(self, title: str, parts: Sequence[Part], settings: Mapping[str, Any]) -> None:
        self.title, self.parts = title, parts
        self.alternatives = range(max((part.which or 0 for part in parts), default=0) + 1)
        self.is_choosy = any(part.declared.takes for part in parts)
        self._cuts = [
            any(p.declared.text.matrices for p in self.of(n)) and not sees_stack(self.of(n))
            for n in self.alternatives
        ]
        self.takes_blocks = any(self._cuts)
        """Whether there are matrices that can be cut into blocks."""
        for which in self.alternatives[:-1]:
            own = [part.declared for part in self.parts if part.which == which]
            if not any(declared.takes for declared in own):
                raise TypeError(
                    f"{title}: {own[-1].__name__} takes every tensor, and what stands behind it in "
                    "either(...) would get none; put it last"
                )
        one = ({"ndim": ndim} for ndim in range(_MOST_AXES))
        self.by_ndim = self._keeps_by(one, settings)
        both = itertools.product(_SIDES, repeat=2)
        self.by_sides = self._keeps_by(
            ({"rows": rows, "columns": columns} for rows, columns in both), settings
        )
        self.numbers: Callable[[Sequence[int], Mapping[str, Any]], int] | None = None
        """What tells the number, for `Chain.views`, of the tensors that keep the same states; None
        where all do."""
        if len(self.alternatives) > 1 or self.by_ndim or self.by_sides:
            self.numbers = self.number

    def of(self, which: int) -> list[Part]:
        """The parts that tensors of an alternative go through."""
        return [part for part in self.parts if part.which in (None, which)]

    def which(self, shape: Sequence[int], group: Mapping[str, Any] = _BY_SHAPE) -> int | None:
        """The alternative that a tensor of this shape, of this group, belongs to; None, if no rule
        takes it. A group of `others` passes the first by."""
        if not self.is_choosy:
            return 0
        numbers = self.alternatives[1:] if group.get(OTHERS) else self.alternatives
        numbers = numbers or self.alternatives
        return next((n for n in numbers if self._takes(n, shape, group)), None)

    def _takes(self, n: int, shape: Sequence[int], group: Mapping[str, Any]) -> bool:
        """Whether an alternative takes a tensor of this shape, or where it is cut the largest of
        its blocks, which is the first."""
        blocks = self._in_blocks(n, shape, group)
        return takes(self.of(n), shape if blocks is None else blocks.shapes[0], group)

    def blocks(self, shape: Sequence[int], group: Mapping[str, Any] = _BY_SHAPE) -> Blocks | None:
        """The blocks that a tensor of this shape, of this group, is stepped in; None for a whole
        one."""
        if not (self.takes_blocks and any(map(group.get, BLOCKS))):
            return None
        which = self.which(shape, group)
        return None if which is None else self._in_blocks(which, shape, group)

    def _in_blocks(self, n: int, shape: Sequence[int], group: Mapping[str, Any]) -> Blocks | None:
        given = [group.get(name, 0) for name in BLOCKS]
        if not (self._cuts[n] and any(given)):
            return None
        for (name, setting), value in zip(BLOCKS.items(), given, strict=True):
            setting.check(f"{self.title}: {name}", value)
        return blocks_of(tuple(shape), *(as_held(value, 0) for value in given))

    def number(self, shape: Sequence[int], group: Mapping[str, Any] = _BY_SHAPE) -> int:
        """The number of a shape: of its alternative and, where it matters, of its axes, and of
        its rows and columns."""
        axes = len(shape) + 1 if self.by_ndim or self.by_sides else 0  # 0, where nobody says it
        if self.by_sides:
            rows, columns = (shape[0] if shape else 1), math.prod(shape[1:])
            axes |= (columns << _BITS | rows) << _BITS
        return (self.which(shape, group) or 0) + len(self.alternatives) * axes

    def told(self, number: int) -> tuple[int, dict[str, int]]:
        """The alternative of a number, and what every part's settings say of the shape."""
        said, which = divmod(number, len(self.alternatives))
        if not said:
            return which, {}
        axes, rows, columns = (said >> i * _BITS & (1 << _BITS) - 1 for i in range(3))
        sides = {"rows": rows, "columns": columns} if self.by_sides else {}
        return which, {"ndim": axes - 1, **sides}

    def check(self, shape: Sequence[int], group: Mapping[str, Any] = _BY_SHAPE) -> None:
        """Raise ValueError for a shape of a parameter that no rule takes."""
        if self.which(shape, group) is None:
            rules = [part.declared for part in self.parts if issubclass(part.declared, Rule)]
            rule = rules[-1]
            more = ""
            if "flatten" in rule.declaration.settings and len(shape) > 2:
                more = "flatten=True takes it as a matrix, rows by all the rest; or "
            raise ValueError(
                f"{self.title}: a parameter of shape {tuple(shape)} is none that {rule.__name__} "
                f"takes; {more}give what is no matrix to another rule in the same optimizer, "
                f"{self.title}(params, others=AdamW, others_lr=3e-4)"
            )

    def _keeps_by(self, shapes: Iterable[Mapping[str, int]], settings: Mapping[str, Any]) -> bool:
        """Whether it depends on what these say of a tensor's shape which states it keeps."""
        told = list(shapes)
        for part in self.parts:
            text, states = part.declared.text, part.declared.declaration.states
            if not told[0].keys() & text.source.arguments.keys():
                continue
            d = part.declared.declaration
            known = {n: settings[part.public(n)] for n in d.settings if part.public(n) in settings}
            kept = {
                frozenset(reached(text, {**known, **shape})[0] & states.keys()) for shape in told
            }
            if len(kept) > 1:
                return True
        return False
