"""The kernels around the passes of a step whose numbers the device works out.

A prologue works out the numbers of every tensor from its counts and settings, and the way that its
step goes. Before each pass another one rounds what that pass takes, and points it at the tensors
that go its way. The numbers kept with tensors are stored when all have moved.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

import triton
import triton.language as tl

import thalweg
from thalweg.fuse.gpu.awaited import (
    lines_on_numbers,
    loaded,
    measured,
    rounded_stores,
    uniform_lines,
)
from thalweg.fuse.gpu.deciding import Choices
from thalweg.fuse.gpu.text import TYPES
from thalweg.fuse.plan import Pass
from thalweg.source import names_in

__all__ = [
    "PUT_AT_ONCE",
    "aimed_text",
    "blank",
    "closing_text",
    "keep",
    "prologue_text",
    "put_text",
]

PUT_AT_ONCE = 64  # words that one launch brings along as arguments

_HEADER = """# Made by thalweg {version}: {title}, {what}.
import triton
import triton.language as tl

from thalweg.fuse.gpu.words import (
    atan2, cbrt, divided, exp, log, maximum, minimum, modulo, negative, number_at, power, quotient,
    sign, sqrt
)


@triton.jit(do_not_specialize={arguments})
def kernel({signature}):
"""

_PROLOGUE = """    k_lane = tl.program_id(0) * LANES + tl.arange(0, LANES)
    k_mask = k_lane < k_count
    k_row_at = k_rows.to(tl.pointer_type(tl.int32)) + 2 * k_lane
    k_row = tl.load(k_row_at, mask=k_mask, other=0).to(tl.int64)
    k_context = tl.load(k_row_at + 1, mask=k_mask, other=0).to(tl.int64)
    k_word_at = k_words.to(tl.pointer_type(tl.int64)) + {words} * k_context
    k_cell_at = k_cells.to(tl.pointer_type(tl.int64)) + {cells} * k_row
    k_decided_at = k_decided.to(tl.pointer_type(tl.float64)) + {numbers} * k_row
    k_kept_at = k_kept.to(tl.pointer_type(tl.float64)) + {cells} * k_row
"""
_OF_PROLOGUE = (
    "k_rows",  # int32 [lane, 2]: a tensor, and its context
    "k_count",
    "k_gradients",  # int64 [tensor]: where the gradients lie, 0 for none
    "k_stop",  # int64 [1]: where a number lies that stops the step if it is more than 0; or 0
    "k_words",  # int64 [context, word]: a setting's bits, or where it lies
    "k_cells",  # int64 [tensor, cell]: where each number kept with a tensor lies
    "k_decided",  # float64 [tensor, number]: to be written
    "k_kept",  # float64 [tensor, cell]: likewise, those of the next step
    "k_codes",  # int32 [tensor]: likewise, the way that a tensor goes, -1 for none
)

# a tensor of a batch, its row among all, and whether it goes the way of the batch
_MEMBER = """    k_tensor = tl.program_id(0) * LANES + tl.arange(0, LANES)
    k_mask = k_tensor < k_count
    k_member_at = k_members.to(tl.pointer_type(tl.int32)) + 2 * k_tensor
    k_row = tl.load(k_member_at, mask=k_mask, other=0).to(tl.int64)
    k_own = tl.load(k_member_at + 1, mask=k_mask, other=0)
    k_code = tl.load(k_codes.to(tl.pointer_type(tl.int32)) + k_row, mask=k_mask, other=-1)
"""
# the numbers that are decided, and those that passes have measured
_NUMBERS = """    k_known = k_decided.to(tl.pointer_type(tl.float64)) + {numbers} * k_row
    k_place = k_places.to(tl.pointer_type(tl.int64))
    k_of = k_counts.to(tl.pointer_type(tl.float64)) + {awaited} * k_tensor
"""
_GRADIENT = """    k_gradient_at = k_gradients.to(tl.pointer_type(tl.int64)) + k_row
    k_gradient = tl.load(k_gradient_at, mask=k_mask, other=0)
    k_home_at = k_home.to(tl.pointer_type(tl.int64)) + {streams} * k_tensor
    k_pointer_at = k_pointers.to(tl.pointer_type(tl.int64)) + {streams} * k_tensor
    k_first = {first}
    tl.store(k_pointer_at, tl.where(k_code == k_own, k_first, 0), mask=k_mask)
