"""Whether the values that a name has on two ways through an `if` can be one value behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from thalweg.kinds import CONDITION, MIXED
from thalweg.shapes import said_of
from thalweg.text import SCOPE_OF, Level

__all__ = ["as_said", "not_alike", "not_alike_in", "of_each"]


def not_alike_in(
    names: Iterable[str],
    ways: Sequence[Mapping[str, Level]],
    kinds: Sequence[Mapping[str, str]],
    shapes: Sequence[Mapping[str, Any]],
) -> dict[str, str]:
    """What is wrong with those of some names that are something else on each of two ways: of what
    they have one, which are no numbers, and which shapes matrices have there."""
    found: dict[str, str] = {}
    for name in names:
        levels = [way[name] for way in ways]
        sides = [one.get(name) if Level.MATRIX in levels else None for one in shapes]
        is_mixed = {one.get(name) for one in kinds} == {CONDITION, None}
        if said := MIXED if is_mixed else not_alike(levels, sides):
            found[name] = said
    return found


def not_alike(levels: Sequence[Level], sides: Sequence[Any]) -> str:
    """What is wrong with two values that are to be one, matrices of these sides; empty, if they go
    together."""
    one, other = levels
    if one == other == Level.MATRIX and sides[0] != sides[1]:
        shapes = [said_of(side) for side in sides]
        return f"is a matrix of {shapes[0]} on one way and one of {shapes[1]} on the other"
    if one != other and Level.MATRIX in (one, other):
        return f"is {as_said(one)} on one way and {as_said(other)} on the other"
    return ""


def as_said(level: Level) -> str:
    """Of what something has one, in words."""
    if level == Level.MATRIX:
        return "a matrix of another shape"
    return f"one number {of_each(level)}" if level > Level.STEP else "a number of the step"


def of_each(level: Level) -> str:
    """For which part of a step there is one."""
    return "for all tensors" if level == Level.ALL else f"per {SCOPE_OF[level]}"
