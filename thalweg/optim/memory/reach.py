"""Which tensors one kernel may run over as they lie in memory, and how others are brought there."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._foreach_utils import _get_fused_kernels_supported_devices

from thalweg.chain import Chain, Slot
from thalweg.fuse.storage import ELEMENTS
from thalweg.optim.memory.device import Home, home_of
from thalweg.optim.traced import is_watched

__all__ = [
    "PLAIN",
    "address",
    "as_complex_as",
    "asks_for_sides",
    "check_fused",
    "check_sides",
    "check_sound",
    "dense",
    "format_of",
    "is_dense",
    "is_reachable",
    "laid_out_like",
    "strides",
]

PLAIN = {Tensor, torch.nn.Parameter}

_FORMAT = {getattr(torch, name): name for name in ELEMENTS}
_FORMAT |= {torch.complex64: "float32", torch.complex128: "float64"}


def format_of(chain: Chain, tensor: Tensor) -> str:
    """The element format of a tensor, or of the parts of its complex elements."""
    if tensor.dtype not in _FORMAT:
        known = ", ".join(str(dtype).removeprefix("torch.") for dtype in _FORMAT)
        raise TypeError(
            f"{chain.name}: a parameter must be floating point or complex, and one of {known}, "
            f"got {tensor.dtype}"
        )
    return _FORMAT[tensor.dtype]


def dense(chain: Chain, grad: Tensor) -> Tensor:
    if grad.layout == torch.strided:
        return grad
    if not chain.takes_sparse:
        raise RuntimeError(
            f"{chain.name} does not support sparse gradients, please consider SparseAdam instead"
        )
    return grad.to_dense()


def strides(tensor: Tensor) -> list[int | None]:
    """The strides of a tensor, with None where they mean nothing: nobody walks along an axis of
    size 1, nor anywhere in an empty tensor."""
    shape = tensor.shape if tensor.numel() else (1,) * tensor.dim()
    return [None if n == 1 else s for n, s in zip(shape, tensor.stride(), strict=True)]


def as_complex_as(title: str, p: Tensor, g: Tensor) -> Tensor:
    """A gradient that is complex where its parameter is: itself, or a real one made complex."""
    if g.is_complex() and not p.is_complex():
        raise RuntimeError(
            f"{title}: a parameter of {p.dtype} must have a real gradient, got one of {g.dtype} "
            "(result type Complex can't be cast to the desired output type Float)"
        )
    if p.is_complex() and not g.is_complex():
        return g.to(p.dtype)
    return g


def laid_out_like(p: Tensor, tensor: Tensor) -> Tensor:
    """A tensor in the parameter's own order of elements: itself, or else a copy."""
    lies_alike = tensor.stride() == p.stride() or strides(tensor) == strides(p)
    if lies_alike and not tensor.is_conj() and not tensor.is_neg():
        return tensor
    with torch.no_grad():
        like = torch.empty_strided(p.size(), p.stride(), dtype=tensor.dtype, device=p.device)
        return like.copy_(tensor)


def check_sound(
    chain: Chain,
    p: Tensor,
    g: Tensor,
    slots: Sequence[Slot],
    views: Sequence[Any],
    held: Mapping[str, Tensor],
) -> None:
    """Raise before anything has moved where a tensor is of another shape or has no memory."""
    for slot in slots:
        tensor, shape = held[slot.key], tuple(p.shape)
        whose = "its parameter's shape"
        if slot.state.is_apart:
            whose = "the shape"
            shape = slot.state.shape(shape, views[chain.parts.index(slot.part)])
        if tuple(tensor.shape) != shape:
            raise RuntimeError(
                f"{chain.name}: the state {slot.key!r} must have {whose} "
                f"{shape}, got {tuple(tensor.shape)}"
            )
    if p.is_complex() and (chain.on_matrices or chain.requests):
        raise RuntimeError(
            f"{chain.name} does not support complex parameters, got one of {p.dtype}"
        )
    for tensor in (p, g, *(held[slot.key] for slot in slots)):
        is_strided = type(tensor) in PLAIN and tensor.layout == torch.strided
        if is_strided and tensor.device.type == "cpu":
            address(tensor)


def _sums_tensors(chain: Chain) -> bool:
    return any(one.over == "tensor" for one in chain.reductions.values())


@functools.cache
def asks_for_sides(chain: Chain) -> bool:
    """Whether it matters to a step which shape a parameter has."""
    return bool(chain.reduces_rows or chain.on_matrices or _sums_tensors(chain))


