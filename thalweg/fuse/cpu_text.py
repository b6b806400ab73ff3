"""A pass as the text of one kernel: what the CPU engine compiles, and what a person can read."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

import thalweg
from thalweg import elementwise
from thalweg.fuse.plan import Lines, Pass, Reduction

__all__ = ["kernel_text"]

_HEADER = '''"""Made by thalweg {version}: {title}."""

import numba

from thalweg.fuse.cpu_memory import FUNCTIONS, add, claim, load, store

F = numba.{computation}
D = numba.float64
k_sqrt = FUNCTIONS["sqrt"]
{functions}
{accessors}


def kernel(pointers, numbers, columns, tasks, chunks, sums, counter):
    k_tasks = tasks.shape[0] - 1
    while True:
        k_task = claim(counter)
        if k_task >= k_tasks:
            break
        for k_chunk in range(tasks[k_task], tasks[k_task + 1]):
            k_tensor = chunks[k_chunk, 0]
            k_first = chunks[k_chunk, 1]
            k_count = chunks[k_chunk, 2]
'''


_FINISH = {"sum": "k_sum", "mean": "k_sum / k_columns", "norm": "k_sqrt(k_sum)"}


def kernel_text(work: Pass, formats: Sequence[str], computation: str, title: str) -> str:
    """The kernel of one pass: what is run, in a form that can be read."""
    streams = work.streams
    names = {name: f"{name}_at" for name in streams}
    accessors = [
        f"{verb}_{name} = {verb}({form!r}, {computation!r}, {name!r}, {streams!r})"
        for name, form in zip(streams, formats, strict=True)
        for verb, when in (("load", work.loads), ("store", work.stores))
        if name in when
    ]
    functions = [
        f'{name} = FUNCTIONS["{name}"]'
        for name in elementwise.PRIMITIVES + elementwise.COMPOSITES
        if f"{name}(" in repr(work)
    ]
    header = _HEADER.format(
        version=thalweg.__version__,
        title=title,
        computation=computation,
        functions="\n".join(functions),
        accessors="\n".join(accessors),
    )
    start = [f"{names[name]} = pointers[k_tensor, {i}]" for i, name in enumerate(streams)]
    start += [f"{name} = numbers[k_tensor, {i}]" for i, name in enumerate(work.numbers)]
    lines = [*start, *(_rows(work) if work.rows else _flat(work))]
    return header + textwrap.indent("\n".join(lines) + "\n", " " * 12)


def _flat(work: Pass) -> list[str]:
    lines = [*_before(work.lines), *_loop(work, work.lines, work.result, "k_first", "k_count")]
    return [*lines, "sums[k_chunk] = k_sum"] if work.result else lines


def _rows(work: Pass) -> list[str]:
    """Per row: the measures of the row while it is read into the cache, then the row itself."""
    body: list[str] = []
    for row in work.rows:
        body += _loop(work, row.lines, row, "k_start", "k_columns")
        body.append(f"{row.name} = F({_FINISH[row.kind]})")
    body += _loop(work, work.lines, work.result, "k_start", "k_columns")
    if work.result:
        body.append("k_total += k_sum")
    before = [line for row in work.rows for line in _before(row.lines)]
    return [
        "k_columns = columns[k_tensor]",
        "k_total = 0.0",
        *before,
        *_before(work.lines),
        "for k_row in range(k_first, k_first + k_count):",
        *_indented(["k_start = k_row * k_columns", *body]),
        *(["sums[k_chunk] = k_total"] if work.result else []),
    ]


def _before(lines: Lines) -> list[str]:
    return [*lines.uniform, *(f"{name} = F({double})" for name, double in lines.rounded)]


def _loop(work: Pass, lines: Lines, result: Reduction | None, start: str, count: str) -> list[str]:
    """The loop over elements: load, run the lines, then store or add up."""
    text = "\n".join(lines.elements)
    body = [f"{n} = load_{n}({n}_at, k_i)" for n in work.loads if _mentions(text, n)]
    body += lines.elements
    if result is None:
        body += [f"store_{n}({n}_at, k_i, {n})" for n in work.stores]
        return [f"for k_i in range({start}, {start} + {count}):", *_indented(body)]
    body.append(f"k_value = D({result.value})")
    squared = "k_value * k_value" if result.kind == "norm" else "k_value"
    body.append(f"k_sum = add(k_sum, {squared})")
    return ["k_sum = 0.0", f"for k_i in range({start}, {start} + {count}):", *_indented(body)]


def _mentions(text: str, name: str) -> bool:
    return re.search(rf"\b{name}\b", text) is not None


def _indented(lines: list[str]) -> list[str]:
    return ["    " + line for line in lines]
