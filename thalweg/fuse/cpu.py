"""The CPU engine: a pass as the text of one kernel, compiled by Numba and kept on disk."""

from __future__ import annotations

import functools
import hashlib
import math
import os
import re
import sys
import tempfile
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

import thalweg
from thalweg import elementwise
from thalweg.fuse import threads
from thalweg.fuse.plan import Lines, Pass, Reduction

__all__ = ["BLOCK", "Table", "kernel_text", "read_cells", "run", "write_cells"]

BLOCK = 1 << 14  # elements of one chunk: enough to hide its bookkeeping, little enough to share

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


_CELLS = """# Made by thalweg: reads and writes numbers kept per parameter.
from thalweg.fuse.cpu_memory import load, store

load_narrow = load("float32", "float64", "cell", ("cell",))
load_wide = load("float64", "float64", "cell", ("cell",))
store_narrow = store("float32", "float64", "cell", ("cell",))
store_wide = store("float64", "float64", "cell", ("cell",))


def kernel(addresses, wide, values, write):
    for i in range(addresses.shape[0]):
        for j in range(addresses.shape[1]):
            if write and wide[i, j]:
                store_wide(addresses[i, j], 0, values[i, j])
            elif write:
                store_narrow(addresses[i, j], 0, values[i, j])
            elif wide[i, j]:
                values[i, j] = load_wide(addresses[i, j], 0)
            else:
                values[i, j] = load_narrow(addresses[i, j], 0)
"""

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


def _loop(
    work: Pass, lines: Lines, result: Reduction | None, start: str, count: str
) -> list[str]:
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


class Table:
    """The pieces that tensors are cut into, and how pieces are dealt out as tasks."""

    def __init__(self, shapes: Sequence[tuple[int, ...]], by_rows: bool) -> None:
        sizes = np.array([math.prod(shape) for shape in shapes], np.int64)
        rows = np.array([shape[0] if shape else 1 for shape in shapes], np.int64)
        self.elements = int(sizes.sum())
        self.columns = sizes // np.maximum(rows, 1)
        units = np.where(sizes > 0, rows, 0) if by_rows else sizes
        per_unit = self.columns if by_rows else np.ones_like(sizes)
        piece = np.maximum(BLOCK // np.maximum(per_unit, 1), 1)
        self.chunks = _cut(units, piece)
        ends = np.cumsum(self.chunks[:, 2] * per_unit[self.chunks[:, 0]])
        task_of = (ends - 1) // BLOCK
        starts = np.flatnonzero(np.diff(task_of, prepend=-1))
        self.tasks = np.append(starts, len(self.chunks)).astype(np.int64)


def _cut(units: NDArray[np.int64], piece: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows (tensor, first unit, number of units), none of more than `piece[tensor]` units."""
    pieces = -(-units // piece)
    tensor = np.repeat(np.arange(len(units)), pieces)
    before = np.cumsum(pieces) - pieces
    first = (np.arange(len(tensor)) - before[tensor]) * piece[tensor]
    count = np.minimum(piece[tensor], units[tensor] - first)
    return np.ascontiguousarray(np.stack([tensor, first, count], axis=1), dtype=np.int64)


def run(
    work: Pass,
    formats: Sequence[str],
    computation: str,
    title: str,
    table: Table,
    pointers: NDArray[np.int64],
    numbers: NDArray[np.float64],
    limit: int,
) -> NDArray[np.float64]:
    """One sweep over all tensors of a table; returns what a reduction adds up to per tensor."""
    sums = np.zeros(len(table.chunks) if work.result else 1)
    if len(table.chunks):
        kernel = _kernel(work, tuple(formats), computation, title)
        counter = np.zeros(1, np.int64)
        arguments = (pointers, numbers, table.columns, table.tasks, table.chunks, sums)
        threads.run(kernel, (*arguments, counter.ctypes.data), table.elements, limit)
    return np.bincount(table.chunks[:, 0], sums, len(pointers)) if work.result else sums


@functools.lru_cache(maxsize=None)
def _kernel(
    work: Pass, formats: tuple[str, ...], computation: str, title: str
) -> Callable[..., None]:
    text = kernel_text(work, formats, computation, title)
    return _compiled(text, title, _KERNEL_TAKES)


def read_cells(addresses: NDArray[np.int64], wide: NDArray[np.int64]) -> NDArray[np.float64]:
    """The numbers at a table of addresses: doubles where `wide`, else single precision."""
    values = np.zeros(addresses.shape)
    if addresses.size:
        _compiled(_CELLS, "cells", _CELLS_TAKE)(addresses, wide, values, 0)
    return values


def write_cells(
    addresses: NDArray[np.int64], wide: NDArray[np.int64], values: NDArray[np.float64]
) -> None:
    """Store numbers at a table of addresses."""
    if addresses.size:
        _compiled(_CELLS, "cells", _CELLS_TAKE)(addresses, wide, values, 1)


# what kernels take, in Numba's notation
_KERNEL_TAKES = "(i8[:,::1], f8[:,::1], i8[::1], i8[::1], i8[:,::1], f8[::1], i8)"
_CELLS_TAKE = "(i8[:,::1], i8[:,::1], f8[:,::1], i8)"


@functools.lru_cache(maxsize=None)
def _compiled(text: str, title: str, takes: str) -> Callable[..., None]:
    """The kernel as machine code; from the disk if it was compiled before on this machine."""
    import numba

    signature = f"void{takes}"
    options = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "nsz", "arcp"}}
    path = _kept(text, title)
    if path is not None:
        try:
            return numba.njit(signature, cache=True, **options)(_module(text, path).kernel)
        except Exception:  # a cache that cannot be used costs time, never the step
            pass
    return numba.njit(signature, **options)(_module(text, None).kernel)


def _kept(text: str, title: str) -> Path | None:
    """The file that holds a kernel's text: Numba keeps machine code only beside a real file."""
    folder = _folder()
    if folder is None:
        return None
    path = folder / f"{title}_{_digest(text)}.py"
    try:
        if not path.exists():
            with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".new", delete=False) as file:
                file.write(text)
            os.replace(file.name, path)
    except OSError:
        return None
    return path


def _digest(text: str) -> str:
    engine = [Path(__file__), Path(__file__).with_name("cpu_memory.py"), Path(elementwise.__file__)]
    parts = [text.encode(), *(path.read_bytes() for path in engine)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


@functools.lru_cache(maxsize=None)
def _folder() -> Path | None:
    """Where kernels are kept: THALWEG_CACHE_DIR, the user's cache, else a folder in /tmp of ours."""
    user = str(os.getuid()) if hasattr(os, "getuid") else "user"
    asked = os.environ.get("THALWEG_CACHE_DIR")
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    temporary = os.path.join(tempfile.gettempdir(), f"thalweg-{user}")
    for folder in filter(None, [asked, os.path.join(home, "thalweg"), temporary]):
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            owner = os.stat(folder).st_uid
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError:
            continue
        if not hasattr(os, "getuid") or owner == os.getuid():  # nobody else's code is run
            return Path(folder)
    return None


def _module(text: str, path: Path | None) -> ModuleType:
    name = f"thalweg_kernel_{_digest(text)}"
    module = ModuleType(name)
    module.__file__ = str(path) if path else f"<{name}>"
    exec(compile(text, module.__file__, "exec"), module.__dict__)
    sys.modules[name] = module  # Numba looks a cached kernel's module up by name
    return module
