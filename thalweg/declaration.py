"""The words of a declaration, settings and states, and how a class collects them."""

from __future__ import annotations

import functools
import math
import numbers
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from thalweg.settings import Setting
from thalweg.source import unknown

__all__ = ["PER", "SIDES", "Declaration", "State", "setting", "starting", "state"]

PER = ("element", "row", "column", "tensor", "all")
SIDES = ("rows", "columns", "longer", "shorter")


@dataclass(frozen=True)
class State:
    """What is kept from step to step, under torch's `key`: one number per element, row or column
    of the parameter, per tensor, or for all tensors of the optimizer; or a matrix, `per` its two
    sides. One number per row or column `is_short` where it is kept in the parameter's type, and is
    of the last two axes where a parameter `is_stack`."""

    key: str
    start: Any = 0.0
    per: str | tuple[str, str] = "element"
    is_short: bool = False
    is_stack: bool = False

    @property
    def is_number(self) -> bool:
        """Whether a parameter has one number of it, and not an array."""
        return self.per in ("tensor", "all")

    @property
    def is_apart(self) -> bool:
        """Whether it is an array whose shape is not its parameter's: a matrix, or one number per
        row or column."""
        return isinstance(self.per, tuple) or self.per in ("row", "column")

    @property
    def settings(self) -> tuple[str, ...]:
        """The settings that are sides of it."""
        sides = self.per if isinstance(self.per, tuple) else ()
        return tuple(side for side in sides if side not in SIDES)

    def shape(self, shape: Sequence[int], h: Any) -> tuple[int, ...]:
        """Its array's shape, for a parameter of this shape and the settings of its part."""
        if self.per in ("row", "column") and shape:
            first, rest = (shape[:-1], shape[-1:]) if self.is_stack else (shape[:1], shape[1:])
            if self.per == "row":
                return (*first, *(1 for _ in rest))
            return (*first[:-1], 1, *rest) if rest else (1,)
        if not isinstance(self.per, tuple):
            return tuple(shape)
        rows, columns = shape[0] if shape else 1, math.prod(shape[1:])
        most = min(rows, columns)
        known = {"rows": rows, "columns": columns, "longer": max(rows, columns), "shorter": most}
        one, other = (
            known[side] if side in known else min(getattr(h, side), most) for side in self.per
        )
        return one, other


def setting(
    default: Any,
    *,
    low: Any = None,
    high: Any = None,
    above: Any = None,
    below: Any = None,
    choices: Iterable[str | None] = (),
) -> Any:
    """Declare a hyper-parameter; `low` and `high` are included in the range, `above` and `below`
    are not. The default's type is the kind: float, int, a tuple of floats, bool or, with `choices`,
    str. The bounds of a tuple are those of each number, or tuples themselves."""
    for word, bound in (("low", low), ("high", high), ("above", above), ("below", below)):
        _check_bound(word, bound, default)
    return Setting(default, low, high, above, below, tuple(choices))


def _check_bound(word: str, bound: Any, default: Any) -> None:
    several = isinstance(bound, tuple) and isinstance(default, tuple)
    if several and len(bound) != len(default):
        raise TypeError(
            f"setting({default!r}): {word} has {len(bound)} bounds for {len(default)} numbers"
        )
    for one in bound if several else [bound]:
        if one is not None and not isinstance(one, numbers.Real):
            raise TypeError(f"setting({default!r}): {word} must be a number, got {one!r}")


def state(key: str, *, start: Any = 0.0, per: Any = "element", short: bool = False) -> Any:
    """Declare what is kept from step to step: one number per "element", "row" or "column" of the
    parameter, per "tensor", or one for "all" tensors of the optimizer. `per=("rows", "rows")` is a
    matrix; a side of it is "rows", "columns", the "longer" or "shorter" of the two, or a setting
    that is a whole number: as long as that says, and no longer than the shorter.

    It starts as a number, as the setting of that name (`start="lr"`) or, one per element, as a
    copy of the parameter (`start="p"`). It exists where the settings let the text come to it.
    One number per row or column is kept in float32 at least, or with `short=True` in the
    parameter's own type.
    """
    if not isinstance(key, str):
        raise TypeError(f'state({key!r}): its key must be text, such as state("exp_avg")')
    if isinstance(per, tuple) and len(per) == 2 and all(isinstance(side, str) for side in per):
        if isinstance(start, str) and start == "p":
            raise TypeError(f'state({key!r}): start="p" is for a state per element, got a matrix')
        return State(key, start, per)
    if not isinstance(per, str):
        raise TypeError(
            f"state({key!r}): per must be one of {', '.join(PER)}, or two sides, got {per!r}"
        )
    if per not in PER:
        raise TypeError(f"state({key!r}): per: {unknown(per, PER)}")
    if isinstance(start, str) and start == "p" and per != "element":
        raise TypeError(f'state({key!r}): start="p" is for a state per element, got per={per!r}')
    if short and per not in ("row", "column"):
        raise TypeError(f'state({key!r}): short is for a state per "row" or "column", got {per!r}')
    return State(key, start, per, short)


def starting(declared: State, h: Any) -> Any:
    """What a state starts as under these settings."""
    start = declared.start
    return getattr(h, start) if isinstance(start, str) and start != "p" else start


@dataclass
class Declaration:
    """Everything one rule or stage declares, by the names its `update` uses.

    `read` reads the text of `update`, where that has not been done yet.
    """

    settings: dict[str, Setting] = field(default_factory=dict)
    states: dict[str, State] = field(default_factory=dict)
    read: Callable[[], None] = field(default=lambda: None, repr=False, compare=False)

    @functools.cached_property
    def needs(self) -> list[str]:
        """The settings that it takes and other parts declare: set when the text is read."""
        self.read()
        found: list[str] = vars(self).get("needs", [])
        return found

    def take(self, name: str, value: Any) -> bool:
        """File one class attribute under its kind; False if it declares nothing."""
        kinds: tuple[tuple[type, dict[str, Any]], ...] = (
            (Setting, self.settings),
            (State, self.states),
        )
        for kind, table in kinds:
            if isinstance(value, kind):
                table[name] = value
                return True
        return False

    @property
    def arrays(self) -> dict[str, State]:
        """The states that are arrays."""
        return {name: s for name, s in self.states.items() if not s.is_number}

    @property
    def cells(self) -> dict[str, State]:
        """The states that are one number per parameter."""
        return {name: s for name, s in self.states.items() if s.is_number}
