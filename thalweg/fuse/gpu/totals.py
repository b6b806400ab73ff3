"""The second stage of a reduction: what the pieces of each tensor add up to, in their order."""

from __future__ import annotations

from typing import Any

import numpy as np
import triton
import triton.language as tl
from numpy.typing import NDArray

from thalweg.fuse.device import DeviceMemory
from thalweg.fuse.gpu.kernels import OPTIONS
from thalweg.fuse.gpu.words import largest, maximum, summed

__all__ = ["add_up", "totals_of"]

_AT_ONCE = 256  # pieces that one program adds at once


def totals_of(
    memory: DeviceMemory, sums: Any, spans: Any, kinds: NDArray[np.int32], tensors: int
) -> NDArray[np.float64]:
    """What the `sums` of the pieces are together, [tensor, result]; this waits for the device."""
    shape = tensors, len(kinds)
    size = 8 * shape[0] * shape[1]
    if not size:
        return np.zeros(shape)
    buffers = sums, spans, memory.upload(kinds), memory.zeros(size)
    with memory.active(*buffers):
        add_up[shape](*(one.address for one in buffers), shape[1], BLOCK=_AT_ONCE, **OPTIONS)
    found = np.frombuffer(memory.download(buffers[-1], size), np.float64)
    return np.array(found.reshape(shape))


@triton.jit(do_not_specialize=["sums", "spans", "kinds", "totals", "count"])
def add_up(
    sums: tl.int64,
    spans: tl.int64,
    kinds: tl.int64,
    totals: tl.int64,
    count: tl.int32,
    BLOCK: tl.constexpr,
):
    """One result of one tensor.

    `sums` is float64 [piece, result], `spans` int64 [tensor, 2]: a tensor's first piece, and the
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
        value = tl.load(sums_at + lanes * count, mask=is_there, other=0.0)
        total = tl.where(is_there, total + value, total)
        top = tl.where(is_there, maximum(top, value), top)
    is_largest = tl.load(kinds.to(tl.pointer_type(tl.int32)) + result) != 0
    found = tl.where(is_largest, largest(top, 0), summed(total, 0))
    tl.store(totals.to(tl.pointer_type(tl.float64)) + tensor * count + result, found)
