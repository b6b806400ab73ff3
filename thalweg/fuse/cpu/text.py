"""A pass as the text of one kernel: what the CPU engine compiles, and what a person can read."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

import thalweg
from thalweg import elementwise
from thalweg.fuse.cpu.vectors import (
    STRIP,
    added_to_columns,
    added_to_rows,
    places,
    sums_of_columns,
)
from thalweg.fuse.legs import Pass
from thalweg.fuse.lines import Lines
from thalweg.fuse.storage import FORMATS, columns

# Names: a plan's own are p, g or `part__name`, with a part in lower case. What is made here has no
# double underscore, or starts with a capital, so that the two never meet.

__all__ = ["ARGUMENTS", "kernel_text"]

_HEADER = """# Made by thalweg {version}: {title}.
import numba

from thalweg.fuse.cpu.memory import (
    FUNCTIONS, add, claim, double, integer, key, load, put_double, store
)

F = numba.{computation}
D = numba.float64
INF = float("inf")
k_sqrt = FUNCTIONS["sqrt"]
k_larger = FUNCTIONS["maximum"]
{functions}
{accessors}


def kernel(k_arguments):
{arguments}
    while True:
        k_task = claim(k_counter)
        if k_task >= k_tasks_count:
            break
        for k_chunk in range(integer(k_tasks, k_task), integer(k_tasks, k_task + 1)):
            k_tensor = integer(k_chunks, 3 * k_chunk)
            {skip}
            k_first = integer(k_chunks, 3 * k_chunk + 1)
            k_count = integer(k_chunks, 3 * k_chunk + 2)
