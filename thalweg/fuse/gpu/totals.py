"""The second stage of a reduction: what the pieces of each tensor add up to, in their order."""

from __future__ import annotations

import triton
import triton.language as tl

from thalweg.fuse.device import Buffer, DeviceMemory
from thalweg.fuse.gpu.kernels import OPTIONS
from thalweg.fuse.gpu.words import largest, maximum, summed

__all__ = ["add_up", "added_up"]

_AT_ONCE = 256  # pieces that one program adds at once


def added_up(
    memory: DeviceMemory,
    sums: tuple[int, int],
    spans: Buffer,
    kinds: Buffer,
    totals: tuple[int, int, int],
    *buffers: Buffer,
) -> None:
    """Put it on the stream to add up [tensor, result]: `sums` are where those of the pieces lie and
    how many doubles a piece has, `kinds` those of the results, `totals` how many tensors and how
    many results there are and where theirs are to lie, all of it in the `buffers`."""
    tensors, results, target = totals
    addresses = sums[0], spans.address, kinds.address, target
    with memory.active(spans, kinds, *buffers):
        add_up[(tensors, results)](*addresses, sums[1], BLOCK=_AT_ONCE, **OPTIONS)


@triton.jit(do_not_specialize=["sums", "spans", "kinds", "totals", "step"])
def add_up(
    sums: tl.int64,
    spans: tl.int64,
    kinds: tl.int64,
    totals: tl.int64,
    step: tl.int32,
    BLOCK: tl.constexpr,
):
    """One result of one tensor.

    `sums` is float64 [piece, step], `spans` int64 [tensor, 2]: a tensor's first piece, and the
    one behind its last; `kinds` int32 [result]: 1 for the largest, else 0.
    """
    tensor = tl.program_id(0)
    result = tl.program_id(1)
    span_at = spans.to(tl.pointer_type(tl.int64)) + 2 * tensor
    first = tl.load(span_at)
    end = tl.load(span_at + 1)
    sums_at = sums.to(tl.pointer_type(tl.float64)) + result
    total = tl.full((BLOCK,), 0.0, tl.float64)
    top = tl.full((BLOCK,), float("-inf"), tl.float64)
    for at in range(first, end, BLOCK):
        lanes = at + tl.arange(0, BLOCK)
        is_there = lanes < end
        value = tl.load(sums_at + lanes * step, mask=is_there, other=0.0)
        total = tl.where(is_there, total + value, total)
        top = tl.where(is_there, maximum(top, value), top)
    is_largest = tl.load(kinds.to(tl.pointer_type(tl.int32)) + result) != 0
    found = tl.where(is_largest, largest(top, 0), summed(total, 0))
    tl.store(totals.to(tl.pointer_type(tl.float64)) + tensor * tl.num_programs(1) + result, found)
