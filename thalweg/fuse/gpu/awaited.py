"""Sums that the device has yet to work out, and the kernel that makes numbers of a step of them.

What follows from a sum is worked out in double there, a number per tensor, by the uniform lines of
the pass that takes it; the host never sees it.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import thalweg
from thalweg.fuse.awaited import Awaited
from thalweg.fuse.device import Buffer, DeviceMemory
from thalweg.fuse.gpu.lines import block, numbers_of, uniform_values
from thalweg.fuse.gpu.text import TYPES
from thalweg.fuse.gpu.totals import added_up
from thalweg.fuse.lines import Lines
from thalweg.fuse.plan import Pass
from thalweg.reductions import REDUCTIONS, finished

__all__ = [
    "LANES",
    "Numbers",
    "OnDevice",
    "Sums",
    "lines_on_numbers",
    "loaded",
    "measured",
    "numbers_text",
    "places_of",
    "rounded_stores",
    "uniform_lines",
]

LANES = 128  # tensors of one program

_SUMS = ("mean", "norm")  # of which the number is not what was added up


@dataclass(frozen=True)
class OnDevice(Awaited):
    """A double for each tensor, `step` bytes apart from `offset` on in a buffer."""

    memory: DeviceMemory
    buffer: Buffer
    offset: int
    step: int
    length: int
    kind: str = "sum"
    """How the number follows from what was added up."""
    counts: NDArray[np.int64] = field(default_factory=lambda: np.ones(0, np.int64))

    @property
    def address(self) -> int:
        """Where the first one lies."""
        return self.buffer.address + self.offset

    def finished(self, kind: str, counts: NDArray[np.int64]) -> OnDevice:
        return replace(self, kind=kind, counts=counts)

    def joins(self, other: Awaited) -> bool:
        return isinstance(other, OnDevice) and other.memory is self.memory

    def whole(self, kind: str, others: Sequence[Any], count: int) -> list[Awaited]:
        parts = [self, *others]
        is_largest = self.memory.upload(np.array([kind == "largest"], np.int32))
        found = self.memory.zeros(8 * len(parts))
        for i, one in enumerate(parts):
            spans = self.memory.upload(np.array([[0, one.length]], np.int64))
            sources = one.address, one.step // 8
            target = 1, 1, found.address + 8 * i
            added_up(self.memory, sources, spans, is_largest, target, one.buffer, found)
        if others:
            spans = self.memory.upload(np.array([[0, len(parts)]], np.int64))
            whole = self.memory.zeros(8)
            target = 1, 1, whole.address
            added_up(self.memory, (found.address, 1), spans, is_largest, target, found, whole)
            found = whole
        return [
            OnDevice(self.memory, found, 0, 0, one.length, kind, np.full(one.length, count))
            for one in parts
        ]

    def into(self, numbers: NDArray[np.float64], columns: Mapping[int, Any]) -> Numbers:
        return Numbers(numbers, dict(columns))

    def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[np.float64]:
        size = self.offset + self.step * max(self.length - 1, 0) + 8
        doubles = np.frombuffer(self.memory.download(self.buffer, size), np.float64)
        at = (self.offset + self.step * np.arange(self.length)) // 8
        result: NDArray[np.float64] = finished(self.kind, doubles[at], np.maximum(self.counts, 1))
        return result


@dataclass(frozen=True)
class Sums:
    """What the tensors of a launch add to each result: [tensor, result], all in one buffer."""

    memory: DeviceMemory
    buffer: Buffer
    shape: tuple[int, int]

    @property
    def T(self) -> list[OnDevice]:
        """A column for each result."""
        tensors, results = self.shape
        return [
            OnDevice(self.memory, self.buffer, 8 * i, 8 * results, tensors) for i in range(results)
        ]

    def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[np.float64]:
        content = self.memory.download(self.buffer, 8 * self.shape[0] * self.shape[1])
        return np.array(np.frombuffer(content, np.float64).reshape(self.shape))


@dataclass(frozen=True)
class Numbers:
    """A table of a step's numbers [tensor, number], some columns of which are awaited."""

    known: NDArray[np.float64]
    columns: dict[int, OnDevice]

    def tables(self) -> list[NDArray[Any]]:
        """What the kernel is given, as it lies there: the numbers, where the awaited ones are, and
        of how many elements each is."""
        return [self.known, *places_of([*self.columns.values()])]

    @property
    def buffers(self) -> list[Buffer]:
        """What the awaited ones lie in."""
        return [one.buffer for one in self.columns.values()]


def places_of(columns: Sequence[OnDevice]) -> list[NDArray[Any]]:
    """Where awaited numbers are, and of how many elements each is."""
    places = [[one.address, one.step, _kind(one.kind)] for one in columns]
    counts = np.stack([one.counts for one in columns], axis=1).astype(np.float64)
    return [np.array(places, np.int64), np.ascontiguousarray(counts)]


def _kind(kind: str) -> int:
    return REDUCTIONS.index(kind) if kind in _SUMS else 0