"""
_ROUNDED = """    k_out = k_rounded.to(tl.pointer_type({type})) + {results} * k_tensor
"""
_KEPT = """    k_kept_at = k_kept.to(tl.pointer_type(tl.float64)) + {cells} * k_row
"""
_AIMED = _MEMBER + _GRADIENT + _NUMBERS + _ROUNDED
_CLOSING = _MEMBER + _NUMBERS + _KEPT
_OF_CLOSING = (
    "k_members",  # int32 [member, 2]: a tensor, and the code of the way that the lines are for
    "k_count",
    "k_codes",
    "k_decided",
    "k_places",  # int64 [measured, 3]: where it lies, from tensor to tensor, and what it is
    "k_counts",  # float64 [member, measured]
    "k_kept",  # float64 [tensor, cell]: those that follow from what was measured are written
)
_OF_AIMED = (
    "k_members",  # int32 [member, 2]: a tensor, and the code of the way that this pass is for
    "k_count",
    "k_codes",
    "k_gradients",
    "k_home",  # int64 [member, array]: where each lies
    "k_pointers",  # the same, to be written: what the pass is given
    "k_decided",
    "k_places",  # int64 [measured, 3]: where it lies, from tensor to tensor, and what it is
    "k_counts",  # float64 [member, measured]
    "k_rounded",  # computation type [member, number]: to be written
)


def _signature(arguments: Sequence[str]) -> str:
    of = ", ".join(f"{n}: tl.int{32 if n == 'k_count' else 64}" for n in arguments)
    return f"{of}, LANES: tl.constexpr"


def _header(arguments: Sequence[str], what: str, title: str) -> str:
    return _HEADER.format(
        version=thalweg.__version__,
        title=title,
        what=what,
        arguments=list(arguments),
        signature=_signature(arguments),
    )


def _indented(lines: Sequence[str]) -> str:
    return "\n".join(f"    {line}" for line in lines) + "\n"


def prologue_text(found: Choices, parts: int, cells: Sequence[str], title: str) -> str:
    """The kernel that works out the numbers of the tensors that have these choices, and these
    `cells`, of which one may be the step."""
    body = []
    for i, word in enumerate(found.words):
        at = f"tl.load(k_word_at + {i}, mask=k_mask, other=0)"
        of_bits = f"{at}.to(tl.float64, bitcast=True)"
        body.append(f"{word.name} = " + (f"number_at({at}, k_mask)" if word.is_there else of_bits))
    for i, _ in enumerate(cells):
        at = f"tl.load(k_cell_at + {i}, mask=k_mask, other=0)"
        body.append(f"cell{i} = number_at({at}, k_mask)")
    step = cells.index("step") if "step" in cells else None
    lines = [f"k_t = cell{step} + 1.0" if step is not None else "k_t = 1.0"]
    lines += [f"d{i}_t = k_t" for i in range(parts)]
    known = {word.name for word in found.words} | {f"cell{i}" for i, _ in enumerate(cells)}
    body += lines_on_numbers([*lines, *found.lines], known)
    for i, value in enumerate(found.numbers):
        body.append(f"tl.store(k_decided_at + {i}, {value}.to(tl.float64), mask=k_mask)")
    for i, key in enumerate(cells):
        value = "k_t" if i == step else found.kept.get(key, f"cell{i}")
        body.append(f"tl.store(k_kept_at + {i}, {value}.to(tl.float64), mask=k_mask)")
    start = _PROLOGUE.format(words=len(found.words), cells=len(cells), numbers=len(found.numbers))
    return _header(_OF_PROLOGUE, "prologue", title) + start + _indented([*body, *_code(found)])


def _code(found: Choices) -> list[str]:
    """Which of the ways a tensor goes; none without a gradient, or where the step is stopped."""
    lines = ["k_code = tl.full((LANES,), 0, tl.int32)"]
    for tests in (one for one in found.tests if len(one) > 1):
        lines.append("k_leaf = tl.full((LANES,), 0, tl.int32)")
        for i, test in enumerate(tests[1:], 1):
            is_it = " & ".join(way if taken else f"({way} == 0)" for way, taken in test)
            lines.append(f"k_leaf = tl.where({is_it}, {i}, k_leaf)")
        lines.append(f"k_code = k_code * {len(tests)} + k_leaf")
    return [
        *lines,
        "k_gradient_at = k_gradients.to(tl.pointer_type(tl.int64)) + k_row",
        "k_is_there = tl.load(k_gradient_at, mask=k_mask, other=0) != 0",
        "k_stop_at = k_stop.to(tl.pointer_type(tl.int64)) + 0 * k_row",
        "k_stops = tl.load(k_stop_at, mask=k_mask, other=0)",
        "k_is_stopped = number_at(k_stops, k_mask & (k_stops != 0)) > 0",
        "k_code = tl.where(k_is_there & (k_is_stopped == 0), k_code, -1)",
        "tl.store(k_codes.to(tl.pointer_type(tl.int32)) + k_row, k_code, mask=k_mask)",
    ]


def aimed_text(
    pass_: Pass, number_at: Mapping[str, int], awaited: Sequence[str], computation: str, title: str
) -> str:
    """The kernel that makes a pass ready: its numbers lie at `number_at` among those of the chain,
    but for the `awaited`, which are measured; and only the tensors that go its way are there."""
    loads: list[str] = []
    for name in pass_.numbers:
        if name in awaited:
            loads += measured(name, awaited.index(name))
        else:
            loads.append(loaded(name, f"k_known + {number_at[name]}"))
    stores = rounded_stores(pass_, computation)
    streams = pass_.streams
    home = "tl.load(k_home_at, mask=k_mask, other=0)"
    start = _AIMED.format(
        streams=len(streams),
        first="k_gradient" if streams[0] == "g" else home,
        numbers=len(number_at),
        awaited=len(awaited),
        type=TYPES[computation],
        results=len(stores),
    )
    body = [*loads, *lines_on_numbers(uniform_lines(pass_), pass_.numbers), *stores]
    if "g" in streams[1:]:
        at = f"k_pointer_at + {streams.index('g')}"
        body.insert(0, f"tl.store({at}, k_gradient, mask=k_mask)")
    return _header(_OF_AIMED, "numbers", title) + start + _indented(body)


def closing_text(
    lines: Sequence[str],
    kept: Mapping[str, int],
    number_at: Mapping[str, int],
    awaited: Sequence[str],
    cells: int,
    title: str,
) -> str:
    """The kernel of the `lines` that give kept numbers their values, when all is measured: `kept`
    says which of the `cells` each name is."""
    asked = names_in(ast.parse("\n".join(lines)))
    known = [name for name in number_at if name in asked]
    body = [loaded(name, f"k_known + {number_at[name]}") for name in known]
    for i, name in enumerate(awaited):
        body += measured(name, i)
    body += lines_on_numbers(lines, [*known, *awaited])
    for name, place in kept.items():
        value = f"(tl.zeros((LANES,), tl.float64) + {name})"
        body.append(f"tl.store(k_kept_at + {place}, {value}, mask=k_mask & (k_code == k_own))")
    start = _CLOSING.format(numbers=len(number_at), awaited=len(awaited), cells=cells)
    return _header(_OF_CLOSING, "kept numbers", title) + start + _indented(body)


def put_text() -> str:
    """The kernel that writes words which come along as arguments: a graph of CUDA's keeps them."""
    names = [f"k_{i}" for i in range(PUT_AT_ONCE)]
    arguments = ["k_to", "k_count", *names]
    body = ["k_at = k_to.to(tl.pointer_type(tl.int64))"]
    for i, name in enumerate(names):
        body += [f"if {i} < k_count:", f"    tl.store(k_at + {i}, {name})"]
    return _header(arguments, "put", "words") + _indented(body)


