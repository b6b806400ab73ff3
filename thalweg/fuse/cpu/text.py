"""A pass as the text of one kernel: what the CPU engine compiles, and what a person can read."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from types import MappingProxyType

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
from thalweg.fuse.cpu.memory import (
    FUNCTIONS, ROUND, add, claim, double, integer, key, load, put_double, store
)

F = ROUND["{computation}"]
D = ROUND["float64"]{measured}
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
    "k_columns",  # int64 [tensor]: elements of one row, with strides behind it where there are gaps
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


def kernel_text(
    pass_: Pass,
    formats: Sequence[str],
    computation: str,
    title: str,
    strided: Sequence[bool] | None = None,
) -> str:
    """The kernel of one pass: what is run, in a form that can be read.

    With `strided` its arrays have gaps: `k_columns` is then int64 [tensor, 1 + 2 arrays], the
    length of a row and of each array the strides from row to row and from element to element, which
    is 1 where it is not `strided`.
    """
    streams = pass_.streams
    among = tuple(columns(streams, formats))
    scopes = (*among, *sums_of_columns(pass_))
    accessors = _accessors(pass_, formats, computation, scopes)
    functions = [
        f'{name} = FUNCTIONS["{name}"]'
        for name in (*elementwise.PRIMITIVES, "product")
        if f"{name}(" in repr(pass_)
    ]
    header = _HEADER.format(
        version=thalweg.__version__,
        title=title,
        computation=computation,
        measured=f'\nM = ROUND["measured {computation}"]' if _measured(pass_) else "",
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
    lines = [*start, *_body(pass_, strided)]
    return header + textwrap.indent("\n".join(lines) + "\n", " " * 12)


def _accessors(
    pass_: Pass, formats: Sequence[str], computation: str, scopes: tuple[str, ...]
) -> list[str]:
    """The functions that load and store one element of each array, and of the sums of columns."""
    found = [
        f"{verb.upper()}_{name} = {verb}({form!r}, {computation!r}, {name!r}, {scopes!r})"
        for name, form in zip(pass_.streams, formats, strict=True)
        for verb, when in (("load", pass_.loads), ("store", pass_.stores))
        if name in when
    ]
    return found + [
        f"{verb.upper()}_{name} = {verb}('float64', 'float64', {name!r}, {scopes!r})"
        for name in sums_of_columns(pass_)
        for verb in ("load", "store")
    ]


def _place(number: int, name: str, form: str, among: Sequence[str]) -> str:
    """Where a stream lies: an address, with those of its companions and the key of its bits."""
    places = [
        f"integer(k_pointers, {len(among)} * k_tensor + {among.index(column)})"
        for column in columns([name], [form])
    ]
    if FORMATS[form].rounds_at_random:
        places.append(f"key(k_seed, k_tensor, {number})")
    return ", ".join(places)


def _body(pass_: Pass, strided: Sequence[bool] | None) -> list[str]:
    if strided is not None:
        return _walk(pass_, strided)
    return _rows(pass_) if pass_.is_by_rows else _flat(pass_)


def _flat(pass_: Pass) -> list[str]:
    return [
        *_totals(pass_),
        *_before(pass_, pass_.lines),
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
        body.append(f"{row.name} = M({_FINISH.get(row.kind, 'k_sum')})")
    first, each, last = added_to_rows(pass_)
    after = [*_after(pass_), *each, *added_to_columns(pass_)]
    body = [*body, *first, *_loop(pass_, pass_.lines, after, "k_start", "k_width"), *last]
    before = [line for row in pass_.rows for line in _before(pass_, row.lines)]
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
        *_before(pass_, pass_.lines),
        *(["k_strip = 0", *rows] if is_whole else [strips, *_indented(rows)]),
        *_put(pass_),
    ]


def _walk(pass_: Pass, strided: Sequence[bool]) -> list[str]:
    """Row by row, of which the first and the last may be parts."""
    both = list(zip(pass_.streams, strided, strict=True))
    strides = [f"k_walk = k_columns + {8 * (1 + 2 * len(both))} * k_tensor"]
    strides.append("k_row_length = integer(k_walk, 0)")
    starts, places = [], {}
    for i, (name, has_gaps) in enumerate(both):
        strides.append(f"BY_{name} = integer(k_walk, {1 + 2 * i})")
        column, place = "k_column", "k_i"
        if has_gaps:
            strides.append(f"IN_{name} = integer(k_walk, {2 + 2 * i})")
            column, place = f"k_column * IN_{name}", f"k_i * IN_{name}"
        starts.append(f"FROM_{name} = k_row * BY_{name} + {column}")
        places[name] = f"FROM_{name} + {place}"
    body = [
        "k_row = k_start // k_row_length",
        "k_column = k_start - k_row * k_row_length",
        "k_many = min(k_row_length - k_column, k_end - k_start)",
        *starts,
        *_loop(pass_, pass_.lines, _after(pass_, places), "0", "k_many", places),
        "k_start += k_many",
    ]
    return [
        *strides,
        *_totals(pass_),
        *_before(pass_, pass_.lines),
        "k_start, k_end = k_first, k_first + k_count",
        "while k_start < k_end:",
        *_indented(body),
        *_put(pass_),
    ]


def _before(pass_: Pass, lines: Lines) -> list[str]:
    measured = _measured(pass_)
    rounded = [f"{n} = {'M' if of in measured else 'F'}({of})" for n, of in lines.rounded]
    return [*lines.uniform, *rounded]


def _measured(pass_: Pass) -> set[str]:
    """The names of what was added up, and of what is worked out of it."""
    found = {*pass_.measured, *(row.name for row in pass_.rows)}
    for lines in (*(row.lines for row in pass_.rows), pass_.lines):
        for line in lines.uniform:
            name, _, value = line.strip().partition(" = ")
            if found.intersection(re.findall(r"\w+", value)):
                found.add(name)
    return found


def _loop(
    pass_: Pass,
    lines: Lines,
    after: list[str],
    start: str,
    count: str,
    places: Mapping[str, str] | None = None,
) -> list[str]:
    """The loop over elements: load, each from its place, run the lines, then what is to be done
    with each."""
    text = "\n".join([*lines.elements, *after])
    if places is None:
        places = dict.fromkeys(pass_.by_column, "k_column + k_i - k_start + k_strip")
    body = [
        f"{n} = LOAD_{n}(AT_{n}, {places.get(n, 'k_i')})"
        for n in pass_.loads
        if n not in pass_.by_row and _mentions(text, n)
    ]
    end = count if start == "0" else f"{start} + {count}"
    loop = f"for k_i in range({start}, {end}):"
    return [loop, *_indented([*body, *lines.elements, *after])]


def _after(pass_: Pass, places: Mapping[str, str] = MappingProxyType({})) -> list[str]:
    """What is stored, and what is added up."""
    found = [f"STORE_{n}(AT_{n}, {places.get(n, 'k_i')}, {n})" for n in pass_.stores]
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
