"""A pass as the text of one Triton kernel: what the GPU engine compiles, and a person can read.

One program of the kernel takes one piece of one tensor: so many elements, or, where a pass goes by
rows, so many whole rows, in tiles of rows and columns. Whole pieces of arrays that lie at even
addresses are read without a mask and 128 bits at a time; every other piece is masked. Which it is,
the program sees by the addresses it is given: the host decides nothing.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterable, Sequence

import thalweg
from thalweg.fuse.gpu.lines import block, numbers_of, uniform_values
from thalweg.fuse.lines import Lines
from thalweg.fuse.plan import Pass
from thalweg.fuse.storage import FORMATS
from thalweg.source import names_in

__all__ = ["ARGUMENTS", "TYPES", "kernel_text"]

# Names: a plan's own are p, g or `part__name`, with a part in lower case, or numbers such as RU0
# and C1. What is made here starts with `k_` or `AT_`, so that the two never meet.

# What a kernel takes: addresses of tables in row order, and two counts. All are plain integers, of
# which Triton makes no specialisation.
ARGUMENTS = (
    # int64 [tensor, array]: where each array lies; a tensor whose first one is nowhere is passed
    # over
    "k_pointers",
    "k_numbers",  # computation type [tensor, number]: rounded numbers, then truths
    "k_shapes",  # int64 [tensor, 2]: rows and elements of a row; without rows, one row of all
    "k_pieces",  # int32 [piece, 2]: tensor, and the how manieth piece of it this is
    "k_done",  # int32 [piece]: the turn in which the piece was last done
    "k_sums",  # float64 [piece, result]: what the reductions add up to
    "k_from",  # the first piece of this launch
    "k_turn",  # of one launch: done twice, it happens once
)

_HEADER = """# Made by thalweg {version}: {title}.
import triton
import triton.language as tl

from thalweg.fuse.gpu.words import (
    added, atan2, cbrt, divided, exp, larger, largest, log, maximum, minimum, modulo, narrowed,
    negative, power, quotient, sign, sqrt, summed, widened
)

"""

_KERNEL = """
@triton.jit(do_not_specialize={arguments})
def kernel(
    {signature},
    {sizes},
):
    k_piece = k_from + tl.program_id(0)
    k_done_at = k_done.to(tl.pointer_type(tl.int32)) + k_piece
    k_last = tl.load(k_done_at)
    tl.debug_barrier()  # before any thread of this program can say that it is done
    k_piece_at = k_pieces.to(tl.pointer_type(tl.int32)) + 2 * k_piece
    k_tensor = tl.load(k_piece_at)
    k_part = tl.load(k_piece_at + 1).to(tl.int64)
    k_row_of = k_pointers.to(tl.pointer_type(tl.int64)) + {streams} * k_tensor
{addresses}
    if (k_last != k_turn) & ({first} != 0):
        k_shape_at = k_shapes.to(tl.pointer_type(tl.int64)) + 2 * k_tensor
        k_rows = tl.load(k_shape_at)
        k_columns = tl.load(k_shape_at + 1)
{numbers}
        k_even = (({together}) & 15) == 0
{body}
        tl.store(k_done_at, k_turn)
