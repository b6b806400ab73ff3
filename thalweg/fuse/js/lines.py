"""The lines of a step before they are JavaScript: what is given a value, in which loop, under what.

Values are Python's syntax, with names that are unique in the chain.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from thalweg.source import names_in

__all__ = ["Add", "If", "Line", "Loop", "OfRows", "Set", "read_in", "stored_in", "walk"]


@dataclass(frozen=True)
class Set:
    """One name given a value, or several that are given what one is taken apart into."""

    part: str
    targets: tuple[str, ...]
    value: ast.expr


@dataclass(frozen=True)
class Add:
    """A value more for a sum, or for the largest of them."""

    part: str
    target: str
    kind: str
    value: ast.expr


@dataclass(frozen=True)
class OfRows:
    """One number for each row, or each column as `per` says, of all its elements; or where `of` is
    the same, of all rows of its matrix."""

    part: str
    target: str
    kind: str
    value: ast.expr
    per: str = "row"
    of: str = "element"


@dataclass(frozen=True)
class If:
    part: str
    test: ast.expr
    body: list[Line]
    orelse: list[Line]


@dataclass(frozen=True)
class Loop:
    """A loop over the elements, the rows or the columns; `made` are the sums ready behind it."""

    over: str
    body: list[Line] = field(default_factory=list)
    made: set[str] = field(default_factory=set)
    after: list[Line] = field(default_factory=list)


Line = Set | Add | OfRows | If | Loop


def walk(lines: Sequence[Line]) -> Iterator[Line]:
    """All lines, those inside of others too."""
    for line in lines:
        yield line
        if isinstance(line, If):
            yield from walk(line.body)
            yield from walk(line.orelse)
        elif isinstance(line, Loop):
            yield from walk(line.body)


def read_in(lines: Sequence[Line]) -> set[str]:
    """The names that lines read."""
    found: set[str] = set()
    for line in walk(lines):
        if isinstance(line, If):
            found |= names_in(line.test)
        elif not isinstance(line, Loop):
            found |= names_in(line.value)
            found |= {line.target} if isinstance(line, Add) else set()
    return found


def stored_in(lines: Sequence[Line]) -> list[str]:
    """The names that lines give a value, as often as they do."""
    found: list[str] = []
    for line in walk(lines):
        if isinstance(line, Set):
            found += line.targets
        elif isinstance(line, Add | OfRows):
            found.append(line.target)
    return found