@triton.jit(do_not_specialize=["done", "sums", "kinds", "pieces", "results"])
def blank(
    done: tl.int64,
    sums: tl.int64,
    kinds: tl.int64,
    pieces: tl.int32,
    results: tl.int32,
    LANES: tl.constexpr,
):
    """No piece is done, and nothing has been added up: `sums` float64 [piece, result] of these
    `kinds`, int32 [result]: 1 for the largest, else 0."""
    lane = tl.program_id(0) * LANES + tl.arange(0, LANES)
    mask = lane < pieces
    tl.store(done.to(tl.pointer_type(tl.int32)) + lane, 0, mask=mask)
    for i in range(results):
        is_largest = tl.load(kinds.to(tl.pointer_type(tl.int32)) + i) != 0
        start = tl.where(is_largest, float("-inf"), tl.full((LANES,), 0.0, tl.float64))
        at = sums.to(tl.pointer_type(tl.float64)) + lane.to(tl.int64) * results + i
        tl.store(at, start, mask=mask)


@triton.jit(do_not_specialize=["cells", "kept", "codes", "tensors", "each", "shared"])
def keep(
    cells: tl.int64,
    kept: tl.int64,
    codes: tl.int64,
    tensors: tl.int32,
    each: tl.int32,
    shared: tl.int64,
    LANES: tl.constexpr,
):
    """Store the numbers kept with the tensors that have moved: `cells` int64 [tensor, each] says
    where each lies, and by its lowest bit whether it is a double; `kept` float64 [tensor, each].
    The bits of `shared` say which numbers are one for all: the first tensor's."""
    lane = tl.program_id(0) * LANES + tl.arange(0, LANES)
    tensor = lane // each
    mask = tensor < tensors
    code = tl.load(codes.to(tl.pointer_type(tl.int32)) + tensor, mask=mask, other=-1)
    mask = mask & (code >= 0)
    at = tl.load(cells.to(tl.pointer_type(tl.int64)) + lane, mask=mask, other=0)
    column = (lane - tensor * each).to(tl.int64)
    source = tl.where(((shared >> column) & 1) != 0, column, lane.to(tl.int64))
    value = tl.load(kept.to(tl.pointer_type(tl.float64)) + source, mask=mask, other=0.0)
    is_double = (at & 1) != 0
    place = at - (at & 1)
    tl.store(place.to(tl.pointer_type(tl.float32)), value.to(tl.float32), mask=mask & ~is_double)
    tl.store(place.to(tl.pointer_type(tl.float64)), value, mask=mask & is_double)