def check_sides(
    chain: Chain, groups: Sequence[Mapping[str, Any]], given: Collection[Sequence[int]]
) -> None:
    """Raise where parameters that had rows have been replaced by flat ones of a shape that none was
    given, and that matters; or where they are the flat parts of torch's first FSDP."""
    _check_flattened(chain, groups)
    had_sides = any(len(shape) > 1 for shape in given)
    of_tensors = _sums_tensors(chain)
    if not (had_sides and asks_for_sides(chain)):
        return
    params = [p for group in groups for p in group["params"]]
    is_flat = params and all(p.dim() < 2 for p in params)
    if is_flat and any(tuple(p.shape) not in given for p in params):
        asked = "the norm or mean of each tensor" if of_tensors else "the rows of each matrix"
        raise RuntimeError(
            f"{chain.name}: its parameters have been replaced by flat ones, as DeepSpeed's ZeRO "
            f"does, the first of shape {tuple(params[0].shape)}, and a step asks for {asked}; "
            "take a rule that is elementwise, such as AdamW or Lion"
        )


def _check_flattened(chain: Chain, groups: Sequence[Mapping[str, Any]]) -> None:
    if not (chain.reductions or chain.reduces_rows or chain.on_matrices):
        return
    if any(getattr(p, "_fsdp_flattened", False) for group in groups for p in group["params"]):
        raise RuntimeError(
            f"{chain.name}: its parameters are flat parts of FullyShardedDataParallel, and a step "
            "asks for more than elements, of which other processes have some; take fully_shard "
            "(FSDP2), whose parameters keep their sides, or a rule that is elementwise, such as "
            "AdamW or Lion"
        )


def is_reachable(
    chain: Chain,
    p: Tensor,
    g: Tensor,
    slots: Sequence[Slot],
    arrays: Mapping[str, Any],
    held: Mapping[str, Any],
    home: Home | None = None,
    gaps: bool = False,
) -> bool:
    """Whether one kernel may run over the parameter, its gradient and its states in memory, and
    read the cells that are `held`: all that it runs over lies at one `home`, this machine's memory
    where nothing is said. With `gaps` it walks over gaps between elements, but knows no rows.

    Nobody who follows tensors sees what a kernel does: then torch's own operators must do it.
    """
    if is_watched():
        return False
    home = home or home_of([])
    matrices = [arrays[slot.key] for slot in slots if slot.state.is_apart]
    for tensor in matrices:
        if type(tensor) not in PLAIN or tensor.device != home.device:
            return False
    for tensor in (p, g, *(arrays[slot.key] for slot in slots if not slot.state.is_apart)):
        if type(tensor) not in PLAIN or tensor.device != home.device or tensor.shape != p.shape:
            return False
        if tensor.layout != torch.strided or _FORMAT.get(tensor.dtype) not in home.engine.formats():
            return False
        if tensor.is_complex() != p.is_complex():
            return False
    if p.is_conj() or p.is_neg() or not (gaps or is_dense(p)):
        return False
    if gaps and (p.is_complex() or chain.reduces_rows or chain.reads_columns):
        return False
    if chain.reduces_rows and (p.is_complex() or not _has_whole_rows(p)):
        return False
    if chain.reads_columns and not p.is_contiguous():
        return False
    return all(_is_cell(held[key], home) for key in chain.cells)


def _has_whole_rows(p: Tensor) -> bool:
    """Whether each index of axis 0 is one block of memory."""
    is_one_row = p.dim() < 2 or p.shape[0] < 2
    return is_one_row or not p.numel() or p.stride(0) * p.shape[0] == p.numel()


def _is_cell(tensor: Any, home: Home) -> bool:
    if not isinstance(tensor, Tensor):
        return isinstance(tensor, int)
    is_number = tensor.dtype in (torch.float32, torch.float64) and tensor.numel() == 1
    is_here = tensor.device.type == "cpu" or tensor.device == home.device
    return is_number and type(tensor) is Tensor and is_here


def is_dense(p: Tensor) -> bool:
    """Whether the elements fill one block of memory, in whatever order of axes."""
    expected = 1
    for stride, size in sorted(zip(p.stride(), p.shape, strict=True)):
        if size != 1 and p.numel():
            if stride != expected:
                return False
            expected *= size
    return True


def address(tensor: Tensor | None) -> int:
    if tensor is None or not tensor.numel():
        return 0
    address = tensor.data_ptr()
    if not address:
        raise RuntimeError(
            f"a tensor of shape {tuple(tensor.shape)} has no memory (its storage was freed); "
            "it cannot be stepped"
        )
    return address


def check_fused(chain: Chain, p: Tensor, group: Mapping[str, Any]) -> None:
    """Where torch has no fused kernels, `fused=True` is refused as torch does."""
    if group.get("fused") and p.device.type not in _get_fused_kernels_supported_devices():
        raise RuntimeError(
            f"{chain.name}: `fused=True` requires all the params to be floating point Tensors of "
            f"supported devices: {_get_fused_kernels_supported_devices()} but {p.dtype} and "
            f"{p.device.type}"
        )
