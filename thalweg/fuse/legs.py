"""What a step of one tensor consists of: passes over memory, lines on matrices, questions."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from thalweg.chain import Chain
from thalweg.fuse.lines import Lines
from thalweg.text import Level

__all__ = [
    "Leg",
    "Line",
    "MatrixWork",
    "Pass",
    "Plan",
    "Question",
    "Reduction",
    "RowReduction",
    "with_values",
]


@dataclass(frozen=True)
class Reduction:
    """A reduction over tensors, or over each row or column of one: the name of its value per
    element, and how values are combined."""

    name: str
    over: str
    kind: str
    value: str


@dataclass(frozen=True)
class RowReduction:
    """A number per row: the lines that compute its `value` per element, and how they are
    combined."""

    name: str
    kind: str
    value: str
    lines: Lines


@dataclass(frozen=True, eq=False)  # a key by its identity: looked up at every step
class Pass:
    """One sweep over memory: per row the row reductions, then the lines, then what is stored and
    what is added to the `results`: of a tensor one number, and in `vectors` one per row or column.
    Of what it loads, some have one number per row or column."""

    loads: tuple[str, ...]
    stores: tuple[str, ...]
    numbers: tuple[str, ...]
    rows: tuple[RowReduction, ...]
    lines: Lines
    results: tuple[Reduction, ...] = ()
    by_row: frozenset[str] = frozenset()
    by_column: frozenset[str] = frozenset()
    vectors: tuple[Reduction, ...] = ()
    measured: frozenset[str] = frozenset()
    """Of the numbers, those that a pass has added up: they may be as small as any."""

    @property
    def is_by_rows(self) -> bool:
        """Whether the sweep goes row by row."""
        return bool(self.rows or self.by_row or self.by_column or self.vectors)

    @property
    def streams(self) -> tuple[str, ...]:
        """Every array the pass touches, loads first."""
        return tuple(dict.fromkeys([*self.loads, *self.stores]))


@functools.cache
def with_values(pass_: Pass) -> Pass:
    """A pass that writes what it would add up per row and column, for others to do it."""
    if not pass_.vectors:
        return pass_
    values = tuple(one.value for one in pass_.vectors)
    return replace(pass_, stores=(*pass_.stores, *values), vectors=())


@dataclass(frozen=True)
class Line:
    """A line on whole matrices: the names it takes, of what its value has one, and what its author
    wrote. A value per element, row or column lies in memory."""

    target: str
    text: str
    names: tuple[str, ...]
    level: Level
    written: str


@dataclass(frozen=True, eq=False)
class MatrixWork:
    """Lines on whole matrices, one after the other. The `numbers` that they take are known before
    the step, are measured, or follow from both by the `uniform` lines."""

    lines: tuple[Line, ...]
    numbers: tuple[str, ...]
    uniform: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Question:
    """What a step asks of whoever takes it, about all tensors at once, under the `name` of the
    request: `target` is the array of the answer, `at` that of the weights or the direction it is
    about, or empty: then it is about `numbers`."""

    name: str
    target: str
    at: str
    numbers: tuple[str | float, ...]


Leg = Pass | MatrixWork | Question  # of a step, one after the other


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything one step of one tensor runs: first what it must know, in passes that reduce or
    write arrays which live for one step, in lines on matrices, in questions; then the main pass,
    which stores.

    `scratch` are the arrays of one step, `matrices` the states that get their values from lines on
    matrices. `kept` are the kept numbers, by qualified name, that follow from what was measured,
    and `closing` the lines that give them their values.
    """

    chain: Chain
    ahead: tuple[Leg, ...]
    main: Pass
    kept: tuple[str, ...] = ()
    closing: tuple[str, ...] = ()
    scratch: tuple[str, ...] = ()
    matrices: tuple[str, ...] = ()
    vectors: Mapping[str, Level] = field(default_factory=dict)
    """Of the names that have one number per row or column, which."""
    is_stack: bool = False
    """Whether a parameter of more than two axes is a stack of matrices."""

    @functools.cached_property
    def swept(self) -> frozenset[str]:
        """The arrays that a pass reads or a question is about."""
        asked = {one.at for one in self.ahead if isinstance(one, Question)}
        return frozenset(asked.union(self.main.loads, *(one.loads for one in self.reductions)))

    @property
    def reductions(self) -> tuple[Pass, ...]:
        """The passes before the main one."""
        return tuple(one for one in self.ahead if isinstance(one, Pass))

    @property
    def is_plain(self) -> bool:
        """Whether passes are all of it, and no array lives from one to the next."""
        added = any(one.vectors for one in self.reductions)
        return len(self.reductions) == len(self.ahead) and not added