_HEADER = """# Made by thalweg {version}: {title}, numbers.
import triton
import triton.language as tl

from thalweg.fuse.gpu.words import (
    atan2, cbrt, divided, exp, log, maximum, minimum, modulo, negative, power, quotient, sign, sqrt
)


@triton.jit(do_not_specialize=["k_numbers", "k_places", "k_counts", "k_rounded", "k_tensors"])
def kernel(
    k_numbers: tl.int64,
    k_places: tl.int64,
    k_counts: tl.int64,
    k_rounded: tl.int64,
    k_tensors: tl.int32,
    LANES: tl.constexpr,
):
    k_tensor = tl.program_id(0) * LANES + tl.arange(0, LANES)
    k_mask = k_tensor < k_tensors
    k_known = k_numbers.to(tl.pointer_type(tl.float64)) + {count} * k_tensor
    k_place = k_places.to(tl.pointer_type(tl.int64))
    k_of = k_counts.to(tl.pointer_type(tl.float64)) + {awaited} * k_tensor
    k_out = k_rounded.to(tl.pointer_type({type})) + {results} * k_tensor
"""


def numbers_text(pass_: Pass, awaited: Collection[int], computation: str, title: str) -> str:
    """The kernel that works out a pass's numbers, those at these places awaited."""
    places = {place: i for i, place in enumerate(awaited)}
    loads: list[str] = []
    for i, name in enumerate(pass_.numbers):
        loads += measured(name, places[i]) if i in places else [loaded(name, f"k_known + {i}")]
    stores = rounded_stores(pass_, computation)
    header = _HEADER.format(
        version=thalweg.__version__,
        title=title,
        count=len(pass_.numbers),
        awaited=len(awaited),
        type=TYPES[computation],
        results=len(stores),
    )
    body = [*loads, *lines_on_numbers(uniform_lines(pass_), pass_.numbers), *stores]
    return header + "\n".join(f"    {line}" for line in body) + "\n"


def uniform_lines(pass_: Pass) -> list[str]:
    """The lines of a pass that are on numbers."""
    return [line for one in _lines(pass_) for line in one.uniform]


def rounded_stores(pass_: Pass, computation: str) -> list[str]:
    """What stores the numbers that the kernel of a pass takes, a row per tensor."""
    several, reduced = _lines(pass_), uniform_values(pass_)
    rounded, truths = numbers_of(several, reduced)
    doubles = {new: old for lines in several for new, old in lines.rounded}
    # of what is reduced as it is there may be one for all tensors
    doubles |= {name: f"(tl.zeros((LANES,), tl.float64) + {name})" for name in reduced}
    kind = TYPES[computation]
    values = [*(f"{doubles[name]}.to({kind})" for name in rounded)]
    values += [f"tl.where({name}, 1.0, 0.0).to({kind})" for name in truths]
    return [f"tl.store(k_out + {i}, {one}, mask=k_mask)" for i, one in enumerate(values)]


def _lines(pass_: Pass) -> list[Lines]:
    return [*(row.lines for row in pass_.rows), pass_.lines]


def lines_on_numbers(lines: Sequence[str], known: Collection[str]) -> list[str]:
    """Lines of Python on numbers as Triton's on doubles, one for each tensor of a block."""
    constants = _Constants()
    written = constants.named("\n".join(lines))
    return [*constants.lines, *block(written, {*known})]


def loaded(name: str, place: str) -> str:
    """The line that loads a double for each tensor of a block."""
    return f"{name} = tl.load({place}, mask=k_mask, other=1.0)"


def measured(name: str, number: int) -> list[str]:
    """A number that follows from a sum, by its kind."""
    return [
        f"k_at = tl.load(k_place + {3 * number}) + tl.load(k_place + {3 * number + 1}) * k_tensor",
        f"k_kind = tl.load(k_place + {3 * number + 2})",
        loaded("k_sum", "k_at.to(tl.pointer_type(tl.float64))"),
        loaded("k_count", f"k_of + {number}"),
        f"k_sum = tl.where(k_kind == {_kind('mean')}, divided(k_sum, k_count), k_sum)",
        f"{name} = tl.where(k_kind == {_kind('norm')}, sqrt(k_sum), k_sum)",
    ]


class _Constants(ast.NodeTransformer):
    """Gives every constant a name, of a block in double: Triton takes a bare one for a single."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def named(self, text: str) -> list[str]:
        """Some lines, with names in place of constants."""
        return ast.unparse(ast.fix_missing_locations(self.visit(ast.parse(text)))).splitlines()

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        name = f"K{len(self.lines)}"
        is_truth = isinstance(node.value, bool)
        value = f"{int(node.value)}" if is_truth else f"{float(node.value)!r}"  # type: ignore[arg-type]
        self.lines.append(
            f"{name} = tl.full((LANES,), {value}, tl.{'int1' if is_truth else 'float64'})"
        )
        return ast.Name(name, ast.Load())
