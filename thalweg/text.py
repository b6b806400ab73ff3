"""What the text of an `update` says: of what each name has one, and what is decided when.

A name has one value for the whole step, for all tensors, for a tensor, a row, a column or an
element, or it is a matrix of another shape than its parameter. What there is one of for the step
(settings, the count, kept numbers, and whatever is computed from them) is known before anything is
read: the `if`s on it are decided first, and the numbers that elements are computed with are worked
out once, in double.
"""

from __future__ import annotations

import ast
import enum
import functools
from dataclasses import dataclass, field
from typing import Any

from thalweg.source import Source

__all__ = [
    "GIVEN",
    "OF_SHAPE",
    "SCOPE_OF",
    "STREAMS",
    "Level",
    "Reduction",
    "Request",
    "Text",
    "join",
    "level_per",
]

STREAMS = ("p", "g", "u")

# what a tensor and a step tell every text that takes it
OF_SHAPE = ("ndim", "rows", "columns")
GIVEN = ("t", "first", *OF_SHAPE)


class Level(enum.IntEnum):
    """Of what a name has one value, from the coarsest to the finest."""

    STEP = 0
    ALL = 1
    TENSOR = 2
    ROW = 3
    COLUMN = 4
    ELEMENT = 5
    MATRIX = 6


_LEVEL_OF = {"all": Level.ALL, "tensor": Level.TENSOR, "row": Level.ROW, "column": Level.COLUMN}
_LEVEL_OF["element"] = Level.ELEMENT

SCOPE_OF = {level: word for word, level in _LEVEL_OF.items()} | {Level.MATRIX: "element"}


def level_per(per: Any) -> Level:
    """Of what there is one number, where it is said by a word; two sides are a matrix's."""
    return Level.MATRIX if isinstance(per, tuple) else _LEVEL_OF[per]


def join(a: Level, b: Level) -> Level:
    """What something computed from both has one of."""
    return Level.ELEMENT if {a, b} == {Level.ROW, Level.COLUMN} else max(a, b)


@dataclass(frozen=True)
class Reduction:
    """One sum, mean, norm or largest value that a text asks for, by a name of its own."""

    name: str
    kind: str
    over: str
    written: str
    """As it stands in the text."""


@dataclass(frozen=True)
class Request:
    """What a text asks of whoever takes the step, by a name of its own: the "gradient" of a loss,
    which `of` names, at other weights, the "curvature" along a direction, or "noise"."""

    name: str
    kind: str
    of: str
    written: str


@dataclass
class Text:
    """One `update`, read. Nodes of the syntax are the keys: each is one place in the text."""

    source: Source
    body: list[ast.stmt]
    before: set[ast.stmt] = field(default_factory=set)
    """The lines that are run before the step, because all in them is known by then."""
    decisions: dict[ast.AST, int] = field(default_factory=dict)
    """The `if`s that are decided before the step, numbered."""
    numbers: dict[ast.expr, str] = field(default_factory=dict)
    """The places where elements meet what is known before the step: the name of the number."""
    lifted: dict[tuple[ast.If, str], list[tuple[str, str]]] = field(default_factory=dict)
    """Names that were numbers before an `if`, or on one side of it, and are more after it: where
    ("before", "body", "orelse"), the name, and the name of the number."""
    reductions: dict[ast.Call, Reduction] = field(default_factory=dict)
    found: dict[ast.expr, Level] = field(default_factory=dict)
    """Of what each expression has one."""
    matrices: set[ast.expr] = field(default_factory=set)
    """The calls of words on whole matrices."""
    requests: dict[ast.Call, Request] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    """The names that are numbers as they stand when all lines before the step have run."""
    borrowed: dict[str, int | None] = field(default_factory=dict)
    """The settings of other parts, and into how many numbers each is taken apart, if it is."""
    levels: dict[str, Level] = field(default_factory=dict)
    """Of what each name has one when the text has been run."""
    joined: dict[tuple[ast.If, str], Level] = field(default_factory=dict)
    """Of those names, of what each has one after its `if`."""
    given: dict[ast.stmt, Level] = field(default_factory=dict)
    """Of what a name has one behind the line that gives it a value."""

    vectors: dict[str, Level] = field(default_factory=dict)
    """The states that are one number per row or per column."""

    @functools.cached_property
    def columns(self) -> bool:
        """Whether anything in it is one number per column."""
        over = any(one.over == "column" for one in self.reductions.values())
        return over or Level.COLUMN in self.vectors.values()

    @functools.cached_property
    def on_matrices(self) -> bool:
        """Whether any of its lines is on whole matrices, or on rows or columns by themselves."""
        return bool(self.matrices) or Level.MATRIX in self.given.values() or self.on_vectors

    @property
    def on_vectors(self) -> bool:
        """Whether its lines on rows and columns are run on arrays of their own."""
        return bool(self.vectors) or self.columns

    @functools.cached_property
    def number_names(self) -> list[str]:
        """Every number that elements are computed with, in the order of the text."""
        lifted = [number for pairs in self.lifted.values() for _, number in pairs]
        return list(dict.fromkeys([*self.numbers.values(), *lifted]))

    @functools.cached_property
    def reduced(self) -> list[Reduction]:
        """What is reduced, in the order of the text."""
        return list(dict.fromkeys(self.reductions.values()))