"""

# What a kernel takes, as one table of integers whose address it is given: the addresses of tables
# in row order, and one count. The counter is shared by all threads.
ARGUMENTS = (
    # int64 [tensor, column]: where each array lies, and each companion; a tensor whose first one is
    # nowhere is passed over
    "k_pointers",
    "k_numbers",  # double [tensor, number]
    "k_columns",  # int64 [tensor]: elements of one row
    "k_chunks",  # int64 [chunk, 3]: tensor, first element or row, how many
    "k_tasks",  # int64 [task + 1]: the first chunk of each task
    "k_tasks_count",
    "k_sums",  # double [chunk, result]: what the reductions add up to
    "k_counter",  # int64: the next task to be taken
    "k_seed",  # what the random bits of a step come from
    # int64 [chunk, 2]: where its columns begin in what is one number per column, and its sums of
    # rows and columns in the next table
    "k_beside",
    "k_vectors",  # double: what rows and columns add up to
)

_SKIP = """if integer(k_pointers, {} * k_tensor) == 0:
                continue"""

_FINISH = {"mean": "k_sum / k_row_length", "norm": "k_sqrt(k_sum)"}


def kernel_text(pass_: Pass, formats: Sequence[str], computation: str, title: str) -> str:
    """The kernel of one pass: what is run, in a form that can be read."""
    streams = pass_.streams
    among = tuple(columns(streams, formats))
    scopes = (*among, *sums_of_columns(pass_))
    accessors = [
        f"{verb.upper()}_{name} = {verb}({form!r}, {computation!r}, {name!r}, {scopes!r})"
        for name, form in zip(streams, formats, strict=True)
        for verb, when in (("load", pass_.loads), ("store", pass_.stores))
        if name in when
    ]
    functions = [
        f'{name} = FUNCTIONS["{name}"]'
        for name in (*elementwise.PRIMITIVES, "product")
        if f"{name}(" in repr(pass_)
    ]
    accessors += [
        f"{verb.upper()}_{name} = {verb}('float64', 'float64', {name!r}, {scopes!r})"
        for name in sums_of_columns(pass_)
        for verb in ("load", "store")
    ]
    header = _HEADER.format(
        version=thalweg.__version__,
        title=title,
        computation=computation,
        functions="\n".join(functions),
        accessors="\n".join(accessors),
        skip=_SKIP.format(len(among)) if among else "",
        arguments="\n".join(
            f"    {name} = integer(k_arguments, {i})" for i, name in enumerate(ARGUMENTS)
        ),
    )
    start = [
        f"AT_{name} = {_place(number, name, form, among)}"
        for number, (name, form) in enumerate(zip(streams, formats, strict=True))
    ]
    start += [
        f"{name} = double(k_numbers, {len(pass_.numbers)} * k_tensor + {i})"
        for i, name in enumerate(pass_.numbers)
    ]
    lines = [*start, *(_rows(pass_) if pass_.is_by_rows else _flat(pass_))]
    return header + textwrap.indent("\n".join(lines) + "\n", " " * 12)


def _place(number: int, name: str, form: str, among: Sequence[str]) -> str:
    """Where a stream lies: an address, with those of its companions and the key of its bits."""
    places = [
        f"integer(k_pointers, {len(among)} * k_tensor + {among.index(column)})"
        for column in columns([name], [form])
    ]
    if FORMATS[form].rounds_at_random:
        places.append(f"key(k_seed, k_tensor, {number})")
    return ", ".join(places)


def _flat(pass_: Pass) -> list[str]:
    return [
        *_totals(pass_),
        *_before(pass_.lines),
        *_loop(pass_, pass_.lines, _after(pass_), "k_first", "k_count"),
        *_put(pass_),
    ]


def _rows(pass_: Pass) -> list[str]:
    """Per row: its reductions while it is read into the cache, then the row itself. Where columns
    are added up, a strip of them at a time."""
    body = [f"{n} = LOAD_{n}(AT_{n}, k_row)" for n in pass_.loads if n in pass_.by_row]
    for row in pass_.rows:
        body.append(f"k_sum = {_start(row.kind)}")
        after = _added(row.kind, "k_sum", row.value)
        body += _loop(pass_, row.lines, after, "k_start", "k_width")
        body.append(f"{row.name} = F({_FINISH.get(row.kind, 'k_sum')})")
    first, each, last = added_to_rows(pass_)
    after = [*_after(pass_), *each, *added_to_columns(pass_)]
    body = [*body, *first, *_loop(pass_, pass_.lines, after, "k_start", "k_width"), *last]
    before = [line for row in pass_.rows for line in _before(row.lines)]
    is_whole = pass_.rows or not sums_of_columns(pass_)  # a row is reduced as a whole
    rows = [
        "k_width = k_row_length - k_strip",
        *([] if is_whole else [f"k_width = {STRIP} if k_width > {STRIP} else k_width"]),
        "for k_row in range(k_first, k_first + k_count):",
        *_indented(["k_start = k_row * k_row_length + k_strip", *body]),
    ]
    strips = f"for k_strip in range(0, k_row_length, {STRIP}):"
    return [
        "k_row_length = integer(k_columns, k_tensor)",
        *(["k_column = integer(k_beside, 2 * k_chunk)"] if pass_.by_column else []),
        *places(pass_),
        *_totals(pass_),
        *before,
        *_before(pass_.lines),
        *(["k_strip = 0", *rows] if is_whole else [strips, *_indented(rows)]),
        *_put(pass_),
    ]


def _before(lines: Lines) -> list[str]:
    return [*lines.uniform, *(f"{name} = F({double})" for name, double in lines.rounded)]


def _loop(pass_: Pass, lines: Lines, after: list[str], start: str, count: str) -> list[str]:
    """The loop over elements: load, run the lines, then what is to be done with each."""
    text = "\n".join([*lines.elements, *after])
    index = dict.fromkeys(pass_.by_column, "k_column + k_i - k_start + k_strip")
    body = [
        f"{n} = LOAD_{n}(AT_{n}, {index.get(n, 'k_i')})"
        for n in pass_.loads
        if n not in pass_.by_row and _mentions(text, n)
    ]
    loop = f"for k_i in range({start}, {start} + {count}):"
    return [loop, *_indented([*body, *lines.elements, *after])]


def _after(pass_: Pass) -> list[str]:
    """What is stored, and what is added up."""
    found = [f"STORE_{n}(AT_{n}, k_i, {n})" for n in pass_.stores]
    for i, one in enumerate(pass_.results):
        found += _added(one.kind, f"k_total{i}", one.value)
    return found


def _totals(pass_: Pass) -> list[str]:
    return [f"k_total{i} = {_start(one.kind)}" for i, one in enumerate(pass_.results)]


def _put(pass_: Pass) -> list[str]:
    count = len(pass_.results)
    return [f"put_double(k_sums, {count} * k_chunk + {i}, k_total{i})" for i in range(count)]


def _start(kind: str) -> str:
    """What a reduction of nothing is."""
    return "-INF" if kind == "largest" else "0.0"


def _added(kind: str, total: str, value: str) -> list[str]:
    """The lines that take one value more into a total."""
    more = "k_value * k_value" if kind == "norm" else "k_value"
    joined = "k_larger" if kind == "largest" else "add"
    return [f"k_value = D({value})", f"{total} = {joined}({total}, {more})"]


def _mentions(text: str, name: str) -> bool:
    return re.search(rf"\b{name}\b", text) is not None


def _indented(lines: list[str]) -> list[str]:
    return ["    " + line for line in lines]