"""

TYPES = {"float32": "tl.float32", "float64": "tl.float64"}
_IN_MEMORY = {**TYPES, "float16": "tl.float16", "bfloat16": "tl.uint16"}
_FINISH = {"mean": "(k_sum / k_columns.to(tl.float64))", "norm": "tl.sqrt(k_sum)"}


def kernel_text(pass_: Pass, formats: Sequence[str], computation: str, title: str) -> str:
    """The kernel of one pass: what is run, in a form that can be read."""
    return _Kernel(pass_, formats, computation).text(title)


class _Kernel:
    def __init__(self, pass_: Pass, formats: Sequence[str], computation: str) -> None:
        self.pass_, self.type = pass_, TYPES[computation]
        self.elements = {
            name: FORMATS[form].element for name, form in zip(pass_.streams, formats, strict=True)
        }
        lines = [*(row.lines for row in pass_.rows), pass_.lines]
        rounded, truths = numbers_of(lines, uniform_values(pass_))
        self.rounded, self.truths = rounded, truths
        self.given = ["k_rows", "k_columns", *(f"AT_{name}" for name in pass_.streams)]
        self.given += [*rounded, *truths]

    def text(self, title: str) -> str:
        is_by_rows = self.pass_.is_by_rows
        parts = self._rows() if is_by_rows else self._flat()
        sizes = ("ROWS", "COLUMNS") if is_by_rows else ("BLOCK",)
        streams = self.pass_.streams
        addresses = [f"AT_{name} = tl.load(k_row_of + {i})" for i, name in enumerate(streams)]
        kernel = _KERNEL.format(
            arguments=list(ARGUMENTS),
            signature=",\n    ".join(
                f"{name}: tl.int64" if name not in ("k_from", "k_turn") else f"{name}: tl.int32"
                for name in ARGUMENTS
            ),
            sizes=",\n    ".join(f"{name}: tl.constexpr" for name in sizes),
            streams=len(streams),
            addresses=_indented(addresses, 1),
            first=f"AT_{streams[0]}",
            numbers=_indented(self._numbers(), 2),
            together=" | ".join(self._addresses()),
            body=_indented(self._even_or_not(sizes), 2),
        )
        header = _HEADER.format(version=thalweg.__version__, title=title)
        return header + "\n\n".join(parts) + "\n" + kernel

    def _addresses(self) -> list[str]:
        """What must be a multiple of 16 for the wide way: every address, and with rows the bytes
        of one row."""
        found = [f"AT_{name}" for name in self.pass_.streams]
        if self.pass_.is_by_rows:
            found.append("(k_columns * 2)")  # of the narrowest element
        return found

    def _numbers(self) -> list[str]:
        names = [*self.rounded, *self.truths]
        if not names:
            return []
        found = [
            f"k_numbers_at = k_numbers.to(tl.pointer_type({self.type})) + {len(names)} * k_tensor"
        ]
        for i, name in enumerate(names):
            is_truth = " != 0" if name in self.truths else ""
            found.append(f"{name} = tl.load(k_numbers_at + {i}){is_truth}")
        return found

    def _even_or_not(self, sizes: Sequence[str]) -> list[str]:
        """The two ways of a piece, and what the reductions have added up to."""
        if self.pass_.is_by_rows:
            start, whole = "k_part * ROWS", "k_start + ROWS <= k_rows"
        else:
            start, whole = "k_part * BLOCK", "k_start + BLOCK <= k_columns"
        arguments = ", ".join(["k_start", *self.given, *self._sums_at(), *sizes])
        return [
            *self._sums(),
            f"k_start = {start}",
            f"if k_even & ({whole}):",
            f"    k_one({arguments}, True)",
            "else:",
            f"    k_one({arguments}, False)",
        ]

    def _sums_at(self) -> list[str]:
        return ["k_sums_at"] if self.pass_.results else []

    def _sums(self) -> list[str]:
        if not self.pass_.results:
            return []
        count = len(self.pass_.results)
        return [f"k_sums_at = k_sums.to(tl.pointer_type(tl.float64)) + {count} * k_piece"]

    def _signature(self, name: str, *arguments: str) -> list[str]:
        return ["@triton.jit", f"def {name}({', '.join(arguments)}):"]

    def _pointers(self, names: Iterable[str]) -> list[str]:
        """Where arrays lie, for what is read 128 bits at a time."""
        found = []
        for name in names:
            pointer = f"AT_{name}.to(tl.pointer_type({_IN_MEMORY[self.elements[name]]}))"
            found.append(f"k_{name} = {pointer}")
            found.append("if FULL:")
            found.append(f"    k_{name} = tl.multiple_of(k_{name}, 16)")
        return found

    def _load(self, name: str, place: str, mask: str) -> list[str]:
        """A block of an array in the computation type."""
        is_last = name == "g" and self.pass_.stores and not self.pass_.rows
        more = ', eviction_policy="evict_first"' if is_last else ""
        return [
            "if FULL:",
            f"    {name} = {self._widened(name, f'tl.load({place}{more})')}",
            "else:",
            f"    {name} = {self._widened(name, f'tl.load({place}, mask={mask}, other=0)')}",
        ]

    def _store(self, name: str, place: str, mask: str) -> list[str]:
        narrowed = self._narrowed(name)
        return [
            "if FULL:",
            f"    tl.store({place}, {narrowed})",
            "else:",
            f"    tl.store({place}, {narrowed}, mask={mask})",
        ]

    def _widened(self, name: str, value: str) -> str:
        """What lies in memory in the computation type: from 16 bits by way of float32."""
        element = self.elements[name]
        if element == "bfloat16":
            value = f"widened({value})"
        elif element == "float16":
            value = f"{value}.to(tl.float32)"
        is_there = TYPES.get(element, "tl.float32") == self.type
        return value if is_there else f"{value}.to({self.type})"

    def _narrowed(self, name: str) -> str:
        """A name's value as it lies in memory: to 16 bits by way of float32, as torch."""
        element = self.elements[name]
        is_there = TYPES.get(element, "tl.float32") == self.type
        value = name if is_there else f"{name}.to({TYPES.get(element, 'tl.float32')})"
        if element == "bfloat16":
            return f"narrowed({value})"
        return f"{value}.to(tl.float16)" if element == "float16" else value

    # -- a pass over elements, whatever their rows

    def _flat(self) -> list[str]:
        arguments = ["k_start", *self.given, *self._sums_at()]
        sizes = ["BLOCK: tl.constexpr", "FULL: tl.constexpr"]
        body = [
            "k_lanes = tl.arange(0, BLOCK)",
            "k_mask = k_start + k_lanes < k_columns",
            *self._pointers(self.pass_.streams),
        ]
        for name in self.pass_.loads:
            body += self._load(name, f"k_{name} + k_start + k_lanes", "k_mask")
        body += block(self.pass_.lines.elements, {*self.pass_.loads})
        for name in self.pass_.stores:
            body += self._store(name, f"k_{name} + k_start + k_lanes", "k_mask")
        for i, one in enumerate(self.pass_.results):
            body.append(f"k_total = tl.full((BLOCK,), {_start(one.kind)}, tl.float64)")
            body += self._taken("k_total", one.kind, one.value)
            body.append(f"tl.store(k_sums_at + {i}, {_whole(one.kind, 'k_total', '0')})")
        return [_function(self._signature("k_one", *arguments, *sizes), body)]

    def _taken(self, total: str, kind: str, value: str) -> list[str]:
        """Take a block of values into a total; what a mask hides is nothing."""
        squared = f"({value}.to(tl.float64) * {value}.to(tl.float64))" if kind == "norm" else value
        joined = "larger" if kind == "largest" else "added"
        return [
            f"k_more = {joined}({total}, {squared})",
            f"{total} = k_more if FULL else tl.where(k_mask, k_more, {total})",
        ]

    # -- a pass that goes by rows

    def _rows(self) -> list[str]:
        """Per tile of rows: their reductions, one after the other, then the rows themselves."""
        pass_ = self.pass_
        parts = []
        before: list[str] = []
        for i, row in enumerate(pass_.rows):
            after = self._taken("k_acc", row.kind, row.value)
            parts.append(self._part(f"k_reduce{i}", row.lines, after, before, ["k_acc"]))
            before = [*before, row.name]
        after = []
        for name in pass_.stores:
            after += self._store(name, f"k_{name} + k_at", "k_mask")
        totals = [f"k_total{i}" for i in range(len(pass_.results))]
        for total, one in zip(totals, pass_.results, strict=True):
            after += self._taken(total, one.kind, one.value)
        parts.append(self._part("k_main", pass_.lines, after, before, totals))
        return [*parts, self._tile(totals)]

    def _part(
        self, name: str, lines: Lines, after: list[str], rows: list[str], totals: list[str]
    ) -> str:
        """What is done to one tile: load, run the lines, then what is to be done with each."""
        used = names_in(ast.parse("\n".join([*lines.elements, *after])))
        used |= {*self.pass_.stores} if name == "k_main" else set()
        loads = [one for one in self.pass_.loads if one in used]
        streams = [one for one in self.pass_.streams if one in {*loads, *used}]
        body = [
            "k_row = k_start + tl.arange(0, ROWS)[:, None]",
            "k_column = k_first + tl.arange(0, COLUMNS)[None, :]",
            "if FULL:",
            "    k_at = k_row * (k_columns // 8 * 8) + k_column",
            "else:",
            "    k_at = k_row * k_columns + k_column",
            "k_mask = (k_row < k_rows) & (k_column < k_columns)",
            *self._pointers(streams),
        ]
        for one in loads:
            if one in self.pass_.by_row:
                body += self._load(one, f"k_{one} + k_row", "k_row < k_rows")
            elif one in self.pass_.by_column:
                body += self._load(one, f"k_{one} + k_column", "k_column < k_columns")
            else:
                body += self._load(one, f"k_{one} + k_at", "k_mask")
        body += [*block(lines.elements, {*loads, *rows}), *after]
        body += [f"return {', '.join(totals)}"] if totals else []
        arguments = ["k_first", "k_start", *self.given, *rows, *totals]
        sizes = [f"{one}: tl.constexpr" for one in ("ROWS", "COLUMNS", "FULL")]
        return _function(self._signature(name, *arguments, *sizes), body)

    def _tile(self, totals: list[str]) -> str:
        """All columns of some rows, once per reduction and once for the rest."""
        body = ["k_whole = k_columns // COLUMNS * COLUMNS if FULL else k_columns * 0"]
        before: list[str] = []
        for i, row in enumerate(self.pass_.rows):
            body.append(f"k_acc = tl.full((ROWS, COLUMNS), {_start(row.kind)}, tl.float64)")
            body += self._over_columns(f"k_reduce{i}", before, ["k_acc"])
            body.append(f"k_sum = {_whole(row.kind, 'k_acc', '1')}[:, None]")
            body.append(f"{row.name} = {_FINISH.get(row.kind, 'k_sum')}.to({self.type})")
            before = [*before, row.name]
        for total, one in zip(totals, self.pass_.results, strict=True):
            body.append(f"{total} = tl.full((ROWS, COLUMNS), {_start(one.kind)}, tl.float64)")
        body += self._over_columns("k_main", before, totals)
        for i, (total, one) in enumerate(zip(totals, self.pass_.results, strict=True)):
            whole = _whole(one.kind, _whole(one.kind, total, "1"), "0")
            body.append(f"tl.store(k_sums_at + {i}, {whole})")
        arguments = ["k_start", *self.given, *self._sums_at()]
        sizes = [f"{one}: tl.constexpr" for one in ("ROWS", "COLUMNS", "FULL")]
        return _function(self._signature("k_one", *arguments, *sizes), body)

    def _over_columns(self, name: str, rows: list[str], totals: list[str]) -> list[str]:
        """Call a part for all columns of a tile: whole tiles, then what is left, masked."""
        given = ", ".join(["k_first", "k_start", *self.given, *rows, *totals, "ROWS", "COLUMNS"])
        target = f"{', '.join(totals)} = " if totals else ""
        return [
            "if FULL:",
            "    for k_first in range(0, k_whole, COLUMNS):",
            f"        {target}{name}({given}, True)",
            "for k_first in range(k_whole, k_columns, COLUMNS):",
            f"    {target}{name}({given}, False)",
        ]


def _start(kind: str) -> str:
    """What a reduction of nothing is."""
    return 'float("-inf")' if kind == "largest" else "0.0"


def _whole(kind: str, total: str, axis: str) -> str:
    """A total of an axis."""
    return f"{'largest' if kind == 'largest' else 'summed'}({total}, {axis})"


def _function(signature: list[str], body: list[str]) -> str:
    return "\n".join([*signature, *(f"    {line}" for line in body)])


def _indented(lines: list[str], depth: int) -> str:
    return textwrap.indent("\n".join(lines), "    " * depth)
